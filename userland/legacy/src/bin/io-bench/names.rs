//! Small files and their names: found, read, made, asked for and removed, in folders of a hundred and in one of thousands.

use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::{Outcome, row};

/// Small files that are made, and that `tree` has; so many of them in one folder.
const FILES: u64 = 1000;
const IN_A_FOLDER: u64 = 100;
/// Names in the large folder.
const MANY: u64 = 2000;
/// Bytes of a small file.
const SMALL: usize = 3000;
/// Times that all are asked for.
const ROUNDS: u64 = 4;

pub(crate) fn measure(folder: &Path) -> Outcome {
    let mut found = Vec::new();
    row("find, cold", FILES, || find(&folder.join("tree"), &mut found))?;
    if found.len() as u64 != FILES {
        return Err(format!("the tree has {} files", found.len()).into());
    }
    row("read 3 KB files, cold", FILES, || found.iter().try_for_each(|path| fs::read(path).map(drop)))?;
    let made = folder.join("made");
    folders(&made)?;
    let small = || (0..FILES).map(|number| small_file(&made, number));
    row("create 3 KB files, sync", FILES, || synced(small().try_for_each(|path| fs::write(path, [b'c'; SMALL]))))?;
    row("stat, cached", FILES * ROUNDS, || (0..ROUNDS).try_for_each(|_| small().try_for_each(exists)))?;
    row("unlink, sync", FILES, || synced(small().try_for_each(fs::remove_file)))?;
    row("unpack 3 KB files, sync", FILES, || synced(unpack(&folder.join("unpacked"))))?;
    large_folder(&folder.join("large"))
}

fn large_folder(large: &Path) -> Outcome {
    fs::create_dir(large)?;
    let many = || (0..MANY).map(|number| large.join(format!("a-name-of-some-length-{number}")));
    row("large folder: create, sync", MANY, || synced(many().try_for_each(|path| File::create(path).map(drop))))?;
    row("large folder: find nothing", MANY, || {
        (0..MANY).try_for_each(|number| is_missing(&large.join(format!("none-{number}"))))
    })?;
    row("large folder: unlink, sync", MANY, || synced(many().try_for_each(fs::remove_file)))
}

fn synced(result: io::Result<()>) -> io::Result<()> {
    rustix::fs::sync();
    result
}

/// Asks for the attributes of everything below a folder, and collects the files.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            find(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn exists(path: PathBuf) -> io::Result<()> {
    fs::metadata(path).map(drop)
}

fn is_missing(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

fn small_file(parent: &Path, number: u64) -> PathBuf {
    parent.join(format!("folder-{}/file-{number}", number / IN_A_FOLDER))
}

fn folders(parent: &Path) -> io::Result<()> {
    (0..FILES / IN_A_FOLDER).try_for_each(|number| fs::create_dir_all(parent.join(format!("folder-{number}"))))
}

/// What tar(1) does: folders, files, their permissions and times.
fn unpack(parent: &Path) -> io::Result<()> {
    let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    folders(parent)?;
    for number in 0..FILES {
        let path = small_file(parent, number);
        let mut file = File::create_new(&path)?;
        io::Write::write_all(&mut file, &[b'u'; SMALL])?;
        file.set_times(times)?;
        drop(file);
        fs::set_permissions(&path, Permissions::from_mode(0o640))?;
    }
    Ok(())
}

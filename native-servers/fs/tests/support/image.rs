//! Images made and checked by e2fsprogs, the other implementation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder for one test's files, removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Images are written and read many times: in memory, if possible.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
        let path = base.join(format!("banyan-fs-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for temporary files");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a program of e2fsprogs.
fn run(program: &str, arguments: &[&str]) -> Output {
    let path = ["/usr/sbin", "/sbin", "/usr/bin"].map(|folder| Path::new(folder).join(program));
    let program = path.into_iter().find(|path| path.exists()).unwrap_or_else(|| {
        panic!("{program} is missing: these tests need e2fsprogs (Debian: apt-get install e2fsprogs)")
    });
    Command::new(program).args(arguments).output().expect("it can be run")
}

/// Makes an image of so many KiB; `options` are mke2fs's.
pub fn make(kib: u64, options: &[&str]) -> Vec<u8> {
    make_with(kib, options, None)
}

/// Makes an image with what is in a folder.
pub fn make_with(kib: u64, options: &[&str], tree: Option<&Path>) -> Vec<u8> {
    let folder = Folder::new();
    let image = folder.path().join("image");
    let (name, size) = (image.display().to_string(), kib.to_string());
    let mut arguments = vec!["-q", "-F", "-t", "ext4"];
    arguments.extend(options);
    let tree = tree.map(|tree| tree.display().to_string());
    if let Some(tree) = &tree {
        arguments.extend(["-d", tree]);
    }
    arguments.extend([name.as_str(), size.as_str()]);
    let output = run("mke2fs", &arguments);
    assert!(output.status.success(), "mke2fs: {}", String::from_utf8_lossy(&output.stderr));
    fs::read(&image).expect("mke2fs made it")
}

/// Fills the journal's ring with what nobody can take for anything, as a journal is that was in use for long.
pub fn with_used_journal(mut bytes: Vec<u8>) -> Vec<u8> {
    // The journal is inode 8; its first block is the superblock. The size of blocks is in the file system's superblock.
    let listed = String::from_utf8(debugfs(&bytes, "blocks <8>")).expect("numbers");
    let block_bytes = 1024_usize << bytes[1024 + 24];
    assert!(listed.split_whitespace().count() > 1000, "{listed}");
    for block in listed.split_whitespace().skip(1) {
        let at = block.parse::<usize>().expect("a number") * block_bytes;
        bytes[at..at + block_bytes].fill(0xa5);
    }
    bytes
}

/// Checks that e2fsck finds nothing wrong, without replay.
pub fn check(bytes: &[u8]) {
    let (status, text) = fsck(bytes, "-fn").0;
    assert_eq!(status, 0, "e2fsck -fn: {text}");
}

/// Lets e2fsck replay the journal and finish what is on the orphan list, and checks that nothing else is wrong. The result.
pub fn replay(bytes: &[u8]) -> Vec<u8> {
    try_replay(bytes).expect("the superblock is whole")
}

/// Likewise; `None`: half of a superblock was written, which the journal would repair, but e2fsck wants it whole before.
pub fn try_replay(bytes: &[u8]) -> Option<Vec<u8>> {
    let ((status, text), replayed) = fsck(bytes, "-p");
    if text.contains("Superblock checksum does not match") {
        return None;
    }
    assert!(status <= 1 && !text.contains("corrupt") && !text.contains("forced"), "e2fsck -p: {text}");
    check(&replayed);
    Some(replayed)
}

fn fsck(bytes: &[u8], mode: &str) -> ((i32, String), Vec<u8>) {
    let folder = Folder::new();
    let image = folder.path().join("image");
    fs::write(&image, bytes).expect("there is room");
    let output = run("e2fsck", &[mode, &image.display().to_string()]);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ((output.status.code().unwrap_or(-1), text), fs::read(&image).expect("it is still there"))
}

/// What debugfs prints for a command.
pub fn debugfs(bytes: &[u8], command: &str) -> Vec<u8> {
    let folder = Folder::new();
    let image = folder.path().join("image");
    fs::write(&image, bytes).expect("there is room");
    run("debugfs", &["-R", command, &image.display().to_string()]).stdout
}

/// Lets debugfs change an image.
pub fn edit(bytes: &[u8], commands: &[&str]) -> Vec<u8> {
    let folder = Folder::new();
    let (image, script) = (folder.path().join("image"), folder.path().join("script"));
    fs::write(&image, bytes).expect("there is room");
    fs::write(&script, commands.join("\n")).expect("there is room");
    let output = run("debugfs", &["-w", "-f", &script.display().to_string(), &image.display().to_string()]);
    assert!(output.status.success(), "debugfs: {}", String::from_utf8_lossy(&output.stderr));
    fs::read(&image).expect("it is still there")
}

/// Lets e2fsck give directories their hash trees.
pub fn index_directories(bytes: &[u8]) -> Vec<u8> {
    let ((status, text), indexed) = fsck(bytes, "-fyD");
    assert!(status <= 1, "e2fsck -D: {text}");
    indexed
}

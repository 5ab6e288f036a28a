//! The worker itself: does the steps of a plan in a real folder.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{LEDGER, Node, Plan, Step, Tree, is_same, record};

/// Removed files that stay open for a while.
const HELD: usize = 3;
/// Where it ends when this is there.
const STOP: &str = "/stop";

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Does up to `steps` steps of the plan of `seed` in `folder`, which it makes, each durable before the next; then checks that
/// the folder holds what it should. How many it did.
///
/// # Errors
/// When a call fails, or the folder is not as it should be.
pub fn work(folder: &Path, seed: u64, steps: u64) -> Outcome<u64> {
    fs::create_dir(folder)?;
    let mut ledger = OpenOptions::new().append(true).create_new(true).open(folder.join(LEDGER))?;
    ledger.sync_all()?;
    persist(folder)?;
    folder.parent().map_or(Ok(()), persist)?;
    let (mut plan, mut held, mut done) = (Plan::new(seed), VecDeque::new(), 0);
    while done < steps && !Path::new(STOP).exists() {
        take(folder, &plan.draw(), &mut held)?;
        held.truncate(HELD);
        done += 1;
        ledger.write_all(&record(seed, done))?;
        // Its size has to be durable as well, so this is enough.
        ledger.sync_data()?;
    }
    is_same(plan.tree(), &read(folder)?)?;
    Ok(done)
}

/// Takes a step and has it made durable.
fn take(folder: &Path, step: &Step, held: &mut VecDeque<File>) -> Outcome<()> {
    let at = |path: &str| folder.join(path);
    match step {
        Step::Write(path, content) => {
            let mut file = File::create(at(path))?;
            file.write_all(&content.bytes())?;
            file.sync_all()?;
            persist_parent(&at(path))?;
        }
        Step::Append(path, content) => {
            let mut file = OpenOptions::new().append(true).open(at(path))?;
            file.write_all(&content.bytes())?;
            file.sync_data()?;
        }
        Step::Overwrite(path, offset, content) => {
            let file = OpenOptions::new().write(true).open(at(path))?;
            file.write_all_at(&content.bytes(), *offset as u64)?;
            file.sync_all()?;
        }
        Step::Resize(path, bytes) => {
            let file = OpenOptions::new().write(true).open(at(path))?;
            file.set_len(*bytes as u64)?;
            file.sync_all()?;
        }
        Step::Rename(from, to) => {
            fs::rename(at(from), at(to))?;
            persist_parent(&at(to))?;
            persist_parent(&at(from))?;
        }
        Step::Remove(path) => {
            // Open while its name goes: such files have a list of their own on the disk.
            held.push_front(File::open(at(path))?);
            fs::remove_file(at(path))?;
            persist_parent(&at(path))?;
        }
        Step::MakeFolder(path) => {
            fs::create_dir(at(path))?;
            persist(&at(path))?;
            persist_parent(&at(path))?;
        }
        Step::RemoveFolder(path) => {
            fs::remove_dir(at(path))?;
            persist_parent(&at(path))?;
        }
    }
    Ok(())
}

fn persist_parent(path: &Path) -> Outcome<()> {
    path.parent().map_or(Ok(()), persist)
}

fn persist(folder: &Path) -> Outcome<()> {
    Ok(File::open(folder)?.sync_all()?)
}

/// What a worker's folder holds, but for the ledger.
///
/// # Errors
/// When it cannot be read.
pub fn read(folder: &Path) -> Outcome<Tree> {
    let (mut tree, mut left) = (Tree::new(), vec![PathBuf::new()]);
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(folder.join(&path))? {
            let entry = entry?;
            let below = path.join(entry.file_name());
            let name = below.to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                tree.insert(name, Node::Folder);
                left.push(below);
            } else if name != LEDGER {
                tree.insert(name, Node::File(fs::read(entry.path())?));
            }
        }
    }
    Ok(tree)
}

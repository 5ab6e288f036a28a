//! Random operations on a tree and on open files, compared with a simple model, over a server that dies at random.

use std::collections::{BTreeMap, BTreeSet};

use vfs::Allocation;

use super::fake::Dice;
use super::*;

const STEPS: usize = 250;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
enum Name {
    Directory,
    File(usize),
}

/// What should be there.
#[derive(Default)]
pub struct Model {
    names: BTreeMap<String, Name>,
    files: Vec<Vec<u8>>,
}

/// A file that is open, perhaps without a name.
struct Handle {
    open: Arc<OpenFile>,
    file: usize,
}

struct Run {
    dice: Dice,
    world: World,
    model: Model,
    handles: Vec<Handle>,
}

impl Model {
    /// How many inodes there should be besides the root.
    pub fn inodes(&self) -> usize {
        let file = |name: &Name| if let Name::File(file) = name { Some(*file) } else { None };
        let files: BTreeSet<usize> = self.names.values().filter_map(file).collect();
        files.len() + self.names.values().filter(|name| **name == Name::Directory).count()
    }

    fn parent_exists(&self, path: &str) -> bool {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        parent.is_empty() || self.names.get(parent) == Some(&Name::Directory)
    }

    fn has_children(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.names.keys().any(|key| key.starts_with(&below))
    }

    fn file(&mut self, path: &str) -> Option<usize> {
        if !self.parent_exists(path) {
            return None;
        }
        match self.names.get(path) {
            Some(Name::File(file)) => Some(*file),
            Some(Name::Directory) => None,
            None => {
                self.files.push(Vec::new());
                self.names.insert(path.into(), Name::File(self.files.len() - 1));
                Some(self.files.len() - 1)
            }
        }
    }

    fn rename(&mut self, old: &str, new: &str) -> bool {
        let Some(source) = self.names.get(old).cloned() else { return false };
        if !self.parent_exists(new) || new.starts_with(&format!("{old}/")) || old.starts_with(&format!("{new}/")) {
            return false;
        }
        let is_directory = |name: &Name| *name == Name::Directory;
        if let Some(target) = self.names.get(new) {
            if target == &source && !is_directory(target) || old == new {
                return true;
            }
            if is_directory(target) != is_directory(&source) || self.has_children(new) {
                return false;
            }
        }
        self.names.remove(new);
        self.move_tree(old, new);
        true
    }

    fn move_tree(&mut self, old: &str, new: &str) {
        let below = format!("{old}/");
        let moved: Vec<String> =
            self.names.keys().filter(|key| *key == old || key.starts_with(&below)).cloned().collect();
        for key in moved {
            let name = self.names.remove(&key).expect("listed above");
            self.names.insert(format!("{new}{}", &key[old.len()..]), name);
        }
    }

    fn exchange(&mut self, old: &str, new: &str) -> bool {
        let exists = self.names.contains_key(old) && self.names.contains_key(new);
        if !exists || new.starts_with(&format!("{old}/")) || old.starts_with(&format!("{new}/")) {
            return false;
        }
        if old != new {
            self.move_tree(old, "/aside");
            self.move_tree(new, old);
            self.move_tree("/aside", new);
        }
        true
    }
}

impl Run {
    fn path(&mut self) -> String {
        let depth = 1 + self.dice.below(3);
        (0..depth).map(|_| ["/a", "/b", "/c"][self.dice.below(3) as usize]).collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let (length, start) = (self.dice.below(20_000), self.dice.below(256));
        (0..length).map(|index| (start + index / 3) as u8).collect()
    }

    fn step(&mut self) {
        match self.dice.below(16) {
            0 | 1 => self.make_directory(),
            2..=4 => self.open(),
            5..=8 => self.use_handle(),
            9 => self.remove(),
            10 => self.rename(),
            11 => self.link(),
            12 => self.close(),
            13 => self.world.disk.work(),
            14 => self.compare_one(),
            _ => drop(diskfs::reclaim(20)),
        }
    }

    fn make_directory(&mut self) {
        let path = self.path();
        let expected = self.model.parent_exists(&path) && !self.model.names.contains_key(&path);
        assert_eq!(self.world.mkdir(&path).is_ok(), expected, "mkdir {path}");
        if expected {
            self.model.names.insert(path, Name::Directory);
        }
    }

    fn open(&mut self) {
        let path = self.path();
        let expected = self.model.file(&path);
        let opened = self.world.create(&path);
        assert_eq!(opened.is_ok(), expected.is_some(), "open {path}: {:?}", opened.err());
        if let (Ok(open), Some(file)) = (opened, expected) {
            self.handles.push(Handle { open, file });
        }
    }

    fn use_handle(&mut self) {
        if self.handles.is_empty() {
            return;
        }
        let index = self.dice.below(self.handles.len() as u64) as usize;
        let (offset, bytes) = (self.dice.below(40_000), self.bytes());
        let choice = self.dice.below(7);
        let Handle { open, file } = &self.handles[index];
        let model = &mut self.model.files[*file];
        match choice {
            0 | 1 => {
                assert_eq!(write_at(open, offset, &bytes), Ok(bytes.len()));
                if !bytes.is_empty() {
                    let end = offset as usize + bytes.len();
                    model.resize(model.len().max(end), 0);
                    model[offset as usize..end].copy_from_slice(&bytes);
                }
            }
            2 => {
                open.file().append(&mut SliceSource::new(&bytes), OpenFlags::RDWR).expect("append");
                model.extend_from_slice(&bytes);
            }
            3 => {
                open.file().truncate(offset).expect("truncate");
                model.resize(offset as usize, 0);
            }
            4 => {
                let length = bytes.len() as u64 + 1;
                open.file().allocate(Allocation::PunchHole, offset, length).expect("punch");
                model.iter_mut().skip(offset as usize).take(length as usize).for_each(|byte| *byte = 0);
            }
            5 if !model.is_empty() => {
                let page = offset % (model.len() as u64).div_ceil(4096);
                let source = open.file().clone().page_source().expect("mappable");
                let at = (page * 4096) as usize;
                let end = model.len().min(at + 100);
                source.page(page, true).expect("there").write(0, &[77; 100]);
                model[at..end].fill(77);
            }
            _ => open.file().sync().expect("sync"),
        }
        assert!(contents(open).expect("read") == *model, "choice {choice}, offset {offset}, {} bytes", bytes.len());
    }

    fn remove(&mut self) {
        let path = self.path();
        match self.model.names.get(&path) {
            Some(Name::Directory) => {
                let expected = !self.model.has_children(&path);
                assert_eq!(self.world.rmdir(&path).is_ok(), expected, "rmdir {path}");
                if expected {
                    self.model.names.remove(&path);
                }
            }
            Some(Name::File(_)) => {
                self.world.unlink(&path).expect("unlink");
                self.model.names.remove(&path);
            }
            None => assert!(self.world.unlink(&path).is_err()),
        }
    }

    fn rename(&mut self) {
        let (old, new) = (self.path(), self.path());
        if self.dice.one_in(3) {
            let expected = self.model.exchange(&old, &new);
            assert_eq!(self.world.rename(&old, &new, RenameRule::Exchange).is_ok(), expected, "exchange {old} {new}");
        } else {
            let expected = self.model.rename(&old, &new);
            assert_eq!(self.world.rename(&old, &new, RenameRule::Replace).is_ok(), expected, "rename {old} {new}");
        }
    }

    fn link(&mut self) {
        let (old, new) = (self.path(), self.path());
        let file = match self.model.names.get(&old) {
            Some(Name::File(file)) => Some(*file),
            _ => None,
        };
        let free = self.model.parent_exists(&new) && !self.model.names.contains_key(&new);
        assert_eq!(self.world.link(&old, &new).is_ok(), file.is_some() && free, "link {old} {new}");
        if let (Some(file), true) = (file, free) {
            self.model.names.insert(new, Name::File(file));
        }
    }

    fn close(&mut self) {
        if !self.handles.is_empty() {
            let index = self.dice.below(self.handles.len() as u64) as usize;
            self.handles.swap_remove(index);
        }
    }

    fn compare_one(&mut self) {
        let path = self.path();
        if let Some(Name::File(file)) = self.model.names.get(&path) {
            assert!(self.world.get(&path).expect("get") == self.model.files[*file], "{path}");
        }
    }
}

/// What a walk of the disk finds.
fn snapshot(world: &World, path: &str, found: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for name in world.list(path) {
        let child = format!("{}/{}", path.trim_end_matches('/'), String::from_utf8_lossy(&name));
        if world.stat(&child).expect("listed").kind == vfs::FileKind::Directory {
            found.insert(child.clone(), None);
            snapshot(world, &child, found);
        } else {
            found.insert(child.clone(), Some(world.get(&child).expect("readable")));
        }
    }
}

fn expected(model: &Model) -> BTreeMap<String, Option<Vec<u8>>> {
    let contents = |name: &Name| match name {
        Name::Directory => None,
        Name::File(file) => Some(model.files[*file].clone()),
    };
    model.names.iter().map(|(path, name)| (path.clone(), contents(name))).collect()
}

/// Compares, and says little about what differs.
fn compare(found: &BTreeMap<String, Option<Vec<u8>>>, expected: &BTreeMap<String, Option<Vec<u8>>>, what: &str) {
    let (names, wanted): (Vec<_>, Vec<_>) = (found.keys().collect(), expected.keys().collect());
    assert_eq!(names, wanted, "{what}");
    for (path, bytes) in expected {
        let there = &found[path];
        assert_eq!(there.as_ref().map(Vec::len), bytes.as_ref().map(Vec::len), "{what}: {path}");
        let (there, bytes) = (there.as_deref().unwrap_or_default(), bytes.as_deref().unwrap_or_default());
        let difference = there.iter().zip(bytes).position(|(one, other)| one != other);
        assert_eq!(difference, None, "{what}: {path}");
    }
}

/// Takes random steps over a server, and leaves it retired; what should be there.
pub fn run(seed: u64, server: Arc<dyn FileSystem>) -> Model {
    let world = World::over(server, Orphans::Free);
    let mut run = Run { dice: Dice::new(seed + 1000), world, model: Model::default(), handles: Vec::new() };
    (0..STEPS).for_each(|_| run.step());
    let mut found = BTreeMap::new();
    snapshot(&run.world, "/", &mut found);
    found.remove("/lost+found");
    compare(&found, &expected(&run.model), &format!("seed {seed}, as it is"));
    run.world.disk.retire().expect("retire");
    run.model
}

/// Compares what a new start finds, and retires.
pub fn compare_anew(seed: u64, model: &Model, server: Arc<dyn FileSystem>) {
    let world = World::over(server, Orphans::Free);
    let mut found = BTreeMap::new();
    snapshot(&world, "/", &mut found);
    found.remove("/lost+found");
    compare(&found, &expected(model), &format!("seed {seed}, after a new start"));
    world.disk.retire().expect("retire");
}

//! Random operations on a file and on a tree, compared with simple models.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write(u64, Vec<u8>),
    Truncate(u64),
    Punch(u64, u64),
    Append(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..9000);
    prop_oneof![
        (0..20_000u64, bytes()).prop_map(|(offset, bytes)| Step::Write(offset, bytes)),
        (0..30_000u64).prop_map(Step::Truncate),
        (0..20_000u64, 1..10_000u64).prop_map(|(offset, length)| Step::Punch(offset, length)),
        bytes().prop_map(Step::Append),
    ]
}

fn apply(model: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Write(_, bytes) if bytes.is_empty() => {}
        Step::Write(offset, bytes) => {
            let end = *offset as usize + bytes.len();
            model.resize(model.len().max(end), 0);
            model[*offset as usize..end].copy_from_slice(bytes);
        }
        Step::Truncate(size) => model.resize(*size as usize, 0),
        Step::Punch(offset, length) => {
            model.iter_mut().skip(*offset as usize).take(*length as usize).for_each(|byte| *byte = 0);
        }
        Step::Append(bytes) => model.extend_from_slice(bytes),
    }
}

/// What a path of a small tree is.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Directory,
    File(u8),
}

#[derive(Clone, Debug)]
enum Change {
    Make(String),
    Put(String, u8),
    Remove(String),
    Rename(String, String),
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]", 1..4).prop_map(|names| std::format!("/{}", names.join("/")))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        path().prop_map(Change::Make),
        (path(), any::<u8>()).prop_map(|(path, byte)| Change::Put(path, byte)),
        path().prop_map(Change::Remove),
        (path(), path()).prop_map(|(old, new)| Change::Rename(old, new)),
    ]
}

type Tree = BTreeMap<String, Node>;

fn parent_exists(tree: &Tree, path: &str) -> bool {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    parent.is_empty() || tree.get(parent) == Some(&Node::Directory)
}

fn has_children(tree: &Tree, path: &str) -> bool {
    tree.keys().any(|key| key.starts_with(&std::format!("{path}/")))
}

/// Applies a change to the model; tells whether it is allowed.
fn change_model(tree: &mut Tree, change: &Change) -> bool {
    match change {
        Change::Make(path) => {
            let fine = parent_exists(tree, path) && !tree.contains_key(path);
            fine.then(|| tree.insert(path.clone(), Node::Directory));
            fine
        }
        Change::Put(path, byte) => {
            let fine = parent_exists(tree, path) && tree.get(path) != Some(&Node::Directory);
            fine.then(|| tree.insert(path.clone(), Node::File(*byte)));
            fine
        }
        Change::Remove(path) => {
            let fine = tree.contains_key(path) && !has_children(tree, path);
            fine.then(|| tree.remove(path));
            fine
        }
        Change::Rename(old, new) => rename_model(tree, old, new),
    }
}

fn rename_model(tree: &mut Tree, old: &str, new: &str) -> bool {
    let Some(source) = tree.get(old).cloned() else { return false };
    let below = std::format!("{old}/");
    if !parent_exists(tree, new) || new.starts_with(&below) || old.starts_with(&std::format!("{new}/")) {
        return false;
    }
    if old == new {
        return true;
    }
    let fits = match tree.get(new) {
        None => true,
        Some(Node::Directory) => source == Node::Directory && !has_children(tree, new),
        Some(Node::File(_)) => source != Node::Directory,
    };
    if fits {
        let moved: Vec<String> = tree.keys().filter(|key| *key == old || key.starts_with(&below)).cloned().collect();
        for key in moved {
            let node = tree.remove(&key).expect("listed above");
            tree.insert(std::format!("{new}{}", &key[old.len()..]), node);
        }
    }
    fits
}

fn change_world(world: &World, change: &Change) -> bool {
    match change {
        Change::Make(path) => world.mkdir(path).is_ok(),
        Change::Put(path, byte) => world.put(path, &String::from(char::from(byte % 128))).is_ok(),
        Change::Remove(path) => world.unlink(path).is_ok() || world.rmdir(path).is_ok(),
        Change::Rename(old, new) => world.rename(old, new, RenameRule::Replace).is_ok(),
    }
}

fn snapshot(world: &World, path: &str, tree: &mut Tree) {
    for name in world.list(path).iter().filter(|name| !name.starts_with(b".")) {
        let child = std::format!("{}/{}", path.trim_end_matches('/'), String::from_utf8_lossy(name));
        let node = match world.stat(&child).expect("listed").kind {
            FileKind::Directory => Node::Directory,
            _ => Node::File(world.get(&child).expect("readable").first().copied().expect("one byte")),
        };
        let is_directory = node == Node::Directory;
        tree.insert(child.clone(), node);
        if is_directory {
            snapshot(world, &child, tree);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_file_is_what_a_byte_vector_is(steps in prop::collection::vec(step(), 1..20)) {
        let world = world();
        let file = world.open("/f", OpenFlags::RDWR | OpenFlags::CREAT).expect("open");
        let mut model = Vec::new();
        for step in &steps {
            apply(&mut model, step);
            match step {
                Step::Write(offset, bytes) => assert_eq!(file.write_at(*offset, &mut SliceSource::new(bytes)), Ok(bytes.len())),
                Step::Truncate(size) => file.file().truncate(*size).expect("room"),
                Step::Punch(offset, length) => {
                    file.file().allocate(Allocation::PunchHole, *offset, *length).expect("punch");
                }
                Step::Append(bytes) => {
                    file.file().append(&mut SliceSource::new(bytes), OpenFlags::RDWR).expect("room");
                }
            }
        }
        let mut bytes = vec![0; model.len() + 10];
        let count = file.read_at(0, &mut SliceSink::new(&mut bytes)).expect("read");
        prop_assert_eq!(&bytes[..count], &model[..]);
    }

    #[test]
    fn a_tree_is_what_a_map_of_paths_is(changes in prop::collection::vec(change(), 1..60)) {
        let world = world();
        let mut model = Tree::new();
        for change in &changes {
            let change = match change {
                Change::Put(path, byte) => Change::Put(path.clone(), byte % 128),
                other => other.clone(),
            };
            prop_assert_eq!(change_world(&world, &change), change_model(&mut model, &change), "{:?}", change);
        }
        let mut tree = Tree::new();
        snapshot(&world, "/", &mut tree);
        prop_assert_eq!(tree, model);
    }

    #[test]
    fn a_hostile_archive_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0..300usize) {
        let world = world();
        let root = world.fs.root().inode().clone();
        let _ = crate::cpio::unpack(&root, &bytes);
        let mut archive = super::super::cpio::tests::sample();
        archive.truncate(cut.min(archive.len()));
        archive.extend_from_slice(&bytes);
        let _ = crate::cpio::unpack(&root, &archive);
    }
}

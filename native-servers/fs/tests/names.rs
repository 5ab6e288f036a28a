//! Large directories and long lists of orphans, against a table in memory: what is remembered of them must be what is there.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use interfaces::file_system::{Orphans, Target};
use interfaces::{FileSystem, FsError};
use support::client::{DIRECTORY, FILE, ROOT};
use support::model::{Random, seeds};
use support::{Client, Disk, image};

/// Names that come and go, some of them long: the directory takes many blocks.
const NAMES: u64 = 700;
const STEPS: u64 = 4000;

fn name(number: u64) -> String {
    format!("{number}-{}", "n".repeat(if number.is_multiple_of(7) { 200 } else { (number % 23) as usize }))
}

/// A directory, as it should be.
struct Model {
    names: BTreeMap<u64, u64>,
    nameless: Vec<u64>,
}

impl Model {
    fn step(&mut self, client: &mut Client, directory: u64, random: &mut Random) {
        let (first, second) = (random.below(NAMES), random.below(NAMES));
        match random.below(11) {
            0..5 => match client.create(directory, &name(first), FILE) {
                Ok(made) => assert!(self.names.insert(first, made.inode).is_none(), "{first} was there"),
                Err(error) => {
                    assert_eq!(error, FsError::Exists);
                    assert!(self.names.contains_key(&first), "{first} was not there");
                }
            },
            5..7 => match (client.unlink(directory, &name(first)), self.names.remove(&first)) {
                (Ok(_), Some(inode)) => self.nameless.push(inode),
                (result, None) => assert_eq!(result.err(), Some(FsError::NotFound)),
                (Err(error), Some(_)) => panic!("{first}: {error}"),
            },
            7 => {
                let result = client.rename((directory, &name(first)), (directory, &name(second)), Target::Replace);
                match self.names.remove(&first) {
                    None => assert_eq!(result.err(), Some(FsError::NotFound)),
                    Some(inode) => {
                        result.expect("it is there");
                        let replaced = self.names.insert(second, inode).filter(|replaced| *replaced != inode);
                        self.nameless.extend(replaced);
                    }
                }
            }
            8 if !self.nameless.is_empty() => {
                let inode = self.nameless.swap_remove(random.below(self.nameless.len() as u64) as usize);
                client.forget(inode).expect("it has no name");
            }
            9 => {
                // Taken back when its entry is gone already.
                assert_eq!(client.remove_directory(directory, "occupied").err(), Some(FsError::NotEmpty));
                client.lookup(directory, "occupied").expect("it is there");
            }
            _ => {
                let found = client.lookup(directory, &name(first)).ok().map(|found| found.inode);
                assert_eq!(found, self.names.get(&first).copied(), "{first}");
            }
        }
    }

    fn compare(&self, client: &Client, directory: u64) {
        let listed: BTreeMap<_, _> =
            client.list(directory).expect("it is there").into_iter().map(|(name, inode, _)| (name, inode)).collect();
        let mut expected: BTreeMap<_, _> = self.names.iter().map(|(number, inode)| (name(*number), *inode)).collect();
        expected.insert("occupied".into(), client.lookup(directory, "occupied").expect("it is there").inode);
        assert_eq!(listed, expected);
        for number in 0..NAMES {
            let found = client.lookup(directory, &name(number)).ok().map(|found| found.inode);
            assert_eq!(found, self.names.get(&number).copied(), "{number}");
        }
    }
}

#[test]
fn large_directories_and_lists_of_orphans_are_as_in_the_model() {
    for seed in 0..seeds(2) {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        // In every second run there are less inodes than names, so that operations fail half-way.
        let inodes = if seed.is_multiple_of(2) { "2000" } else { "256" };
        let disk = Arc::new(Disk::new(image::make(16 << 10, &["-b", "1024", "-N", inodes])));
        let mut client = Client::new(disk.clone());
        let directory = client.create(ROOT, "large", DIRECTORY).expect("room").inode;
        let occupied = client.create(directory, "occupied", DIRECTORY).expect("room").inode;
        client.create(occupied, "by", FILE).expect("room");
        let mut model = Model { names: BTreeMap::new(), nameless: Vec::new() };
        for step in 0..STEPS {
            if model.names.len() + model.nameless.len() > 200 && inodes == "256" {
                refuse(&mut client, directory, &model);
                for inode in model.nameless.drain(..) {
                    client.forget(inode).expect("it has no name");
                }
                let some: Vec<_> = model.names.keys().copied().step_by(2).collect();
                for number in some {
                    client.unlink(directory, &name(number)).expect("it is there");
                    model.nameless.extend(model.names.remove(&number));
                }
            }
            model.step(&mut client, directory, &mut random);
            if step % 1000 == 0 {
                client.fs.commit().expect("the disk works");
            }
        }
        model.compare(&client, directory);
        client.fs.retire().expect("the disk works");
        let client = Client::begin(disk.clone(), Orphans::Free).expect("it is sound");
        model.compare(&client, directory);
        client.fs.retire().expect("the disk works");
        image::check(&disk.bytes());
    }
}

/// Makes files elsewhere until there are no inodes, and then names that have to fail.
fn refuse(client: &mut Client, directory: u64, model: &Model) {
    let mut fillers = Vec::new();
    let error = loop {
        match client.create(ROOT, &format!("filler-{}", fillers.len()), FILE) {
            Ok(_) => fillers.push(format!("filler-{}", fillers.len())),
            Err(error) => break error,
        }
    };
    assert_eq!(error, FsError::NoSpace);
    for number in (0..NAMES).filter(|number| !model.names.contains_key(number)).take(5) {
        assert_eq!(client.create(directory, &name(number), FILE).err(), Some(FsError::NoSpace));
        assert_eq!(client.lookup(directory, &name(number)).err(), Some(FsError::NotFound));
    }
    for filler in fillers {
        let gone = client.unlink(ROOT, &filler).expect("it is there");
        client.forget(gone.inode).expect("it has no name");
    }
}

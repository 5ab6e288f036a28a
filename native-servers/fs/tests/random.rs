//! Changes drawn at random, on all block sizes, against a model in memory; at the end by a second instance and e2fsck.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use interfaces::file_system::Orphans;
use interfaces::{FileSystem, FsError};
use support::model::{Model, Named, Random, seeds};
use support::{Client, Disk, image};

/// Runs, at least.
const SEEDS: u64 = 6;
const STEPS: u64 = 500;

/// Sends a change to both, and compares the answers.
fn step(client: &mut Client, model: &mut Model, random: &mut Random) {
    let (operation, change) = (model.draw(random), client.next());
    let now = change.now.clone();
    let answer = operation.send(client, change);
    let expected = model.clone().apply(&operation, answer.as_ref().map_or(u64::MAX, |found| found.inode), &now);
    match (&answer, expected) {
        (Ok(found), Ok(inode)) => {
            assert_eq!(found.inode, inode, "{operation:?}");
            model.apply(&operation, inode, &now).expect("it was possible");
            let links = model.nodes.get(&inode).map_or(0, |node| node.links);
            assert_eq!(found.links, links, "{operation:?}");
        }
        (Err(error), Err(expected)) => {
            assert_eq!(*error, expected, "{operation:?}");
            client.number -= 1;
        }
        (answer, expected) => panic!("{operation:?}: {answer:?}, not {expected:?}"),
    }
}

#[test]
fn random_changes_are_done_as_in_the_model() {
    for seed in 0..seeds(SEEDS) {
        let shape = [["-b", "1024"], ["-b", "2048"], ["-b", "4096"]][seed as usize % 3];
        println!("seed {seed}, {shape:?}");
        let disk = Arc::new(Disk::new(image::make(32 << 10, &shape)));
        let (mut client, mut random) = (Client::new(disk.clone()), Random::new(seed));
        let mut model = Model::of(&client);
        for _ in 0..STEPS {
            step(&mut client, &mut model, &mut random);
            if random.below(60) == 0 {
                assert_eq!(client.fs.commit(), Ok(client.number));
            }
        }
        model.compare(&client, &BTreeSet::new(), Named::OrNot);
        assert_eq!(client.fs.retire(), Ok(client.number));
        let client = Client::begin(disk.clone(), Orphans::Keep).expect("it is sound");
        model.compare(&client, &BTreeSet::new(), Named::OrNot);
        client.fs.retire().expect("the disk works");
        let client = Client::begin(disk.clone(), Orphans::Free).expect("it is sound");
        model.compare(&client, &BTreeSet::new(), Named::Only);
        let gone = model.nodes.iter().find(|(_, node)| node.links == 0);
        gone.into_iter().for_each(|(inode, _)| assert_eq!(client.fs.attributes(*inode), Err(FsError::NotFound)));
        client.fs.retire().expect("the disk works");
        image::check(&disk.bytes());
    }
}

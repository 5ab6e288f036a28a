//! Power cuts: some of what was written since the last flush is lost. What was committed is there, what was not is repeated.

mod support;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use interfaces::file_system::{Change, Orphans};
use interfaces::{FileSystem, FsError};
use support::model::{Model, Named, Operation, Random, seeds};
use support::{Client, Disk, image};

/// Runs, at least, each with its own power cut.
const SEEDS: u64 = 20;
const STEPS: u64 = 400;

/// A run up to the power cut.
struct Run {
    disk: Arc<Disk>,
    /// As of the last change that was answered as committed, and as of the last one.
    committed: Model,
    now: Model,
    /// The changes between, with the inode numbers chosen.
    log: VecDeque<(Change, Operation)>,
    /// The one that was under way.
    cut: Option<(Change, Operation)>,
    acknowledged: u64,
}

/// Runs until the power fails at the write after `writes` (`None`: it does not).
fn run(bytes: Vec<u8>, mut random: Random, writes: Option<u64>) -> Run {
    let disk = Arc::new(Disk::new(bytes));
    let mut client = Client::begin(disk.clone(), Orphans::Free).expect("it is a sound file system");
    let model = Model::of(&client);
    let mut run = Run {
        disk,
        committed: model.clone(),
        now: model,
        log: VecDeque::new(),
        cut: None,
        acknowledged: client.number,
    };
    run.disk.cut_after(writes.unwrap_or(u64::MAX));
    for _ in 0..STEPS {
        let (mut operation, change) = (run.now.draw(&mut random), client.next());
        match operation.send(&client, change.clone()) {
            Ok(found) => {
                run.now.apply(&operation, found.inode, &change.now).expect("it was possible");
                operation.settle(found.inode);
                run.log.push_back((change, operation));
            }
            Err(FsError::Disk) => {
                run.cut = Some((change, operation));
                break;
            }
            Err(_) => client.number -= 1,
        }
        if random.below(12) == 0 {
            match client.fs.commit() {
                Ok(number) => run.acknowledge(number),
                Err(_) => break,
            }
        }
    }
    run
}

/// An image whose journal was in use before.
fn image_of(shape: &[&str]) -> Vec<u8> {
    image::with_used_journal(image::make(12 << 10, shape))
}

/// A run whose power fails at one of its writes.
fn cut_run(seed: u64, shape: &[&str], random: &mut Random) -> Run {
    let bytes = image_of(shape);
    let whole = run(bytes.clone(), Random::new(seed), None);
    // Right before a flush most can be lost: half of the cuts are there.
    let flushed = whole.disk.writes_at_flushes();
    let writes = if random.below(2) == 0 { random.pick(&flushed) } else { random.below(whole.disk.writes()) };
    run(bytes, Random::new(seed), Some(writes))
}

impl Run {
    fn acknowledge(&mut self, number: u64) {
        self.acknowledged = self.acknowledged.max(number);
        while let Some((change, operation)) = self.log.pop_front_if(|(change, _)| change.number <= number) {
            let chosen = match &operation {
                Operation::Create { inode, .. } | Operation::CreateUnnamed { inode } => *inode,
                _ => 0,
            };
            self.committed.apply(&operation, chosen, &change.now).expect("it was possible");
        }
    }

    /// Pages that changes which may be lost have changed in place.
    fn free_pages(&self) -> BTreeSet<(u64, u64)> {
        let mut pages = BTreeSet::new();
        let (before, after) = (|inode| self.committed.size(inode), |inode| self.now.size(inode));
        for (_, operation) in self.log.iter().chain(&self.cut) {
            for (inode, start, end) in [operation.touches(before), operation.touches(after)].into_iter().flatten() {
                pages.extend((start..end).map(|page| (inode, page)));
            }
        }
        pages
    }

    /// Starts on what the power cut left, and checks it.
    fn check_cut(&mut self, bytes: Vec<u8>) {
        // The other implementation first, on its own copy.
        let replayed = image::try_replay(&bytes).map(|replayed| Client::new(Arc::new(Disk::new(replayed))));
        let disk = Arc::new(Disk::new(bytes));
        let mut client = Client::begin(disk.clone(), Orphans::Keep).expect("it is sound");
        let found = client.info.committed;
        let theirs = replayed.as_ref().map_or(found, |replayed| replayed.info.committed);
        assert_eq!(found, theirs, "both replay the same");
        let last = self.log.back().map_or(self.acknowledged, |(change, _)| change.number);
        assert!((self.acknowledged..=last + 1).contains(&found), "{found} of {}..={last}", self.acknowledged);
        self.acknowledge(found);
        if found > last {
            // The change under way was committed although its answer was lost: its client learns that when it repeats it.
            let (change, operation) = self.cut.take().expect("nothing else has such a number");
            assert_eq!(operation.send(&client, change), Err(FsError::AlreadyDone));
            return;
        }
        let free = self.free_pages();
        self.committed.compare(&client, &free, Named::OrNot);
        replayed.iter().for_each(|replayed| self.committed.compare(replayed, &free, Named::Only));
        for (change, operation) in self.log.drain(..) {
            let chosen = match &operation {
                Operation::Create { inode, .. } | Operation::CreateUnnamed { inode } => *inode,
                _ => 0,
            };
            let found = operation.send(&client, change).expect("it was possible before");
            assert!(chosen == 0 || found.inode == chosen, "the same inode as before");
        }
        client.number = last;
        let in_place = self.cut.iter().filter_map(|(_, operation)| operation.touches(|inode| self.now.size(inode)));
        let free = in_place.flat_map(|(inode, start, end)| (start..end).map(move |page| (inode, page))).collect();
        self.now.compare(&client, &free, Named::OrNot);
        let again = client.again(last.max(1));
        assert_eq!(client.fs.retire(), Ok(last));
        let client = Client::begin(disk.clone(), Orphans::Free).expect("it is sound");
        self.now.compare(&client, &free, Named::Only);
        assert_eq!(Operation::Forget { inode: 12 }.send(&client, again), Err(FsError::AlreadyDone).filter_first(last));
        client.fs.retire().expect("the disk works");
        image::check(&disk.bytes());
    }
}

/// Nothing is done already where nothing was ever done.
trait FilterFirst {
    fn filter_first(self, last: u64) -> Self;
}

impl<T> FilterFirst for Result<T, FsError> {
    fn filter_first(self, last: u64) -> Self {
        if last == 0 { Err(FsError::NotFound) } else { self }
    }
}

#[test]
fn power_cuts_lose_nothing_that_was_committed() {
    for seed in 0..seeds(SEEDS) {
        let mut random = Random::new(1000 + seed);
        let shape = [["-b", "1024"], ["-b", "2048"], ["-b", "4096"]][seed as usize % 3];
        println!("seed {seed}, {shape:?}");
        let mut run = cut_run(seed, &shape, &mut random);
        let kept = random.below(5);
        let bytes = run.disk.after_power_cut(|| random.below(4) < kept);
        run.check_cut(bytes);
    }
}

#[test]
fn half_a_commit_block_is_a_whole_one_or_none() {
    for shape in [["-b", "1024"], ["-b", "4096"]] {
        let whole = run(image_of(&shape), Random::new(7), None);
        // Right before a flush the last write is the commit block, or what comes before it.
        for writes in whole.disk.writes_at_flushes().into_iter().rev().take(3) {
            let mut run = run(image_of(&shape), Random::new(7), Some(writes));
            let mut sectors = 0..;
            let bytes = run.disk.after_power_cut(|| sectors.next() == Some(0));
            run.check_cut(bytes);
        }
    }
}

#[test]
fn a_server_that_dies_is_followed_by_one_that_goes_on() {
    for seed in 0..seeds(SEEDS) / 4 {
        let mut random = Random::new(5000 + seed);
        println!("seed {seed}");
        let mut run = cut_run(100 + seed, &["-b", "1024"], &mut random);
        let bytes = run.disk.bytes();
        run.check_cut(bytes);
    }
}

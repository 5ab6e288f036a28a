//! Many power cuts of one recording.

use std::fmt;

use anyhow::{Context, Result};
use banyan::setup::E2fs;
use legacy_programs::random::Random;

use crate::folder::Folder;
use crate::judge::{Judge, Verdict};
use crate::log::{Event, WriteLog};
use crate::replay::{Honesty, Replay};
use crate::workers::{self, Follower, Records, Worker};

/// A machine's run, as its disk's log has it.
pub struct Recording {
    folder: Folder,
    e2fs: E2fs,
    log: WriteLog,
    workers: Vec<Worker>,
    records: Vec<Records>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cuts.
    pub cuts: u64,
    /// Sectors written since the last flush, of all cuts.
    pub sectors: u64,
    /// Those that were lost.
    pub lost: u64,
    /// Steps that had been promised, of all cuts.
    pub promised: u64,
    /// Cuts through the middle of a superblock, which only our file system could replay.
    pub torn: u64,
}

impl Recording {
    /// Reads the log of a machine that has ended, and finds the workers' records in it.
    ///
    /// # Errors
    /// When it is no sound log.
    pub fn new(folder: Folder, e2fs: E2fs, workers: Vec<Worker>) -> Result<Self> {
        let log = WriteLog::open(&folder.log(), folder.disk().metadata()?.len())?;
        let records = workers::records(&log, &workers)?;
        Ok(Self { folder, e2fs, log, workers, records })
    }

    /// How much happened to the disk: events and flushes.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.log.events.len(), self.log.events.iter().filter(|event| **event == Event::Flush).count())
    }

    /// Cuts the power `count` times, at places drawn from `seed`, and judges what is left.
    ///
    /// # Errors
    /// What is wrong with the first disk that is not as it must be, and how to get it again.
    pub fn check(&self, count: u64, seed: u64) -> Result<Summary> {
        let mut summary = Summary::default();
        self.each_cut(Honesty::Honest, &self.draw(count, seed), seed, |found, part| {
            found?;
            summary.add(part);
            Ok(())
        })?;
        Ok(summary)
    }

    /// Cuts the power at places in the last half of the log, of a disk that lies; how many of these disks were found out.
    ///
    /// # Errors
    /// When a file fails.
    pub fn check_lies(&self, honesty: Honesty, count: u64, seed: u64) -> Result<u64> {
        let (mut random, all) = (Random::new(seed), self.log.events.len() as u64);
        let mut places: Vec<_> = (0..count).map(|_| (all - random.below(all / 2 + 1)) as usize).collect();
        places.sort_unstable();
        let mut found_out = 0;
        self.each_cut(honesty, &places, seed, |found, _| {
            found_out += u64::from(found.is_err());
            Ok(())
        })?;
        Ok(found_out)
    }

    /// Checks the disk as the machine left it, when the workers had ended after so many steps. It is changed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_end(&self, steps: &[u64]) -> Result<()> {
        let mut followers = self.followers();
        for follower in &mut followers {
            follower.advance(self.log.events.len());
        }
        self.judge().check_end(&self.folder.disk(), &followers, steps)
    }

    /// Places of cuts, in order: half of them right before a flush is done, where most can be lost.
    fn draw(&self, count: u64, seed: u64) -> Vec<usize> {
        let (mut random, all) = (Random::new(seed), self.log.events.len());
        let flushes = self.log.events.iter().enumerate().filter(|(_, event)| **event == Event::Flush);
        let flushes: Vec<usize> = flushes.map(|(index, _)| index).collect();
        let mut place = |number: u64| match flushes.len() as u64 {
            some @ 1.. if number.is_multiple_of(2) => flushes[random.below(some) as usize],
            _ => random.below(all as u64 + 1) as usize,
        };
        let mut places: Vec<_> = (0..count).map(&mut place).collect();
        places.sort_unstable();
        places
    }

    fn each_cut(
        &self,
        honesty: Honesty,
        places: &[usize],
        seed: u64,
        mut each: impl FnMut(Result<()>, Summary) -> Result<()>,
    ) -> Result<()> {
        let (judge, mut followers, mut random) = (self.judge(), self.followers(), Random::new(!seed));
        let (base, disk) = (self.folder.path("base"), self.folder.path("cut"));
        let mut replay = Replay::new(&self.log, honesty, &self.folder.start(), &base)?;
        for place in places {
            let lost = replay.cut(*place, &mut random, &disk)?;
            let promised = followers.iter_mut().map(|follower| follower.advance(*place)).sum();
            let found = judge.check_cut(&disk, &followers).with_context(|| {
                let events = self.log.events.len();
                format!("a power cut after {place} of {events} events, with seed {seed}: {lost:?}")
            });
            let torn = u64::from(matches!(found, Ok(Verdict::OursAlone)));
            let part = Summary { cuts: 1, sectors: lost.sectors, lost: lost.lost, promised, torn };
            each(found.map(drop), part)?;
        }
        Ok(())
    }

    fn judge(&self) -> Judge<'_> {
        Judge::new(&self.e2fs, &self.folder, self.workers.iter().map(|worker| worker.folder.clone()).collect())
    }

    fn followers(&self) -> Vec<Follower> {
        let pairs = self.workers.iter().zip(&self.records);
        pairs.map(|(worker, records)| Follower::new(worker.clone(), records.clone())).collect()
    }
}

impl Summary {
    /// Adds what another did.
    pub fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.sectors += other.sectors;
        self.lost += other.lost;
        self.promised += other.promised;
        self.torn += other.torn;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { cuts, sectors, lost, promised, torn } = self;
        write!(
            f,
            "{cuts} cuts lost {lost} of {sectors} sectors written since the last flush, {torn} tore a superblock; "
        )?;
        write!(f, "{promised} promised steps looked up")
    }
}

//! The disk after a power cut.
//!
//! What was written before the last flush that was done is there. Of what was written since, single sectors or whole writes
//! are lost at random; a sector that was written several times may keep any of it. Sectors are never torn.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use banyan::disk;
use legacy_programs::promises::read_record;
use legacy_programs::random::Random;

use crate::log::{Event, Piece, WriteLog};

const SECTOR: usize = 512;

/// What the disk does with what it promised to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    /// It keeps it.
    Honest,
    /// It takes flushes for nothing: whatever was written since the start may be lost.
    IgnoresFlushes,
    /// It loses each sector with a worker's record, flushed or not.
    LosesRecords,
}

/// Makes disks of a log, at cuts that come in order.
pub struct Replay<'a> {
    log: &'a WriteLog,
    honesty: Honesty,
    /// The disk with everything that is durable after the first `durable` events.
    base: File,
    durable: usize,
}

/// What a cut did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Sectors written since the last flush.
    pub sectors: u64,
    /// Those of them that were lost.
    pub lost: u64,
}

impl<'a> Replay<'a> {
    /// Starts with the image `start`; `base` is a new file.
    ///
    /// # Errors
    /// When that cannot be made.
    pub fn new(log: &'a WriteLog, honesty: Honesty, start: &Path, base: &Path) -> Result<Self> {
        let base = copy(&File::open(start)?, base)?;
        Ok(Self { log, honesty, base, durable: 0 })
    }

    /// Makes `to` the disk after a cut when `done` events were done; not fewer than last time.
    ///
    /// # Errors
    /// When a file fails.
    pub fn cut(&mut self, done: usize, random: &mut Random, to: &Path) -> Result<Lost> {
        self.advance(done)?;
        let disk = copy(&self.base, to)?;
        let mut losses = Losses::draw(random, self.honesty);
        for event in &self.log.events[self.durable..done] {
            match event {
                Event::Flush => {}
                Event::Write(piece) => losses.write(self.log, piece, &disk)?,
                Event::DurableWrite(piece) => self.keep(piece, &disk)?,
            }
        }
        Ok(losses.lost)
    }

    /// Brings the base to the last flush that is done.
    fn advance(&mut self, done: usize) -> Result<()> {
        if self.honesty == Honesty::IgnoresFlushes {
            return Ok(());
        }
        let events = &self.log.events[self.durable..done];
        let Some(flush) = events.iter().rposition(|event| *event == Event::Flush) else { return Ok(()) };
        for event in &events[..flush] {
            if let Event::Write(piece) | Event::DurableWrite(piece) = event {
                self.keep(piece, &self.base)?;
            }
        }
        self.durable += flush + 1;
        Ok(())
    }

    fn keep(&self, piece: &Piece, disk: &File) -> Result<()> {
        let bytes = self.log.bytes(piece)?;
        if self.honesty != Honesty::LosesRecords {
            return disk.write_all_at(&bytes, piece.at).context("cannot write a disk");
        }
        for (at, sector) in sectors(piece, &bytes).filter(|(_, sector)| read_record(sector).is_none()) {
            disk.write_all_at(sector, at).context("cannot write a disk")?;
        }
        Ok(())
    }
}

/// What is lost at random.
struct Losses<'a> {
    random: &'a mut Random,
    /// Of four, so many are kept.
    kept: u64,
    unit: Unit,
    lost: Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Sector,
    Write,
}

impl<'a> Losses<'a> {
    fn draw(random: &'a mut Random, honesty: Honesty) -> Self {
        // A disk that lies loses half, so that the lie matters.
        let kept = if honesty == Honesty::Honest { random.below(5) } else { 2 };
        let unit = if random.below(4) == 0 { Unit::Write } else { Unit::Sector };
        Self { random, kept, unit, lost: Lost::default() }
    }

    fn write(&mut self, log: &WriteLog, piece: &Piece, disk: &File) -> Result<()> {
        let bytes = log.bytes(piece)?;
        let whole = self.random.below(4) < self.kept;
        for (at, sector) in sectors(piece, &bytes) {
            let is_kept = if self.unit == Unit::Write { whole } else { self.random.below(4) < self.kept };
            self.lost.sectors += 1;
            if is_kept {
                disk.write_all_at(sector, at).context("cannot write a disk")?;
            } else {
                self.lost.lost += 1;
            }
        }
        Ok(())
    }
}

fn sectors<'a>(piece: &Piece, bytes: &'a [u8]) -> impl Iterator<Item = (u64, &'a [u8])> {
    let places = (piece.at..).step_by(SECTOR);
    places.zip(bytes.chunks(SECTOR))
}

/// Makes a new file with what another has.
pub(crate) fn copy(from: &File, to: &Path) -> Result<File> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let options = || format!("cannot make {}", to.display());
    let mut file = File::options().read(true).write(true).create_new(true).open(to).with_context(options)?;
    disk::duplicate(from, &mut file).with_context(options)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests::{log, open};
    use legacy_programs::promises::record;

    /// The first bytes of the first four sectors after a cut.
    fn after(events: &[(u64, u64, &[u8])], honesty: Honesty, done: usize, seed: u64) -> [u8; 4] {
        let log = open(&log(events), 4 * 512).expect("it is sound");
        let folder =
            std::env::temp_dir().join(format!("banyan-replay-{}-{seed}-{done}-{honesty:?}", std::process::id()));
        fs::create_dir_all(&folder).expect("there is room");
        let path = |name: &str| folder.join(name);
        fs::write(path("start"), [0; 4 * 512]).expect("there is room");
        let mut replay = Replay::new(&log, honesty, &path("start"), &path("base")).expect("it can be made");
        replay.cut(done, &mut Random::new(seed), &path("cut")).expect("it can be made");
        let bytes = fs::read(path("cut")).expect("it was made");
        fs::remove_dir_all(&folder).expect("it was made");
        [0, 1, 2, 3].map(|sector| bytes[sector * 512])
    }

    #[test]
    fn what_was_flushed_is_there_and_the_rest_may_be() {
        let (ones, twos) = ([1; 1024], [2; 512]);
        let events: [(u64, u64, &[u8]); 3] = [(0, 0, &ones), (0, 1, b""), (3, 0, &twos)];
        let all: Vec<_> = (0..40).map(|seed| after(&events, Honesty::Honest, 3, seed)).collect();
        assert!(all.iter().all(|disk| disk[..3] == [1, 1, 0]), "{all:?}");
        assert!(all.iter().any(|disk| disk[3] == 2) && all.iter().any(|disk| disk[3] == 0), "{all:?}");
        // Before the flush is done, sectors are lost one by one.
        let all: Vec<_> = (0..40).map(|seed| after(&events, Honesty::Honest, 1, seed)).collect();
        assert!(all.contains(&[1, 0, 0, 0]) && all.contains(&[0, 1, 0, 0]), "{all:?}");
    }

    #[test]
    fn disks_that_lie_lose_what_was_flushed() {
        let (ones, record) = ([1; 1024], record(1, 1));
        let events: [(u64, u64, &[u8]); 3] = [(0, 0, &ones), (2, 0, &record), (0, 1, b"")];
        let all: Vec<_> = (0..40).map(|seed| after(&events, Honesty::IgnoresFlushes, 3, seed)).collect();
        assert!(all.iter().any(|disk| disk[0] == 0), "{all:?}");
        assert_eq!(after(&events, Honesty::LosesRecords, 3, 0), [1, 1, 0, 0]);
        assert_eq!(after(&events, Honesty::Honest, 3, 0), [1, 1, b'p', 0]);
    }
}

//! Calls of the server, and what happens when it dies.
//!
//! The *session* is what is known of the present incarnation. Calls hold it for reading; whoever learns that the
//! incarnation is gone takes the log and then the session for writing, starts the next one, gives it the windows and
//! repeats the log. Nobody asks an incarnation anything before it has caught up. Calls that were interrupted are then made
//! again: no caller sees an error.
//!
//! Changes are sent under the log's lock, which gives out their numbers.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use interfaces::file_system::{Changed, FsInfo, Orphans, Time};
use interfaces::{FileSystem, FsError};
use ipc::Capability;
use linux_abi::{Errno, Result};
use rt::sync::{Mutex, RwLock, RwLockWriteGuard};
use rt::thread::Raised;

use crate::error::{errno, is_lost};
use crate::log::{Entry, Log, Operation};
use crate::window::{Reader, Windows};

/// Most changes in the log before one has to wait for a commit.
const LOG_LIMIT: usize = 2048;
/// Most frames that the log keeps.
const LOG_FRAMES_LIMIT: usize = 4096;
/// How long a server may be away.
const PATIENCE_NS: u64 = 60_000_000_000;
/// How long one who is about to move the server waits for calls that began before, at most, in nanoseconds.
const EARLIER_NS: u64 = 100_000_000;
/// How long to wait between attempts.
const PAUSE_NS: u64 = 2_000_000;

/// The present incarnation.
struct Session {
    /// Counts recoveries.
    epoch: u64,
    /// The server's own name for its incarnation.
    incarnation: u64,
    /// The windows' regions, in the windows' order.
    regions: Vec<u64>,
    /// The server cannot be brought up to date, or has retired: nothing works any more.
    failed: bool,
}

/// The way to the server.
pub(crate) struct Link {
    server: Arc<dyn FileSystem>,
    windows: Windows,
    log: Mutex<Log>,
    session: RwLock<Session>,
    /// Copy of the log's.
    committed: AtomicU64,
    committing: Mutex<()>,
    recoveries: AtomicU64,
    /// The server is about to move: callers go first, so that nobody waits for one that waits for its turn.
    hurry: AtomicBool,
    /// The epoch when the server was last about to move.
    before_move: AtomicU64,
}

/// How a change ended well.
pub(crate) enum Done {
    /// With an answer.
    Answered(Changed),
    /// It is on the disk, but the answer was lost with the server.
    Unseen,
}

impl Link {
    /// Starts the server for the first time since the system has started.
    ///
    /// # Errors
    /// What the server finds; `ENOMEM`.
    pub(crate) fn open(server: Arc<dyn FileSystem>, orphans: Orphans) -> Result<(Self, FsInfo)> {
        let windows = Windows::new()?;
        let start = || {
            let (info, regions) = begin(&*server, orphans, &windows)?;
            // A server that goes on although its client starts anew may have changes that are not on the disk: their
            // numbers are taken.
            let last = server.commit()?.max(info.committed);
            Ok((info, regions, last))
        };
        let (info, regions, last) = loop {
            match start() {
                Err(error) if is_lost(error) && !matches!(error, FsError::Retired) => pause(),
                result => break result.map_err(errno)?,
            }
        };
        let link = Self {
            server,
            windows,
            log: Mutex::new(Log::new(last)),
            session: RwLock::new(Session { epoch: 0, incarnation: info.incarnation, regions, failed: false }),
            committed: AtomicU64::new(last),
            committing: Mutex::new(()),
            recoveries: AtomicU64::new(0),
            hurry: AtomicBool::new(false),
            before_move: AtomicU64::new(0),
        };
        Ok((link, info))
    }

    /// How often a server was lost and the next one brought up to date.
    pub(crate) fn recoveries(&self) -> u64 {
        self.recoveries.load(Ordering::Relaxed)
    }

    /// Takes a window for reading, waiting for one.
    pub(crate) fn reader(&self) -> Reader<'_> {
        self.windows.reader()
    }

    /// Asks the server something that changes nothing.
    ///
    /// # Errors
    /// What the server finds; `EIO` if it is gone for good.
    pub(crate) fn ask<R>(&self, question: impl Fn(&dyn FileSystem) -> core::result::Result<R, FsError>) -> Result<R> {
        self.ask_with_region(None, |server, _| question(server))
    }

    /// The same with the region of a window for reading.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) fn ask_with_region<R>(
        &self,
        reader: Option<&Reader<'_>>,
        question: impl Fn(&dyn FileSystem, u64) -> core::result::Result<R, FsError>,
    ) -> Result<R> {
        let mut raised = self.raised();
        loop {
            let session = self.session.read();
            raised = raised.or_else(|| self.raised());
            if session.failed {
                return Err(Errno::EIO);
            }
            let epoch = session.epoch;
            let region = reader.and_then(|reader| session.regions.get(reader.index()).copied()).unwrap_or(0);
            match question(&*self.server, region) {
                Err(error) if is_lost(error) => {}
                result => return result.map_err(errno),
            }
            drop(session);
            raised.get_or_insert_with(rt::thread::raise);
            self.follow(epoch)?;
        }
    }

    /// Waits until the incarnation after that of `epoch` is up to date: makes it so, or lets somebody do so who has the log. Those
    /// may use the log for longer: it is not waited for.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    fn follow(&self, epoch: u64) -> Result<()> {
        while self.session.read().epoch == epoch {
            if let Some(mut log) = self.log.try_lock() {
                return self.recover(&mut log, epoch);
            }
            rt::thread::yield_now();
        }
        Ok(())
    }

    /// Says that the server is about to move: from now on callers go first. Those that do not yet are let out of the log and of
    /// the session: else the next incarnation would wait for one of them, and that one for programs that compute.
    pub(crate) fn expect_move(&self) {
        let epoch = self.session.read().epoch;
        self.before_move.store(epoch, Ordering::Relaxed);
        self.hurry.store(true, Ordering::Relaxed);
        drop(self.log.lock());
        drop(self.session.try_write_until(rt::time::now_ns() + EARLIER_NS));
    }

    /// Waits until the incarnation that took over in the move is up to date, if one did.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) fn follow_move(&self) -> Result<()> {
        let epoch = self.before_move.load(Ordering::Relaxed);
        let is_as_before = {
            let session = self.session.read();
            // Not `begin`: an incarnation that was begun answers others before it is up to date.
            session.epoch == epoch && !self.server.statistics().is_err_and(is_lost)
        };
        if is_as_before { Ok(()) } else { self.follow(epoch) }
    }

    /// The move is over.
    pub(crate) fn end_move(&self) {
        self.hurry.store(false, Ordering::Relaxed);
    }

    fn raised(&self) -> Option<Raised> {
        self.hurry.load(Ordering::Relaxed).then(rt::thread::raise)
    }

    /// Makes a change; `now` becomes the time of last change of what it concerns.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) fn change(&self, now: Time, operation: Operation) -> Result<(Done, u64)> {
        let mut raised = self.raised();
        let mut log = self.log.lock();
        raised = raised.or_else(|| self.raised());
        if log.len() >= LOG_LIMIT || log.frames() >= LOG_FRAMES_LIMIT {
            self.commit_log(&mut log)?;
        }
        let number = log.next();
        let entry = Entry { number, now, operation };
        loop {
            let session = self.session.read();
            if session.failed {
                return Err(Errno::EIO);
            }
            let epoch = session.epoch;
            let region = session.regions.get(Windows::CHANGES).copied().unwrap_or(0);
            match entry.send(&*self.server, self.windows.changes(), region) {
                Ok(changed) => {
                    log.push(entry, &changed.attributes);
                    self.trim(&mut log, changed.committed);
                    return Ok((Done::Answered(changed), number));
                }
                Err(error) if is_lost(error) => {}
                Err(FsError::AlreadyDone) => {
                    log.skip();
                    return Ok((Done::Unseen, number));
                }
                Err(error) => return Err(errno(error)),
            }
            drop(session);
            raised.get_or_insert_with(rt::thread::raise);
            self.recover(&mut log, epoch)?;
            if log.committed() >= number {
                log.skip();
                return Ok((Done::Unseen, number));
            }
        }
    }

    /// Waits until the change with this number is on the disk.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) fn commit(&self, number: u64) -> Result<()> {
        if self.committed.load(Ordering::Acquire) >= number {
            return Ok(());
        }
        let _raised = self.raised();
        // Those who wait here are mostly served by the commit of the one before them.
        let _one = self.committing.lock();
        if self.committed.load(Ordering::Acquire) >= number {
            return Ok(());
        }
        let committed = self.ask(|server| server.commit())?;
        self.trim(&mut self.log.lock(), committed);
        Ok(())
    }

    /// Waits until all changes so far are on the disk.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) fn commit_all(&self) -> Result<()> {
        let last = self.log.lock().next() - 1;
        self.commit(last)
    }

    /// Lets go of the disk, which is clean afterwards; nothing works any more then.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) fn retire(&self) -> Result<()> {
        let committed = loop {
            let mut log = self.log.lock();
            let session = self.session.read();
            match self.server.retire() {
                Err(error) if is_lost(error) => {}
                result => break result.map_err(errno)?,
            }
            let epoch = session.epoch;
            drop(session);
            self.recover(&mut log, epoch)?;
        };
        self.trim(&mut self.log.lock(), committed);
        self.session.write().failed = true;
        Ok(())
    }

    /// Commits, for one who holds the log.
    fn commit_log(&self, log: &mut Log) -> Result<()> {
        loop {
            let session = self.session.read();
            let epoch = session.epoch;
            match self.server.commit() {
                Ok(committed) => {
                    self.trim(log, committed);
                    return Ok(());
                }
                Err(error) if is_lost(error) => {}
                Err(error) => return Err(errno(error)),
            }
            drop(session);
            self.recover(log, epoch)?;
        }
    }

    fn trim(&self, log: &mut Log, committed: u64) {
        log.trim(committed);
        self.committed.store(log.committed(), Ordering::Release);
    }

    /// Brings the next incarnation up to date, if nobody else did since `epoch`.
    ///
    /// # Errors
    /// `EIO` if that cannot be.
    fn recover(&self, log: &mut Log, epoch: u64) -> Result<()> {
        let mut session = self.session.write();
        if session.failed {
            return Err(Errno::EIO);
        }
        if session.epoch != epoch {
            return Ok(());
        }
        let deadline = rt::time::now_ns() + PATIENCE_NS;
        loop {
            match self.catch_up(&mut session, log) {
                Ok(()) => break,
                Err(error) if is_lost(error) && rt::time::now_ns() < deadline => pause(),
                Err(error) => {
                    log::error!("the file system's server cannot be brought up to date: {error}");
                    session.failed = true;
                    return Err(Errno::EIO);
                }
            }
        }
        session.epoch += 1;
        self.recoveries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// One attempt at it.
    fn catch_up(
        &self,
        session: &mut RwLockWriteGuard<'_, Session>,
        log: &mut Log,
    ) -> core::result::Result<(), FsError> {
        let (info, regions) = begin(&*self.server, Orphans::Keep, &self.windows)?;
        self.trim(log, info.committed);
        session.regions = regions;
        let region = session.regions.get(Windows::CHANGES).copied().ok_or(FsError::NoRegion)?;
        if core::mem::replace(&mut session.incarnation, info.incarnation) == info.incarnation {
            // It only did not know the windows any more.
            return Ok(());
        }
        let mut committed = info.committed;
        for entry in log.entries() {
            match entry.send(&*self.server, self.windows.changes(), region) {
                Ok(changed) => committed = changed.committed,
                Err(FsError::AlreadyDone) => {}
                Err(error) if is_lost(error) => return Err(error),
                Err(error) => {
                    log::error!("change {} cannot be repeated: {error}", entry.number);
                    return Err(error);
                }
            }
        }
        self.trim(log, committed);
        Ok(())
    }
}

/// Starts the server and gives it all windows; their regions.
fn begin(
    server: &dyn FileSystem,
    orphans: Orphans,
    windows: &Windows,
) -> core::result::Result<(FsInfo, Vec<u64>), FsError> {
    let info = server.begin(orphans)?;
    let give = |window: &guest_memory::Window| server.attach(Capability(window.capability()), window.bytes() as u64);
    let regions = windows.all().iter().map(give).collect::<core::result::Result<_, _>>()?;
    Ok((info, regions))
}

fn pause() {
    rt::thread::sleep_until(rt::time::now_ns() + PAUSE_NS);
}

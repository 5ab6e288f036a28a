//! The homes of `block` and of `fs`, and what they share.
//!
//! | | leaves the personality | enters its task | leaves its task | enters the personality |
//! |---|---|---|---|---|
//! | `block` | release, unserve | start, ready, note | stop | open, ready, serve, note |
//! | `fs` | retire | *serve, start, prepare,* ready, note | retire, stop, unserve | *prepare,* ready, note |
//!
//! The steps in italics prepare the place: they are taken before the gate is closed and the old home is left.
//!
//! *Serve* and *unserve* concern endpoint `block`, which the personality serves while it has the disk's driver and `fs` runs
//! elsewhere; otherwise these steps do nothing.

mod block;
mod fs;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;

use interfaces::file_system::HandOver;
use interfaces::supervisor::Placement;
use interfaces::{BlockDevice, FileSystem, Supervisor, SupervisorError};
use rt::sync::Mutex;

use crate::home::StepError;
use crate::slot::Slot;

pub(crate) use block::{BlockInside, BlockNative};
pub(crate) use fs::{FsInside, FsNative};

/// A disk's driver inside the personality.
pub trait LocalDisk: BlockDevice {
    /// Resets the device and gives it back; requests that are under way end with [`BlockError::Stopped`].
    ///
    /// # Errors
    /// The device is not known to be quiet.
    fn shut_down(&self) -> Result<(), StepError>;

    /// Whether no request is under way, of whichever caller.
    fn is_idle(&self) -> bool;

    /// Waits for a moment in which that is so, at most until the monotonic time `until_ns`.
    fn wait_idle(&self, until_ns: u64);

    /// Serves endpoint `block`, until the result is dropped.
    ///
    /// # Errors
    /// There is no memory for threads.
    fn serve(&self) -> Result<Box<dyn Any + Send>, StepError>;
}

/// What the services need of whoever links their libraries.
pub trait Platform: Send + Sync {
    /// Takes the disk's device and starts its driver.
    ///
    /// # Errors
    /// Why the device cannot be used.
    fn open_disk(&self) -> Result<Arc<dyn LocalDisk>, StepError>;

    /// The disk's driver in its own task.
    fn native_disk(&self) -> Arc<dyn BlockDevice>;

    /// The file system's library over a disk, not begun.
    ///
    /// # Errors
    /// There is no memory.
    fn open_file_system(&self, disk: Arc<dyn BlockDevice>) -> Result<Arc<dyn FileSystem>, StepError>;

    /// The file system in its own task.
    fn native_file_system(&self) -> Arc<dyn FileSystem>;

    /// Makes the file system's client catch up with a server that died, and commits, so that less is left to do while the
    /// gate is closed. From now on its callers are to go before other threads. Called with the gate open.
    fn settle(&self);

    /// Waits until the file system's client has brought the incarnation up to date that took over, if one did. Called with the
    /// gate open.
    fn follow(&self);

    /// Makes the file system's client bring an incarnation up to date that took over, if one did; the move is over. Called with
    /// the gate open.
    fn catch_up(&self);

    /// The supervisor.
    fn supervisor(&self) -> &dyn Supervisor;
}

/// Names of the services: those of their endpoints.
pub const BLOCK: &str = "block";
/// As [`BLOCK`].
pub const FS: &str = "fs";

/// What the homes share.
pub(crate) struct Estate {
    pub(crate) platform: Arc<dyn Platform>,
    /// The driver inside, while it is there.
    pub(crate) disk: Mutex<Option<Arc<dyn LocalDisk>>>,
    /// The file system inside, while it is there.
    pub(crate) file_system: Mutex<Option<Arc<dyn FileSystem>>>,
    /// The next one inside, while it is prepared.
    pub(crate) next: Mutex<Option<Arc<dyn FileSystem>>>,
    /// What the file system said last when it retired.
    pub(crate) left: Mutex<HandOver>,
    /// What serves endpoint `block`, while somebody needs that.
    pub(crate) served: Mutex<Option<Box<dyn Any + Send>>>,
    /// Where each service is, as far as the other is concerned.
    pub(crate) places: Mutex<Places>,
}

/// What a file system says that cannot say anything: the next one is to look at the disk.
pub(crate) const UNKNOWN: HandOver = HandOver { sequence: 0, start: 0, change: 0 };

/// Where the services are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The driver.
    pub block: Placement,
    /// The file system.
    pub fs: Placement,
}

impl Estate {
    fn supervisor(&self) -> &dyn Supervisor {
        self.platform.supervisor()
    }

    /// Ends a service's own task, also one that has just died: that cannot be ended before it is there again.
    pub(crate) fn stop(&self, name: &str) -> Result<(), SupervisorError> {
        persist(|| self.supervisor().stop(name), |error| *error == SupervisorError::State)
    }

    /// Starts the driver inside.
    pub(crate) fn open_disk(&self) -> Result<(), StepError> {
        let disk = self.platform.open_disk()?;
        *self.disk.lock() = Some(disk);
        Ok(())
    }

    fn release_disk(&self) -> Result<(), StepError> {
        let disk = self.disk.lock().take();
        disk.map_or(Ok(()), |disk| disk.shut_down())
    }

    /// The driver inside, while it is there.
    fn local_disk(&self) -> Option<Arc<dyn LocalDisk>> {
        self.disk.lock().clone()
    }

    /// Serves endpoint `block` if the driver is inside and the file system is not.
    fn serve(&self, disk: Option<Arc<dyn LocalDisk>>) -> Result<(), StepError> {
        let mut served = self.served.lock();
        if let (Some(disk), None) = (disk, &*served) {
            *served = Some(disk.serve()?);
        }
        Ok(())
    }

    fn unserve(&self) {
        let served = self.served.lock().take();
        // Its threads end calls in flight first.
        drop(served);
    }

    /// What the file system said last; once.
    fn left(&self) -> HandOver {
        core::mem::replace(&mut self.left.lock(), UNKNOWN)
    }

    /// Starts the file system inside, over `block`'s slot.
    pub(crate) fn open_file_system(&self, block: &Arc<Slot<dyn BlockDevice>>) -> Result<(), StepError> {
        let file_system = self.platform.open_file_system(block.clone())?;
        *self.file_system.lock() = Some(file_system);
        Ok(())
    }
}

/// Repeats a call while it fails only because a task has died: it is restarted.
fn persist<R, E>(call: impl Fn() -> Result<R, E>, is_by_death: impl Fn(&E) -> bool) -> Result<R, E> {
    const ATTEMPTS: usize = 50;
    const PAUSE_NS: u64 = 20_000_000;
    let mut result = call();
    for _ in 0..ATTEMPTS {
        if !result.as_ref().is_err_and(&is_by_death) {
            break;
        }
        rt::thread::sleep_until(rt::time::now_ns() + PAUSE_NS);
        result = call();
    }
    result
}

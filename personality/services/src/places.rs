//! The homes of `block` and of `fs`.
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

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;

use interfaces::block_device::Pieces;
use interfaces::file_system::HandOver;
use interfaces::supervisor::Placement;
use interfaces::{BlockDevice, BlockError, FileSystem, FsError, Supervisor};
use rt::sync::Mutex;

use crate::home::{Home, Step, StepError};
use crate::slot::Slot;

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

/// How long a driver that is to be left waits for a moment in which no request is under way, in nanoseconds.
const PATIENCE_NS: u64 = 100_000_000;

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

/// Stands for a service that is nowhere: every call fails. Only if a move could not be taken back.
struct Nowhere;

impl Estate {
    fn supervisor(&self) -> &dyn Supervisor {
        self.platform.supervisor()
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

/// `block` inside the personality.
pub(crate) struct BlockInside(pub(crate) Arc<Estate>);

impl Home<dyn BlockDevice> for BlockInside {
    fn preparing(&self) -> &'static [Step] {
        // The other driver has the device until it leaves.
        &[]
    }

    fn leaving(&self) -> &'static [Step] {
        // Callers at the endpoint learn at once that it moves, and repeat: nobody waits for their requests any more.
        &[Step::Release, Step::Unserve]
    }

    fn entering(&self) -> &'static [Step] {
        &[Step::Open, Step::Ready, Step::Serve, Step::Note]
    }

    fn settle(&self) {
        // What fails here fails again when it is left.
        let _ = self.service().flush();
        // Those who call by the endpoint do not come through the gate.
        if let Some(disk) = self.0.local_disk() {
            disk.wait_idle(rt::time::now_ns() + PATIENCE_NS);
        }
    }

    fn is_settled(&self) -> bool {
        self.0.local_disk().is_none_or(|disk| disk.is_idle())
    }

    fn ends_calls(&self) -> bool {
        true
    }

    fn take(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Unserve => self.0.unserve(),
            Step::Release => {
                if let Err(error) = self.0.release_disk() {
                    // It must be usable if it is not left; if it cannot be opened, taking back will say so.
                    self.open_again()?;
                    return Err(error);
                }
            }
            Step::Open => self.0.open_disk()?,
            Step::Ready => self.service().info().map(drop)?,
            Step::Serve => self.serve()?,
            Step::Note => self.0.supervisor().placed(BLOCK, Placement::Personality)?,
            Step::Retire | Step::Stop | Step::Start | Step::Prepare => {}
        }
        Ok(())
    }

    fn take_back(&self, step: Step) -> Result<(), StepError> {
        match step {
            // Served is what is opened again.
            Step::Unserve => Ok(()),
            Step::Release => self.open_again(),
            Step::Open => self.0.release_disk(),
            Step::Serve => {
                self.0.unserve();
                Ok(())
            }
            Step::Note => Ok(self.0.supervisor().placed(BLOCK, Placement::Native)?),
            Step::Retire | Step::Stop | Step::Start | Step::Prepare | Step::Ready => Ok(()),
        }
    }

    fn service(&self) -> Arc<dyn BlockDevice> {
        match &*self.0.disk.lock() {
            Some(disk) => disk.clone(),
            None => Arc::new(Nowhere),
        }
    }
}

impl BlockInside {
    /// Opens the disk that was released, and serves it to those to whom it was served.
    fn open_again(&self) -> Result<(), StepError> {
        self.0.unserve();
        self.0.open_disk()?;
        self.serve()
    }

    fn serve(&self) -> Result<(), StepError> {
        if self.0.places.lock().fs == Placement::Personality {
            return Ok(());
        }
        self.0.serve(self.0.local_disk())
    }
}

/// `block` in its own task.
pub(crate) struct BlockNative(pub(crate) Arc<Estate>);

impl Home<dyn BlockDevice> for BlockNative {
    fn preparing(&self) -> &'static [Step] {
        &[]
    }

    fn leaving(&self) -> &'static [Step] {
        &[Step::Stop]
    }

    fn entering(&self) -> &'static [Step] {
        &[Step::Start, Step::Ready, Step::Note]
    }

    fn settle(&self) {
        // What fails here fails again when it is left.
        let _ = self.service().flush();
    }

    fn ends_calls(&self) -> bool {
        true
    }

    fn take(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Start => self.0.supervisor().start(BLOCK)?,
            Step::Ready => self.service().info().map(drop)?,
            Step::Stop => self.0.supervisor().stop(BLOCK)?,
            Step::Note => self.0.supervisor().placed(BLOCK, Placement::Native)?,
            _ => {}
        }
        Ok(())
    }

    fn take_back(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Start => self.0.supervisor().stop(BLOCK)?,
            Step::Stop => self.0.supervisor().start(BLOCK)?,
            Step::Note => self.0.supervisor().placed(BLOCK, Placement::Personality)?,
            _ => {}
        }
        Ok(())
    }

    fn service(&self) -> Arc<dyn BlockDevice> {
        self.0.platform.native_disk()
    }
}

/// `fs` inside the personality.
pub(crate) struct FsInside(pub(crate) Arc<Estate>, pub(crate) Arc<Slot<dyn BlockDevice>>);

impl Home<dyn FileSystem> for FsInside {
    fn preparing(&self) -> &'static [Step] {
        &[Step::Prepare]
    }

    fn leaving(&self) -> &'static [Step] {
        &[Step::Retire]
    }

    fn entering(&self) -> &'static [Step] {
        &[Step::Ready, Step::Note]
    }

    fn settle(&self) {
        // What fails here fails again when it is left.
        let _ = self.service().settle();
    }

    fn is_settled(&self) -> bool {
        self.service().is_settled() == Ok(true)
    }

    fn entered(&self) {
        self.0.platform.follow();
    }

    fn take(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Retire => {
                match self.service().hand_over() {
                    Ok(left) => *self.0.left.lock() = left,
                    Err(error) => {
                        // Whatever it is like now, the next one starts from the disk, and its client catches up.
                        self.0.open_file_system(&self.1)?;
                        return Err(error.into());
                    }
                }
                *self.0.file_system.lock() = None;
            }
            Step::Prepare => {
                let next = self.0.platform.open_file_system(self.1.clone())?;
                // What fails here fails again when it is opened.
                let _ = next.prepare();
                *self.0.next.lock() = Some(next);
            }
            Step::Ready => {
                let next = self.0.next.lock().take().ok_or(StepError::NoMemory)?;
                next.open(self.0.left())?;
                *self.0.file_system.lock() = Some(next);
            }
            Step::Note => self.0.supervisor().placed(FS, Placement::Personality)?,
            _ => {}
        }
        Ok(())
    }

    fn take_back(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Retire => self.0.open_file_system(&self.1),
            Step::Prepare => {
                *self.0.next.lock() = None;
                Ok(())
            }
            Step::Ready => {
                let file_system = self.0.file_system.lock().take();
                file_system.map_or(Ok(()), |file_system| Ok(file_system.hand_over().map(drop)?))
            }
            Step::Note => Ok(self.0.supervisor().placed(FS, Placement::Native)?),
            _ => Ok(()),
        }
    }

    fn service(&self) -> Arc<dyn FileSystem> {
        match &*self.0.file_system.lock() {
            Some(file_system) => file_system.clone(),
            None => self.0.platform.native_file_system(),
        }
    }
}

/// `fs` in its own task.
pub(crate) struct FsNative(pub(crate) Arc<Estate>);

impl Home<dyn FileSystem> for FsNative {
    fn preparing(&self) -> &'static [Step] {
        // It does not change anything on the disk before it is begun.
        &[Step::Serve, Step::Start, Step::Prepare]
    }

    fn leaving(&self) -> &'static [Step] {
        &[Step::Retire, Step::Stop, Step::Unserve]
    }

    fn entering(&self) -> &'static [Step] {
        &[Step::Ready, Step::Note]
    }

    fn settle(&self) {
        // What fails here fails again when it is left.
        let _ = self.service().settle();
    }

    fn is_settled(&self) -> bool {
        self.service().is_settled() == Ok(true)
    }

    fn entered(&self) {
        self.0.platform.follow();
    }

    fn take(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Retire => {
                let left = persist(|| self.service().hand_over(), |error| matches!(error, FsError::Call(_)))?;
                *self.0.left.lock() = left;
            }
            Step::Stop => self.0.supervisor().stop(FS)?,
            Step::Unserve => self.0.unserve(),
            Step::Serve => self.serve()?,
            Step::Start => self.0.supervisor().start(FS)?,
            // What fails here fails again when it is opened.
            Step::Prepare => drop(self.service().prepare()),
            Step::Ready => {
                let left = self.0.left();
                persist(|| self.service().open(left.clone()), |error| matches!(error, FsError::Call(_)))?;
            }
            Step::Note => self.0.supervisor().placed(FS, Placement::Native)?,
            Step::Release | Step::Open => {}
        }
        Ok(())
    }

    fn take_back(&self, step: Step) -> Result<(), StepError> {
        match step {
            // This one serves no more: only another one does. Its client starts it.
            Step::Retire => {
                if matches!(self.service().statistics(), Err(FsError::Retired)) {
                    self.0.supervisor().stop(FS)?;
                    self.0.supervisor().start(FS)?;
                }
                Ok(())
            }
            Step::Stop => Ok(self.0.supervisor().start(FS)?),
            Step::Unserve => self.serve(),
            Step::Serve => {
                self.0.unserve();
                Ok(())
            }
            Step::Start => Ok(self.0.supervisor().stop(FS)?),
            Step::Ready => Ok(self.service().hand_over().map(drop)?),
            Step::Note => Ok(self.0.supervisor().placed(FS, Placement::Personality)?),
            Step::Prepare | Step::Release | Step::Open => Ok(()),
        }
    }

    fn service(&self) -> Arc<dyn FileSystem> {
        self.0.platform.native_file_system()
    }
}

impl FsNative {
    fn serve(&self) -> Result<(), StepError> {
        self.0.serve(self.0.local_disk())
    }
}

/// Repeats a call while the task that answers it dies under it: it is restarted.
fn persist<R, E>(call: impl Fn() -> Result<R, E>, is_lost: impl Fn(&E) -> bool) -> Result<R, E> {
    const ATTEMPTS: usize = 50;
    const PAUSE_NS: u64 = 20_000_000;
    let mut result = call();
    for _ in 0..ATTEMPTS {
        if !result.as_ref().is_err_and(&is_lost) {
            break;
        }
        rt::thread::sleep_until(rt::time::now_ns() + PAUSE_NS);
        result = call();
    }
    result
}

impl BlockDevice for Nowhere {
    fn info(&self) -> Result<interfaces::block_device::BlockInfo, BlockError> {
        Err(BlockError::Device)
    }

    fn attach(&self, _: ipc::Capability, _: u64) -> Result<u64, BlockError> {
        Err(BlockError::Device)
    }

    fn detach(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Device)
    }

    fn read(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        Err(BlockError::Device)
    }

    fn write(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        Err(BlockError::Device)
    }

    fn write_pieces(&self, _: u64, _: Pieces) -> Result<(), BlockError> {
        Err(BlockError::Device)
    }

    fn flush(&self) -> Result<(), BlockError> {
        Err(BlockError::Device)
    }

    fn end_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Device)
    }

    fn admit_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Device)
    }
}

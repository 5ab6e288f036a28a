//! The homes of `block`: the personality, and the driver's own task.

use alloc::sync::Arc;

use interfaces::block_device::{BlockInfo, Pieces};
use interfaces::supervisor::Placement;
use interfaces::{BlockDevice, BlockError};

use super::{BLOCK, Estate, persist};
use crate::home::{Home, Step, StepError};

/// How long a driver that is to be left waits for a moment in which no request is under way, in nanoseconds.
const PATIENCE_NS: u64 = 100_000_000;

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
            Step::Ready => persist(|| self.service().info(), |error| matches!(error, BlockError::Call(_))).map(drop)?,
            Step::Stop => self.0.stop(BLOCK)?,
            Step::Note => self.0.supervisor().placed(BLOCK, Placement::Native)?,
            _ => {}
        }
        Ok(())
    }

    fn take_back(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Start => self.0.stop(BLOCK)?,
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

/// Stands for a service that is nowhere: every call fails. Only if a move could not be taken back.
struct Nowhere;

impl BlockDevice for Nowhere {
    fn info(&self) -> Result<BlockInfo, BlockError> {
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

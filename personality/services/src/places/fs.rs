//! The homes of `fs`: the personality, and the file system's own task.

use alloc::sync::Arc;

use interfaces::supervisor::Placement;
use interfaces::{BlockDevice, FileSystem, FsError};

use super::{Estate, FS, persist};
use crate::home::{Home, Step, StepError};
use crate::slot::Slot;

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
            Step::Stop => self.0.stop(FS)?,
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
                    self.0.stop(FS)?;
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
            Step::Start => Ok(self.0.stop(FS)?),
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

//! The disk's driver, inside and in its task.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use std::sync::{Mutex, MutexGuard};

use interfaces::block_device::{BlockInfo, Pieces};
use interfaces::{BlockDevice, BlockError};

use super::{DIED, State};
use crate::StepError;
use crate::places::LocalDisk;

/// Waits for the device while it is stuck and `serves` says that the driver has it.
fn wait_for_device(state: &Mutex<State>, serves: impl Fn(&State) -> bool) -> bool {
    state.lock().expect("no panic").waiting += 1;
    loop {
        let mut state = state.lock().expect("no panic");
        let serving = serves(&state);
        if !serving || !state.stuck {
            state.waiting -= 1;
            return serving;
        }
        drop(state);
        std::thread::sleep(core::time::Duration::from_micros(100));
    }
}

/// The driver inside.
pub(super) struct Disk(pub(super) Arc<Mutex<State>>);

impl BlockDevice for Disk {
    fn info(&self) -> Result<BlockInfo, BlockError> {
        let mut state = self.0.lock().expect("no panic");
        assert!(state.disk_inside, "a driver that was shut down is asked");
        if state.fails("info") {
            return Err(BlockError::Device);
        }
        Ok(BlockInfo { sectors: 1, max_bytes: 4096, read_only: false, incarnation: 1 })
    }

    fn attach(&self, _: ipc::Capability, _: u64) -> Result<u64, BlockError> {
        Ok(1)
    }

    fn detach(&self, _: u64) -> Result<(), BlockError> {
        Ok(())
    }

    fn read(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        if wait_for_device(&self.0, |state| state.disk_inside) { Ok(()) } else { Err(BlockError::Stopped) }
    }

    fn write(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        Ok(())
    }

    fn write_pieces(&self, _: u64, _: Pieces) -> Result<(), BlockError> {
        Ok(())
    }

    fn flush(&self) -> Result<(), BlockError> {
        std::thread::yield_now();
        if self.0.lock().expect("no panic").disk_inside { Ok(()) } else { Err(BlockError::Stopped) }
    }

    fn end_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }

    fn admit_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }
}

impl LocalDisk for Disk {
    fn shut_down(&self) -> Result<(), StepError> {
        let mut state = self.0.lock().expect("no panic");
        assert_eq!(state.busy, 0, "everybody waits for these requests");
        state.disk_inside = false;
        Ok(())
    }

    fn is_idle(&self) -> bool {
        let mut state = self.0.lock().expect("no panic");
        state.busy = state.busy.saturating_sub(1);
        state.busy == 0
    }

    fn wait_idle(&self, _: u64) {}

    fn serve(&self) -> Result<Box<dyn Any + Send>, StepError> {
        let mut state = self.0.lock().expect("no panic");
        if state.fails("serve") {
            return Err(StepError::NoMemory);
        }
        assert!(!state.served, "served twice");
        state.served = true;
        Ok(Box::new(Served(self.0.clone())))
    }
}

/// The driver's task.
pub(super) struct NativeDisk(pub(super) Arc<Mutex<State>>);

impl NativeDisk {
    fn require(&self) -> Result<MutexGuard<'_, State>, BlockError> {
        let state = self.0.lock().expect("no panic");
        if state.block_task { Ok(state) } else { Err(BlockError::Call(DIED)) }
    }
}

impl BlockDevice for NativeDisk {
    fn info(&self) -> Result<BlockInfo, BlockError> {
        let mut state = self.require()?;
        if state.deaths_at_info > 0 {
            (state.deaths_at_info, state.restarting) = (state.deaths_at_info - 1, 2);
            return Err(BlockError::Call(DIED));
        }
        if state.fails("info") {
            return Err(BlockError::Device);
        }
        Ok(BlockInfo { sectors: 1, max_bytes: 4096, read_only: false, incarnation: 1 })
    }

    fn attach(&self, _: ipc::Capability, _: u64) -> Result<u64, BlockError> {
        self.require().map(|_| 1)
    }

    fn detach(&self, _: u64) -> Result<(), BlockError> {
        self.require().map(drop)
    }

    fn read(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        drop(self.require()?);
        if wait_for_device(&self.0, |state| state.block_task) { Ok(()) } else { Err(BlockError::Call(DIED)) }
    }

    fn write(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        self.require().map(drop)
    }

    fn write_pieces(&self, _: u64, _: Pieces) -> Result<(), BlockError> {
        self.require().map(drop)
    }

    fn flush(&self) -> Result<(), BlockError> {
        self.require().map(drop)
    }

    fn end_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }

    fn admit_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }
}

/// Ends what serves endpoint `block`.
struct Served(Arc<Mutex<State>>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.lock().expect("no panic").served = false;
    }
}

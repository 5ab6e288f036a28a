//! The machine's switch.

use interfaces::system::StopReason;
use interfaces::{SystemError, SystemHandler};
use ipc::{Answer, Caller};
use ukernel_user::{Cap, Error, IoPorts};

/// QEMU's `isa-debug-exit`: ends the emulator with status value * 2 + 1.
const DEBUG_EXIT_PORT: u16 = 0xf4;
/// ACPI's PM1a control register where QEMU's q35 has it; it needs only the sleep type's enable bit.
const POWER_PORT: u16 = 0x604;
const POWER_OFF: u32 = 0x2000;
/// The reset control register of PC chip sets.
const RESET_PORT: u16 = 0xcf9;
const RESET: u32 = 6;
/// The machine's switch.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    power: Cap<IoPorts>,
    exit: Cap<IoPorts>,
    reset: Cap<IoPorts>,
}

impl Switch {
    /// Takes its ports out of `all`.
    ///
    /// # Errors
    /// The kernel refused, or there is no free slot.
    pub fn new(all: Cap<IoPorts>) -> Result<Self, Error> {
        let sub = |first, last| rt::cap::in_free_slot(|slot| all.sub(first, last, slot).map(drop));
        Ok(Self {
            power: sub(POWER_PORT, POWER_PORT + 1)?,
            exit: sub(DEBUG_EXIT_PORT, DEBUG_EXIT_PORT + 3)?,
            reset: sub(RESET_PORT, RESET_PORT)?,
        })
    }

    /// Stops the machine. Returns only where nothing worked.
    pub fn stop(&self, reason: StopReason) {
        log::info!("the system stops: {reason:?}");
        // Whatever the chip set does not know has no effect; the next way is tried.
        let _ = match reason {
            StopReason::Orderly => self.power.write(POWER_PORT, 2, POWER_OFF),
            StopReason::Failure => Ok(()),
            StopReason::Restart => self.reset.write(RESET_PORT, 1, RESET),
        };
        let status = u32::from(reason == StopReason::Failure);
        let _ = self.exit.write(DEBUG_EXIT_PORT, 4, status);
    }
}

impl SystemHandler for Switch {
    fn stop(&mut self, _: Caller<'_, Result<(), SystemError>>, reason: StopReason) -> Answer<Result<(), SystemError>> {
        Self::stop(self, reason);
        Answer::Now(Err(SystemError::Failed))
    }
}

//! The machine's switch, and the window on its threads.

use alloc::string::String;

use interfaces::system::{StopReason, ThreadInfo, ThreadState, WATCHES};
use interfaces::{SystemError, SystemHandler};
use ipc::{Answer, Caller};
use ukernel_abi::boot::slot;
use ukernel_user::object::ThreadWork;
use ukernel_user::{Cap, Error, IoPorts, Trace};

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

    fn thread(
        &mut self,
        caller: Caller<'_, Result<ThreadInfo, SystemError>>,
        first: u32,
    ) -> Answer<Result<ThreadInfo, SystemError>> {
        if caller.badge() & WATCHES == 0 {
            return Answer::Now(Err(SystemError::Refused));
        }
        let found = Cap::<Trace>::new(slot::TRACE).thread(first).map_err(|error| match error {
            Error::InvalidArgument => SystemError::Unknown,
            _ => SystemError::Failed,
        });
        Answer::Now(found.map(|thread| describe(&thread, rt::time::tsc_hz())))
    }
}

/// What the kernel says of a thread, in everybody's units.
fn describe(thread: &ThreadWork, tsc_hz: u64) -> ThreadInfo {
    let name = thread.name.split(|byte| *byte == 0).next().unwrap_or_default();
    let state = match thread.state {
        0 => ThreadState::Stopped,
        1 => ThreadState::Ready,
        _ => ThreadState::Blocked,
    };
    ThreadInfo {
        number: thread.number,
        name: String::from_utf8_lossy(name).into_owned(),
        state,
        priority: thread.priority.into(),
        limit_permille: thread.limit_permille.into(),
        busy_us: (u128::from(thread.ticks) * 1_000_000 / u128::from(tsc_hz.max(1))) as u64,
        messages: thread.messages,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_described_in_everybodys_units() {
        let mut name = [0; 24];
        name[..2].copy_from_slice(b"fs");
        let thread =
            ThreadWork { number: 7, priority: 9, state: 2, limit_permille: 0, ticks: 5_000_000_000, messages: 3, name };
        let info = describe(&thread, 2_000_000_000);
        assert_eq!((info.name.as_str(), info.busy_us, info.priority), ("fs", 2_500_000, 9));
        assert!(matches!(info.state, ThreadState::Blocked));
    }
}

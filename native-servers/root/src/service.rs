//! What the root task does for ever after: the machine's switch, and everybody's faults.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use interfaces::system::StopReason;
use interfaces::{SystemDispatcher, SystemError, SystemHandler};
use ipc::{Answer, Caller, Dispatch, Outcome, Request, Response};
use ukernel_user::{Cap, Error, IoPorts};

use crate::create::Made;
use crate::fault::{self, FAULT_BADGE, Fault};

/// QEMU's `isa-debug-exit`: ends the emulator with status value * 2 + 1.
const DEBUG_EXIT_PORT: u16 = 0xf4;
/// ACPI's PM1a control register where QEMU's q35 has it; it needs only the sleep type's enable bit.
const POWER_PORT: u16 = 0x604;
const POWER_OFF: u32 = 0x2000;
/// The reset control register of PC chip sets.
const RESET_PORT: u16 = 0xcf9;
const RESET: u32 = 6;
/// Most bytes of a stack that are looked at for a stack trace.
const MAX_STACK_BYTES: u64 = 256 << 10;

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

/// The root task's service.
pub struct RootService {
    tasks: BTreeMap<usize, Made>,
    system: SystemDispatcher<Switch>,
}

impl RootService {
    /// A service for these tasks.
    #[must_use]
    pub fn new(tasks: BTreeMap<usize, Made>, switch: Switch) -> Self {
        Self { tasks, system: SystemDispatcher(switch) }
    }

    fn fault(&mut self, number: usize, fault: &Fault) {
        let Some(task) = self.tasks.get(&number) else { return };
        rt::log_raw(&fault.describe(&task.name));
        for address in trace(task, fault) {
            rt::log_raw(&format!("[{}]   at 0x{address:x}", task.name));
        }
        // A dead task's main thread must not go on with what its other thread left behind.
        let _ = task.thread.suspend();
        if task.essential {
            log::error!("task \"{}\" is dead, and the system cannot go on without it", task.name);
            self.system.0.stop(StopReason::Failure);
        } else {
            log::warn!("task \"{}\" is dead", task.name);
        }
    }
}

/// The stack trace, where the fault was on the main thread's stack: the root task can read no other.
fn trace(task: &Made, fault: &Fault) -> Vec<u64> {
    let (low, high) = task.stack;
    if !(low..high).contains(&fault.fp) {
        return Vec::new();
    }
    let low = low.max(high.saturating_sub(MAX_STACK_BYTES));
    let mut stack = vec![0; (high - low) as usize];
    match rt::memory::read(task.space.stack, low - task.stack.0, &mut stack) {
        Ok(()) => fault::stack_trace(&stack, low, fault.fp),
        Err(_) => Vec::new(),
    }
}

impl Dispatch for RootService {
    const CAPS: usize = 0;

    fn dispatch(&mut self, request: Request<'_>, response: &mut Response) -> Outcome {
        if request.badge & FAULT_BADGE == 0 {
            return self.system.dispatch(request, response);
        }
        if let Some(fault) = Fault::from_message(request.label, request.words()) {
            self.fault((request.badge & !FAULT_BADGE) as usize, &fault);
        }
        // Any answer but "resume" leaves the thread suspended.
        response.refuse(ipc::status::ABANDONED)
    }

    fn notified(&mut self, _: u64) {}
}

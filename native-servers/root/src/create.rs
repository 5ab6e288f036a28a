//! Making all tasks of a manifest, in this order: endpoints, tasks one by one, RAM for who takes the rest; then the root
//! task gives up what it does not need, and only then do the tasks start.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use manifest::{Manifest, ROOT_ENDPOINTS, Ram, Start, Task};
use rt::layout;
use rt::start_info::{MAX_GRANTS, StartInfo, name_bytes};
use ukernel_abi::boot::slot;
use ukernel_user::object::StartRegisters;
use ukernel_user::{Cap, CapTable, Endpoint, Error, Memory, Rights, SchedContext, Thread, Untyped};

use crate::archive::Archive;
use crate::fault::FAULT_BADGE;
use crate::grants::{Endpoints, Granter, own_slot};
use crate::plan::{self, Layout};
use crate::space::Space;
use crate::supply::Supply;

/// A task that was made.
pub struct Made {
    /// Its name.
    pub name: String,
    /// Whether the system stops when it dies.
    pub essential: bool,
    /// Its main thread.
    pub thread: Cap<Thread>,
    /// Its address space.
    pub space: Space,
    /// Bounds of its main thread's stack.
    pub stack: (u64, u64),
}

/// What goes into making tasks.
pub struct Maker<'a> {
    /// Memory.
    pub supply: &'a Supply,
    /// Programs and data.
    pub archive: &'a Archive<'a>,
    /// The options given at boot.
    pub boot_options: &'a str,
    /// Frequency of the time-stamp counter.
    pub tsc_hz: u64,
}

/// The fresh kernel objects of a task.
struct Parts {
    table: Cap<CapTable>,
    thread: Cap<Thread>,
    sched_context: Cap<SchedContext>,
    space: Space,
}

impl Maker<'_> {
    /// Makes all tasks, stopped. `system` is the root task's own endpoint.
    ///
    /// # Errors
    /// Which task could not be made, and why.
    pub fn make_all(&self, manifest: &Manifest, system: Cap<Endpoint>) -> Result<BTreeMap<usize, Made>, String> {
        let mut endpoints: Endpoints = ROOT_ENDPOINTS.map(|name| (name.into(), system)).into();
        for name in manifest.endpoints() {
            let endpoint = self.supply.create(0).map_err(|error| format!("endpoint \"{name}\": {error:?}"))?;
            endpoints.insert(name.into(), endpoint);
        }
        // Who takes the rest comes last; the order of the numbers, which faults are known by, stays the manifest's.
        let mut order: Vec<usize> = (0..manifest.tasks.len()).collect();
        order.retain(|index| manifest.tasks[*index].start == Start::Boot);
        order.sort_by_key(|index| manifest.tasks[*index].ram == Ram::Rest);
        let mut made = BTreeMap::new();
        for index in order {
            let task = &manifest.tasks[index];
            let received: Vec<&str> = manifest.received_by(task).collect();
            let result = self.make(task, index, &received, &endpoints, system);
            made.insert(index, result.map_err(|problem| format!("task \"{}\": {problem}", task.name))?);
        }
        endpoints.retain(|name, _| !ROOT_ENDPOINTS.contains(&name.as_str()));
        endpoints.values().for_each(|endpoint| rt::cap::delete(endpoint.slot()));
        Ok(made)
    }

    fn make(
        &self,
        task: &Task,
        number: usize,
        received: &[&str],
        endpoints: &Endpoints,
        system: Cap<Endpoint>,
    ) -> Result<Made, String> {
        let program = self.archive.program(&task.program);
        let program = program.ok_or_else(|| format!("the boot archive has no program \"{}\"", task.program))?;
        let layout = plan::lay_out(task, program)?;
        let refused = |error: Error| format!("the kernel refused: {error:?}");
        let parts = self.parts(task, &layout).map_err(refused)?;
        self.install(&parts, task, number, system).map_err(refused)?;

        let options = plan::options(task, self.boot_options);
        let mut info = self.start_info(task, &layout, &options);
        let mut granter = Granter::new(parts.table, &mut info);
        let untyped: Cap<Untyped> = self.supply.create(task.untyped_bytes).map_err(refused)?;
        granter.grant_untyped(untyped).map_err(refused)?;
        granter.grant_all(task, received, endpoints, self.supply, self.archive)?;
        for (number, (memory, bytes)) in self.ram(task, received.len()).map_err(refused)?.into_iter().enumerate() {
            granter.grant_ram(number, memory, bytes)?;
        }
        info.first_free_slot = granter.next_slot();
        info.free_slots = (1u64 << task.slot_bits).saturating_sub(info.first_free_slot);
        parts.space.write_start_info(&info, &options).map_err(|error| format!("its options: {error:?}"))?;
        self.prepare(&parts, task, &layout).map_err(refused)?;
        Ok(finish(task, parts, &layout))
    }

    fn parts(&self, task: &Task, layout: &Layout) -> Result<Parts, Error> {
        Ok(Parts {
            table: self.supply.create(task.slot_bits.into())?,
            thread: self.supply.create(0)?,
            sched_context: self.supply.create(0)?,
            space: Space::build(self.supply, self.archive, layout)?,
        })
    }

    /// Installs what every task has.
    fn install(&self, parts: &Parts, task: &Task, number: usize, system: Cap<Endpoint>) -> Result<(), Error> {
        let table = parts.table;
        let give = |to, slot| table.copy(to, Cap::NULL, slot, Rights::ALL);
        give(own_slot::CAP_TABLE, table.slot())?;
        give(own_slot::VSPACE, parts.space.vspace.slot())?;
        give(own_slot::THREAD, parts.thread.slot())?;
        give(own_slot::SCHED_CONTEXT, parts.sched_context.slot())?;
        if task.log {
            give(own_slot::LOG, slot::LOG)?;
        }
        let badge = FAULT_BADGE | number as u64;
        table.mint(own_slot::FAULTS, Cap::NULL, system.slot(), Rights::SEND.or(Rights::GRANT), badge)
    }

    fn start_info(&self, task: &Task, layout: &Layout, options: &str) -> StartInfo {
        let base = layout.base;
        StartInfo {
            name: name_bytes(&task.name).expect("the manifest's names are short"),
            tsc_hz: self.tsc_hz,
            priority: task.priority.into(),
            fpu: task.fpu.into(),
            base,
            cap_table: own_slot::CAP_TABLE,
            vspace: own_slot::VSPACE,
            thread: own_slot::THREAD,
            sched_context: own_slot::SCHED_CONTEXT,
            untyped: own_slot::UNTYPED,
            log: if task.log { own_slot::LOG } else { 0 },
            fault_endpoint: own_slot::FAULTS,
            heap: base + layout::HEAP,
            heap_bytes: task.heap_bytes,
            stack_low: layout.stack_low,
            stack_high: layout.stack_high(),
            message_page: base + layout::MESSAGE_PAGE,
            thread_local: base + layout::THREAD_LOCAL,
            options: base + layout::START_INFO + ukernel_abi::PAGE_BYTES,
            options_bytes: options.len() as u64,
            ..StartInfo::EMPTY
        }
    }

    fn ram(&self, task: &Task, received: usize) -> Result<Vec<(Cap<Memory>, u64)>, Error> {
        match task.ram {
            Ram::None => Ok(Vec::new()),
            Ram::Bytes(bytes) => Ok(Vec::from([(self.supply.create(bytes)?, bytes)])),
            Ram::Rest => {
                let mut pieces = self.supply.rest()?;
                let room = MAX_GRANTS - manifest_grants(task) - received;
                pieces.drain(room.min(pieces.len())..).for_each(|(memory, _)| rt::cap::delete(memory.slot()));
                Ok(pieces)
            }
        }
    }

    /// Makes the main thread ready to start.
    fn prepare(&self, parts: &Parts, task: &Task, layout: &Layout) -> Result<(), Error> {
        let thread = parts.thread;
        let faults = rt::cap::in_free_slot(|slot| {
            // The task's own capability, with its badge: the thread's is to be its copy.
            rt::own::cap_table().copy(slot, parts.table, own_slot::FAULTS, Rights::ALL)
        })?;
        thread.configure(parts.table, parts.space.vspace, faults, parts.space.thread, 0)?;
        rt::cap::delete(faults.slot());
        thread.set_priority(task.priority)?;
        thread.set_fpu(task.fpu)?;
        parts.sched_context.configure(0, 0)?;
        parts.sched_context.bind(thread)?;
        thread.write_registers(&StartRegisters {
            rip: layout.entry_point,
            // As if called: a return address of 0, and the alignment of a function's start.
            rsp: layout.stack_high() - 8,
            rdi: layout.base + layout::START_INFO,
            rsi: 0,
            fs_base: layout.base + layout::THREAD_LOCAL,
        })
    }
}

fn manifest_grants(task: &Task) -> usize {
    let control = usize::from(task.irq_control);
    let ranges = task.ports.len() + task.irqs.len() + task.devices.len() + task.data.len();
    control + ranges + task.calls.len()
}

/// Gives up what only making the task needed.
fn finish(task: &Task, parts: Parts, layout: &Layout) -> Made {
    rt::cap::delete(parts.table.slot());
    rt::cap::delete(parts.sched_context.slot());
    rt::cap::delete(parts.space.vspace.slot());
    Made {
        name: task.name.to_string(),
        essential: task.essential,
        thread: parts.thread,
        space: parts.space,
        stack: (layout.stack_low, layout.stack_high()),
    }
}

//! Making tasks, at boot and ever after, each in its nest.
//!
//! At boot: endpoints, a nest for every task of the manifest, RAM for who takes the rest, then the tasks that start with the
//! system. Later a task is made anew in the same nest, from the same archive and manifest.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use manifest::{Manifest, ROOT_ENDPOINTS, Ram, Task, URGENT_ABOVE};
use rt::layout;
use rt::start_info::{MAX_GRANTS, StartInfo, name_bytes};
use ukernel_abi::boot::slot;
use ukernel_abi::invoke::sched_context::MAX_REFILLS;
use ukernel_user::object::{StartRegisters, TimeLimit};
use ukernel_user::{Cap, CapTable, Endpoint, Error, Rights, SchedContext, Thread};

use crate::archive::Archive;
use crate::budget;
use crate::fault::FAULT_BADGE;
use crate::grants::{Endpoints, Grantee, Granter, own_slot};
use crate::made::Made;
use crate::nest::Nest;
use crate::plan::{self, Layout, Life};
use crate::space::Space;
use crate::supply::Supply;
use crate::tracing;

/// In how many pieces limited time comes back at most: as many as the kernel can note.
const REFILLS: u64 = MAX_REFILLS as u64;

/// What tasks are made of.
pub struct Maker {
    /// The system.
    pub manifest: Manifest,
    /// Programs and data.
    pub archive: Archive<'static>,
    /// The options given at boot.
    pub boot_options: &'static str,
    /// Frequency of the time-stamp counter.
    pub tsc_hz: u64,
    cpus: u64,
    supply: Supply,
    /// The root task's own endpoint.
    system: Cap<Endpoint>,
    endpoints: Endpoints,
    /// What the kernel traces into, where the boot options ask for it.
    ring: Option<tracing::Ring>,
    /// By number of the task. One whose program is not in the archive has none.
    nests: BTreeMap<usize, Nest>,
    /// The tasks that were made before.
    made: BTreeSet<usize>,
}

/// The fresh kernel objects of a task.
struct Parts {
    table: Cap<CapTable>,
    thread: Cap<Thread>,
    sched_context: Cap<SchedContext>,
    /// For the task's further threads, where its time is limited.
    more_time: Vec<Cap<SchedContext>>,
    space: Space,
}

impl Maker {
    /// A maker with nothing set aside yet.
    #[must_use]
    pub fn new(
        manifest: Manifest,
        archive: Archive<'static>,
        boot_options: &'static str,
        (tsc_hz, cpus): (u64, u64),
        (supply, system): (Supply, Cap<Endpoint>),
    ) -> Self {
        let endpoints = ROOT_ENDPOINTS.map(|name| (name.into(), system)).into();
        Self {
            manifest,
            archive,
            boot_options,
            tsc_hz,
            cpus,
            supply,
            system,
            endpoints,
            ring: None,
            nests: BTreeMap::new(),
            made: BTreeSet::new(),
        }
    }

    /// Starts tracing, if the boot options ask for it; first of all, while there is memory.
    ///
    /// # Errors
    /// As [`tracing::start`].
    pub fn start_trace(&mut self) -> Result<(), Error> {
        self.ring = tracing::start(self.boot_options, &self.supply, self.tsc_hz)?;
        Ok(())
    }

    /// Makes the endpoints and the nests of all tasks; all other memory goes to who takes the rest.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn set_aside(&mut self) -> Result<(), String> {
        for name in self.manifest.endpoints() {
            let endpoint = self.supply.create(0).map_err(|error| format!("endpoint \"{name}\": {error:?}"))?;
            self.endpoints.insert(name.into(), endpoint);
        }
        for (number, task) in self.manifest.tasks.iter().enumerate() {
            // What is wrong with a program is said when the task is to be made.
            let Ok(layout) = self.lay_out(task) else { continue };
            let nest = Nest::new(&self.supply, budget::nest_bytes(task, &layout));
            let nest = nest.map_err(|error| format!("no memory for task \"{}\": {error:?}", task.name))?;
            self.nests.insert(number, nest);
        }
        if let Some(number) = self.manifest.tasks.iter().position(|task| task.ram == Ram::Rest)
            && let Some(nest) = self.nests.get_mut(&number)
        {
            let task = &self.manifest.tasks[number];
            let mut pieces = self.supply.rest().map_err(|error| format!("the rest of memory: {error:?}"))?;
            let room = MAX_GRANTS - grants(task) - self.manifest.received_by(task).count();
            pieces.drain(room.min(pieces.len())..).for_each(|(memory, _)| rt::cap::delete(memory.slot()));
            nest.set_ram(pieces);
        }
        self.supply.close();
        Ok(())
    }

    /// Makes a task, stopped.
    ///
    /// # Errors
    /// Why it could not be made; nothing is left of it.
    pub fn make(&mut self, number: usize) -> Result<Made, String> {
        let task = self.manifest.tasks.get(number).cloned().ok_or("there is no such task")?;
        let layout = self.lay_out(&task)?;
        let mut nest = self.nests.remove(&number).ok_or("it has no nest")?;
        let made = self.make_in(&mut nest, &task, number, &layout);
        match made {
            Ok(_) => drop(self.made.insert(number)),
            Err(_) => nest.reclaim(),
        }
        self.nests.insert(number, nest);
        made
    }

    /// Takes everything back that a task had. Its devices must be quiet.
    pub fn unmake(&mut self, number: usize) {
        if let Some(nest) = self.nests.get_mut(&number) {
            nest.reclaim();
        }
    }

    /// A capability to call an endpoint, for the root task itself.
    ///
    /// # Errors
    /// There is no such endpoint, or no free slot.
    pub fn caller_of(&self, endpoint: &str, badge: u64) -> Result<Cap<Endpoint>, Error> {
        let found = self.endpoints.get(endpoint).copied().ok_or(Error::InvalidCapability)?;
        rt::cap::mint(found, Rights::SEND.or(Rights::GRANT), badge)
    }

    fn lay_out(&self, task: &Task) -> Result<Layout, String> {
        let program = self.archive.program(&task.program);
        let program = program.ok_or_else(|| format!("the boot archive has no program \"{}\"", task.program))?;
        plan::lay_out(task, program)
    }

    fn make_in(&self, nest: &mut Nest, task: &Task, number: usize, layout: &Layout) -> Result<Made, String> {
        let refused = |error: Error| format!("the kernel refused: {error:?}");
        let parts = self.parts(nest, task, layout).map_err(refused)?;
        self.install(&parts, task, number).map_err(refused)?;
        let life = if self.made.contains(&number) { Life::Later } else { Life::First };
        let options = plan::options(task, self.boot_options, life);
        let mut info = self.start_info(task, layout, &options);
        let received: Vec<&str> = self.manifest.received_by(task).collect();
        let mut granter = Granter::new(parts.table, nest, &mut info);
        granter.grant_untyped(task.untyped_bytes).map_err(refused)?;
        let grantee = Grantee { task, number, received: &received };
        granter.grant_all(grantee, &self.endpoints, &self.supply, &self.archive)?;
        granter.grant_time(&parts.more_time)?;
        if task.trace {
            granter.grant_trace(self.ring)?;
        }
        let next_slot = granter.next_slot();
        info.first_free_slot = next_slot;
        info.free_slots = (1u64 << task.slot_bits).saturating_sub(next_slot);
        parts.space.write_start_info(&info, &options).map_err(|error| format!("its options: {error:?}"))?;
        prepare(&parts, task, layout).map_err(refused)?;
        Ok(Made {
            name: task.name.to_string(),
            thread: parts.thread,
            space: parts.space,
            stack: (layout.stack_low, layout.stack_high()),
        })
    }

    fn parts(&self, nest: &mut Nest, task: &Task, layout: &Layout) -> Result<Parts, Error> {
        Ok(Parts {
            table: nest.create(task.slot_bits.into())?,
            thread: nest.create(0)?,
            sched_context: time(nest, task)?,
            more_time: (1..budget::contexts(task)).map(|_| time(nest, task)).collect::<Result<_, _>>()?,
            space: Space::build(nest, &self.archive, layout)?,
        })
    }

    /// Installs what every task has.
    fn install(&self, parts: &Parts, task: &Task, number: usize) -> Result<(), Error> {
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
        table.mint(own_slot::FAULTS, Cap::NULL, self.system.slot(), Rights::SEND.or(Rights::GRANT), badge)
    }

    fn start_info(&self, task: &Task, layout: &Layout, options: &str) -> StartInfo {
        let base = layout.base;
        StartInfo {
            name: name_bytes(&task.name).expect("the manifest's names are short"),
            tsc_hz: self.tsc_hz,
            cpus: self.cpus,
            priority: task.priority.into(),
            fpu: task.fpu.into(),
            base,
            cap_table: own_slot::CAP_TABLE,
            vspace: own_slot::VSPACE,
            thread: own_slot::THREAD,
            sched_context: own_slot::SCHED_CONTEXT,
            limited: task.time.is_some().into(),
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
}

/// Time for a thread of a task, limited as the manifest says.
fn time(nest: &mut Nest, task: &Task) -> Result<Cap<SchedContext>, Error> {
    let context: Cap<SchedContext> = nest.create(0)?;
    if let Some(time) = task.time {
        let (budget_ns, period_ns) = (time.part_ns(), time.period_ns);
        context.configure(&TimeLimit { budget_ns, period_ns, refills: REFILLS, data: 0 })?;
    }
    Ok(context)
}

/// Makes the main thread ready to start.
fn prepare(parts: &Parts, task: &Task, layout: &Layout) -> Result<(), Error> {
    let thread = parts.thread;
    let faults = rt::cap::in_free_slot(|slot| {
        // The task's own capability, with its badge: the thread's is to be its copy.
        rt::own::cap_table().copy(slot, parts.table, own_slot::FAULTS, Rights::ALL)
    })?;
    thread.configure(parts.table, parts.space.vspace, faults, parts.space.thread, 0)?;
    rt::cap::delete(faults.slot());
    thread.set_priority(task.priority)?;
    // Threads that the others wait for go above them (`rt::thread::raise`); none gets above that.
    thread.set_max_priority(task.priority + URGENT_ABOVE)?;
    if task.time.is_some() {
        thread.forgo_time()?;
    }
    thread.set_fpu(task.fpu)?;
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

/// How many grants a task has, RAM and what it receives from aside.
fn grants(task: &Task) -> usize {
    let ranges = task.ports.len() + task.irqs.len() + task.devices.len() + task.data.len();
    let rights = 2 * usize::from(task.irq_control) + 2 * usize::from(task.trace);
    rights + usize::from(budget::contexts(task) - 1) + ranges + task.calls.len()
}

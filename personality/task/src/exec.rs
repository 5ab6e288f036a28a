//! Executing another program.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use elf_loader::{Files, Identity, OpenImage, StackContents};
use guest_memory::State;
use guest_memory::fpu::FpuState;
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use mm::AddressSpace;
use vfs::{Caller, Credentials, FsContext, OpenFile, Path, WalkFlags};

use crate::exit::open_vfork_gate;
use crate::{AlternateStack, Limits, Task, futex, system};

/// What execve(2) was asked for; the file is open for execution.
pub struct ExecRequest {
    /// The path as it was given.
    pub path: Vec<u8>,
    /// The file.
    pub file: Arc<OpenFile>,
    /// Arguments.
    pub arguments: Vec<Vec<u8>>,
    /// Environment.
    pub environment: Vec<Vec<u8>>,
}

/// A program in an address space of its own, ready to run.
pub(crate) struct Loaded {
    pub(crate) space: Arc<AddressSpace>,
    entry: elf_loader::Entry,
    name: Vec<u8>,
    executable: Path,
}

/// Opens interpreters as the caller may.
struct Opener<'a> {
    fs: &'a FsContext,
    credentials: &'a Credentials,
}

impl Files for Opener<'_> {
    type File = OpenImage;

    fn open(&mut self, path: &[u8]) -> Result<OpenImage> {
        let caller = Caller { fs: self.fs, credentials: self.credentials };
        OpenImage::new(caller.open_program(None, path, WalkFlags::FOLLOW)?, path.to_vec())
    }
}

/// Loads a program; nothing of the caller changes.
pub(crate) fn load(
    request: &ExecRequest,
    fs: &FsContext,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Loaded> {
    let image = OpenImage::new(request.file.clone(), request.path.clone())?;
    let mut opener = Opener { fs, credentials };
    let prepared = elf_loader::prepare(&mut opener, &request.path, image, request.arguments.clone())?;
    let space = AddressSpace::new(limits.of_memory())?;
    let identity = Identity {
        uid: credentials.uid,
        euid: credentials.euid,
        gid: credentials.gid,
        egid: credentials.egid,
        secure: credentials.uid != credentials.euid || credentials.gid != credentials.egid,
    };
    let contents = StackContents {
        environment: &request.environment,
        identity,
        random: random_bytes(),
        stack_limit: limits.0[raw::RLIMIT_STACK as usize].0,
        vdso: 0,
    };
    let entry = elf_loader::load(&space, &prepared, &contents)?;
    // A script keeps its own name; its interpreter is what `/proc/PID/exe` shows.
    let name = request.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
    let executable = prepared.file.file().path().clone();
    Ok(Loaded { space, entry, name, executable })
}

/// Sixteen bytes for the C library's stack protector and pointer guard.
fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    devfs::random::fill(&mut bytes);
    bytes
}

/// execve(2): from now on the task's program is another one.
///
/// # Errors
/// As execve(2); then nothing has changed.
pub fn execute(task: &Task, request: ExecRequest) -> Result<()> {
    let limits = *task.process.limits.lock();
    let loaded = load(&request, &task.fs(), &task.credentials(), &limits)?;
    become_alone(task)?;
    crate::timer::delete_posix_timers(&task.process);
    futex::end_robust_list(task);
    task.clear_child_tid.store(0, Ordering::Relaxed);
    task.seat.machine.enter_space(loaded.space.page_tables().slot())?;
    let old = task.replace_space(loaded.space.clone());
    open_vfork_gate(task);
    drop(old);
    task.unshare_files();
    task.files().close_on_exec();
    reset_signals(task);
    FpuState::initial().restore();
    take_over(task, &loaded);
    if let Some(entry) = system().tree().get_mut(task.pid()) {
        entry.has_executed = true;
    }
    Ok(())
}

/// Points the task to its new program.
pub(crate) fn take_over(task: &Task, loaded: &Loaded) {
    task.set_name(&loaded.name);
    *task.process.executable.lock() = Some(loaded.executable.clone());
    let (rip, rsp) = (loaded.entry.instruction.value(), loaded.entry.stack.value());
    task.seat.state.with(|state| {
        *state = State { rip, rsp, rcx: rip, rflags: 0x202, r11: 0x202, ..State::default() };
    });
}

/// Ends all other threads of the process and takes its number.
fn become_alone(task: &Task) -> Result<()> {
    let process = &task.process;
    {
        let mut group = process.group.lock();
        if group.exiting.is_some() || group.executing.is_some() {
            return Err(Errno::ERESTARTNOINTR);
        }
        if process.tasks.lock().len() == 1 && task.tid() == process.pid {
            return Ok(());
        }
        group.executing = Some(task.tid());
    }
    process.notify_others(task);
    process.resumed.wake_all();
    process.alone.wait_uninterruptible(|| (process.tasks.lock().len() == 1).then_some(()));
    if task.tid() != process.pid {
        let mut tree = system().tree();
        if let Some(own) = tree.remove_thread(task.tid()) {
            tree.add_thread(process.pid, own);
        }
        task.set_tid(process.pid);
    }
    process.group.lock().executing = None;
    Ok(())
}

/// Handlers are gone with the old program; masks and pending signals stay (execve(2)).
fn reset_signals(task: &Task) {
    let fresh = {
        let actions = task.process.actions();
        let mut table = actions.lock().clone();
        table.reset_handlers();
        table
    };
    *task.process.actions.lock() = Arc::new(rt::sync::Mutex::new(fresh));
    task.signals.lock().stack = AlternateStack::default();
}

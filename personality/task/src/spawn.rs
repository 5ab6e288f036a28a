//! Processes that the personality itself starts: the first one's children.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use guest_memory::fpu::FpuState;
use linux_abi::Result;
use rt::sync::Mutex;
use vfs::{Caller, Credentials, FdTable, FsContext, WalkFlags};

use crate::clone::with_seat;
use crate::exec::{self, ExecRequest};
use crate::signal::{Actions, Signal};
use crate::{INIT, Limits, Pid, Process, Resources, Seat, Task, TraceSink, system};

/// A process that the personality itself starts.
pub struct Spawn {
    /// Its descriptors.
    pub files: Arc<FdTable>,
    /// Its root, working directory and umask.
    pub fs: Arc<FsContext>,
    /// Who it is.
    pub credentials: Credentials,
    /// Its program.
    pub path: Vec<u8>,
    /// Its arguments.
    pub arguments: Vec<Vec<u8>>,
    /// Its environment.
    pub environment: Vec<Vec<u8>>,
    /// Where the text of its traced calls goes.
    pub trace: Option<Arc<dyn TraceSink>>,
    /// The host's session, or 0.
    pub host_session: u64,
}

/// Starts a process as child of the first one, leader of a session and group of its own. `before_start` sees it before its
/// program runs.
///
/// # Errors
/// As execve(2) and fork(2).
pub fn spawn(request: Spawn, before_start: impl FnOnce(&Arc<Process>)) -> Result<Arc<Process>> {
    let system = system();
    let caller = Caller { fs: &request.fs, credentials: &request.credentials };
    let file = caller.open_program(None, &request.path, WalkFlags::FOLLOW)?;
    let (tid, child) = with_seat(|tid, seat| spawn_at(&request, file, tid, seat))?;
    let process = child.process.clone();
    {
        let mut tree = system.tree();
        tree.add_child(tid, process.clone(), INIT, Some(Signal::SIGCHLD))?;
        process.tasks.lock().push(child.clone());
        tree.add_thread(tid, child.clone());
        tree.new_session(tid)?;
    }
    system.forks.fetch_add(1, Ordering::Relaxed);
    before_start(&process);
    system.workers.start(child);
    Ok(process)
}

fn spawn_at(request: &Spawn, file: Arc<vfs::OpenFile>, tid: Pid, seat: Arc<Seat>) -> Result<Arc<Task>> {
    let limits = Limits::initial(system().thread_limit as u64);
    let process = Process::new(tid, limits, Arc::new(Mutex::new(Actions::default())));
    *process.trace.lock() = request.trace.clone();
    process.set_host_session(request.host_session);
    let (files, fs) = (request.files.clone(), request.fs.clone());
    let credentials = Arc::new(request.credentials.clone());
    let program = ExecRequest {
        path: request.path.clone(),
        file,
        arguments: request.arguments.clone(),
        environment: request.environment.clone(),
    };
    let loaded = exec::load(&program, &fs, &credentials, &limits)?;
    let task =
        Task::new(tid, Arc::new(process), seat, Resources { files, fs, credentials, space: loaded.space.clone() });
    exec::take_over(&task, &loaded);
    *task.start_fpu.lock() = Some(Box::new(FpuState::initial()));
    Ok(Arc::new(task))
}

//! The text of traced calls: to a session's trace stream or to the log.

use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;

use interfaces::HostChannelClient;
use interfaces::host_channel::stream;
use linux_abi::Result;
use linux_abi::raw::general::{__NR_exit, __NR_exit_group};
use mm::AddressSpace;
use rt::sync::Mutex;
use strace::{Call, End, Memory, Tracer};
use syscalls::Args;
use task::{ExitStatus, Task, TraceSink};

/// Where the text goes.
pub(crate) enum Destination {
    /// To the host.
    Session(HostChannelClient, u32),
    /// To the kernel's log.
    Log,
}

/// A trace of a command and its descendants.
pub(crate) struct Trace {
    tracer: Mutex<Tracer>,
    destination: Destination,
}

impl Trace {
    /// A trace of nothing yet.
    pub(crate) fn new(destination: Destination) -> Arc<Self> {
        Arc::new(Self { tracer: Mutex::new(Tracer::new()), destination })
    }

    fn record(&self, append: impl FnOnce(&mut Tracer, &mut String)) {
        let mut text = String::new();
        let mut tracer = self.tracer.lock();
        append(&mut tracer, &mut text);
        // With the lock held, so that pieces arrive in order.
        self.write(text.as_bytes());
    }
}

impl TraceSink for Trace {
    fn write(&self, text: &[u8]) {
        match &self.destination {
            Destination::Session(host, id) => {
                // When the host no longer listens, the program goes on all the same.
                let _ = crate::session::write_all(host, *id, stream::STRACE, text);
            }
            Destination::Log => String::from_utf8_lossy(text).lines().for_each(|line| log::info!("{line}")),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A task's memory, for the tracer.
struct Traced(Option<Arc<AddressSpace>>);

impl Memory for Traced {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        self.0.as_ref().map_or(0, |space| space.read(address, into))
    }
}

/// A traced task's way to its trace.
pub(crate) struct TaskTrace(Arc<dyn TraceSink>);

impl TaskTrace {
    /// The trace of a task, if it is traced.
    pub(crate) fn of(task: &Task) -> Option<Self> {
        let sink = task.process.trace.lock().clone()?;
        sink.as_any().is::<Trace>().then_some(Self(sink))
    }

    fn trace(&self) -> &Trace {
        self.0.as_any().downcast_ref().expect("checked when this was made")
    }

    /// Makes a call and writes about it.
    pub(crate) fn call(&self, task: &Task, number: u64, args: &Args) -> Result<u64> {
        let trace = self.trace();
        let call = Call { number, arguments: args.0 };
        let memory = memory_of(task);
        trace.record(|tracer, text| tracer.entry(task.tid(), call, &memory, text));
        drop(memory);
        let result = syscalls::dispatch(task, number, args);
        if ![__NR_exit, __NR_exit_group].contains(&(number as u32)) {
            let value = result.unwrap_or_else(linux_abi::Errno::as_return_value) as i64;
            // The memory may be another one: execve.
            let memory = memory_of(task);
            trace.record(|tracer, text| tracer.exit(task.tid(), value, &memory, text));
        }
        result
    }

    /// Writes that the task has ended.
    pub(crate) fn ended(&self, task: &Task) {
        let exiting = task.process.group.lock().exiting;
        let end = match exiting.or(task.requested_exit()) {
            Some(ExitStatus::Signal(signal)) => End::Killed { signal: signal.number().into(), core: false },
            Some(ExitStatus::Code(code)) => End::Exited(code),
            None => End::Exited(0),
        };
        self.trace().record(|tracer, text| tracer.ended(task.tid(), end, text));
    }
}

fn memory_of(task: &Task) -> Traced {
    Traced(task.try_resources().map(|resources| resources.space))
}

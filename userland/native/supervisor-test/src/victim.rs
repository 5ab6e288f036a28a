//! The server that the tester torments.

use alloc::vec::Vec;

use ipc::{Answer, Caller, Capability, PendingReply, Server};
use rt::time::now_ns;
use ukernel_user::{Cap, Memory, Rights};

use crate::contract::{VictimDispatcher, VictimError, VictimHandler};

/// Threads that count.
pub const COUNTERS: u64 = 3;
const STACK_BYTES: usize = 16 << 10;
/// Requests that may hang.
const HANGING: usize = 4;

#[derive(Default)]
struct State {
    start_ns: u64,
    hanging: Vec<PendingReply<Result<(), VictimError>>>,
}

/// Serves for ever.
pub fn run(env: &rt::Env) {
    let endpoint = env.served("victim").expect("the manifest makes this task the service's");
    let server = Server::new(endpoint, HANGING).expect("the manifest grants memory for a server's objects");
    let error = server.run(&mut VictimDispatcher(State { start_ns: now_ns(), ..State::default() }));
    log::error!("no longer served: {error:?}");
}

impl VictimHandler for State {
    fn incarnation(&mut self, _: Caller<'_, Result<u64, VictimError>>) -> Answer<Result<u64, VictimError>> {
        Answer::Now(Ok(self.start_ns))
    }

    fn count(&mut self, _: Caller<'_, Result<(), VictimError>>, memory: Capability) -> Answer<Result<(), VictimError>> {
        let memory: Cap<Memory> = Cap::new(memory.0);
        for counter in 0..COUNTERS {
            if rt::thread::spawn("counter", STACK_BYTES, move || count(memory, counter * 8)).is_err() {
                return Answer::Now(Err(VictimError::Failed));
            }
        }
        Answer::Now(Ok(()))
    }

    fn hang(&mut self, caller: Caller<'_, Result<(), VictimError>>) -> Answer<Result<(), VictimError>> {
        match caller.defer() {
            Some(reply) => self.hanging.push(reply),
            None => return Answer::Now(Err(VictimError::Failed)),
        }
        Answer::Later
    }

    fn memory(&mut self, _: Caller<'_, Result<Capability, VictimError>>) -> Answer<Result<Capability, VictimError>> {
        let memory = rt::object::create::<Memory>(4096).and_then(|memory| rt::cap::copy(memory, Rights::ALL));
        memory.map(|memory| Capability(memory.slot())).map_err(|_| VictimError::Failed).into()
    }

    fn panic(&mut self, _: Caller<'_, Result<(), VictimError>>) -> Answer<Result<(), VictimError>> {
        panic!("as asked for");
    }
}

fn count(memory: Cap<Memory>, offset: u64) {
    for number in 1u64.. {
        if rt::memory::write(memory, offset, &number.to_le_bytes()).is_err() {
            return;
        }
        rt::thread::sleep_until(now_ns() + 200_000);
    }
}

//! Step 3: the program around the library, for a task of its own. As a crate's `main.rs` it names its main function with
//! `rt::entry!(main);` and has the attributes of `native-servers/fs/src/main.rs`. Here it is compiled, and not started: on
//! the host there is no kernel. What it serves is what `machine.rs` serves over a loopback.

use std::sync::Arc;

use ipc::{Pool, PoolSize, Shared, Urgency};

use crate::contract::TicketsDispatcher;
use crate::library::Roll;

/// Calls at a time, and a thread's stack.
const SIZE: PoolSize = PoolSize { threads: 2, stack_bytes: 32 << 10, urgency: Urgency::Usual };

/// The task's main function.
pub fn main(env: &rt::Env) {
    let endpoint = env.served("tickets").expect("the manifest grants the endpoint to serve");
    let service = Arc::new(Roll::default());
    let pool = Pool::start("tickets", endpoint, SIZE, || TicketsDispatcher(Shared(service.clone())))
        .expect("the manifest grants memory for the threads");
    core::mem::forget(pool);
}

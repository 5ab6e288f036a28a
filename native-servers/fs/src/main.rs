//! The file system server as a task: its disk, its endpoint, its threads.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::sync::Arc;

use fs_server::Ext4;
use interfaces::{BlockDeviceClient, FileSystemDispatcher, Reattaching};
use ipc::{Pool, PoolSize, Shared, Urgency};

/// Calls at a time, and a thread's stack.
const SIZE: PoolSize = PoolSize { threads: 4, stack_bytes: 128 << 10, urgency: Urgency::Usual };

rt::entry!(main);

fn main(env: &rt::Env) {
    let disk = BlockDeviceClient::new(env.endpoint("block").expect("the manifest grants the disk"));
    let endpoint = env.served("fs").expect("the manifest grants the endpoint to serve");
    let service = Arc::new(Ext4::new(Arc::new(Reattaching::new(disk))));
    let pool = Pool::start("fs", endpoint, SIZE, || FileSystemDispatcher(Shared(service.clone())))
        .expect("the manifest grants memory for the threads");
    // It serves until the task ends: whoever wants the file system elsewhere retires it, and the supervisor ends the task.
    core::mem::forget(pool);
}

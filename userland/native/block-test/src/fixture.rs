//! What the tests have in common: a driver, a pool that serves it, and threads as clients.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::{BlockDeviceClient, BlockDeviceDispatcher, PciBusClient};
use ipc::{PerCaller, Pool, PoolSize, Urgency};
use rt::sync::Mutex;
use rt::thread::{self, JoinHandle};
use ukernel_user::{Cap, Endpoint, Rights};
use virtio_blk_driver::{Driver, Injection};

pub const POOL: PoolSize = PoolSize { threads: 4, stack_bytes: 32 << 10, urgency: Urgency::Usual };
pub const STACK_BYTES: usize = 64 << 10;
pub const MILLISECOND: u64 = 1_000_000;

pub fn open(bus: PciBusClient) -> Result<Driver<PciBusClient>, String> {
    Driver::open(bus, Injection::NONE).map_err(|failure| format!("opening: {failure:?}"))
}

pub fn shut_down(driver: Driver<PciBusClient>) -> Result<(), String> {
    driver.shut_down().map_err(|failure| format!("shutting down: {failure:?}"))
}

pub fn serve(driver: &Driver<PciBusClient>, endpoint: Cap<Endpoint>) -> Result<Pool, String> {
    let clients = driver.clients();
    let pool = Pool::start("pool", endpoint, POOL, || BlockDeviceDispatcher(PerCaller(clients.clone())));
    pool.map_err(|error| format!("serving: {error:?}"))
}

/// An endpoint, and capabilities to call it.
pub struct Door {
    pub endpoint: Cap<Endpoint>,
}

impl Door {
    pub fn new() -> Result<Self, String> {
        let endpoint = rt::object::create(0).map_err(|error| format!("an endpoint: {error:?}"))?;
        Ok(Self { endpoint })
    }

    pub fn client(&self, badge: u64) -> Result<BlockDeviceClient, String> {
        let cap = rt::cap::mint(self.endpoint, Rights::SEND.or(Rights::GRANT), badge);
        cap.map(BlockDeviceClient::new).map_err(|error| format!("a badge: {error:?}"))
    }
}

/// Threads that each say how they ended.
pub struct Threads {
    handles: Vec<JoinHandle>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Threads {
    pub fn new() -> Self {
        Self { handles: Vec::new(), failures: Arc::default() }
    }

    pub fn start(&mut self, body: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
        let failures = self.failures.clone();
        let handle = thread::spawn("client", STACK_BYTES, move || {
            if let Err(failure) = body() {
                failures.lock().push(failure);
            }
        });
        self.handles.push(handle.map_err(|error| format!("a thread: {error:?}"))?);
        Ok(())
    }

    pub fn join(self) -> Result<(), String> {
        self.handles.into_iter().for_each(JoinHandle::join);
        self.failures.lock().pop().map_or(Ok(()), Err)
    }
}

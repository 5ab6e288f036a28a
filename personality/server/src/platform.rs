//! The services' libraries, as they are linked into this task, and the way to their own tasks.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;

use diskfs::DiskFs;
use fs_server::Ext4;
use interfaces::block_device::{BlockInfo, Pieces};
use interfaces::{
    BlockDevice, BlockDeviceClient, BlockDeviceDispatcher, BlockError, FileSystem, FileSystemClient, PciBusClient,
    Reattaching, Supervisor, SupervisorClient,
};
use ipc::{Capability, PerCaller, Pool, PoolSize, Urgency};
use linux_abi::{Errno, Result};
use rt::Env;
use rt::sync::{Mutex, OnceCell};
use services::{DiskHandle, LocalDisk, Platform, StepError};
use ukernel_user::{Cap, Endpoint};
use virtio_blk_driver::driver::Transport;
use virtio_blk_driver::{DiskClient, Driver, Injection};

/// Threads that serve endpoint `block` while the file system is elsewhere.
const SERVING: PoolSize = PoolSize { threads: 8, stack_bytes: 32 << 10, urgency: Urgency::First };
/// The badge under which this task's own requests go; the manifest gives it to nobody.
const OWN_BADGE: u64 = 0;

/// What the manifest grants for the services.
pub(crate) struct Linked {
    pci: PciBusClient,
    /// The right to serve it.
    block: Cap<Endpoint>,
    native_block: BlockDeviceClient,
    native_fs: FileSystemClient,
    supervisor: SupervisorClient,
    injection: Injection,
    client: OnceCell<Arc<DiskFs>>,
}

impl Linked {
    /// Looks up the grants.
    ///
    /// # Errors
    /// `ENODEV` if one is missing.
    pub(crate) fn new(env: &Env) -> Result<Self> {
        let missing = |error| {
            log::error!("{error}");
            Errno::ENODEV
        };
        Ok(Self {
            pci: PciBusClient::new(env.endpoint("pci").map_err(missing)?),
            block: env.served("block").map_err(missing)?,
            native_block: BlockDeviceClient::new(env.endpoint("block").map_err(missing)?),
            native_fs: FileSystemClient::new(env.endpoint("fs").map_err(missing)?),
            supervisor: SupervisorClient::new(env.endpoint("supervisor").map_err(missing)?),
            injection: Injection::from_option(env.option("panic_after_requests")),
            client: OnceCell::new(),
        })
    }

    /// The supervisor.
    pub(crate) const fn client(&self) -> SupervisorClient {
        self.supervisor
    }

    /// Says who is the file system's client. Once.
    pub(crate) fn set_client(&self, client: Arc<DiskFs>) {
        assert!(self.client.set(client).is_ok(), "set once");
    }
}

impl Platform for Linked {
    fn open_disk(&self) -> core::result::Result<Arc<dyn LocalDisk>, StepError> {
        let driver = Driver::open(self.pci, self.injection).map_err(|failure| {
            log::error!("the disk cannot be opened: {failure:?}");
            StepError::Device
        })?;
        Ok(Arc::new(Inside {
            client: driver.client(OWN_BADGE),
            driver: Mutex::new(Some(driver)),
            endpoint: self.block,
        }))
    }

    fn native_disk(&self) -> Arc<dyn BlockDevice> {
        Arc::new(self.native_block)
    }

    fn open_file_system(&self, disk: Arc<dyn BlockDevice>) -> core::result::Result<Arc<dyn FileSystem>, StepError> {
        Ok(Arc::new(Ext4::new(Arc::new(Reattaching::new(DiskHandle(disk))))))
    }

    fn native_file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(self.native_fs)
    }

    fn settle(&self) {
        if let Some(client) = self.client.get()
            && let Err(error) = client.commit()
        {
            log::warn!("the file system does not commit: {}", error.name());
        }
        self.client.get().into_iter().for_each(|client| client.expect_move());
    }

    fn follow(&self) {
        if let Some(Err(error)) = self.client.get().map(|client| client.follow_move()) {
            log::warn!("the file system is not caught up with: {}", error.name());
        }
    }

    fn catch_up(&self) {
        if let Some(Err(error)) = self.client.get().map(|client| client.end_move()) {
            log::warn!("the file system is not caught up with: {}", error.name());
        }
    }

    fn supervisor(&self) -> &dyn Supervisor {
        &self.supervisor
    }
}

/// The disk's driver in this task.
struct Inside {
    driver: Mutex<Option<Driver<PciBusClient>>>,
    client: DiskClient<Transport>,
    endpoint: Cap<Endpoint>,
}

impl LocalDisk for Inside {
    fn shut_down(&self) -> core::result::Result<(), StepError> {
        let Some(driver) = self.driver.lock().take() else { return Ok(()) };
        driver.shut_down().map_err(|failure| {
            log::error!("the disk does not become quiet: {failure:?}");
            StepError::Device
        })
    }

    fn is_idle(&self) -> bool {
        self.driver.lock().as_ref().is_none_or(Driver::is_idle)
    }

    fn wait_idle(&self, until_ns: u64) {
        if let Some(driver) = &*self.driver.lock() {
            driver.wait_idle(until_ns);
        }
    }

    fn serve(&self) -> core::result::Result<Box<dyn Any + Send>, StepError> {
        let driver = self.driver.lock();
        let clients = driver.as_ref().ok_or(StepError::Device)?.clients();
        let pool = Pool::start("disk", self.endpoint, SERVING, || BlockDeviceDispatcher(PerCaller(clients.clone())));
        Ok(Box::new(pool.map_err(|_| StepError::NoMemory)?))
    }
}

impl BlockDevice for Inside {
    fn info(&self) -> core::result::Result<BlockInfo, BlockError> {
        self.client.info()
    }

    fn attach(&self, memory: Capability, bytes: u64) -> core::result::Result<u64, BlockError> {
        self.client.attach(memory, bytes)
    }

    fn detach(&self, region: u64) -> core::result::Result<(), BlockError> {
        self.client.detach(region)
    }

    fn read(&self, region: u64, at: u64, sector: u64, bytes: u32) -> core::result::Result<(), BlockError> {
        self.client.read(region, at, sector, bytes)
    }

    fn write(&self, region: u64, at: u64, sector: u64, bytes: u32) -> core::result::Result<(), BlockError> {
        self.client.write(region, at, sector, bytes)
    }

    fn write_pieces(&self, region: u64, pieces: Pieces) -> core::result::Result<(), BlockError> {
        self.client.write_pieces(region, pieces)
    }

    fn flush(&self) -> core::result::Result<(), BlockError> {
        self.client.flush()
    }

    fn end_client(&self, badge: u64) -> core::result::Result<(), BlockError> {
        self.client.end_client(badge)
    }

    fn admit_client(&self, badge: u64) -> core::result::Result<(), BlockError> {
        self.client.admit_client(badge)
    }
}

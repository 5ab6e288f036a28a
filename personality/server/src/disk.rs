//! The disk: its services, its file system as the root, and its end.

use alloc::sync::Arc;

use diskfs::{DiskFs, MountOptions};
use interfaces::file_system::Orphans;
use interfaces::supervisor::Placement;
use interfaces::{Supervisor, SupervisorClient};
use linux_abi::{Errno, Result};
use rt::Env;
use rt::sync::OnceCell;
use services::{Services, Start};
use vfs::DeviceNumber;

use crate::platform::Linked;

/// The disk's name, as Linux gives it to the first virtio disk.
pub(crate) const SOURCE: &str = "/dev/vda";
/// Its number: the major number that Linux gives virtio disks first.
pub(crate) const DEVICE: DeviceNumber = DeviceNumber::new(254, 0);

/// The disk, once it is mounted.
struct Disk {
    services: Arc<Services>,
    root: Arc<DiskFs>,
}

static DISK: OnceCell<Disk> = OnceCell::new();

/// Mounts the disk, where the system's root is on one.
///
/// # Errors
/// `EIO`, `ENODEV`, `EUCLEAN`, ...: it cannot be used.
pub(crate) fn mount(env: &Env) -> Result<Option<Arc<DiskFs>>> {
    if env.option("root") != Some("disk") {
        return Ok(None);
    }
    let platform = Arc::new(Linked::new(env)?);
    let start = placements(platform.client());
    let services = Services::open(platform.clone(), start).map_err(|error| {
        log::error!("the disk cannot be opened: {error}");
        Errno::ENODEV
    })?;
    let services = Arc::new(services);
    let options = MountOptions { device: DEVICE, orphans: Orphans::Free };
    let root = DiskFs::mount(services.fs().clone(), options).inspect_err(|error| {
        log::error!("the file system on the disk cannot be mounted: {}", error.name());
    })?;
    platform.set_client(root.clone());
    guest_memory::frames::set_reclaim(diskfs::reclaim);
    root.start_worker()?;
    assert!(DISK.set(Disk { services, root: root.clone() }).is_ok(), "mounted once");
    Ok(Some(root))
}

/// Where the supervisor says that the services run.
fn placements(supervisor: SupervisorClient) -> Start {
    let mut start = Start { block: Placement::Personality, fs: Placement::Personality };
    for service in (0..).map_while(|number| supervisor.service(number).ok()) {
        match service.name.as_str() {
            services::places::BLOCK => start.block = service.placement,
            services::places::FS => start.fs = service.placement,
            _ => {}
        }
    }
    start
}

/// The services, if the root is on a disk.
pub(crate) fn services() -> Option<&'static Arc<Services>> {
    DISK.get().map(|disk| &disk.services)
}

/// Numbers about the disk's file system, by name.
pub(crate) fn counters() -> [(&'static str, u64); 3] {
    let counters = DISK.get().map(|disk| disk.root.counters()).unwrap_or_default();
    [
        ("disk_cached_pages", counters.cached_pages),
        ("disk_dirty_pages", counters.dirty_pages),
        ("fs_recoveries", counters.recoveries),
    ]
}

/// Writes everything and leaves the disk clean, before the machine stops.
pub(crate) fn let_go() {
    let Some(disk) = DISK.get() else { return };
    if let Err(error) = disk.root.retire() {
        log::error!("the disk is not clean: {}", error.name());
    }
}

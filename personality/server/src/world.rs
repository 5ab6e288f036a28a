//! What programs find when they start: file systems, devices, terminals.

use alloc::sync::Arc;

use linux_abi::{Errno, Result};
use rt::Env;
use tmpfs::{Options, Tmpfs, TmpfsType};
use tty::pty::{Multiplexer, PtyTable, Terminals};
use tty::{OwnTerminal, Sessions, Tty};
use vfs::{CHAR_DEVICES, Caller, Credentials, FileSystem, FsContext, MountFlags, Namespace, WalkFlags};

use crate::hooks::Ends;
use crate::{disk, raw_disk};

/// Most pseudo-terminals.
const PTY_LIMIT: u32 = 256;
/// Major number of the second half of a pseudo-terminal (Linux, Documentation/admin-guide/devices.txt).
const PTY_MAJOR: u32 = 136;

/// The parts of the system that its other parts need.
pub(crate) struct World {
    /// The mounts.
    pub(crate) namespace: Arc<Namespace>,
    /// The console's terminal.
    pub(crate) console: Arc<Tty>,
    /// Who waits for whose end.
    pub(crate) ends: Arc<Ends>,
}

/// Makes the root file system: from the disk, or from the boot archive.
///
/// # Errors
/// `ENOENT` without an archive; `EINVAL` if it is broken; as [`disk::mount`].
pub(crate) fn make_root(env: &Env) -> Result<Arc<Namespace>> {
    if let Some(root) = disk::mount(env)? {
        return Ok(Namespace::new(root, disk::SOURCE));
    }
    unpack_root(env)
}

fn unpack_root(env: &Env) -> Result<Arc<Namespace>> {
    let root = Tmpfs::new(Options { permissions: 0o755, ..Options::for_ram() })?;
    let grant = env.data("root.cpio").map_err(|error| {
        log::error!("{error}");
        Errno::ENOENT
    })?;
    let mapping = grant.map().map_err(|_| Errno::ENOMEM)?;
    let unpacked = tmpfs::cpio::unpack(&root.root(), mapping.as_slice());
    let entries = unpacked.map_err(|error| {
        log::error!("root.cpio: {error}");
        Errno::EINVAL
    })?;
    log::info!("{entries} files unpacked from {} KiB", grant.bytes / 1024);
    // Nobody looks at the archive any more: its memory goes back.
    if let Err(error) = mapping.attachment().detach() {
        log::warn!("root.cpio stays mapped: {error:?}");
    }
    rt::cap::delete(grant.memory.slot());
    Ok(Namespace::new(root, "tmpfs"))
}

/// Adds `/dev`, `/dev/pts`, `/proc` and the types that mount(2) knows.
///
/// # Errors
/// As mount(2).
pub(crate) fn mount_all(namespace: &Arc<Namespace>, ptys: Arc<PtyTable>, proc: Arc<dyn FileSystem>) -> Result<()> {
    let dev = devfs::new()?;
    raw_disk::add_node(&dev.root())?;
    let pts = devpts::DevPts::make(ptys);
    namespace.register_type(TmpfsType::new());
    namespace.register_type(Arc::new(devfs::DevfsType(dev.clone())));
    namespace.register_type(Arc::new(devpts::DevPtsType(pts.clone())));
    namespace.register_type(Arc::new(procfs::ProcFsType(proc.clone())));
    let fs = FsContext::new(namespace.clone());
    fs.set_umask(0);
    let credentials = Credentials::root();
    let caller = Caller { credentials: &credentials, fs: &fs };
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount(&caller, b"/dev", dev, "devtmpfs", MountFlags::NOSUID)?;
    mount(&caller, b"/dev/pts", pts, "devpts", quiet)?;
    mount(&caller, b"/proc", proc, "proc", quiet | MountFlags::NODEV)?;
    make_directory(&caller, b"/tmp", 0o1777)?;
    make_directory(&caller, b"/root", 0o700)
}

fn mount(caller: &Caller<'_>, at: &[u8], what: Arc<dyn FileSystem>, source: &str, flags: MountFlags) -> Result<()> {
    make_directory(caller, at, 0o755)?;
    let place = vfs::resolve(*caller, None, at, WalkFlags::FOLLOW | WalkFlags::DIRECTORY)?;
    caller.fs.namespace().mount(&place, what, source, flags | MountFlags::RELATIME)
}

/// Makes a directory, if it is not there yet.
fn make_directory(caller: &Caller<'_>, path: &[u8], permissions: u32) -> Result<()> {
    match caller.make_directory(None, path, permissions) {
        Err(Errno::EEXIST) => Ok(()),
        result => result,
    }
}

/// Makes the table of pseudo-terminals.
pub(crate) fn make_ptys(sessions: &Arc<Sessions>) -> Arc<PtyTable> {
    PtyTable::new(PTY_LIMIT, sessions.clone())
}

/// Says who serves which device numbers.
pub(crate) fn register_devices(console: &Arc<Tty>, sessions: Arc<Sessions>, ptys: &Arc<PtyTable>) {
    devfs::register();
    let device = Arc::new(tty::console::Console(console.clone()));
    for number in [tty::console::CONSOLE, tty::console::SERIAL_LINE] {
        CHAR_DEVICES.register(number.major(), number.minor(), 1, device.clone());
    }
    CHAR_DEVICES.register(5, 0, 1, Arc::new(OwnTerminal(sessions)));
    CHAR_DEVICES.register(5, 2, 1, Arc::new(Multiplexer(ptys.clone())));
    CHAR_DEVICES.register(PTY_MAJOR, 0, PTY_LIMIT, Arc::new(Terminals(ptys.clone())));
}

//! Calls on the system as a whole: its name, its memory, its end; random numbers.

use alloc::vec::Vec;

use guest_memory::{PAGE_BYTES, UserAddr, frames, read_bytes, write_bytes, write_value, zeroed};
use linux_abi::raw::general as raw;
use linux_abi::raw::system::{__NEW_UTS_LEN, new_utsname, sysinfo};
use linux_abi::{Errno, Result};
use rt::sync::{Mutex, OnceCell};
use task::Task;
use vfs::Capability;

use crate::{Args, SysResult};

/// Version of Linux whose behaviour this is.
pub const RELEASE: &str = "6.1.0-banyan";
/// What was built.
pub const VERSION: &str = "#1 Banyan";
const MACHINE: &str = "x86_64";
const NAME_BYTES: usize = __NEW_UTS_LEN as usize;

/// Names that can be changed; `None` is the name at start.
struct Names {
    node: Option<Vec<u8>>,
    domain: Option<Vec<u8>>,
}

static NAMES: Mutex<Names> = Mutex::new(Names { node: None, domain: None });

/// The host's name.
pub fn host_name() -> Vec<u8> {
    NAMES.lock().node.clone().unwrap_or_else(|| b"banyan".to_vec())
}

/// The domain's name.
pub fn domain_name() -> Vec<u8> {
    NAMES.lock().domain.clone().unwrap_or_else(|| b"(none)".to_vec())
}

fn require(task: &Task, capability: Capability) -> Result<()> {
    if task.credentials().has(capability) { Ok(()) } else { Err(Errno::EPERM) }
}

/// uname(2)
pub fn sys_uname(_task: &Task, args: &Args) -> SysResult {
    fn put(field: &mut [core::ffi::c_char], text: &[u8]) {
        for (place, byte) in field.iter_mut().zip(text.iter().take(NAME_BYTES)) {
            *place = *byte as core::ffi::c_char;
        }
    }
    let mut names = zeroed::<new_utsname>();
    put(&mut names.sysname, b"Linux");
    put(&mut names.nodename, &host_name());
    put(&mut names.release, RELEASE.as_bytes());
    put(&mut names.version, VERSION.as_bytes());
    put(&mut names.machine, MACHINE.as_bytes());
    put(&mut names.domainname, &domain_name());
    write_value(args.addr(0), &names)?;
    Ok(0)
}

fn read_name(task: &Task, args: &Args) -> Result<Vec<u8>> {
    require(task, Capability::SysAdmin)?;
    let length = usize::try_from(args.int(1)).ok().filter(|length| *length <= NAME_BYTES).ok_or(Errno::EINVAL)?;
    let mut name = alloc::vec![0; length];
    read_bytes(args.addr(0), &mut name)?;
    Ok(name)
}

/// sethostname(2)
pub fn sys_sethostname(task: &Task, args: &Args) -> SysResult {
    let name = read_name(task, args)?;
    NAMES.lock().node = Some(name);
    Ok(0)
}

/// setdomainname(2)
pub fn sys_setdomainname(task: &Task, args: &Args) -> SysResult {
    let name = read_name(task, args)?;
    NAMES.lock().domain = Some(name);
    Ok(0)
}

/// sysinfo(2). Load averages are not kept and read as 0.
pub fn sys_sysinfo(_task: &Task, args: &Args) -> SysResult {
    let memory = frames::stats();
    let mut info = zeroed::<sysinfo>();
    info.uptime = (rt::time::now_ns() / crate::time::NS_PER_SECOND) as i64;
    info.totalram = memory.total;
    info.freeram = memory.free;
    info.mem_unit = PAGE_BYTES as u32;
    info.procs = u16::try_from(task::system().tree().thread_count()).unwrap_or(u16::MAX);
    write_value(args.addr(0), &info)?;
    Ok(0)
}

/// getrandom(2). The generator is seeded before the first process starts, so it never blocks.
pub fn sys_getrandom(_task: &Task, args: &Args) -> SysResult {
    const KNOWN: u32 = raw::GRND_NONBLOCK | raw::GRND_RANDOM | raw::GRND_INSECURE;
    let flags = args.uint(2);
    if flags & !KNOWN != 0 || flags & !raw::GRND_NONBLOCK == raw::GRND_RANDOM | raw::GRND_INSECURE {
        return Err(Errno::EINVAL);
    }
    let wanted = args.size(1).min(i32::MAX as usize);
    fill(args.addr(0), wanted)
}

fn fill(address: UserAddr, wanted: usize) -> SysResult {
    const STEP: usize = 256;
    let mut done = 0;
    while done < wanted {
        let mut bytes = [0; STEP];
        let step = bytes.get_mut(..STEP.min(wanted - done)).unwrap_or_default();
        devfs::random::fill(step);
        match write_bytes(address.offset(done as u64), step) {
            Ok(()) => done += step.len(),
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        // A large request can be interrupted; small ones are always served whole (random(7)).
        if done >= STEP && sync::Waiter::current().is_interrupted() {
            break;
        }
    }
    Ok(done as u64)
}

/// How the system is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reboot {
    /// Start again.
    Restart,
    /// Stop.
    Halt,
    /// Switch off.
    PowerOff,
}

static REBOOT: OnceCell<fn(Reboot)> = OnceCell::new();

/// Says what ends the system. Once, at the start.
pub fn set_reboot(reboot: fn(Reboot)) {
    let _ = REBOOT.set(reboot);
}

/// reboot(2)
pub fn sys_reboot(task: &Task, args: &Args) -> SysResult {
    const SECOND: [u32; 4] =
        [raw::LINUX_REBOOT_MAGIC2, raw::LINUX_REBOOT_MAGIC2A, raw::LINUX_REBOOT_MAGIC2B, raw::LINUX_REBOOT_MAGIC2C];
    require(task, Capability::SysBoot)?;
    if args.uint(0) != raw::LINUX_REBOOT_MAGIC1 || !SECOND.contains(&args.uint(1)) {
        return Err(Errno::EINVAL);
    }
    let reboot = match args.uint(2) {
        raw::LINUX_REBOOT_CMD_RESTART | raw::LINUX_REBOOT_CMD_RESTART2 => Reboot::Restart,
        raw::LINUX_REBOOT_CMD_HALT => Reboot::Halt,
        raw::LINUX_REBOOT_CMD_POWER_OFF => Reboot::PowerOff,
        // There is no Ctrl-Alt-Del to switch on or off.
        raw::LINUX_REBOOT_CMD_CAD_ON | raw::LINUX_REBOOT_CMD_CAD_OFF => return Ok(0),
        _ => return Err(Errno::EINVAL),
    };
    let hook = REBOOT.get().ok_or(Errno::ENOSYS)?;
    hook(reboot);
    Ok(0)
}

/// syslog(2): the kernel's messages go to the log of the system, of which processes see nothing: it is always empty.
pub fn sys_syslog(task: &Task, args: &Args) -> SysResult {
    const LAST_ACTION: i32 = 10;
    require(task, Capability::SysAdmin)?;
    if (0..=LAST_ACTION).contains(&args.int(0)) { Ok(0) } else { Err(Errno::EINVAL) }
}

/// Calls that no process is allowed to make here: ioperm(2), iopl(2), swapon(2), swapoff(2), acct(2) and the like.
pub fn sys_forbidden(_task: &Task, _args: &Args) -> SysResult {
    Err(Errno::EPERM)
}

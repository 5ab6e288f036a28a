//! capget, capset.

use guest_memory::{UserAddr, read_value, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::{Task, system};

use crate::{Args, SysResult};

/// Reads the header; gives its process and how many 32-bit parts of each set follow. A version that there is not is
/// replaced by the newest, as programs expect that probe for it.
fn read_header(address: UserAddr) -> Result<(i32, usize)> {
    let [version, pid]: [u32; 2] = read_value(address)?;
    let parts = match version {
        raw::_LINUX_CAPABILITY_VERSION_1 => 1,
        raw::_LINUX_CAPABILITY_VERSION_2 | raw::_LINUX_CAPABILITY_VERSION_3 => 2,
        _ => {
            write_value(address, &raw::_LINUX_CAPABILITY_VERSION_3)?;
            return Err(Errno::EINVAL);
        }
    };
    Ok((pid as i32, parts))
}

/// capget(2)
pub fn sys_capget(task: &Task, args: &Args) -> SysResult {
    let header = read_header(args.addr(0));
    let (pid, parts) = match header {
        // With no place for data this is the probe for the version.
        Err(Errno::EINVAL) if args.addr(1).is_null() => return Ok(0),
        other => other?,
    };
    if pid < 0 {
        return Err(Errno::EINVAL);
    }
    let credentials = if pid == 0 || pid == task.tid() {
        task.credentials()
    } else {
        let other = system().tree().thread(pid).cloned().ok_or(Errno::ESRCH)?;
        other.try_resources().ok_or(Errno::ESRCH)?.credentials
    };
    if args.addr(1).is_null() {
        return Ok(0);
    }
    for part in 0..parts {
        let word = |set: u64| (set >> (32 * part)) as u32;
        let words = [word(credentials.effective), word(credentials.permitted), word(credentials.inheritable)];
        write_value(args.addr(1).offset(part as u64 * 12), &words)?;
    }
    Ok(0)
}

/// capset(2)
pub fn sys_capset(task: &Task, args: &Args) -> SysResult {
    let (pid, parts) = read_header(args.addr(0))?;
    if pid != 0 && pid != task.tid() {
        return Err(Errno::EPERM);
    }
    let [mut effective, mut permitted, mut inheritable] = [0u64; 3];
    for part in 0..parts {
        let words: [u32; 3] = read_value(args.addr(1).offset(part as u64 * 12))?;
        effective |= u64::from(words[0]) << (32 * part);
        permitted |= u64::from(words[1]) << (32 * part);
        inheritable |= u64::from(words[2]) << (32 * part);
    }
    let known = vfs::credentials::ALL_CAPABILITIES;
    let mut new = (*task.credentials()).clone();
    let gains = permitted & known & !new.permitted != 0 || effective & !permitted & known != 0;
    if gains || inheritable & known & !(new.inheritable | new.permitted) != 0 {
        return Err(Errno::EPERM);
    }
    (new.effective, new.permitted, new.inheritable) = (effective & known, permitted & known, inheritable & known);
    task.set_credentials(new);
    Ok(0)
}

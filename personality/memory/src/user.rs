//! The memory of the process that the calling thread serves.
//!
//! Ranges are checked against the end of user space first. A copy that runs into a page that is not there (or not
//! writable) stops; the page is then resolved by the handler that the personality installed, with no spin lock held,
//! and the copy goes on. So every function here may sleep, except those named `try_`.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use linux_abi::{Errno, Result};

use crate::plain::{Plain, bytes_of, bytes_of_mut, zeroed};
use crate::{PAGE_BYTES, UserAddr, os};

/// Resolves a fault of the current process: address, and whether it was a write.
pub type FaultHandler = fn(UserAddr, bool) -> Result<()>;

static FAULT_HANDLER: AtomicUsize = AtomicUsize::new(0);

/// A page that was resolved this often in a row and still is not there belongs to a process that fights itself.
const MAX_ATTEMPTS: u32 = 64;
/// Bytes that [`read_c_string`] looks at in one step.
const STRING_STEP: usize = 64;

/// Installs the function that resolves page faults of the current process.
pub fn set_fault_handler(handler: FaultHandler) {
    FAULT_HANDLER.store(handler as usize, Ordering::Release);
}

/// Makes the page at `addr` present (and writable, for a write).
///
/// # Errors
/// `EFAULT` if the process may not access it.
pub fn fault_in(addr: UserAddr, write: bool) -> Result<()> {
    if !addr.has_room_for(1) {
        return Err(Errno::EFAULT);
    }
    let handler = FAULT_HANDLER.load(Ordering::Acquire);
    if handler == 0 {
        return Err(Errno::EFAULT);
    }
    // SAFETY: only `set_fault_handler` stores here, and it stores a function of this type.
    let handler: FaultHandler = unsafe { core::mem::transmute::<usize, FaultHandler>(handler) };
    handler(addr, write).map_err(|_| Errno::EFAULT)
}

/// Direction of a copy: the process's address and the number of bytes; returns how many were not copied.
trait Copy {
    const WRITE: bool;
    fn copy(&mut self, at: usize, addr: UserAddr, bytes: usize) -> usize;
}

struct In<'a>(&'a mut [u8]);
struct Out<'a>(&'a [u8]);
struct Zeros;

impl Copy for In<'_> {
    const WRITE: bool = false;
    fn copy(&mut self, at: usize, addr: UserAddr, bytes: usize) -> usize {
        match self.0.get_mut(at..at + bytes) {
            // SAFETY: the slice is ours; the address was checked to be in the lower half, and faults are fixed up.
            Some(to) => unsafe { os::copy_in(to.as_mut_ptr(), addr.0, bytes) },
            None => bytes,
        }
    }
}

impl Copy for Out<'_> {
    const WRITE: bool = true;
    fn copy(&mut self, at: usize, addr: UserAddr, bytes: usize) -> usize {
        match self.0.get(at..at + bytes) {
            // SAFETY: the slice is ours; the address was checked to be in the lower half, and faults are fixed up.
            Some(from) => unsafe { os::copy_out(addr.0, from.as_ptr(), bytes) },
            None => bytes,
        }
    }
}

impl Copy for Zeros {
    const WRITE: bool = true;
    fn copy(&mut self, _at: usize, addr: UserAddr, bytes: usize) -> usize {
        const ZEROS: [u8; 256] = [0; 256];
        let mut done = 0;
        while done < bytes {
            let step = ZEROS.len().min(bytes - done);
            // SAFETY: the array has `step` bytes; the address was checked, and faults are fixed up.
            let left = unsafe { os::copy_out(addr.0 + done as u64, ZEROS.as_ptr(), step) };
            done += step - left;
            if left != 0 {
                break;
            }
        }
        bytes - done
    }
}

/// Copies, resolving faults; returns how many bytes were copied.
fn transfer<C: Copy>(mut copy: C, addr: UserAddr, bytes: usize) -> usize {
    // The part of a range that lies beyond user space is never touched.
    let bytes = if addr.has_room_for(bytes as u64) {
        bytes
    } else {
        crate::USER_END.saturating_sub(addr.0).min(bytes as u64) as usize
    };
    let mut done = bytes - if bytes == 0 { 0 } else { copy.copy(0, addr, bytes) };
    let mut attempts = 0;
    while done < bytes && attempts < MAX_ATTEMPTS {
        let at = addr.offset(done as u64);
        let page_rest = PAGE_BYTES as usize - at.page_offset();
        // A word that straddles two pages stops the copy when either is missing: bytes up to the border go alone.
        let left = if page_rest < 8 && page_rest < bytes - done { copy.copy(done, at, page_rest) } else { page_rest };
        let before = done;
        if left == page_rest {
            if fault_in(at, C::WRITE).is_err() {
                break;
            }
            done = bytes - copy.copy(done, at, bytes - done);
        } else {
            done += page_rest - left;
        }
        attempts = if done == before { attempts + 1 } else { 0 };
    }
    done
}

/// Copies from the process until something is not accessible; how many bytes were copied.
pub fn read_partial(addr: UserAddr, into: &mut [u8]) -> usize {
    let bytes = into.len();
    transfer(In(into), addr, bytes)
}

/// Copies to the process until something is not accessible; how many bytes were copied.
pub fn write_partial(addr: UserAddr, bytes: &[u8]) -> usize {
    transfer(Out(bytes), addr, bytes.len())
}

/// Copies from the process.
///
/// # Errors
/// `EFAULT` if not all of it is accessible.
pub fn read_bytes(addr: UserAddr, into: &mut [u8]) -> Result<()> {
    if !addr.has_room_for(into.len() as u64) {
        return Err(Errno::EFAULT);
    }
    if read_partial(addr, into) == into.len() { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Copies to the process.
///
/// # Errors
/// `EFAULT` if not all of it is accessible; a part may have been written.
pub fn write_bytes(addr: UserAddr, bytes: &[u8]) -> Result<()> {
    if !addr.has_room_for(bytes.len() as u64) {
        return Err(Errno::EFAULT);
    }
    if write_partial(addr, bytes) == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Writes zeros to the process.
///
/// # Errors
/// As [`write_bytes`].
pub fn write_zeros(addr: UserAddr, bytes: usize) -> Result<()> {
    if !addr.has_room_for(bytes as u64) {
        return Err(Errno::EFAULT);
    }
    if transfer(Zeros, addr, bytes) == bytes { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Copies a structure from the process.
///
/// # Errors
/// `EFAULT` if not all of it is accessible.
pub fn read_value<T: Plain>(addr: UserAddr) -> Result<T> {
    let mut value = zeroed::<T>();
    read_bytes(addr, bytes_of_mut(&mut value))?;
    Ok(value)
}

/// Copies a structure to the process.
///
/// # Errors
/// As [`write_bytes`].
pub fn write_value<T: Plain>(addr: UserAddr, value: &T) -> Result<()> {
    write_bytes(addr, bytes_of(value))
}

/// Copies a string that ends with a zero byte, without that byte; at most `max` bytes before it.
///
/// # Errors
/// `EFAULT` if it is not accessible; `ENAMETOOLONG` if no zero byte comes in time.
pub fn read_c_string(addr: UserAddr, max: usize) -> Result<Vec<u8>> {
    let mut string = Vec::new();
    let mut step = [0; STRING_STEP];
    loop {
        let at = addr.checked_add(string.len() as u64).ok_or(Errno::EFAULT)?;
        let count = STRING_STEP.min(PAGE_BYTES as usize - at.page_offset());
        let step = step.get_mut(..count).ok_or(Errno::EFAULT)?;
        read_bytes(at, step)?;
        let text = step.split(|&byte| byte == 0).next().unwrap_or_default();
        if string.len() + text.len() > max {
            return Err(Errno::ENAMETOOLONG);
        }
        string.extend_from_slice(text);
        if text.len() < count {
            return Ok(string);
        }
    }
}

/// Whether a 32-bit word can be at `addr`.
fn check_word(addr: UserAddr) -> Result<()> {
    if !addr.0.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    if addr.has_room_for(4) { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Loads a word, without resolving faults: `None` if the page is not there.
///
/// # Errors
/// `EINVAL` if not aligned, `EFAULT` outside user space.
pub fn try_load_u32(addr: UserAddr) -> Result<Option<u32>> {
    check_word(addr)?;
    // SAFETY: aligned and in the lower half; faults are fixed up.
    Ok(unsafe { os::load_u32(addr.0) })
}

/// Stores `new` where `expected` is, without resolving faults: `None` if the page is not there or not writable, else
/// the value that was found.
///
/// # Errors
/// `EINVAL` if not aligned, `EFAULT` outside user space.
pub fn try_compare_exchange_u32(addr: UserAddr, expected: u32, new: u32) -> Result<Option<u32>> {
    check_word(addr)?;
    // SAFETY: aligned and in the lower half; faults are fixed up.
    Ok(unsafe { os::compare_exchange_u32(addr.0, expected, new) })
}

/// Loads a word.
///
/// # Errors
/// `EINVAL` if not aligned, `EFAULT` if not accessible.
pub fn atomic_load_u32(addr: UserAddr) -> Result<u32> {
    for _ in 0..MAX_ATTEMPTS {
        if let Some(value) = try_load_u32(addr)? {
            return Ok(value);
        }
        fault_in(addr, false)?;
    }
    Err(Errno::EFAULT)
}

/// Stores `new` where `expected` is; returns the value that was found (which is `expected` exactly if it was stored).
///
/// # Errors
/// `EINVAL` if not aligned, `EFAULT` if not accessible for writing.
pub fn compare_exchange_u32(addr: UserAddr, expected: u32, new: u32) -> Result<u32> {
    for _ in 0..MAX_ATTEMPTS {
        if let Some(found) = try_compare_exchange_u32(addr, expected, new)? {
            return Ok(found);
        }
        fault_in(addr, true)?;
    }
    Err(Errno::EFAULT)
}

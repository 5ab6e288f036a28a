//! Access to an address space from outside: initial stacks, `/proc/PID/mem`, debuggers.

use guest_memory::{Frame, PAGE_BYTES, USER_END};

use crate::area::Protection;
use crate::fault::Access;
use crate::space::AddressSpace;

impl AddressSpace {
    /// Reads bytes as the process could; how many could be read.
    pub fn read(&self, addr: u64, into: &mut [u8]) -> usize {
        let total = into.len();
        self.walk(addr, total, Access::Read, |frame, offset, done, count| {
            if let Some(piece) = into.get_mut(done..done + count) {
                frame.read(offset, piece);
            }
        })
    }

    /// Writes bytes as the process could; how many could be written.
    pub fn write(&self, addr: u64, bytes: &[u8]) -> usize {
        self.walk(addr, bytes.len(), Access::Write, |frame, offset, done, count| {
            if let Some(piece) = bytes.get(done..done + count) {
                frame.write(offset, piece);
            }
        })
    }

    /// The frame at `addr`, made present for the access.
    fn frame_for(&self, addr: u64, access: Access) -> Option<Frame> {
        self.handle_fault(addr, access).ok()?;
        let inner = self.lock();
        let area = inner.areas.find(addr)?;
        let page = inner.pages.get(addr)?;
        // Another thread may have changed things in between: a frame that is not writable must not be written.
        let allowed = access == Access::Read || area.protection.contains(Protection::WRITE) && page.writable;
        allowed.then(|| page.frame.clone())
    }

    fn walk(
        &self,
        addr: u64,
        bytes: usize,
        access: Access,
        mut step: impl FnMut(&Frame, usize, usize, usize),
    ) -> usize {
        let mut done = 0;
        while done < bytes {
            let Some(at) = addr.checked_add(done as u64).filter(|&at| at < USER_END) else { break };
            let offset = (at % PAGE_BYTES) as usize;
            let count = (PAGE_BYTES as usize - offset).min(bytes - done);
            let Some(frame) = self.frame_for(at, access) else { break };
            step(&frame, offset, done, count);
            done += count;
        }
        done
    }
}

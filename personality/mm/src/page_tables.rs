//! What the hardware is told.

use alloc::boxed::Box;

use linux_abi::Result;

/// Rights of a mapped page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
}

/// Contiguous frames at contiguous addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRun {
    /// Address of the first page.
    pub addr: u64,
    /// Number of the first frame.
    pub frame: u32,
    /// How many.
    pub pages: u32,
    /// Readable, and this.
    pub rights: Rights,
}

/// Contiguous pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// Address of the first page.
    pub addr: u64,
    /// How many.
    pub pages: u64,
}

/// The page tables of one address space. Called with the address space locked, or exclusively owned.
pub trait PageTables: Send + Sync {
    /// Maps pages; what was mapped there before is replaced.
    ///
    /// # Errors
    /// `ENOMEM` if there is no memory for tables; some pages may have been mapped.
    fn map(&self, runs: &[MapRun]) -> Result<()>;

    /// Changes the rights of those pages of the runs that are mapped.
    fn protect(&self, runs: &[PageRun], rights: Rights);

    /// Unmaps those pages of the runs that are mapped.
    fn unmap(&self, runs: &[PageRun]);

    /// Unmaps everything: the runs are all that is mapped.
    fn clear(&self, mapped: &[PageRun]);

    /// Empty page tables for another address space.
    ///
    /// # Errors
    /// `ENOMEM`.
    fn fresh(&self) -> Result<Box<dyn PageTables>>;

    /// For whoever must tell the kernel which address space a thread is to run in: a slot of the task's CapTable.
    fn slot(&self) -> u64;

    /// The frame that the hardware would find, where the back end can tell (for tests).
    fn translate(&self, addr: u64, write: bool) -> Option<u32> {
        let _ = (addr, write);
        None
    }
}

/// Most pages of a run: less than a large page, which could not be taken apart again page by page.
const MAX_RUN_PAGES: u32 = 256;

/// Adds a page to a list of runs, as part of the last run where it fits.
pub(crate) fn push_map(runs: &mut alloc::vec::Vec<MapRun>, addr: u64, frame: u32, rights: Rights) {
    if let Some(last) = runs.last_mut()
        && last.rights == rights
        && last.pages < MAX_RUN_PAGES
        && last.addr + u64::from(last.pages) * guest_memory::PAGE_BYTES == addr
        && last.frame.checked_add(last.pages) == Some(frame)
    {
        last.pages += 1;
        return;
    }
    runs.push(MapRun { addr, frame, pages: 1, rights });
}

//! Page tables for the host: a map from page to frame number and rights, checked at each use.
//!
//! It holds numbers, not references, as real page tables do: a page that is let go too early shows as a page whose
//! contents change. [`FakeTables`] is also a [`Translator`], so user copies work through it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use guest_memory::host::Translator;
use guest_memory::{Frame, PAGE_BYTES};
use linux_abi::Result;
use rt::sync::Mutex;

use crate::page_tables::{MapRun, PageRun, PageTables, Rights};
use crate::space::AddressSpace;

/// Page tables that only remember.
#[derive(Debug, Default)]
pub struct FakeTables {
    pages: Mutex<BTreeMap<u64, (u32, Rights)>>,
}

/// Empty page tables.
///
/// # Errors
/// Never, here.
pub fn new_tables() -> Result<Box<dyn PageTables>> {
    Ok(Box::<FakeTables>::default())
}

impl FakeTables {
    /// What is mapped at a page: frame number and rights.
    pub fn lookup(&self, addr: u64) -> Option<(u32, Rights)> {
        self.pages.lock().get(&(addr / PAGE_BYTES)).copied()
    }

    /// Number of mapped pages.
    pub fn len(&self) -> usize {
        self.pages.lock().len()
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PageTables for FakeTables {
    fn map(&self, runs: &[MapRun]) -> Result<()> {
        let mut pages = self.pages.lock();
        for run in runs {
            for page in 0..run.pages {
                pages.insert(run.addr / PAGE_BYTES + u64::from(page), (run.frame + page, run.rights));
            }
        }
        Ok(())
    }

    fn protect(&self, runs: &[PageRun], rights: Rights) {
        let mut pages = self.pages.lock();
        for run in runs {
            let first = run.addr / PAGE_BYTES;
            for (_, page) in pages.range_mut(first..first + run.pages) {
                page.1 = rights;
            }
        }
    }

    fn unmap(&self, runs: &[PageRun]) {
        let mut pages = self.pages.lock();
        for run in runs {
            let first = run.addr / PAGE_BYTES;
            let gone: alloc::vec::Vec<u64> = pages.range(first..first + run.pages).map(|(&page, _)| page).collect();
            for page in gone {
                pages.remove(&page);
            }
        }
    }

    fn clear(&self, mapped: &[PageRun]) {
        self.unmap(mapped);
        assert!(self.is_empty(), "pages stay mapped that are not resident");
    }

    fn fresh(&self) -> Result<Box<dyn PageTables>> {
        new_tables()
    }

    fn slot(&self) -> u64 {
        0
    }

    fn translate(&self, addr: u64, write: bool) -> Option<u32> {
        let (frame, rights) = self.lookup(addr)?;
        (rights.write || !write).then_some(frame)
    }
}

/// An address space as the user memory of a host thread: what is mapped is found as the hardware would find it.
pub struct UserMemory(pub Arc<AddressSpace>);

impl Translator for UserMemory {
    fn translate(&self, page: u64, write: bool) -> Option<Frame> {
        let addr = page * PAGE_BYTES;
        let mapped = self.0.tables.translate(addr, write)?;
        let inner = self.0.inner.try_lock()?;
        let frame = inner.pages.get(addr)?.frame.clone();
        assert_eq!(frame.number(), mapped, "page tables and page map disagree at {addr:#x}");
        Some(frame)
    }
}

/// Makes `space` the user memory of the calling host thread.
pub fn install(space: &Arc<AddressSpace>) {
    guest_memory::host::set_translator(Some(Arc::new(UserMemory(space.clone()))));
}

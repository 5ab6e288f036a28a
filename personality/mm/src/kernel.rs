//! Page tables that are the kernel's: a VSpace with two views and one attachment for each region of RAM.
//!
//! VSpaces are expensive to make and cheap to empty, so they are kept for the next process. A VSpace pays for its page
//! tables from the task's Untyped when it runs out; emptied tables go back to its own pool and stay with it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use guest_memory::native::{region_count, region_frames, region_memory};
use guest_memory::{PAGE_BYTES, USER_END, frames};
use linux_abi::{Errno, Result};
use rt::sync::SpinLock;
use rt::{object, own};
use ukernel_user::object::{Incomplete, MapRange, PageRange};
use ukernel_user::{Attachment, Cap, Error, VSpace};

use crate::page_tables::{MapRun, PageRun, PageTables, Rights};

/// Page-table pages that a VSpace gets at first, and each time it runs out.
const TABLES_AT_FIRST: u64 = 12;
const TABLES_AT_ONCE: u64 = 8;
/// Items of a list that are converted at once, on the stack.
const BATCH: usize = 32;

/// Runs that are unmapped one by one when an address space goes.
const FEW_RUNS: usize = 128;

/// VSpaces that no process uses.
static IDLE: SpinLock<Vec<KernelTables>> = SpinLock::new(Vec::new());

/// One VSpace. Kept for reuse when dropped.
#[derive(Debug)]
struct KernelTables {
    vspace: Cap<VSpace>,
    attachments: Box<[Cap<Attachment>]>,
    /// Page-table pages it has taken so far.
    tables: AtomicU64,
    /// Something may be mapped.
    used: AtomicBool,
}

/// The owner of a [`KernelTables`] while a process uses it.
struct InUse(Option<KernelTables>);

/// Empty page tables.
///
/// # Errors
/// `ENOMEM` if there is no kernel memory for another VSpace.
pub fn new_tables() -> Result<Box<dyn PageTables>> {
    let idle = IDLE.lock().pop();
    let tables = match idle {
        Some(tables) => tables,
        None => KernelTables::create().map_err(|_| Errno::ENOMEM)?,
    };
    Ok(Box::new(InUse(Some(tables))))
}

impl KernelTables {
    fn create() -> core::result::Result<Self, Error> {
        let vspace = object::create::<VSpace>(0)?;
        let mut attachments = Vec::with_capacity(region_count());
        if let Err(error) = Self::furnish(vspace, &mut attachments) {
            rt::cap::delete(vspace.slot());
            attachments.into_iter().for_each(|attachment| rt::cap::delete(attachment.slot()));
            return Err(error);
        }
        let tables = AtomicU64::new(TABLES_AT_FIRST);
        Ok(Self { vspace, attachments: attachments.into(), tables, used: AtomicBool::new(false) })
    }

    fn furnish(vspace: Cap<VSpace>, attachments: &mut Vec<Cap<Attachment>>) -> core::result::Result<(), Error> {
        vspace.donate(own::untyped(), TABLES_AT_FIRST)?;
        vspace.make_legacy(own::vspace())?;
        for region in 0..region_count() {
            let (memory, _) = region_memory(region).ok_or(Error::InvalidArgument)?;
            let attachment = object::create::<Attachment>(0)?;
            attachments.push(attachment);
            memory.attach(vspace, 0, USER_END, all_rights(), attachment)?;
        }
        Ok(())
    }

    fn empty(&self) {
        if !self.used.swap(false, Ordering::Relaxed) {
            return;
        }
        for attachment in &self.attachments {
            if let Err(error) = attachment.unmap_all() {
                log::error!("cannot empty an address space: {error:?}");
            }
        }
    }

    /// Takes more page-table pages; no VSpace gets more than its share, so that one process with a sparse address space
    /// cannot take them all.
    fn donate(&self) -> Result<()> {
        let share = frames::stats().total / 128 + TABLES_AT_FIRST;
        if self.tables.load(Ordering::Relaxed) + TABLES_AT_ONCE > share {
            return Err(Errno::ENOMEM);
        }
        self.vspace.donate(own::untyped(), TABLES_AT_ONCE).map_err(|_| Errno::ENOMEM)?;
        self.tables.fetch_add(TABLES_AT_ONCE, Ordering::Relaxed);
        Ok(())
    }

    /// Maps ranges whose frames are in one region.
    fn map_in(&self, region: usize, mut ranges: &[MapRange]) -> Result<()> {
        let attachment = *self.attachments.get(region).ok_or(Errno::ENOMEM)?;
        while let Err(Incomplete { error, done }) = attachment.map(ranges) {
            ranges = ranges.get(done..).unwrap_or_default();
            match error {
                Error::OutOfTables => self.donate()?,
                // A page of another region was there. Each attachment replaces only its own.
                Error::AlreadyMapped => self.unmap_in_others(region, ranges),
                error => {
                    log::error!("cannot map pages: {error:?}");
                    return Err(Errno::ENOMEM);
                }
            }
        }
        Ok(())
    }

    fn unmap_in_others(&self, region: usize, ranges: &[MapRange]) {
        for (other, attachment) in self.attachments.iter().enumerate() {
            for range in ranges.iter().filter(|_| other != region) {
                // What is not mapped is skipped; the ranges were checked when the areas were made.
                let _ = attachment.unmap(&[PageRange { address: range.address, pages: range.pages }]);
            }
        }
    }
}

impl InUse {
    fn get(&self) -> &KernelTables {
        self.0.as_ref().expect("taken only by drop")
    }

    /// Calls `apply` with each attachment and the runs in batches.
    fn each(&self, runs: &[PageRun], mut apply: impl FnMut(Cap<Attachment>, &[PageRange])) {
        let mut buffer = [PageRange { address: 0, pages: 0 }; BATCH];
        for batch in runs.chunks(BATCH) {
            for (range, run) in buffer.iter_mut().zip(batch) {
                *range = PageRange { address: run.addr, pages: run.pages };
            }
            let ranges = buffer.get(..batch.len()).unwrap_or_default();
            for &attachment in &self.get().attachments {
                apply(attachment, ranges);
            }
        }
    }
}

impl PageTables for InUse {
    fn map(&self, runs: &[MapRun]) -> Result<()> {
        let tables = self.get();
        tables.used.store(true, Ordering::Relaxed);
        if let [run] = runs {
            // The common page fault: no list to be built.
            let mut parts = (0..tables.attachments.len()).filter_map(|region| Some((region, part_in(region, run)?)));
            return parts.try_for_each(|(region, range)| tables.map_in(region, &[range]));
        }
        for region in 0..tables.attachments.len() {
            let mut buffer = [MapRange::new(0, ukernel_user::Rights::NONE, 0, 1); BATCH];
            let mut used = 0;
            for range in runs.iter().filter_map(|run| part_in(region, run)) {
                if used == BATCH {
                    tables.map_in(region, &buffer)?;
                    used = 0;
                }
                if let Some(slot) = buffer.get_mut(used) {
                    *slot = range;
                    used += 1;
                }
            }
            if used > 0 {
                tables.map_in(region, buffer.get(..used).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn protect(&self, runs: &[PageRun], rights: Rights) {
        self.each(runs, |attachment, ranges| report("protect", attachment.protect(ranges, kernel_rights(rights))));
    }

    fn unmap(&self, runs: &[PageRun]) {
        self.each(runs, |attachment, ranges| report("unmap", attachment.unmap(ranges)));
    }

    fn clear(&self, mapped: &[PageRun]) {
        // The kernel looks at each entry of each table to find all of an attachment's; few runs are found faster.
        if mapped.len() <= FEW_RUNS {
            self.unmap(mapped);
            self.get().used.store(false, Ordering::Relaxed);
        }
        self.get().empty();
    }

    fn fresh(&self) -> Result<Box<dyn PageTables>> {
        new_tables()
    }

    fn slot(&self) -> u64 {
        self.get().vspace.slot()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(tables) = self.0.take() {
            tables.empty();
            IDLE.lock().push(tables);
        }
    }
}

/// The part of a run whose frames are in a region.
fn part_in(region: usize, run: &MapRun) -> Option<MapRange> {
    let frames = region_frames(region)?;
    let first = run.frame.max(frames.first);
    let end = run.frame.checked_add(run.pages)?.min(frames.end);
    let pages = end.checked_sub(first).filter(|&pages| pages > 0)?;
    let address = run.addr + u64::from(first - run.frame) * PAGE_BYTES;
    Some(MapRange::new(address, kernel_rights(run.rights), (first - frames.first).into(), pages.into()))
}

fn kernel_rights(rights: Rights) -> ukernel_user::Rights {
    use ukernel_user::Rights as Kernel;
    let write = if rights.write { Kernel::WRITE } else { Kernel::NONE };
    let execute = if rights.execute { Kernel::EXECUTE } else { Kernel::NONE };
    Kernel::READ.or(write).or(execute)
}

fn all_rights() -> ukernel_user::Rights {
    kernel_rights(Rights { write: true, execute: true })
}

/// Unmapping and taking rights away cannot fail for ranges that were checked; if it does, somebody must know.
fn report(what: &str, result: core::result::Result<(), Incomplete>) {
    if let Err(incomplete) = result {
        log::error!("cannot {what} pages: {incomplete:?}");
    }
}

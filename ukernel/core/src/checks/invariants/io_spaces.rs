//! IoSpaces: the IOMMU knows what the kernel holds, and what it would walk is what the mappings say: no more, no less.

use std::collections::BTreeMap;
use std::vec::Vec;

use ukernel_abi::{PAGE_BYTES, Rights};

use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::io_mapping::mapping_slot;
use crate::io_table::{IoEntry, READ, WRITE};
use crate::page_table::{PAGE_LEVEL, span};
use crate::{Cap, Faults, IoSpace, Kernel, PhysAddr, Ref};

pub(in crate::checks) fn check(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    devices_agree(kernel)?;
    for (space, s) in kernel.machine.all::<IoSpace>().filter(|(_, s)| s.caps > 0) {
        let mut wanted = wanted_by_mappings(kernel, space, s)?;
        if s.root == PhysAddr(0) {
            // Mappings that are left are about to go, and map nothing.
            continue;
        }
        let mut found = Found::default();
        visit(kernel, s.root, levels(kernel), 0, &mut found)?;
        for (address, leaf) in found.pages {
            let page = wanted.remove(&address);
            must!(page == Some(leaf), "{space:?} maps {address:x} to {leaf:x?}, its mappings say {page:x?}");
        }
        must!(wanted.is_empty(), "{space:?} does not map {:x?}", wanted.first_key_value());
    }
    Ok(())
}

/// The table pages of all IoSpaces, in use or in a pool.
pub(super) fn table_pages(kernel: &Kernel<Simulation>) -> Vec<u64> {
    let mut pages = Vec::new();
    for (_, s) in kernel.machine.all::<IoSpace>().filter(|(_, s)| s.caps > 0 && s.root != PhysAddr(0)) {
        let mut found = Found::default();
        // What is wrong in the tables is told by `check`.
        if visit(kernel, s.root, levels(kernel), 0, &mut found).is_ok() {
            pages.append(&mut found.tables);
        }
        let mut free = s.pool;
        while free != PhysAddr(0) && pages.len() < 10_000 {
            pages.push(free.0);
            free = PhysAddr(kernel.machine.words(free).next().map_or(0, |(_, next)| next));
        }
    }
    pages
}

fn levels(kernel: &Kernel<Simulation>) -> u32 {
    kernel.machine.iommu.tables.map_or(0, |tables| tables.levels)
}

/// The list has each IoSpace with a device, and the IOMMU has been told of it.
fn devices_agree(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let (mut at, mut listed) = (kernel.io_spaces.first, Vec::new());
    while let Some(space) = at {
        must!(kernel.machine.exists(space) && !listed.contains(&space), "the list of IoSpaces has {space:?}");
        listed.push(space);
        at = kernel.get(space).next;
    }
    for (space, s) in kernel.machine.all::<IoSpace>().filter(|(_, s)| s.caps > 0) {
        must!(s.source.is_some() == listed.contains(&space), "{space:?} has {:?} and is listed otherwise", s.source);
    }
    for (source, view) in &kernel.machine.iommu.views {
        let mut of_it = listed.iter().map(|space| kernel.get(*space)).filter(|s| s.source == Some(*source));
        let (root, domain, untold) = of_it.next().map_or((0, 0, false), |s| (s.root.0, s.domain, s.faults > 0));
        must!(of_it.next().is_none(), "{source:?} has two IoSpaces");
        let is_right = view.root.0 == root && (root == 0 || view.domain == domain);
        must!(is_right, "the IOMMU has {view:x?} for {source:?}, the kernel {root:x}");
        must!(untold || view.faults == Faults::Told, "faults of {source:?} are not told, and none was");
    }
    Ok(())
}

/// A page that a device reaches: where, and what it may do.
type Page = (u64, u64);

/// What the mappings say, by I/O address.
fn wanted_by_mappings(
    kernel: &Kernel<Simulation>,
    space: Ref<IoSpace>,
    s: &IoSpace,
) -> Result<BTreeMap<u64, Page>, Violation> {
    let (mut at, mut previous, mut pages) = (s.mappings, None, BTreeMap::new());
    while let Some(mapping) = at {
        must!(kernel.machine.exists(mapping), "{space:?} lists a mapping that is gone");
        let m = kernel.get(mapping);
        must!(m.space == Some(space) && m.previous == previous, "{space:?} lists {mapping:?}, which does not know");
        let held = kernel.cap(mapping_slot(mapping)) == Cap::IoMapped(mapping);
        must!(held, "{mapping:?} maps without its Memory");
        let read = if m.rights.contains(Rights::READ) { READ } else { 0 };
        let write = if m.rights.contains(Rights::WRITE) { WRITE } else { 0 };
        for page in 0..m.pages {
            let offset = page * PAGE_BYTES;
            let other = pages.insert(m.start + offset, (m.base.0 + offset, read | write));
            must!(other.is_none(), "{:x} is in two mappings", m.start + offset);
        }
        (previous, at) = (at, m.next);
    }
    Ok(pages)
}

/// What a walk found.
#[derive(Default)]
struct Found {
    tables: Vec<u64>,
    /// I/O address and page; leaves of 2 MiB as their pages.
    pages: Vec<(u64, Page)>,
}

/// Walk a table and all below it, as the IOMMU would.
fn visit(
    kernel: &Kernel<Simulation>,
    table: PhysAddr,
    level: u32,
    start: u64,
    found: &mut Found,
) -> Result<u16, Violation> {
    must!(found.tables.len() < 10_000, "I/O page tables are a circle");
    found.tables.push(table.0);
    let mut count = 0;
    for (index, word) in kernel.machine.words(table) {
        let (entry, address) = (IoEntry(word), start + index as u64 * span(level));
        must!(entry.present(), "table {table:x?} has an entry that is not present and not zero: {word:x}");
        count += 1;
        if level == PAGE_LEVEL || entry.is_large() {
            for offset in (0..span(level)).step_by(PAGE_BYTES as usize) {
                found.pages.push((address + offset, (entry.address().0 + offset, word & (READ | WRITE))));
            }
            continue;
        }
        let below = visit(kernel, entry.address(), level - 1, address, found)?;
        let is_counted = entry.count() == below && below > 0;
        must!(is_counted, "table {:x?} has {below} entries, {} are counted", entry.address(), entry.count());
    }
    Ok(count)
}

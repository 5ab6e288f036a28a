//! Page tables: walked as the processor would. Every leaf belongs to an attachment that lives, and leads to memory that
//! was given out as Memory: never to a page table, a kernel object, or what is free.

use std::vec::Vec;

use ukernel_abi::{PAGE_BYTES, Rights};

use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::page_table::{ENTRIES, Leaf, PAGE_LEVEL, ROOT_LEVEL, span};
use crate::{Attachment, Cap, IoMapping, Kernel, PhysAddr, Ref, Slot, Thread, VSpace, Vcpu};

/// Root slots of the lower half; the next is the master's.
const LOWER_SLOTS: usize = 256;

pub(in crate::checks) fn check(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let mut kernels = kernel.machine.extents();
    kernels.extend(table_pages(kernel));
    kernels.sort_unstable();
    for pair in kernels.windows(2) {
        must!(pair[0].1 <= pair[1].0, "{:x?} and {:x?} are one memory", pair[0], pair[1]);
    }
    for (start, end) in user_ranges(kernel) {
        let behind = kernels.partition_point(|(_, to)| *to <= start);
        let taken = kernels.get(behind).filter(|(from, _)| *from < end);
        must!(taken.is_none(), "user space reaches {start:x} to {end:x}, where the kernel has {taken:x?}");
    }
    for (vspace, v) in living(kernel) {
        attachments_agree(kernel, vspace, v)?;
        let mut found = Found { shares_upper: v.is_legacy(), ..Found::default() };
        visit(kernel, v.root, ROOT_LEVEL, 0, &mut found)?;
        for (address, leaf, bytes) in found.leaves {
            leaf_is_allowed(kernel, vspace, v, (address, leaf, bytes))?;
        }
        if v.is_legacy() {
            views_agree(kernel, v)?;
        }
    }
    Ok(())
}

/// VSpaces that have tables.
pub(in crate::checks) fn living(kernel: &Kernel<Simulation>) -> impl Iterator<Item = (Ref<VSpace>, &VSpace)> {
    kernel.machine.all::<VSpace>().filter(|(_, v)| v.caps > 0 && v.root != PhysAddr(0))
}

/// What user space can read or write, or have read or written: memory by capability, attachment or page of a binding.
pub(in crate::checks) fn user_ranges(kernel: &Kernel<Simulation>) -> Vec<(u64, u64)> {
    let machine = &kernel.machine;
    let caps = machine.all::<Slot>().filter_map(|(_, slot)| match slot.cap {
        Cap::Memory { base, bytes, .. } => Some((base.0, base.0 + bytes)),
        _ => None,
    });
    let attached = machine.all::<Attachment>().filter(|(_, a)| a.caps > 0 && a.vspace.is_some());
    let attached = attached.map(|(_, a)| (a.base.0, a.base.0 + a.pages * PAGE_BYTES));
    let mapped = machine.all::<IoMapping>().filter(|(_, m)| m.caps > 0 && m.space.is_some());
    let mapped = mapped.map(|(_, m)| (m.base.0, m.base.0 + m.pages * PAGE_BYTES));
    let pages = machine.all::<Thread>().filter(|(_, t)| t.caps > 0).filter_map(|(_, t)| t.page);
    let states = machine.all::<Vcpu>().filter(|(_, v)| v.caps > 0).filter_map(|(_, v)| v.page);
    caps.chain(attached).chain(mapped).chain(pages.chain(states).map(|page| (page.0, page.0 + PAGE_BYTES))).collect()
}

/// The page-table pages of all VSpaces, in use or in a pool.
pub(in crate::checks) fn table_pages(kernel: &Kernel<Simulation>) -> Vec<(u64, u64)> {
    let mut pages = Vec::with_capacity(32);
    for (_, v) in living(kernel) {
        let mut found = Found { shares_upper: v.is_legacy(), ..Found::default() };
        // What is wrong in the tables is told by `check`.
        if visit(kernel, v.root, ROOT_LEVEL, 0, &mut found).is_ok() {
            pages.append(&mut found.tables);
        }
        let mut free = v.pool;
        while free != PhysAddr(0) && pages.len() < 10_000 {
            pages.push(free.0);
            free = PhysAddr(kernel.machine.words(free).next().map_or(0, |(_, next)| next));
        }
        pages.extend((v.legacy_root != PhysAddr(0)).then_some(v.legacy_root.0));
    }
    pages.extend(super::io_spaces::table_pages(kernel));
    pages.into_iter().map(|page| (page, page + PAGE_BYTES)).collect()
}

/// The address as the processor has it: bit 47 goes on upwards.
pub(in crate::checks) fn canonical(address: u64) -> u64 {
    (address << 16).cast_signed().wrapping_shr(16).cast_unsigned()
}

/// What a walk found.
#[derive(Default)]
struct Found {
    /// The root's upper half is another VSpace's.
    shares_upper: bool,
    tables: Vec<u64>,
    /// Address, entry, bytes.
    leaves: Vec<(u64, Leaf, u64)>,
}

/// Walk a table and all below it. Slot 256 of a root that shares another's is not this VSpace's.
fn visit(
    kernel: &Kernel<Simulation>,
    table: PhysAddr,
    level: u32,
    start: u64,
    found: &mut Found,
) -> Result<u16, Violation> {
    must!(found.tables.len() < 10_000, "page tables are a circle");
    found.tables.push(table.0);
    let mut count = 0;
    for (index, word) in kernel.machine.words(table) {
        let entry = Leaf(word);
        let address = canonical(start + index as u64 * span(level));
        must!(entry.present(), "table {table:x?} has an entry that is not present and not zero: {word:x}");
        count += 1;
        if level == PAGE_LEVEL || entry.is_large() {
            must!(level < ROOT_LEVEL - 1, "a leaf at level {level}");
            found.leaves.push((address, entry, span(level)));
        } else if level < ROOT_LEVEL || index < LOWER_SLOTS || !found.shares_upper {
            let below = visit(kernel, entry.address(), level - 1, address, found)?;
            must!(
                entry.own() == below,
                "table {:x?} has {below} entries, {} are counted",
                entry.address(),
                entry.own()
            );
            let kept = level == ROOT_LEVEL && index >= LOWER_SLOTS;
            must!(below > 0 || kept, "table {:x?} is empty and in use", entry.address());
        }
    }
    Ok(count)
}

fn attachments_agree(kernel: &Kernel<Simulation>, vspace: Ref<VSpace>, v: &VSpace) -> Result<(), Violation> {
    let (mut at, mut previous, mut numbers) = (v.attachments, None, Vec::new());
    while let Some(attachment) = at {
        must!(kernel.machine.exists(attachment), "{vspace:?} lists an attachment that is gone");
        let a = kernel.get(attachment);
        must!(
            a.vspace == Some(vspace) && a.previous == previous,
            "{vspace:?} lists {attachment:?}, which does not know"
        );
        must!(!numbers.contains(&a.number) && a.number != 0, "number {} is given twice", a.number);
        let held = kernel.cap(crate::attachment::slot_of(attachment)) == Cap::AttachedMemory(attachment);
        must!(held, "{attachment:?} is attached without its Memory");
        numbers.push(a.number);
        (previous, at) = (at, a.next);
    }
    Ok(())
}

/// The attachment whose number the leaf carries lives, and allows it.
fn leaf_is_allowed(
    kernel: &Kernel<Simulation>,
    vspace: Ref<VSpace>,
    v: &VSpace,
    (address, leaf, bytes): (u64, Leaf, u64),
) -> Result<(), Violation> {
    let mut at = v.attachments;
    while let Some(attachment) = at
        && kernel.get(attachment).number != leaf.own()
    {
        at = kernel.get(attachment).next;
    }
    let Some(attachment) = at else {
        return Err(Violation(std::format!(
            "{vspace:?} maps {address:x} for attachment {}, which is gone",
            leaf.own()
        )));
    };
    let a = kernel.get(attachment);
    must!(address >= a.start && address + bytes <= a.end, "{address:x} is outside {attachment:?}'s window");
    let (from, to) = (leaf.address().0, leaf.address().0 + bytes);
    let inside = from >= a.base.0 && to <= a.base.0 + a.pages * PAGE_BYTES;
    must!(inside, "{address:x} leads to {from:x}, which {attachment:?} does not attach");
    must!(!leaf.writable() || a.rights.contains(Rights::WRITE), "{address:x} can be written, against its rights");
    must!(!leaf.executable() || a.rights.contains(Rights::EXECUTE), "{address:x} can be executed, against its rights");
    must!(!leaf.writable() || !leaf.executable() || v.is_legacy(), "{address:x} can be written and executed");
    Ok(())
}

/// Both views have the same tables in the lower half, and the master view executes nothing there.
fn views_agree(kernel: &Kernel<Simulation>, v: &VSpace) -> Result<(), Violation> {
    let entries = |root| kernel.machine.words(root).filter(|(index, _)| *index < LOWER_SLOTS);
    for (index, word) in entries(v.root) {
        must!(!Leaf(word).executable(), "slot {index} of a master view can be executed");
    }
    let master = entries(v.root).map(|(index, word)| (index, Leaf(word).address()));
    let legacy = entries(v.legacy_root).map(|(index, word)| (index, Leaf(word).address()));
    must!(master.eq(legacy), "the two views differ");
    let shared = |root| {
        kernel.machine.words(root).find(|(index, _)| *index == LOWER_SLOTS).map(|(_, word)| Leaf(word).address())
    };
    let master = v.master.filter(|master| kernel.machine.exists(*master) && kernel.get(*master).root != PhysAddr(0));
    let theirs = master.and_then(|master| shared(kernel.get(master).root));
    must!(theirs.is_some() && theirs == shared(v.root), "a master view shares a slot with tables that are gone");
    let above = kernel.machine.words(v.legacy_root).any(|(index, _)| (LOWER_SLOTS..ENTRIES).contains(&index));
    must!(!above, "a legacy view reaches the upper half");
    Ok(())
}

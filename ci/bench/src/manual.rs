//! The tables of figures in the kernel's manual (`ukernel/README.md`): made from the stored run, and checked.
//!
//! `BLESS=1 cargo test -p bench manual` writes them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::baseline::Baseline;
use crate::kernel::{LIMITS, SEL4, baseline_path};

/// Rows of the table of operations, and what the manual calls them.
const OPERATIONS: &[(&str, &str)] = &[
    ("ipc_call_reply_0", "call and answer, other address space, 0 words"),
    ("ipc_call_reply_4", "the same, 4 words"),
    ("ipc_call_reply_6", "the same, 6 words (seL4: 5)"),
    ("ipc_call_reply_60", "the same, 60 words"),
    ("ipc_call_reply_120", "the same, 120 words"),
    ("signal_waiter", "signal a thread of higher priority in another address space, until it runs"),
    ("signal_nobody_waits", "signal where nobody waits"),
    ("signal_wait_round_trip", "signal and wait, there and back"),
    ("send_to_receiver_and_yield", "message to who waits, then giving way to it"),
    ("yield_switch", "give way to a thread in another address space"),
    ("vcpu_exit_enter", "Vcpu exit and entry (seL4: a fault's round trip)"),
    ("fault_to_handler", "fault of another address space's thread, until its handler runs"),
    ("fault_round_trip", "the same, until the thread goes on"),
    ("fault_page_map_resume", "page fault, its page mapped by the handler, until the thread goes on"),
    ("exception_ipc_round_trip", "trap of a foreign thread, as message and answer (seL4: a fault's round trip)"),
    ("timer_to_waiter", "deadline of a timer, until the waiter of higher priority runs"),
    ("timer_arm_cancel", "arm a timer and cancel it"),
    ("page_map_unmap", "map and unmap a page"),
    ("page_map_unmap_16", "map and unmap 16 pages, in one call each way"),
    ("capability_copy_delete", "copy and delete a capability"),
    ("retype_delete_thread", "make and delete a thread"),
    ("thread_set_priority_self", "change one's priority"),
    ("null_call", "call on an empty slot"),
];

/// Rows of the table of pieces: what they are of, and what a piece is.
const PIECES: &[(&str, &str, &str)] = &[
    ("irqs_off_max_clear", "clear memory (`RETYPE` of Memory, CapTables)", "16 KiB"),
    ("irqs_off_max_retype", "`RETYPE` of many objects (here threads)", "one object"),
    ("irqs_off_max_donate", "`DONATE`", "4 pages"),
    ("irqs_off_max_map", "`MAP`", "128 pages"),
    ("irqs_off_max_protect", "`PROTECT`", "128 pages"),
    ("irqs_off_max_unmap", "`UNMAP`", "128 pages, or the rest of a table that maps nothing"),
    ("irqs_off_max_detach", "`DETACH`, revoked Memory", "as `UNMAP`"),
    ("irqs_off_max_revoke", "`REVOKE` of 256 threads", "one capability"),
    ("irqs_off_max_revoke_chain", "`REVOKE` in a chain of copies", "one capability"),
    ("irqs_off_max_delete_table", "`DELETE` of a table", "one capability or 64 empty slots"),
    ("irqs_off_max_delete_parent", "`DELETE` of an Untyped with 256 children", "16 children"),
    ("irqs_off_max_move", "`MOVE` of an Untyped with 256 children", "16 children"),
    ("irqs_off_max_delete_vspace", "`DELETE` of a VSpace with 64 attachments", "one attachment"),
    ("irqs_off_max_io_map", "`MAP` for a device", "128 pages"),
    ("irqs_off_max_io_unmap", "`UNMAP` for a device", "128 pages"),
    ("irqs_off_max_message", "the longest message, 480 words", "it is one piece"),
    ("irqs_off_max_timer_arm", "`ARM` of a timer among 256 that are armed", "it is one piece"),
];

/// Rows that miss a goal or are above seL4's, for which the manual says why.
const EXPLAINED: &[&str] = &["page_map_unmap", "exception_ipc_round_trip"];

/// Marks around a table, with its name.
const MARK: &str = "<!-- stored run: ";

fn find<'a, T>(rows: &'a [(&str, T)], name: &str) -> Option<&'a T> {
    rows.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
}

/// A number of instructions; none: nothing.
fn number(value: Option<f64>) -> String {
    let Some(value) = value else { return String::new() };
    let whole = format!("{value:.0}");
    match whole.len().checked_sub(3) {
        Some(split) if split > 0 => format!("{},{}", &whole[..split], &whole[split..]),
        _ => whole,
    }
}

fn operations(baseline: &Baseline) -> String {
    let mut text = String::from("| operation | goal | reached | seL4 | CR3 writes |\n|---|---|---|---|---|\n");
    for (name, called) in OPERATIONS {
        let row = baseline.rows.iter().find(|row| row.operation == *name);
        let row = row.unwrap_or_else(|| panic!("{name} is not in the stored run"));
        let goal = find(LIMITS, name).and_then(|limits| limits.goal);
        let sel4 = find(SEL4, name).copied();
        let here = row.instructions;
        let missed = goal.is_some_and(|goal| here > goal) || sel4.is_some_and(|sel4| here > sel4);
        assert_eq!(missed, EXPLAINED.contains(name), "{name}: {here}, goal {goal:?}, seL4 {sel4:?}");
        let (here, goal, sel4) = (number(Some(here)), number(goal), number(sel4));
        let writes = number(row.switches);
        writeln!(text, "| {called} | {goal} | {here} | {sel4} | {writes} |").expect("a string takes all");
    }
    text
}

fn pieces(baseline: &Baseline) -> String {
    let mut text = String::from("| operation | at most | piece |\n|---|---|---|\n");
    for (name, called, piece) in PIECES {
        let row = baseline.rows.iter().find(|row| row.operation == *name);
        let most = number(Some(row.unwrap_or_else(|| panic!("{name} is not in the stored run")).instructions));
        writeln!(text, "| {called} | {most} | {piece} |").expect("a string takes all");
    }
    text
}

/// The page with another table between the marks of this name.
fn with_table(page: &str, name: &str, table: &str) -> String {
    let mark = format!("{MARK}{name} -->\n");
    let mut parts = page.split(&mark);
    let (Some(before), Some(_), Some(after), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        panic!("the manual has not two marks {mark:?}");
    };
    format!("{before}{mark}{table}{mark}{after}")
}

#[test]
fn the_manual_has_the_stored_figures() {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let baseline = Baseline::read(&baseline_path(source)).expect("the figures are stored");
    let path = source.join("ukernel/README.md");
    let page = fs::read_to_string(&path).expect("the manual is there");
    let right = with_table(&page, "operations", &operations(&baseline));
    let right = with_table(&right, "pieces", &pieces(&baseline));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, right).expect("the manual can be written");
    } else {
        assert!(page == right, "other figures are stored: BLESS=1 cargo test -p bench manual");
    }
}

/// All that is measured and above what it is measured by is explained, in the table or not.
#[test]
fn nothing_is_missed_without_a_reason() {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let baseline = Baseline::read(&baseline_path(source)).expect("the figures are stored");
    for row in &baseline.rows {
        let most = find(LIMITS, &row.operation).and_then(|limits| limits.goal.or(limits.ceiling));
        let bounds = [most, find(SEL4, &row.operation).copied()];
        let missed = bounds.into_iter().flatten().any(|bound| row.instructions > bound);
        assert!(!missed || EXPLAINED.contains(&row.operation.as_str()), "{} is not explained", row.operation);
    }
}

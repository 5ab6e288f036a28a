//! `syscall`: one unmodified program under both trap mechanisms, beside Linux.
//!
//! The program is busybox's `dd`, byte for byte as Debian ships it; two runs of different length are subtracted, so that
//! what remains is a read(2) and a write(2) for each byte copied.

use crate::Size;
use crate::ground::Ground;
use crate::linux::{self, Cost};
use crate::stage::{Stage, Table, text};
use anyhow::{Result, ensure};
use bench::table::Value;

/// System calls of `dd` for each byte that it copies.
const CALLS_PER_BYTE: f64 = 2.0;

/// What a system, or a way to trap into it, takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// getpid(2): the way there and back, and next to nothing between.
    pub getpid: Cost,
    /// A system call of the unmodified program, on average.
    pub call: Cost,
}

/// The three ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The program's thread becomes its server, through a Vcpu.
    pub vcpu: Costs,
    /// The program's thread sends its server a message.
    pub exception_ipc: Costs,
    /// Linux 6.1 with `mitigations=off`.
    pub linux: Costs,
}

/// Bytes that the two runs of `dd` copy.
fn lengths(size: Size) -> (u32, u32) {
    match size {
        Size::Full => (2000, 12_000),
        Size::Quick => (500, 2500),
    }
}

fn commands(size: Size) -> [String; 3] {
    let (short, long) = lengths(size);
    let dd = |bytes| {
        format!("/tests/abi-bench command /bin/busybox dd if=/dev/zero of=/dev/null bs=1 count={bytes} 2>/dev/null")
    };
    ["/tests/abi-bench getpid".into(), dd(short), dd(long)]
}

/// Measures all three.
///
/// # Errors
/// When a system does not start or prints nonsense.
pub fn measure(ground: &Ground, size: Size) -> Result<Figures> {
    let (root, programs) = linux::root(ground)?;
    let plain = commands(size);
    let by_ipc = plain.clone().map(|command| format!("echo exception-ipc >/proc/banyan/trap && {command}"));
    let all: Vec<_> = plain.iter().chain(&by_ipc).map(String::as_str).collect();
    let own = linux::on_banyan(ground, &root, &all)?;
    let plain: Vec<_> = plain.iter().map(String::as_str).collect();
    let other = linux::on_linux(ground, &root, &programs, &plain)?;
    let (vcpu, exception_ipc) = own.split_at(plain.len());
    let costs = |printed| costs(printed, size);
    Ok(Figures { vcpu: costs(vcpu)?, exception_ipc: costs(exception_ipc)?, linux: costs(&other)? })
}

/// What the three commands printed.
fn costs(printed: &[String], size: Size) -> Result<Costs> {
    let (short, long) = lengths(size);
    ensure!(printed.len() == 3, "three commands print three texts");
    let (before, after) = (linux::cost(&printed[1], "command")?, linux::cost(&printed[2], "command")?);
    let calls = f64::from(long - short) * CALLS_PER_BYTE;
    let each = |before: f64, after: f64| (after - before) / calls;
    let counted =
        |before: Option<f64>, after: Option<f64>| before.zip(after).map(|(before, after)| each(before, after));
    let call = Cost {
        instructions: each(before.instructions, after.instructions),
        switches: counted(before.switches, after.switches),
        entries: counted(before.entries, after.entries),
        thread_switches: counted(before.thread_switches, after.thread_switches),
    };
    Ok(Costs { getpid: linux::cost(&printed[0], "getpid")?, call })
}

/// The table at the end.
#[must_use]
pub fn table(figures: &Figures) -> Table {
    let heads = ["traps by", "call", "instructions", "x Linux", "privileges", "address spaces", "threads"];
    let mut table = Table::new(heads);
    let rows = [
        ("vcpu", &figures.vcpu),
        ("exception IPC", &figures.exception_ipc),
        ("Linux 6.1 (mitigations=off)", &figures.linux),
    ];
    for (name, costs) in rows {
        for (call, cost, linux) in
            [("getpid", costs.getpid, figures.linux.getpid), ("one of dd's", costs.call, figures.linux.call)]
        {
            // What was subtracted may leave a little less than nothing.
            let number = |number: Option<f64>| number.map_or(Value::Absent, |number| Value::Number(number.max(0.0), 1));
            table.row([
                text(name),
                text(call),
                Value::Number(cost.instructions, 0),
                Value::Number(cost.instructions / linux.instructions, 2),
                // Each entry has a way back.
                number(cost.entries.map(|entries| entries * 2.0)),
                number(cost.switches),
                number(cost.thread_switches),
            ]);
        }
    }
    table
}

/// Tells the story.
///
/// # Errors
/// When something cannot be measured, or does not come out as told.
pub fn run(stage: &mut Stage, ground: &Ground, size: Size) -> Result<()> {
    stage.say(
        "An unmodified Linux program executes the instruction `syscall`. Here the kernel does not know Linux: it has to \
         bring that trap to the personality, a task in another address space, and the answer back. There are two ways.",
    )?;
    stage.say(
        "Exception IPC, as in L4Linux of 1997: the program is a thread of its own, the kernel writes its registers into a \
         message to the personality's thread, and that one's answer brings registers back. Vcpu: the personality's thread \
         itself becomes the program, as a virtual machine monitor enters a guest, and comes back when the program traps; \
         there is no second thread, no message, and no scheduler.",
    )?;
    stage.say(
        "The program is busybox's dd, byte for byte Debian's, copying bytes one by one: a read(2) and a write(2) each. The \
         same handlers serve it both times. Then the same file runs on Debian's Linux 6.1 in the same emulator. The clock \
         counts instructions.",
    )?;
    stage.pause()?;
    let figures = measure(ground, size)?;
    stage.heading("Counted in this run")?;
    stage.table(&table(&figures))?;
    let (vcpu, message) = (&figures.vcpu.getpid, &figures.exception_ipc.getpid);
    ensure!(vcpu.instructions < message.instructions, "a Vcpu should be cheaper than exception IPC");
    let threads = vcpu.thread_switches.zip(message.thread_switches);
    ensure!(threads.is_some_and(|(vcpu, message)| vcpu < 0.5 && message > 1.5), "exception IPC should switch threads");
    stage.say(
        "The columns on the right count changes: of the privilege (into the kernel and out of it), of the address space, and \
         of the thread. Linux has no such counts to offer; it needs two changes of the privilege and none of the others.",
    )?;
    stage.say(&format!(
        "Look at getpid, which does next to nothing: what is counted is the way. A Vcpu takes {:.0} instructions, exception \
         IPC {:.0}: {:.1} times as many. Both enter the kernel twice and switch the address space twice, which is what a \
         system of several servers pays; what differs is the message with all registers and the two threads.",
        vcpu.instructions,
        message.instructions,
        message.instructions / vcpu.instructions
    ))?;
    stage.say(
        "Try it: `cargo run`, then in the shell `banyan run-by exception-ipc ls`, and `cat /proc/banyan/counters` before \
         and after.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_are_subtracted() {
        let printed =
            ["getpid\t300\t2.0\t1.0\t0.0\n", "command\t101000\t9\t1500\t7\n", "command\t901000\t8009\t9500\t7\n"];
        let costs = costs(&printed.map(String::from), Size::Quick).expect("well formed");
        let expected =
            Cost { instructions: 200.0, switches: Some(2.0), entries: Some(2.0), thread_switches: Some(0.0) };
        assert_eq!(costs.call, expected);
        assert!(super::costs(&["getpid\t300\n".into()], Size::Quick).is_err());
    }
}

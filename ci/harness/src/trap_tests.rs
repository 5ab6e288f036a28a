//! The two ways of a program's traps to the personality: who chooses, who inherits, what is counted. That programs behave the
//! same under both is tested by the cases of `compare`.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::shared::{self, Processors};
use crate::trial;

/// Bytes that are copied one by one: two calls each.
const BYTES: u64 = 2000;

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("traps: a process chooses, its children inherit", choice),
        trial("traps: what is not a mechanism is refused", refusal),
        trial("traps: each mechanism is counted", counters),
    ]
}

fn output_of(command: &str) -> Result<String> {
    let output = shared::exec(Processors::Usual, command, b"", shared::LIMIT)?;
    ensure!(output.status.0 == 0, "status {:#x}: {}", output.status.0, String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn choice() -> Result<()> {
    let command = "trap=/proc/banyan/trap; show() { read mechanism <$trap; echo $1 $mechanism; }; show start; \
                   (echo exception-ipc >$trap; show child; sh -c 'cat /proc/banyan/trap'; (echo vcpu >$trap; show grandchild); \
                   show child); show parent; echo exception-ipc >$trap; exec cat $trap";
    let expected = "start vcpu\nchild exception-ipc\nexception-ipc\ngrandchild vcpu\nchild exception-ipc\nparent vcpu\n\
                    exception-ipc\n";
    let actual = output_of(command)?;
    ensure!(actual == expected, "{actual}");
    Ok(())
}

fn refusal() -> Result<()> {
    let command = "for word in '' vcpu2 VCPU exception; do (echo $word >/proc/banyan/trap) 2>&1 | grep -c Invalid; done; \
                   echo ' vcpu ' >/proc/banyan/trap; cat /proc/banyan/trap";
    let actual = output_of(command)?;
    ensure!(actual == "1\n1\n1\n1\nvcpu\n", "{actual}");
    Ok(())
}

/// Growth of counters while bytes are copied one by one.
struct Growth {
    messages: u64,
    entries: u64,
    cr3_writes: u64,
    switches: u64,
}

fn growth(mechanism: &str) -> Result<Growth> {
    let command = format!(
        "echo {mechanism} >/proc/banyan/trap; cat /proc/banyan/counters; \
         dd if=/dev/zero of=/dev/null bs=1 count={BYTES} 2>/dev/null; cat /proc/banyan/counters"
    );
    let text = output_of(&command)?;
    let grown = |name: &str| -> Result<u64> {
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        let (before, after) = (values.next(), values.next());
        after
            .zip(before)
            .and_then(|(after, before)| after.checked_sub(before))
            .with_context(|| format!("{name}: {text}"))
    };
    Ok(Growth {
        messages: grown("exception_ipc_traps ")?,
        entries: grown("kernel_entries ")?,
        cr3_writes: grown("cr3_writes ")?,
        switches: grown("thread_switches ")?,
    })
}

fn counters() -> Result<()> {
    let calls = 2 * BYTES;
    let (vcpu, messages) = (growth("vcpu")?, growth("exception-ipc")?);
    ensure!(vcpu.messages == 0, "{} messages under Vcpu", vcpu.messages);
    ensure!(messages.messages >= calls, "{} messages for {calls} calls", messages.messages);
    // Each call: the kernel is entered for the trap and for the answer, and two address spaces take turns.
    for (name, grown) in [("vcpu", &vcpu), ("exception-ipc", &messages)] {
        ensure!((2 * calls..3 * calls).contains(&grown.entries), "{name}: {} entries", grown.entries);
        ensure!((2 * calls..3 * calls).contains(&grown.cr3_writes), "{name}: {} CR3 writes", grown.cr3_writes);
    }
    // What differs is that messages go from thread to thread.
    ensure!(vcpu.switches < calls / 2, "{} thread switches under Vcpu", vcpu.switches);
    ensure!(messages.switches >= 2 * calls, "{} thread switches under exception IPC", messages.switches);
    Ok(())
}

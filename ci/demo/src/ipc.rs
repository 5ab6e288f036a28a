//! `ipc`: one message on its way through the kernel, and what it costs beside a function call and a pipe.

use crate::Size;
use crate::followed::{self, Followed, Place, Stretch};
use crate::ground::Ground;
use crate::linux::{self, Cost};
use crate::stage::{Stage, Table, count, text};
use anyhow::{Context, Result, ensure};
use bench::table::Value;

/// A round trip of one byte between two processes.
const PIPE: &str = "pipe_rt_proc";

/// What was measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// A call's way, and the kernel's costs.
    pub followed: Followed,
    /// A byte through a pipe to another process and back, on Banyan.
    pub pipe: Cost,
    /// The same on Linux.
    pub linux_pipe: Cost,
}

/// Measures all of it.
///
/// # Errors
/// When a system does not start or prints nonsense.
pub fn measure(ground: &Ground) -> Result<Figures> {
    let followed = followed::follow(ground)?;
    let (root, programs) = linux::root(ground)?;
    let command = format!("/tests/abi-bench {PIPE}");
    let own = linux::on_banyan(ground, &root, &[&command])?;
    let other = linux::on_linux(ground, &root, &programs, &[&command])?;
    let cost = |printed: &[String]| linux::cost(printed.first().map_or("", String::as_str), PIPE);
    Ok(Figures { followed, pipe: cost(&own)?, linux_pipe: cost(&other)? })
}

impl Figures {
    fn kernel_cost(&self, name: &str) -> Result<u64> {
        let cost = self.followed.costs.get(name);
        cost.copied().with_context(|| format!("the kernel's tests did not measure {name}"))
    }

    /// Switches of the address space on the message's way.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.followed.way.iter().map(|stretch| stretch.switches).sum()
    }

    /// Instructions in the kernel on the message's way.
    #[must_use]
    pub fn kernel_instructions(&self) -> u64 {
        self.followed.way.iter().filter(|part| part.place == Place::Kernel).map(|part| part.instructions).sum()
    }
}

/// The table at the end.
///
/// # Errors
/// When a measurement is missing.
pub fn costs_table(figures: &Figures) -> Result<Table> {
    let mut table = Table::new(["a question and its answer", "instructions", "x a function call", "CR3 writes"]);
    let function = figures.kernel_cost("function_call")? as f64;
    let mut row = |what: &str, instructions: f64, switches: Option<f64>| {
        let switches = switches.map_or(Value::Absent, |number| Value::Number(number, 0));
        let ratio = Value::Number(instructions / function.max(1.0), 0);
        table.row([text(what), Value::Number(instructions, 0), ratio, switches]);
    };
    row("function call in one address space", function, Some(0.0));
    row("kernel call that is refused at once", figures.kernel_cost("null_call")? as f64, Some(0.0));
    let switches = Some(figures.switches() as f64);
    row("message of 4 words to another server", figures.kernel_cost("ipc_call_reply_4")? as f64, switches);
    row("message of 60 words to another server", figures.kernel_cost("ipc_call_reply_60")? as f64, switches);
    row("byte through pipes between two processes", figures.pipe.instructions, figures.pipe.switches);
    row("the same on Linux 6.1 (mitigations=off)", figures.linux_pipe.instructions, None);
    Ok(table)
}

/// The message's way, one row for each stretch of instructions in one function.
#[must_use]
pub fn way_table(way: &[Stretch]) -> Table {
    let mut table = Table::new(["function", "where", "instructions", "CR3 writes"]);
    for part in way {
        let place = match part.place {
            Place::Kernel => "kernel",
            Place::Server => "server",
        };
        let switches = if part.switches > 0 { count(part.switches) } else { Value::Absent };
        table.row([text(&part.function), text(place), count(part.instructions), switches]);
    }
    table
}

/// Joins stretches until at most `most` are left: the shortest goes to the one before it.
fn shortened(way: &[Stretch], most: usize) -> Vec<Stretch> {
    let mut way = way.to_vec();
    while way.len() > most {
        let inner = way.windows(2).enumerate().filter(|(_, pair)| pair[0].place == pair[1].place);
        let Some((index, _)) = inner.min_by_key(|(_, pair)| pair[1].instructions) else { break };
        let gone = way.remove(index + 1);
        way[index].instructions += gone.instructions;
        way[index].switches += gone.switches;
        if !way[index].function.ends_with(" ...") {
            way[index].function.push_str(" ...");
        }
    }
    way
}

/// Tells the story.
///
/// # Errors
/// When something cannot be measured, or does not come out as told.
pub fn run(stage: &mut Stage, ground: &Ground, size: Size) -> Result<()> {
    stage.say(
        "In a system of many servers, what was a function call becomes a message: the caller stops, the kernel hands its \
         words to the server and switches to the server's address space, and the answer comes back the same way. Whether \
         such a system can be fast is decided by what that costs.",
    )?;
    stage.say(
        "Now a machine boots whose root task makes a server in an address space of its own and calls it. A debugger steps \
         through the kernel from the caller's `syscall` instruction on, one instruction at a time, and looks each address \
         up in the kernel's line tables.",
    )?;
    let figures = measure(ground)?;
    stage.heading("The way of one message and its answer")?;
    stage.say(
        "From the top: the kernel's entry, the lookup of the capability, the rendezvous, the switch to the server (a write \
         of CR3), the server's own instructions, and the same back. No scheduler, no copy through memory: four words \
         travel in registers. Functions are named as in the source, with what the compiler inlined into them behind `>`; \
         those with few instructions are drawn to the one before (...).",
    )?;
    let rows = if size == Size::Quick { 16 } else { 36 };
    stage.table(&way_table(&shortened(&figures.followed.way, rows)))?;
    stage.say(&format!(
        "In all {} instructions in the kernel and {} switches of the address space.",
        figures.kernel_instructions(),
        figures.switches()
    ))?;
    stage.pause()?;
    stage.heading("Side by side")?;
    stage.say(
        "Each line asks something and gets an answer; they differ in what lies between the two. The pipes are the \
         traditional way: a byte to another process and one back, through a kernel that knows files, signals and a \
         scheduler.",
    )?;
    stage.table(&costs_table(&figures)?)?;
    let message = figures.kernel_cost("ipc_call_reply_4")? as f64;
    ensure!(
        figures.switches() == 2,
        "a call and its answer switch the address space twice, not {}",
        figures.switches()
    );
    ensure!(figures.kernel_cost("function_call")? < message as u64, "a message should cost more than a function call");
    ensure!(message < figures.pipe.instructions, "a message should cost less than a pipe");
    stage.say(&format!(
        "A message is {:.0} times cheaper than Linux's pipes and {:.0} times dearer than a function call: cheap enough to \
         put a file system behind, too dear for each byte. So servers here move data in shared memory, and messages say \
         where it is.",
        figures.linux_pipe.instructions / message,
        message / figures.kernel_cost("function_call")?.max(1) as f64
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_stretches_join_the_one_before() {
        let part = |function: &str, instructions| Stretch {
            place: Place::Kernel,
            function: function.into(),
            instructions,
            switches: 0,
        };
        let way = [part("a", 10), part("b", 1), part("c", 30)];
        let short = shortened(&way, 2);
        assert_eq!(short, [part("a ...", 11), part("c", 30)]);
        assert_eq!(shortened(&way, 3), way);
    }
}

//! `crash`: the same bug in the same driver, once in a task of its own, once inside the personality, while a large file is
//! copied.

use crate::Size;
use crate::ground::{Ground, LIMIT};
use crate::load::{Clock, Loaded, Setup, is_clean};
use crate::stage::{Stage, Table, count, text};
use anyhow::{Context, Result, bail, ensure};
use banyan::run::{End, Event, Placement, Places, Stop, Stream, Vm};
use bench::table::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes that are copied in one step, each followed by an fsync(2).
const CHUNK_BYTES: usize = 128 << 10;
/// The option that switches the bug on: the driver panics at this request of each of its lives.
const BUG: &str = "panic_after_requests";
/// Lines of a native task that has nothing to do with the disk.
const BEAT: &str = "[heartbeat] beat ";
const PANIC: &str = "injected bug: request number";

/// What happened in one placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Where file system and driver ran.
    pub placement: Placement,
    /// How often the bug struck during the copy.
    pub panics: usize,
    /// Whether the copying process lived.
    pub survived: bool,
    /// Chunks that the copying process said were on the disk, and all chunks.
    pub chunks: (usize, usize),
    /// The longest and the middle time between two of its words.
    pub pauses: (Duration, Duration),
    /// The first so many chunks are right on the disk afterwards: as many as were said.
    pub right: bool,
    /// Beats of the native task, and the latest of them, in microseconds.
    pub beats: (u64, u64),
}

struct Amount {
    chunks: usize,
    request: &'static str,
}

fn amount(size: Size) -> Amount {
    match size {
        Size::Full => Amount { chunks: 200, request: "400" },
        Size::Quick => Amount { chunks: 64, request: "300" },
    }
}

/// Copies the file in one placement while the bug is on.
///
/// # Errors
/// When the system does not start, or does something that no crash explains.
pub fn measure(ground: &Ground, size: Size, placement: Placement) -> Result<Figures> {
    let Amount { chunks, request } = amount(size);
    let options = [(BUG, request), ("start", "heartbeat")];
    let setup = Setup { files: 1, places: Places::all(placement), clock: Clock::Wall, options: &options };
    let content = content(chunks);
    let system = Loaded::start_with(ground, setup, |tree, _| tree.add_file("big", 0o644, content.clone()))?;
    let copied = copy(&system.vm, chunks).with_context(|| system.log_end())?;
    let panics = log(&system).matches(PANIC).count();
    let beats = beats(&log(&system))?;
    let right = on_disk(ground, &system, &content[..copied.said * CHUNK_BYTES])?;
    let Copied { survived, said, pauses } = copied;
    Ok(Figures { placement, panics, survived, chunks: (said, chunks), pauses, right, beats })
}

fn content(chunks: usize) -> Vec<u8> {
    let mut random = legacy_programs::random::Random::new(chunks as u64);
    (0..chunks * CHUNK_BYTES / 8).flat_map(|_| random.next_u64().to_le_bytes()).collect()
}

fn log(system: &Loaded) -> String {
    system.vm.explained_log().unwrap_or_default()
}

struct Copied {
    survived: bool,
    said: usize,
    pauses: (Duration, Duration),
}

/// Copies chunk by chunk, listening to what the copying process says.
fn copy(vm: &Vm, chunks: usize) -> Result<Copied> {
    let command = format!(
        "n=0; while [ $n -lt {chunks} ]; do dd if=/big of=/copy bs={CHUNK_BYTES} skip=$n seek=$n count=1 \
         conv=notrunc,fsync 2>/dev/null || exit 1; n=$((n+1)); echo $n; done"
    );
    let session = vm.open(&command)?;
    let deadline = Some(Instant::now() + LIMIT);
    let (mut said, mut gaps, mut last) = (0, Vec::new(), Instant::now());
    let survived = loop {
        match session.next(deadline) {
            Ok(Event::Data(stream, bytes)) => {
                session.consumed(stream, bytes.len());
                if stream == Stream::Output {
                    said += bytes.iter().filter(|byte| **byte == b'\n').count();
                    gaps.push(std::mem::replace(&mut last, Instant::now()).elapsed());
                }
            }
            Ok(Event::Exit(status)) => {
                ensure!(status.code() == 0, "the copy ended with status {}", status.code());
                break true;
            }
            // Its kernel is gone, and it with it.
            Err(Stop::Ended(End::Failed(_))) => break false,
            other => bail!("the copy: {other:?}"),
        }
    };
    gaps.sort_unstable();
    let longest = gaps.last().copied().unwrap_or_default();
    Ok(Copied { survived, said, pauses: (longest, gaps.get(gaps.len() / 2).copied().unwrap_or_default()) })
}

/// Checks that the native task lost no beat; how many there were, and by how much the latest was late.
fn beats(log: &str) -> Result<(u64, u64)> {
    let (mut count, mut latest) = (0, 0);
    for line in log.lines().filter_map(|line| line.strip_prefix(BEAT)) {
        let late = line.trim_end().strip_suffix(" us late").and_then(|line| line.rsplit_once(", "));
        // The log's last line may be half written.
        let Some(late) = late.and_then(|(_, late)| late.parse::<u64>().ok()) else { continue };
        ensure!(line.split(' ').next() == Some(count.to_string().as_str()), "beat {count} is missing: {line}");
        count += 1;
        latest = latest.max(late);
    }
    Ok((count, latest))
}

/// Stops the system, if it still runs, has the journal replayed and looks at the copy with the host's tools: whether it
/// begins with `expected`, on a clean file system.
fn on_disk(ground: &Ground, system: &Loaded, expected: &[u8]) -> Result<bool> {
    let disk = system.vm.disk().context("it has a disk")?;
    // The answer is lost with the system.
    let _ = system.vm.exec("sync; poweroff -f", b"", LIMIT);
    system.vm.wait(Some(Instant::now() + LIMIT)).context("the system does not stop")?;
    // What it finds to repair is told by its status; replaying the journal is not among that.
    let replayed = Command::new(&ground.tools.e2fs.e2fsck).arg("-p").arg(disk).output()?;
    ensure!(replayed.status.code() == Some(0), "e2fsck: {}", String::from_utf8_lossy(&replayed.stdout));
    is_clean(ground, disk)?;
    let output = Command::new(&ground.tools.e2fs.debugfs).args(["-R", "cat /copy"]).arg(disk).output()?;
    Ok(output.stdout.starts_with(expected))
}

/// Both placements side by side.
#[must_use]
pub fn table(native: &Figures, inside: &Figures) -> Table {
    let mut table = Table::new(["the same bug in the same driver", "native", "in the personality"]);
    let mut row = |what: &str, value: &dyn Fn(&Figures) -> Value| {
        table.row([text(what), value(native), value(inside)]);
    };
    let yes = |is: bool| text(if is { "yes" } else { "no" });
    let milliseconds = |time: Duration| Value::Number(time.as_secs_f64() * 1000.0, 0);
    row("times it struck during the copy", &|figures| count(figures.panics as u64));
    row("the copying process survived", &|figures| yes(figures.survived));
    row("chunks said to be on the disk", &|figures| count(figures.chunks.0 as u64));
    row("chunks in all", &|figures| count(figures.chunks.1 as u64));
    row("longest time between two chunks, ms", &|figures| milliseconds(figures.pauses.0));
    row("middle time between two chunks, ms", &|figures| milliseconds(figures.pauses.1));
    row("every such chunk is right on the disk", &|figures| yes(figures.right));
    row("beats of a native task while the machine ran", &|figures| count(figures.beats.0));
    row("the latest of them was late by, ms", &|figures| Value::Number(figures.beats.1 as f64 / 1000.0, 0));
    table
}

/// Tells the story.
///
/// # Errors
/// When something cannot be measured, or does not come out as told.
pub fn run(stage: &mut Stage, ground: &Ground, size: Size) -> Result<()> {
    stage.say(
        "A boot option switches a bug on in the disk's driver: it panics at a certain request, each time it lives. A program \
         copies a large file in chunks, each with an fsync(2), and says when a chunk is on the disk. A native task that has \
         nothing to do with disks writes a line ten times a second.",
    )?;
    stage.say(
        "First the driver is a task of its own. When it dies the supervisor has its device reset, takes its memory back and \
         makes it anew; its callers' requests are repeated. Look for: does the copy go on, and for how long does it pause?",
    )?;
    stage.pause()?;
    let native = measure(ground, size, Placement::Native)?;
    stage.say(&format!(
        "The bug struck {} times. The copy said {} of {} chunks, the longest pause was {} ms.",
        native.panics,
        native.chunks.0,
        native.chunks.1,
        native.pauses.0.as_millis()
    ))?;
    stage.pause()?;
    stage.say(
        "Now the same driver, the same source file, linked into the personality. A panic there is a panic of the personality, \
         and with it goes every process, and here the machine stops (with --on-personality-crash restart a new personality \
         would come up). What is on the disk then is looked at from outside, after its journal was replayed.",
    )?;
    let inside = measure(ground, size, Placement::Personality)?;
    stage.heading("Side by side")?;
    stage.table(&table(&native, &inside))?;
    ensure!(native.panics > 0 && inside.panics > 0, "the bug did not strike");
    ensure!(native.survived && native.chunks.0 == native.chunks.1, "the copy did not survive a native driver's death");
    ensure!(!inside.survived, "the copy survived the personality");
    ensure!(native.right && inside.right, "a chunk that was said to be on the disk is not there");
    ensure!(native.beats.0 > 0 && inside.beats.0 > 0, "the native task did not run");
    stage.say(
        "What was promised is on the disk in both cases: that is the journal's merit. But in the one design a driver's mistake \
         is a pause, in the other it is the end of everything that the personality hosts. The times are of an emulated \
         machine; look at what they are beside each other.",
    )
}

#[cfg(test)]
mod tests {
    use super::beats;

    #[test]
    fn lost_beats_are_seen() {
        let log =
            "[heartbeat] beat 0 at 10 ms, 5 us late\nx\n[heartbeat] beat 1 at 110 ms, 70 us late\n[heartbeat] beat";
        assert_eq!(beats(log).ok(), Some((2, 70)));
        assert!(beats("[heartbeat] beat 1 at 10 ms, 5 us late\n").is_err());
    }
}

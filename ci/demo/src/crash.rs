//! `crash`: the same bug in the same driver, once in a task of its own, once inside the personality, while a large file is
//! copied.

use crate::Size;
use crate::ground::{Ground, LIMIT, output};
use crate::load::{Clock, Loaded, Setup, is_clean};
use crate::stage::{Stage, Table, count, text};
use anyhow::{Context, Result, bail, ensure};
use banyan::run::{Event, OnCrash, Placement, Places, Stream, Vm};
use bench::table::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes that are copied in one step, each followed by an fsync(2).
const CHUNK_BYTES: usize = 128 << 10;
/// The option that switches the bug on: in its first life the driver panics at the request with this number.
const BUG: &str = "once.panic_after_requests";
/// Lines of a native task that has nothing to do with the disk.
const BEAT: &str = "[heartbeat] beat ";
const PANIC: &str = "injected bug: request number";
/// What the log says when the personality has died, and when there is another.
const DEAD: &str = "task \"personality\" is dead";
const ANEW: &str = "task \"personality\" is made anew";

/// What happened in one placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Where file system and driver ran.
    pub placement: Placement,
    /// How often the bug struck.
    pub panics: usize,
    /// Whether the copying process lived.
    pub survived: bool,
    /// Chunks that the copying process said were on the disk, and all chunks.
    pub chunks: (usize, usize),
    /// The longest and the middle time between two of its words.
    pub pauses: (Duration, Duration),
    /// Where the copying process died: how long after its last word a new shell answered.
    pub shell_after: Option<Duration>,
    /// The first so many chunks are right as a shell reads them afterwards, and on the disk: as many as were said.
    pub right: bool,
    /// What the native task did.
    pub beats: Beats,
}

/// Beats of the native task, of which none is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beats {
    /// All.
    pub count: u64,
    /// Those while there was no personality.
    pub alone: u64,
    /// By how much the latest was late, in microseconds.
    pub latest_us: u64,
}

struct Amount {
    chunks: usize,
    request: &'static str,
}

fn amount(size: Size) -> Amount {
    match size {
        Size::Full => Amount { chunks: 200, request: "600" },
        Size::Quick => Amount { chunks: 64, request: "300" },
    }
}

/// Copies the file in one placement while the bug is on.
///
/// # Errors
/// When the system does not start, or does something that no crash explains.
pub fn measure(ground: &Ground, size: Size, placement: Placement) -> Result<Figures> {
    let Amount { chunks, request } = amount(size);
    let options = [(BUG, request), ("start", "heartbeat"), ("heartbeat_ms", "20")];
    let setup = Setup { files: 1, places: Places::all(placement), clock: Clock::Wall, options: &options };
    let content = content(chunks);
    let system = Loaded::start_with(ground, setup, |tree, config| {
        config.on_crash = OnCrash::Restart;
        tree.add_file("big", 0o644, content.clone())
    })?;
    let Copied { survived, said, pauses, last } = copy(&system.vm, chunks).with_context(|| system.log_end())?;
    // After a death this is another personality's shell, which comes as soon as it can.
    output(&system.vm, "echo a shell answers").with_context(|| system.log_end())?;
    let shell_after = (!survived).then(|| last.elapsed());
    let same = reads_the_same(&system.vm, said * CHUNK_BYTES).with_context(|| system.log_end())?;
    let log = system.vm.explained_log()?;
    let right = same && on_disk(ground, &system, &content[..said * CHUNK_BYTES])?;
    Ok(Figures {
        placement,
        panics: log.matches(PANIC).count(),
        survived,
        chunks: (said, chunks),
        pauses,
        shell_after,
        right,
        beats: beats(&log)?,
    })
}

fn content(chunks: usize) -> Vec<u8> {
    let mut random = legacy_programs::random::Random::new(chunks as u64);
    (0..chunks * CHUNK_BYTES / 8).flat_map(|_| random.next_u64().to_le_bytes()).collect()
}

struct Copied {
    survived: bool,
    said: usize,
    pauses: (Duration, Duration),
    /// When it last said something.
    last: Instant,
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
            Ok(Event::Refused(reason)) if reason.contains("died") => break false,
            other => bail!("the copy: {other:?}"),
        }
    };
    gaps.sort_unstable();
    let longest = gaps.last().copied().unwrap_or_default();
    let middle = gaps.get(gaps.len() / 2).copied().unwrap_or_default();
    Ok(Copied { survived, said, pauses: (longest, middle), last })
}

/// Whether the copy begins with the same bytes as what it is a copy of, as a shell sees them.
fn reads_the_same(vm: &Vm, bytes: usize) -> Result<bool> {
    let sums = output(vm, &format!("for file in /big /copy; do head -c {bytes} $file | md5sum; done"))?;
    let sums: Vec<_> = sums.lines().collect();
    ensure!(sums.len() == 2, "the sums are {sums:?}");
    Ok(sums[0] == sums[1])
}

/// Checks that the native task lost no beat, and looks at what is to be told of them.
fn beats(log: &str) -> Result<Beats> {
    let mut beats = Beats { count: 0, alone: 0, latest_us: 0 };
    let mut is_alone = false;
    for line in log.lines() {
        if line.contains(DEAD) || line.contains(ANEW) {
            is_alone = line.contains(DEAD);
        }
        let Some(line) = line.strip_prefix(BEAT) else { continue };
        let late = line.trim_end().strip_suffix(" us late").and_then(|line| line.rsplit_once(", "));
        // The log's last line may be half written.
        let Some(late) = late.and_then(|(_, late)| late.parse::<u64>().ok()) else { continue };
        let is_next = line.split(' ').next() == Some(beats.count.to_string().as_str());
        ensure!(is_next, "beat {} is missing: {line}", beats.count);
        beats.count += 1;
        beats.alone += u64::from(is_alone);
        beats.latest_us = beats.latest_us.max(late);
    }
    Ok(beats)
}

/// Stops the system, has the journal replayed and looks at the copy with the host's tools: whether it
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
    let after = |time: Option<Duration>| time.map_or(text("-"), milliseconds);
    row("times it struck", &|figures| count(figures.panics as u64));
    row("the copying process survived", &|figures| yes(figures.survived));
    row("chunks said to be on the disk", &|figures| count(figures.chunks.0 as u64));
    row("chunks in all", &|figures| count(figures.chunks.1 as u64));
    row("longest time between two chunks, ms", &|figures| milliseconds(figures.pauses.0));
    row("middle time between two chunks, ms", &|figures| milliseconds(figures.pauses.1));
    row("from its last word to a new shell's, ms", &|figures| after(figures.shell_after));
    row("every such chunk is right afterwards", &|figures| yes(figures.right));
    row("beats of a native task, none missing", &|figures| count(figures.beats.count));
    row("of these without a personality", &|figures| count(figures.beats.alone));
    row("the latest of them was late by, ms", &|figures| Value::Number(figures.beats.latest_us as f64 / 1000.0, 0));
    table
}

/// Tells the story.
///
/// # Errors
/// When something cannot be measured, or does not come out as told.
pub fn run(stage: &mut Stage, ground: &Ground, size: Size) -> Result<()> {
    stage.say(
        "A boot option switches a bug on in the disk's driver: it panics at a certain request, once. A program copies a large \
         file in chunks, each with an fsync(2), and says when a chunk is on the disk. A native task that has nothing to do \
         with disks writes a line every 20 ms.",
    )?;
    stage.say(
        "First the driver is a task of its own. When it dies the supervisor has its device reset, takes its memory back and \
         makes it anew; its callers' requests are repeated. Look for: does the copy go on, and for how long does it pause?",
    )?;
    stage.pause()?;
    let native = measure(ground, size, Placement::Native)?;
    stage.say(&format!(
        "The bug struck. The copy said {} of {} chunks, the longest pause was {} ms.",
        native.chunks.0,
        native.chunks.1,
        native.pauses.0.as_millis()
    ))?;
    stage.pause()?;
    stage.say(
        "Now the same driver, the same source file, linked into the personality. A panic there is a panic of the personality, \
         and with it goes every process. The machine is started with --on-personality-crash restart: a new personality comes \
         up, mounts the disk, which replays its journal, and runs a new shell. The native task is asked nothing and goes on.",
    )?;
    let inside = measure(ground, size, Placement::Personality)?;
    stage.heading("Side by side")?;
    stage.table(&table(&native, &inside))?;
    check(&native, &inside)?;
    stage.say(
        "What was promised is on the disk in both cases, as a shell reads it and as this machine's own tools do: that is the \
         journal's merit. But in the one design a driver's mistake is a pause, in the other it is the end of every program; \
         what comes back is an empty system. The times are of an emulated machine; look at what they are beside each other.",
    )
}

/// Checks that the figures show what is told.
fn check(native: &Figures, inside: &Figures) -> Result<()> {
    ensure!(native.panics == 1 && inside.panics == 1, "the bug struck {}, {} times", native.panics, inside.panics);
    ensure!(native.survived && native.chunks.0 == native.chunks.1, "the copy did not survive a native driver's death");
    ensure!(!inside.survived, "the copy survived the personality");
    ensure!(native.right && inside.right, "a chunk that was said to be on the disk is not there");
    ensure!(native.beats.alone == 0, "the personality died of a native driver");
    ensure!(native.beats.count > 0 && inside.beats.alone > 0, "the native task did not go on");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Beats, beats};

    #[test]
    fn lost_beats_are_seen() {
        let log = "[heartbeat] beat 0 at 10 ms, 5 us late\nx\n[root] WARN task \"personality\" is dead\n\
                   [heartbeat] beat 1 at 110 ms, 70 us late\n[root] INFO task \"personality\" is made anew\n\
                   [heartbeat] beat 2 at 210 ms, 7 us late\n[heartbeat] beat";
        assert_eq!(beats(log).ok(), Some(Beats { count: 3, alone: 1, latest_us: 70 }));
        assert!(beats("[heartbeat] beat 1 at 10 ms, 5 us late\n").is_err());
    }
}

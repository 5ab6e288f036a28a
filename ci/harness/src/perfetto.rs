//! Perfetto's own judgement of a trace: its trace processor loads it, and is asked with SQL what it has understood.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use banyan::setup::Perfetto;
use banyan::workspace;

/// What goes wrong while a trace is loaded, Perfetto counts.
const COMPLAINTS: &str =
    "select name, value from stats where value > 0 and severity in ('error', 'data_loss') order by name";
const SLICES: &str = "select count(*) from slice";
const ARROWS: &str = "select count(*) from flow";
/// Arrows from one thread's slice to another's.
const BETWEEN: &str = "select count(*) from flow \
     join slice sent on sent.id = slice_out join slice received on received.id = slice_in \
     where sent.track_id != received.track_id and sent.ts <= received.ts";
const TRACKS: &str = "select process.name, thread.name, count(*) from slice \
     join thread_track on track_id = thread_track.id join thread using (utid) join process using (upid) \
     where dur > 0 group by 1, 2 order by 1, 2";
const METHODS: &str = "select distinct name from slice where name like 'send %::%' order by 1";

/// What Perfetto makes of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Understood {
    /// Slices and instants.
    pub slices: u64,
    /// Arrows, and those of them that lead from one track to another.
    pub arrows: (u64, u64),
    /// Tracks with slices that last: the group's name, and the track's.
    pub tracks: Vec<(String, String)>,
    /// Names of messages that an interface describes.
    pub methods: usize,
}

/// Has Perfetto load a trace.
///
/// # Errors
/// When it cannot be had, refuses the trace, or complains about anything in it.
pub fn load(trace: &Path) -> Result<Understood> {
    let [complaints, slices, arrows, between, tracks, methods] =
        ask(trace, [COMPLAINTS, SLICES, ARROWS, BETWEEN, TRACKS, METHODS])?;
    ensure!(complaints.is_empty(), "Perfetto complains of the trace: {complaints:?}");
    let number = |rows: &[Vec<String>]| -> Result<u64> { Ok(rows.concat().first().context("a number")?.parse()?) };
    let track = |row: &Vec<String>| Some((row.first()?.clone(), row.get(1)?.clone()));
    Ok(Understood {
        slices: number(&slices)?,
        arrows: (number(&arrows)?, number(&between)?),
        tracks: tracks.iter().filter_map(track).collect(),
        methods: methods.len(),
    })
}

/// Has the host tool trace a system of two processors, and Perfetto load that; what it understood, in a line.
///
/// # Errors
/// When that does not work, or something is missing in what it understood.
pub fn check(tool: &Path) -> Result<String> {
    let file = std::env::temp_dir().join(format!("banyan-perfetto-{}.json", std::process::id()));
    let mut command = Command::new(tool);
    command.args(["run", "--smp", "2", "--trace"]).arg(&file).args(["--exec", "echo hello | tr a-z A-Z"]);
    let output = command.output().context("cannot run the host tool")?;
    ensure!(output.stdout == b"HELLO\n", "{}", String::from_utf8_lossy(&output.stderr));
    let understood = load(&file);
    std::fs::remove_file(&file)?;
    let Understood { slices, arrows: (arrows, between), tracks, methods } = understood?;
    let has = |group: &str, track: &str| tracks.iter().any(|(g, t)| g == group && t == track);
    for (group, track) in
        [("processors", "processor 0"), ("personality", "personality/seat"), ("host-channel", "host-channel")]
    {
        ensure!(has(group, track), "there is no track {group:?}, {track:?} in {tracks:?}");
    }
    ensure!(arrows >= 50 && between * 10 >= arrows * 9, "{between} of {arrows} arrows lead to another thread");
    ensure!(methods >= 5, "{methods} methods have names");
    Ok(format!(
        "Perfetto has {slices} slices and {arrows} arrows on {} tracks, {methods} methods, and no complaint",
        tracks.len()
    ))
}

/// Rows of each query's answer.
fn ask<const N: usize>(trace: &Path, queries: [&str; N]) -> Result<[Vec<Vec<String>>; N]> {
    let Perfetto { node, folder } = Perfetto::ensure()?;
    let script = workspace::source().join("ci/perfetto/query.mjs");
    let output = Command::new(node).arg(script).arg(folder).arg(trace).args(queries).output()?;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(
        output.status.success(),
        "the trace processor: {}",
        errors.lines().rev().take(12).collect::<Vec<_>>().join("\n")
    );
    let rows = |answer: &str| answer.lines().map(|line| line.split('\t').map(String::from).collect()).collect();
    // Each answer is its lines and an empty one.
    let mut answers: Vec<Vec<Vec<String>>> = vec![Vec::new()];
    for line in text.lines() {
        match answers.last_mut() {
            Some(last) if !line.is_empty() => last.extend::<Vec<Vec<String>>>(rows(line)),
            _ => answers.push(Vec::new()),
        }
    }
    answers.truncate(N);
    answers.try_into().map_err(|_| anyhow::anyhow!("the trace processor gave too few answers:\n{text}"))
}

//! The rules of Chrome's trace format, and those that viewers add, as a check of a trace's text.
//!
//! Slices of a track neither overlap nor begin together; an arrow begins once and ends at most once, both inside slices and not
//! before it began; lines are in the order of time; every group and track has a name. `perfetto` has a viewer's own opinion, which
//! takes more than a test may.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// What a trace that keeps the rules shows.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    /// Names of the tracks.
    pub tracks: BTreeSet<String>,
    /// Arrows that begin.
    pub begun: usize,
    /// Arrows that end.
    pub arrows: usize,
}

/// A track: its group, and its number.
type Track<'a> = (&'a str, &'a str);

/// What was seen so far.
#[derive(Default)]
struct Seen<'a> {
    groups: BTreeSet<&'a str>,
    tracks: BTreeMap<Track<'a>, &'a str>,
    /// The last slice of each track, in nanoseconds.
    slices: BTreeMap<Track<'a>, (u64, u64)>,
    /// When each arrow began, and which have ended.
    begun: BTreeMap<&'a str, u64>,
    ended: BTreeSet<&'a str>,
    now_ns: u64,
}

/// Checks a trace; what it shows.
///
/// # Errors
/// The first line that breaks a rule, and which.
pub fn check(text: &str) -> Result<Drawn> {
    let body = text.strip_prefix("[\n").and_then(|rest| rest.strip_suffix("\n]\n")).context("it is no list")?;
    let mut seen = Seen::default();
    for (number, line) in body.split(",\n").enumerate() {
        seen.line(line).with_context(|| format!("event {number}: {line}"))?;
    }
    let tracks = seen.tracks.values().map(|name| (*name).to_owned()).collect();
    Ok(Drawn { tracks, begun: seen.begun.len(), arrows: seen.ended.len() })
}

impl<'a> Seen<'a> {
    fn line(&mut self, line: &'a str) -> Result<()> {
        ensure!(line.starts_with('{') && line.ends_with('}'), "it is no object");
        let phase = value(line, "ph")?;
        if phase == "M" {
            return self.name(line);
        }
        let track = (value(line, "pid")?, value(line, "tid")?);
        ensure!(self.groups.contains(track.0) && self.tracks.contains_key(&track), "its track has no name");
        let at_ns = nanoseconds(value(line, "ts")?)?;
        ensure!(at_ns >= self.now_ns, "it is before the line above");
        self.now_ns = at_ns;
        match phase {
            "X" => self.slice(track, at_ns, nanoseconds(value(line, "dur")?)?),
            "i" => Ok(()),
            "s" | "f" => self.arrow(phase, value(line, "id")?, track, at_ns),
            other => bail!("phase {other:?}"),
        }
    }

    fn name(&mut self, line: &'a str) -> Result<()> {
        let group = value(line, "pid")?;
        let (_, arguments) = line.split_once("\"args\":{").context("it has no arguments")?;
        match value(line, "name")? {
            "process_name" => drop(self.groups.insert(group)),
            "thread_name" => {
                let before = self.tracks.insert((group, value(line, "tid")?), value(arguments, "name")?);
                ensure!(before.is_none(), "the track has a name");
            }
            _ => {}
        }
        Ok(())
    }

    fn slice(&mut self, track: Track<'a>, start: u64, length: u64) -> Result<()> {
        ensure!(length > 0, "it takes no time");
        let before = self.slices.insert(track, (start, start + length));
        ensure!(before.is_none_or(|(_, end)| end <= start), "it overlaps the one before");
        Ok(())
    }

    fn arrow(&mut self, phase: &str, number: &'a str, track: Track<'a>, at_ns: u64) -> Result<()> {
        let inside = self.slices.get(&track).is_some_and(|(start, end)| (*start..*end).contains(&at_ns));
        ensure!(inside, "it is in no slice");
        if phase == "s" {
            ensure!(self.begun.insert(number, at_ns).is_none(), "the arrow has begun");
            return Ok(());
        }
        ensure!(self.begun.get(number).is_some_and(|begun| *begun <= at_ns), "the arrow has not begun");
        ensure!(self.ended.insert(number), "the arrow has ended");
        Ok(())
    }
}

/// The value of a key, without quotes.
fn value<'a>(line: &'a str, key: &str) -> Result<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{key}\":")).with_context(|| format!("it has no {key}"))?;
    Ok(match rest.strip_prefix('"') {
        Some(text) => text.split('"').next().unwrap_or_default(),
        None => rest.split([',', '}']).next().unwrap_or_default(),
    })
}

/// Microseconds with three decimals.
fn nanoseconds(text: &str) -> Result<u64> {
    let (whole, part) = text.split_once('.').context("a time has decimals")?;
    ensure!(part.len() == 3, "a time has three decimals");
    Ok(whole.parse::<u64>()? * 1000 + part.parse::<u64>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &str = r#"{"ph":"M","name":"process_name","pid":1,"args":{"name":"fs"}},
{"ph":"M","name":"thread_name","pid":1,"tid":1,"args":{"name":"fs/a"}},
{"ph":"M","name":"thread_name","pid":1,"tid":2,"args":{"name":"fs/b"}}"#;
    const SLICES: &str = r#"{"ph":"X","name":"runs","pid":1,"tid":1,"ts":0.001,"dur":0.010},
{"ph":"s","name":"message","id":1,"pid":1,"tid":1,"ts":0.005},
{"ph":"X","name":"runs","pid":1,"tid":2,"ts":0.011,"dur":0.010},
{"ph":"f","bp":"e","name":"message","id":1,"pid":1,"tid":2,"ts":0.011}"#;

    fn judge(slices: &str) -> Result<Drawn> {
        check(&format!("[\n{NAMES},\n{slices}\n]\n"))
    }

    #[test]
    fn a_trace_by_the_rules_is_accepted() {
        let drawn = judge(SLICES).expect("it keeps the rules");
        assert_eq!((drawn.begun, drawn.arrows, drawn.tracks.len()), (1, 1, 2));
    }

    #[test]
    fn each_rule_is_checked() {
        for (from, to, message) in [
            (r#""tid":2,"ts":0.011,"dur""#, r#""tid":1,"ts":0.008,"dur""#, "overlaps"),
            (r#""ts":0.005"#, r#""ts":0.000"#, "before the line above"),
            (r#""ts":0.001,"dur":0.010"#, r#""ts":0.001,"dur":0.002"#, "in no slice"),
            (r#""dur":0.010"#, r#""dur":0.000"#, "no time"),
            (r#""id":1,"pid":1,"tid":2"#, r#""id":2,"pid":1,"tid":2"#, "has not begun"),
            (r#""tid":2,"ts":0.011}"#, r#""tid":3,"ts":0.011}"#, "no name"),
            (r#""ts":0.005"#, r#""ts":5"#, "decimals"),
        ] {
            let changed = SLICES.replacen(from, to, 1);
            assert_ne!(changed, SLICES, "{from} is there");
            let error = format!("{:#}", judge(&changed).expect_err(message));
            assert!(error.contains(message), "{error}");
        }
    }
}

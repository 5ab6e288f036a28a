//! The same commands in both designs, in milliseconds of the machine's clock: `/proc/uptime`, which counts in hundredths of
//! a second. Times, since a clock that counts instructions runs ahead while the disk is waited for.

use anyhow::{Context, Result};
use banyan::run::{Placement, Places};
use bench::table::Value;
use demo::Size;
use demo::ground::{Ground, output};
use demo::load::{Clock, Loaded, Setup};
use demo::stage::{Table, text};

/// A command, and what it is for.
pub(crate) struct Work {
    pub name: &'static str,
    pub command: &'static str,
}

/// What is run, in this order, on a fresh disk.
pub(crate) const WORK: [Work; 5] = [
    Work { name: "write 16 MiB, then sync", command: "dd if=/dev/zero of=/w bs=64k count=256 2>/dev/null; sync" },
    Work { name: "copy 16 MiB", command: "cp /w /w2; sync" },
    Work { name: "100 small writes, each with fsync", command: "/bin/disk-load append /r 100 >/dev/null" },
    Work { name: "unpack an archive of small files", command: "mkdir -p /u && cd /u && tar xf /load.tar; sync" },
    Work { name: "find everything and sum it up", command: "find / -xdev -type f | xargs md5sum >/dev/null" },
];

/// Milliseconds of each work, in the personality and native: the least of several rounds, each from a fresh disk, in which
/// the designs take turns. What else the host does only makes times longer.
pub(crate) fn measure(ground: &Ground, size: Size) -> Result<[Vec<f64>; 2]> {
    let (files, rounds) = if size == Size::Full { (500, 3) } else { (100, 1) };
    let design = |placement| -> Result<Vec<f64>> {
        let places = Places::all(placement);
        let system = Loaded::start(ground, Setup { files, places, clock: Clock::Wall, options: &[] })?;
        WORK.iter().map(|work| milliseconds(&system, work.command).with_context(|| system.log_end())).collect()
    };
    let places = [Placement::Personality, Placement::Native];
    let mut least = places.map(|_| vec![f64::INFINITY; WORK.len()]);
    for _ in 0..rounds {
        for (least, placement) in least.iter_mut().zip(places) {
            let times = design(placement)?;
            least.iter_mut().zip(times).for_each(|(least, time)| *least = least.min(time));
        }
    }
    Ok(least)
}

fn milliseconds(system: &Loaded, command: &str) -> Result<f64> {
    let line = format!("read a b </proc/uptime; ( {command} ) || exit 1; read c d </proc/uptime; echo $a $c");
    let printed = output(&system.vm, &line)?;
    let mut words = printed.split_whitespace().map(str::parse::<f64>);
    let mut next = || words.next().and_then(Result::ok).with_context(|| format!("two times in {printed:?}"));
    let (before, after) = (next()?, next()?);
    Ok((after - before) * 1000.0)
}

/// Both designs side by side, in milliseconds.
pub(crate) fn table(figures: &[Vec<f64>; 2]) -> Table {
    let heads = ["work", "personality, ms", "native, ms", "native / personality"];
    let mut table = Table::new(heads);
    for (index, work) in WORK.iter().enumerate() {
        let (inside, native) = (figures[0][index], figures[1][index]);
        let ratio = if inside > 0.0 { Value::Number(native / inside, 2) } else { Value::Absent };
        table.row([text(work.name), Value::Number(inside, 0), Value::Number(native, 0), ratio]);
    }
    table
}

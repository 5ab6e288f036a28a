//! `cargo run -q -p fuzz -- [TARGET|all [SEED [INPUTS|xTIMES]]]`: so many inputs, or so many times as many as the tests try,
//! from a seed on; without one from another each time. The last line says how many there were.

use anyhow::{Context, Result, bail};
use fuzz::Target;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize| words.get(index).map(String::as_str);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = word(1).map(str::parse).transpose().context("the seed is a number")?;
    let seed = seed.unwrap_or(u64::from(now.subsec_nanos()));
    let chosen: Vec<_> =
        fuzz::ALL.iter().filter(|target| word(0).is_none_or(|name| name == "all" || name == target.name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = fuzz::ALL.iter().map(|target| target.name).collect();
        bail!("there is no such target: all, {}", names.join(", "));
    }
    let mut all = 0;
    for target in &chosen {
        let inputs = inputs(target, word(2)).context("the inputs are a number, or x and a number")?;
        println!("{}: {inputs} inputs from seed {seed} on", target.name);
        if let Err(finding) = fuzz::drive(target, seed, inputs) {
            bail!("{finding}");
        }
        all += inputs;
    }
    println!("{all} inputs for {} parsers", chosen.len());
    Ok(())
}

fn inputs(target: &Target, word: Option<&str>) -> Result<u64, std::num::ParseIntError> {
    match word {
        None => Ok(target.inputs),
        Some(word) => match word.strip_prefix('x') {
            Some(times) => Ok(target.inputs.saturating_mul(times.parse()?)),
            None => word.parse(),
        },
    }
}

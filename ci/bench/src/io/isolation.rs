//! What an IOMMU costs: the work of [`io`](super), with devices that reach all memory and with devices that reach what their drivers
//! map, in both placements of the services. Instructions of the processor alone: what the IOMMU itself does is the hardware's.

use anyhow::{Result, ensure};
use reference::Workshop;

use super::with_bench;
use crate::beside::{Bench, Row, System};
use crate::table::{self, Value};
use crate::{Design, Devices, Format, Report, Subject};

const HEADS: [&str; 8] = [
    "operation",
    "times",
    "ki_personality",
    "ki_personality_iommu",
    "ratio_personality",
    "ki_native",
    "ki_native_iommu",
    "ratio_native",
];

/// Measures all and compares.
///
/// # Errors
/// When a system does not start or the program fails.
pub fn run(subject: &dyn Subject, workshop: &Workshop, format: Format) -> Result<Report> {
    with_bench(subject, workshop, |bench| compare(&bench, format))
}

fn compare(bench: &Bench<'_>, format: Format) -> Result<Report> {
    let mut counted = Vec::new();
    for design in [Design::Personality, Design::Native] {
        for devices in [Devices::Free, Devices::Isolated] {
            let system = System::Banyan(design);
            eprintln!("counting the instructions of {}, devices {devices:?}", system.name());
            counted.push(bench.count(system, devices)?);
        }
    }
    bench.clean()?;
    Ok(Report { text: table::format(&HEADS, &rows(&counted)?, format), violations: Vec::new() })
}

fn rows(counted: &[Vec<(Row, u64)>]) -> Result<Vec<Vec<Value>>> {
    let [first, others @ ..] = counted else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for (index, (row, _)) in first.iter().enumerate() {
        let same = others.iter().all(|other| other.get(index).is_some_and(|(other, _)| other.name == row.name));
        ensure!(same, "{} was not measured everywhere", row.name);
        let mut values = vec![Value::Text(row.name.clone()), Value::Number(row.times as f64, 0)];
        for pair in counted.chunks_exact(2) {
            let [free, isolated] = [0, 1].map(|number| pair[number][index].1 as f64);
            let each = |count: f64| Value::Number(count / row.times as f64 / 1e3, 1);
            values.extend([each(free), each(isolated), Value::Number(isolated / free.max(1.0), 3)]);
        }
        rows.push(values);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_placement_has_its_ratio() {
        let run = |count| crate::beside::parse("read\t2\t5\n").map(|rows| vec![(rows[0].clone(), count)]);
        let counted = [4000, 5000, 8000, 8000].map(|count| run(count).expect("well formed"));
        let text = table::format(&HEADS, &rows(&counted).expect("they belong together"), Format::Json);
        assert!(
            text.contains("\"ki_personality\": 2.0, \"ki_personality_iommu\": 2.5, \"ratio_personality\": 1.250"),
            "{text}"
        );
        assert!(text.contains("\"ratio_native\": 1.000"), "{text}");
        let mut other = counted.clone();
        other[3][0].0.name = "write".into();
        assert!(rows(&other).is_err());
    }
}

//! Bar charts as SVG.

use crate::html::{escaped, grouped};
use std::fmt::Write;

const WIDTH: f64 = 860.0;
/// Where bars begin, and the room for their numbers behind them.
const LEFT: f64 = 340.0;
const RIGHT: f64 = 120.0;
const BAR: f64 = 22.0;
const GAP: f64 = 9.0;
const COLOURS: [&str; 4] = ["#2f6f5e", "#c9822b", "#5a6fa5", "#8a8f8c"];

/// A bar: its name, its value, and which of the four colours it has.
pub(crate) struct Bar {
    pub name: String,
    pub value: f64,
    pub colour: usize,
}

/// How lengths follow from values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// In proportion.
    Linear,
    /// By the logarithm, for values of very different size; said in the title.
    Logarithmic,
}

/// A chart of horizontal bars from zero (or one) on.
pub(crate) fn bars(title: &str, unit: &str, scale: Scale, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
    let length = |value: f64| {
        let part = match scale {
            Scale::Linear => value / most,
            Scale::Logarithmic => value.max(1.0).ln() / most.max(std::f64::consts::E).ln(),
        };
        part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    };
    let height = 44.0 + bars.len() as f64 * (BAR + GAP);
    let note = if scale == Scale::Logarithmic { ", logarithmic" } else { "" };
    let title = escaped(&format!("{title} ({unit}{note})"));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"14\"><text x=\"0\" y=\"18\" font-weight=\"600\">{title}</text>\n"
    );
    for (index, bar) in bars.iter().enumerate() {
        let top = 34.0 + index as f64 * (BAR + GAP);
        let (long, base) = (length(bar.value), top + BAR * 0.72);
        let colour = COLOURS[bar.colour % COLOURS.len()];
        let decimals = usize::from(bar.value < 10.0);
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text><rect x=\"{LEFT}\" y=\"{top}\" width=\"{long:.1}\" \
             height=\"{BAR}\" rx=\"3\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{base}\">{}</text>",
            LEFT - 10.0,
            escaped(&bar.name),
            LEFT + long + 8.0,
            grouped(&format!("{:.decimals$}", bar.value)),
        );
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_the_values() {
        let bar = |value| Bar { name: "a<b".into(), value, colour: 0 };
        let svg = bars("T", "ms", Scale::Linear, &[bar(50.0), bar(100.0)]);
        assert!(svg.contains("width=\"200.0\"") && svg.contains("width=\"400.0\"") && svg.contains("a&lt;b"), "{svg}");
        let svg = bars("T", "ms", Scale::Logarithmic, &[bar(10.0), bar(100.0), bar(0.0)]);
        assert!(svg.contains("width=\"200.0\"") && svg.contains("width=\"0.0\""), "{svg}");
    }
}

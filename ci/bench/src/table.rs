//! Prints rows as a table for people or as JSON for programs.

use std::fmt::Write;

use crate::Format;

/// A value in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A name.
    Text(String),
    /// A number, with so many decimals.
    Number(f64, usize),
    /// Not measured, or nothing to say.
    Absent,
}

impl Value {
    /// A number, if there is one, with so many decimals.
    #[must_use]
    pub fn number(number: Option<f64>, decimals: usize) -> Self {
        number.map_or(Self::Absent, |number| Self::Number(number, decimals))
    }
}

/// Formats rows below `heads`. JSON is an object with the array `rows`, of objects whose fields are the heads.
#[must_use]
pub fn format(heads: &[&str], rows: &[Vec<Value>], format: Format) -> String {
    match format {
        Format::Table => table(heads, rows),
        Format::Json => json(heads, rows),
    }
}

fn table(heads: &[&str], rows: &[Vec<Value>]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let width = |column: usize| {
        let longest = cells.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
        longest.max(heads[column].len())
    };
    let mut text = String::new();
    let heads: Vec<_> = heads.iter().map(|head| (*head).to_owned()).collect();
    for row in std::iter::once(&heads).chain(&cells) {
        let line: Vec<_> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let width = width(column);
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cell(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number, decimals) => format!("{number:.decimals$}"),
        Value::Absent => "-".into(),
    }
}

fn json(heads: &[&str], rows: &[Vec<Value>]) -> String {
    let object = |row: &Vec<Value>| {
        let fields: Vec<_> =
            heads.iter().zip(row).map(|(head, value)| format!("{}: {}", quote(head), json_value(value))).collect();
        format!("  {{{}}}", fields.join(", "))
    };
    let objects: Vec<_> = rows.iter().map(object).collect();
    format!("{{\"rows\": [\n{}\n]}}\n", objects.join(",\n"))
}

fn json_value(value: &Value) -> String {
    match value {
        Value::Text(text) => quote(text),
        Value::Number(..) => cell(value),
        Value::Absent => "null".into(),
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character < ' ' => {
                write!(quoted, "\\u{:04x}", u32::from(character)).expect("a string takes all")
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_show_every_value() {
        let rows = [vec![Value::Text("a\"b".into()), Value::Number(1.25, 1), Value::Absent]];
        let heads = ["name", "value", "none"];
        assert_eq!(format(&heads, &rows, Format::Table), "name  value  none\na\"b     1.2     -\n");
        assert_eq!(
            format(&heads, &rows, Format::Json),
            "{\"rows\": [\n  {\"name\": \"a\\\"b\", \"value\": 1.2, \"none\": null}\n]}\n"
        );
    }
}

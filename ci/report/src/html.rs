//! The page: HTML without anything from elsewhere.

use bench::table::Value;
use demo::stage::Table;
use std::fmt::Write;

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2524; background: #fbfaf6; max-width: 60rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.9rem; margin-bottom: .2rem; } h2 { margin-top: 2.8rem; border-bottom: 2px solid #2f6f5e; padding-bottom: .2rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; width: 100%; font-size: .92rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #dcd9cf; text-align: right; }
th { background: #eceadf; font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child, th.text, td.text { text-align: left; }
code { font-size: .85rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
pre { background: #23302d; color: #eef3ef; padding: .6rem .9rem; border-radius: 6px; overflow-x: auto; font-size: .85rem; }
.command { font-size: .8rem; color: #5c6662; margin-bottom: .2rem; }
svg { max-width: 100%; height: auto; display: block; margin: 1rem 0; }
nav a { margin-right: 1rem; white-space: nowrap; display: inline-block; } a { color: #2f6f5e; }
";

/// A page in the making.
pub(crate) struct Page {
    title: String,
    contents: String,
    body: String,
    sections: usize,
}

impl Page {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.into(), contents: String::new(), body: String::new(), sections: 0 }
    }

    /// Starts a section.
    pub(crate) fn section(&mut self, title: &str) {
        self.sections += 1;
        let title = escaped(title);
        let number = self.sections;
        self.add(format_args!("<h2 id=\"s{number}\">{title}</h2>\n"));
        let link = format!("<a href=\"#s{number}\">{title}</a>\n");
        self.contents.push_str(&link);
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.add(format_args!("<p>{}</p>\n", escaped(text)));
    }

    /// A plot, which is markup already.
    pub(crate) fn plot(&mut self, svg: &str) {
        self.body.push_str(svg);
    }

    /// The command that measures it again.
    pub(crate) fn command(&mut self, line: &str) {
        self.add(format_args!("<div class=\"command\">To repeat:</div><pre>{}</pre>\n", escaped(line)));
    }

    /// Names, and the shell commands that they stand for.
    pub(crate) fn commands<'a>(&mut self, commands: impl Iterator<Item = (&'a str, &'a str)>) {
        self.body.push_str("<ul>\n");
        for (name, command) in commands {
            self.add(format_args!("<li>{}: <code>{}</code></li>\n", escaped(name), escaped(command)));
        }
        self.body.push_str("</ul>\n");
    }

    pub(crate) fn table(&mut self, table: &Table) {
        let is_text = |column: usize| table.rows.iter().all(|row| matches!(row.get(column), Some(Value::Text(_))));
        let class: Vec<&str> =
            (0..table.heads.len()).map(|column| if is_text(column) { " class=\"text\"" } else { "" }).collect();
        let head = |(head, class): (&String, &&str)| format!("<th{class}>{}</th>", escaped(head));
        let heads: String = table.heads.iter().zip(&class).map(head).collect();
        self.add(format_args!("<div class=\"wide\"><table><thead><tr>{heads}</tr></thead><tbody>\n"));
        for row in &table.rows {
            let cells: String = row.iter().zip(&class).map(|(value, class)| cell(value, class)).collect();
            self.add(format_args!("<tr>{cells}</tr>\n"));
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    pub(crate) fn finish(self) -> String {
        let title = escaped(&self.title);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<nav>{}</nav>\n{}</body>\n</html>\n",
            self.contents, self.body
        )
    }

    fn add(&mut self, text: std::fmt::Arguments) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(text);
    }
}

/// A cell; columns of nothing but text are of another class, since others line up at the right.
fn cell(value: &Value, class: &str) -> String {
    let text = match value {
        Value::Text(text) => escaped(text),
        Value::Number(number, decimals) => grouped(&format!("{number:.decimals$}")),
        Value::Absent => "\u{2013}".into(),
    };
    format!("<td{class}>{text}</td>")
}

/// A number with thin spaces between groups of three digits.
pub(crate) fn grouped(number: &str) -> String {
    let (whole, rest) =
        number.split_once('.').map_or((number, String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let digits: Vec<char> = whole.chars().collect();
    let mut text = String::new();
    for (index, digit) in digits.iter().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && digits[index - 1] != '-' {
            text.push('\u{202f}');
        }
        text.push(*digit);
    }
    text + &rest
}

/// Text as HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_text_is_escaped() {
        assert_eq!(grouped("1234567.89"), "1\u{202f}234\u{202f}567.89");
        assert_eq!((grouped("-123"), grouped("12")), ("-123".into(), "12".into()));
        assert_eq!(escaped("a<b>&\""), "a&lt;b&gt;&amp;&quot;");
    }

    #[test]
    fn a_page_holds_what_was_added() {
        let mut page = Page::new("T");
        page.section("One");
        let mut table = Table::new(["x", "y"]);
        table.row([Value::Text("<".into()), Value::Number(1000.0, 0)]);
        table.row([Value::Text("b".into()), Value::Text("no".into())]);
        page.table(&table);
        page.commands([("both", "a && b")].into_iter());
        let text = page.finish();
        for part in [
            "<a href=\"#s1\">One</a>",
            "<th class=\"text\">x</th><th>y</th>",
            "<td class=\"text\">&lt;</td><td>1\u{202f}000</td>",
            "<td class=\"text\">b</td><td>no</td>",
            "<li>both: <code>a &amp;&amp; b</code></li>",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}

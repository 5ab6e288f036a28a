//! Unsafe code: where it may be, how much of it there is, and whether each piece says why it is right.
//!
//! The table `unsafe.tsv` beside this crate has a line for each place: the beginning of its path, and how many pieces are there.
//! Only less is allowed: who really needs more changes the table, which shows in the change.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};

use crate::source::{Line, Source};

/// Lines above a piece in which its reason may begin.
const REACH: usize = 12;

/// A piece of unsafe code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// Whether a comment says why it is right (of a function: what its callers must keep).
    pub explained: bool,
}

/// All pieces: blocks, functions, implementations.
#[must_use]
pub fn pieces(sources: &[Source]) -> Vec<Piece> {
    sources.iter().flat_map(in_source).collect()
}

fn in_source(source: &Source) -> Vec<Piece> {
    let found = source.lines.iter().enumerate().flat_map(|(index, line)| {
        let kinds = kinds(&line.code);
        kinds.into_iter().map(move |kind| (index, kind)).collect::<Vec<_>>()
    });
    let piece = |(index, kind): (usize, Kind)| Piece {
        path: source.path.clone(),
        line: index + 1,
        explained: explained(&source.lines, index, kind),
    };
    found.map(piece).collect()
}

/// What follows the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A block or an implementation, which gives a reason.
    Claim,
    /// A function, which makes demands.
    Demand,
    /// Declarations of foreign things and attributes, which say what they are.
    Declaration,
}

/// The pieces that begin in a line.
fn kinds(code: &str) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (at, word) in code.match_indices("unsafe") {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let rest = &code[at + word.len()..];
        if code[..at].ends_with(is_part) || rest.starts_with(is_part) {
            continue;
        }
        let rest = rest.trim_start();
        kinds.push(match rest {
            _ if rest.starts_with('(') => Kind::Declaration,
            // `unsafe extern "C" fn` as a type or a function, and blocks of declarations.
            _ if rest.starts_with("extern") => Kind::Declaration,
            _ if rest.starts_with("fn(") => Kind::Declaration,
            _ if rest.starts_with("fn") || rest.starts_with("trait") => Kind::Demand,
            _ => Kind::Claim,
        });
    }
    kinds
}

fn explained(lines: &[Line], index: usize, kind: Kind) -> bool {
    let sign = match kind {
        Kind::Declaration => return true,
        Kind::Claim => "SAFETY:",
        Kind::Demand => "# Safety",
    };
    let near = &lines[index.saturating_sub(REACH)..=index];
    near.iter().any(|line| line.comment.contains(sign) || line.comment.contains("SAFETY:"))
}

/// How much there may be, by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance(pub BTreeMap<String, usize>);

impl Allowance {
    /// Reads the table.
    ///
    /// # Errors
    /// When a line is no place and number.
    pub fn parse(text: &str) -> Result<Self> {
        let line = |line: &str| {
            let (place, count) = line.split_once('\t')?;
            Some((place.to_owned(), count.parse().ok()?))
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|text| line(text).with_context(|| format!("there is a line {text:?}")))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The table with the numbers that are there now.
    #[must_use]
    pub fn renewed(&self, pieces: &[Piece]) -> String {
        let mut text = String::from("# Unsafe code may be here, and no more of it than this: see src/unsafety.rs.\n");
        for (place, (count, _)) in self.compared(pieces) {
            writeln!(text, "{place}\t{count}").expect("a string takes all");
        }
        text
    }

    /// For each place, how many there are and how many there may be.
    #[must_use]
    pub fn compared(&self, pieces: &[Piece]) -> BTreeMap<&str, (usize, usize)> {
        let count = |place: &str| pieces.iter().filter(|piece| self.place(&piece.path) == Some(place)).count();
        self.0.iter().map(|(place, most)| (place.as_str(), (count(place), *most))).collect()
    }

    /// The place of a file: the longest that its path begins with.
    fn place(&self, path: &str) -> Option<&str> {
        self.0
            .keys()
            .filter(|place| path.starts_with(place.as_str()))
            .max_by_key(|place| place.len())
            .map(String::as_str)
    }

    /// What is wrong, a sentence each.
    #[must_use]
    pub fn complaints(&self, pieces: &[Piece]) -> Vec<String> {
        let at = |piece: &Piece| format!("{}:{}", piece.path, piece.line);
        let elsewhere = pieces.iter().filter(|piece| self.place(&piece.path).is_none());
        let mut complaints: Vec<_> =
            elsewhere.map(|piece| format!("{}: unsafe code may not be here", at(piece))).collect();
        let silent = pieces.iter().filter(|piece| !piece.explained);
        complaints.extend(silent.map(|piece| format!("{}: it does not say why it is right", at(piece))));
        for (place, (count, most)) in self.compared(pieces) {
            if count > most {
                complaints.push(format!(
                    "{place} has {count} pieces of unsafe code, more than {most}; if it must: cargo run -p lint -- --renew"
                ));
            }
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::split;

    fn pieces_of(path: &str, text: &str) -> Vec<Piece> {
        pieces(&[Source { path: path.into(), lines: split(text) }])
    }

    #[test]
    fn pieces_are_found_and_their_reasons() {
        let text = "#![forbid(unsafe_code)]\n// SAFETY: because\nunsafe { a() };\n/// # Safety\npub unsafe fn f() {}\n\
                    type F = unsafe extern \"C\" fn();\n// unsafe { no }\n";
        let found = pieces_of("a", text);
        assert_eq!(
            found.iter().map(|piece| (piece.line, piece.explained)).collect::<Vec<_>>(),
            [(3, true), (5, true), (6, true)]
        );
        assert!(!pieces_of("a", "fn f() { unsafe { g() } }").iter().all(|piece| piece.explained));
        assert!(!pieces_of("a", "unsafe impl Send for A {}").iter().all(|piece| piece.explained));
    }

    #[test]
    fn places_have_allowances() {
        let allowance = Allowance::parse("# x\nhal/\t1\nhal/src/own.rs\t0\n").expect("it is well formed");
        let one = "// SAFETY: x\nunsafe { a() }\n";
        assert!(allowance.complaints(&pieces_of("hal/src/a.rs", one)).is_empty());
        assert_eq!(allowance.complaints(&pieces_of("hal/src/own.rs", one)).len(), 1);
        assert_eq!(allowance.complaints(&pieces_of("hal/src/a.rs", &one.repeat(2))).len(), 1);
        assert!(allowance.complaints(&pieces_of("core/src/a.rs", one))[0].contains("may not be here"));
        assert!(allowance.renewed(&pieces_of("hal/src/a.rs", "")).contains("hal/\t0\n"));
        assert!(Allowance::parse("hal\n").is_err());
    }
}

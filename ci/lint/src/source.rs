//! The Rust files of the tree, each with its code apart from its comments.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A file of source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path below the root, with `/`.
    pub path: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A line of source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What the compiler acts on: comments are left out, texts are empty.
    pub code: String,
    /// What is in comments.
    pub comment: String,
}

/// Reads all Rust files below a folder, but for those of hidden folders and build directories.
///
/// # Errors
/// When something cannot be read.
pub fn read_all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    walk(root, root, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn walk(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            walk(root, &path, sources)?;
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            sources.push(Source { path: below, lines: split(&text) });
        }
    }
    Ok(())
}

/// Where the scanner is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    /// How deep.
    BlockComment(usize),
    Text,
    /// How many `#` end it.
    RawText(usize),
}

/// Takes code and comments apart, line by line.
#[must_use]
pub fn split(text: &str) -> Vec<Line> {
    let characters: Vec<char> = text.chars().collect();
    let (mut lines, mut line, mut state, mut at) = (Vec::new(), Line::default(), State::Code, 0);
    while let Some(&c) = characters.get(at) {
        let rest = &characters[at..];
        if c == '\n' {
            lines.push(std::mem::take(&mut line));
            if state == State::LineComment {
                state = State::Code;
            }
            at += 1;
            continue;
        }
        let (next, length) = step(state, rest);
        match state {
            State::Code if next == State::Code => line.code.extend(&rest[..length]),
            State::Code if next == State::Text => line.code.push('"'),
            State::LineComment | State::BlockComment(_) => line.comment.extend(&rest[..length]),
            _ => {}
        }
        (state, at) = (next, at + length);
    }
    lines.push(line);
    lines
}

/// The state behind the next characters, and how many they are.
fn step(state: State, rest: &[char]) -> (State, usize) {
    let starts = |text: &str| text.chars().enumerate().all(|(index, c)| rest.get(index) == Some(&c));
    match state {
        State::Code if starts("//") => (State::LineComment, 2),
        State::Code if starts("/*") => (State::BlockComment(1), 2),
        State::Code if starts("\"") => (State::Text, 1),
        State::Code if starts("r\"") || starts("r#") => raw_text(rest).unwrap_or((State::Code, 1)),
        State::Code => (State::Code, character(rest).unwrap_or_else(|| word(rest))),
        State::LineComment => (State::LineComment, 1),
        State::BlockComment(1) if starts("*/") => (State::Code, 2),
        State::BlockComment(depth) if starts("*/") => (State::BlockComment(depth - 1), 2),
        State::BlockComment(depth) if starts("/*") => (State::BlockComment(depth + 1), 2),
        State::BlockComment(depth) => (State::BlockComment(depth), 1),
        State::Text if starts("\\") && rest.get(1) != Some(&'\n') => (State::Text, rest.len().min(2)),
        State::Text if starts("\"") => (State::Code, 1),
        State::Text => (State::Text, 1),
        State::RawText(marks) if starts(&format!("\"{}", "#".repeat(marks))) => (State::Code, 1 + marks),
        State::RawText(marks) => (State::RawText(marks), 1),
    }
}

/// The beginning of a raw text, if it is one and no raw name.
fn raw_text(rest: &[char]) -> Option<(State, usize)> {
    let marks = rest[1..].iter().take_while(|c| **c == '#').count();
    (rest.get(1 + marks) == Some(&'"')).then_some((State::RawText(marks), 2 + marks))
}

/// The length of a character literal; a lifetime is none.
fn character(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', _, tail @ ..] => {
            Some(4 + tail.iter().take_while(|c| **c != '\'').count()).filter(|n| *n <= rest.len())
        }
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// A whole word at a time, so that no `r` inside one begins a raw text.
fn word(rest: &[char]) -> usize {
    rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<String> {
        split(text).into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn comments_and_texts_are_no_code() {
        let text =
            "a // unsafe\nb /* x /* y */ z */ c \"unsafe {\" d\n/* unsafe\nunsafe */ e r#\"un\"safe\"# f '\"' g 'a h\n";
        assert_eq!(code(text), ["a ", "b  c \" d", "", " e  f '\"' g 'a h", ""]);
        assert_eq!(split("x // SAFETY: y").first().map(|line| line.comment.as_str()), Some(" SAFETY: y"));
    }

    #[test]
    fn escapes_do_not_end_a_text() {
        assert_eq!(code("a(\"\\\"unsafe\", b'\\'', '\\u{1f}') c"), ["a(\", b'\\'', '\\u{1f}') c"]);
        assert_eq!(code("a(\"x\\\n y\") b\nc"), ["a(\"", ") b", "c"]);
        assert_eq!(code("for r in other\"x\" {}"), ["for r in other\" {}"]);
    }
}

//! Counts lines of code: what is neither blank nor a comment nor a test.

use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// Lines of code in files of Rust or assembly.
///
/// # Errors
/// When one cannot be read.
pub fn lines(files: &[PathBuf]) -> Result<u64> {
    let is_code = |path: &&PathBuf| {
        path.extension().is_some_and(|extension| ["rs", "s", "S", "asm"].iter().any(|known| extension == *known))
    };
    let mut all = 0;
    for path in files.iter().filter(is_code) {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        all += count(&text);
    }
    Ok(all)
}

/// Counts a file's lines.
///
/// A block comment is seen where it begins a line, and a test module where it is written out: that is how it is in the
/// sources that are counted; what is missed is counted.
fn count(text: &str) -> u64 {
    let mut lines = text.lines();
    let (mut all, mut comment_depth, mut tests_follow) = (0, 0_usize, false);
    while let Some(line) = lines.next() {
        let code = line.trim();
        if comment_depth > 0 || code.starts_with("/*") {
            comment_depth = (comment_depth + code.matches("/*").count()).saturating_sub(code.matches("*/").count());
            continue;
        }
        if code == "#[cfg(test)]" {
            tests_follow = true;
            continue;
        }
        if code.is_empty() || code.starts_with("//") || tests_follow && code.starts_with("#[") {
            continue;
        }
        if std::mem::take(&mut tests_follow) {
            if code.starts_with("mod ") && code.ends_with('{') {
                let indent = line.len() - line.trim_start().len();
                let end = format!("{}}}", " ".repeat(indent));
                lines.by_ref().find(|line| *line == end);
            }
            continue;
        }
        all += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn only_code_counts() {
        assert_eq!(count("//! Doc.\n\nuse a;\n/* long\n /* nested */\n end */\nfn f() {\n    // why\n}\n"), 3);
        assert_eq!(count("fn f() {}\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\nfn g() {}\n"), 2);
        assert_eq!(count("#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\nfn g() {}\n"), 1);
    }
}

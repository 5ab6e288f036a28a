//! How long files and functions are, and how many lines the kernel has. Nothing here is a rule.

use crate::source::Source;

/// The crates that run in kernel mode; what is only for tests is not counted.
const KERNEL: [&str; 4] = ["ukernel/abi/src/", "ukernel/core/src/", "ukernel/hal/src/", "ukernel/kernel/src/"];
const KERNEL_TESTS: [&str; 2] = ["ukernel/core/src/tests/", "ukernel/core/src/checks/"];

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The file.
    pub path: String,
    /// Its first line, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Its lines, from the one with its name to its closing brace.
    pub lines: usize,
}

/// Lines of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// All lines.
    pub lines: usize,
    /// Those with code.
    pub code: usize,
}

/// Counts the kernel's lines, tests aside.
#[must_use]
pub fn kernel(sources: &[Source]) -> Kernel {
    let is_kernel = |path: &str| {
        KERNEL.iter().any(|place| path.starts_with(place)) && !KERNEL_TESTS.iter().any(|place| path.starts_with(place))
    };
    let lines = sources.iter().filter(|source| is_kernel(&source.path)).flat_map(without_tests);
    let (mut all, mut code) = (0, 0);
    for line in lines {
        all += 1;
        code += usize::from(!line.code.trim().is_empty());
    }
    Kernel { lines: all, code }
}

/// The lines before a file's module of tests, which is its last part.
fn without_tests(source: &Source) -> impl Iterator<Item = &crate::source::Line> {
    let tests = source.lines.windows(2).position(|two| {
        two[0].code.trim() == "#[cfg(test)]"
            && two[1].code.trim_start().starts_with("mod ")
            && two[1].code.ends_with('{')
    });
    source.lines[..tests.unwrap_or(source.lines.len())].iter()
}

/// All functions with a body, longest first.
#[must_use]
pub fn functions(sources: &[Source]) -> Vec<Function> {
    let mut functions: Vec<_> = sources.iter().flat_map(in_source).collect();
    functions.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.path.cmp(&b.path)));
    functions
}

fn in_source(source: &Source) -> Vec<Function> {
    let starts = source.lines.iter().enumerate().filter_map(|(index, line)| Some((index, name(&line.code)?)));
    let function = |(index, name): (usize, String)| {
        let lines = length(source, index)?;
        Some(Function { path: source.path.clone(), line: index + 1, name, lines })
    };
    starts.filter_map(function).collect()
}

/// The name of the function that begins in a line.
fn name(code: &str) -> Option<String> {
    let (before, rest) = code.split_once("fn ")?;
    let qualifies = |word: &str| {
        let word = word.trim_matches('"');
        word.is_empty()
            || word.starts_with("pub")
            || ["const", "async", "unsafe", "extern"].contains(&word)
            || word.ends_with(')')
    };
    if !before.split_whitespace().all(qualifies) {
        return None;
    }
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Lines from a function's first to its closing brace; `None`: it has no body.
fn length(source: &Source, first: usize) -> Option<usize> {
    let (mut depth, mut opened) = (0usize, false);
    for (count, line) in source.lines[first..].iter().enumerate() {
        for c in line.code.chars() {
            match c {
                ';' if !opened && depth == 0 => return None,
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            opened |= c == '{';
            if opened && depth == 0 {
                return Some(count + 1);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::split;

    #[test]
    fn functions_end_with_their_brace() {
        let text = "impl A {\n    pub(crate) const fn a(x: [u8; 3]) -> B {\n        if x { y }\n    }\n    fn b();\n}\nfn c() {}\n";
        let found = functions(&[Source { path: "p".into(), lines: split(text) }]);
        let found: Vec<_> =
            found.iter().map(|function| (function.name.as_str(), function.line, function.lines)).collect();
        assert_eq!(found, [("a", 2, 3), ("c", 7, 1)]);
    }

    #[test]
    fn the_kernel_is_counted_without_its_tests() {
        let source = |path: &str, text: &str| Source { path: path.into(), lines: split(text) };
        let sources = [
            source("ukernel/core/src/a.rs", "//! A\nfn a() {}\n#[cfg(test)]\nmod tests {\n}"),
            source("ukernel/core/src/tests/b.rs", "fn b() {}"),
            source("drivers/lib/src/c.rs", "fn c() {}"),
        ];
        assert_eq!(kernel(&sources), Kernel { lines: 2, code: 1 });
    }
}

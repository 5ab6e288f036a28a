//! `ukernel/REFERENCE.md` is the table of calls, methods and errors, made from this crate's documentation.
//!
//! The comment of a call or method says in this order what it does, `Errors:` which and when, and, where it was measured,
//! `Cost:` with the names of rows of the stored figures (`ci/bench/baseline/kernel.tsv`), which become instructions.
//!
//! The test fails when something of this is missing, when a number is given twice, when the kernel does not know a method, or when the table
//! is not what would be made now: `BLESS=1 cargo test -p ukernel-abi --test reference` makes it anew.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

const CALLS: &str = include_str!("../src/call.rs");
const ERRORS: &str = include_str!("../src/error.rs");
const METHODS: &str = include_str!("../src/invoke.rs");

/// The stored figures of the kernel's operations.
const FIGURES: &str = include_str!("../../../ci/bench/baseline/kernel.tsv");

/// Something with a number.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    /// The module, for methods.
    group: String,
    name: String,
    number: String,
    text: String,
    /// Which errors it has, and when.
    errors: Option<String>,
    /// What it costs, with the names of figures.
    cost: Option<String>,
}

/// Items of a source file: lines `NAME = NUMBER,` and `pub const NAME: u32 = NUMBER;`, with the comment before them.
fn items(source: &str) -> Vec<Item> {
    let (mut items, mut text, mut group) = (Vec::new(), String::new(), String::new());
    for line in source.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            text = format!("{text} {}", more.trim());
            continue;
        }
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(" {")) {
            group = name.into();
        } else if let Some((name, number)) = numbered(line) {
            items.push(item(group.clone(), name, number, &plain(text.trim())));
        }
        text.clear();
    }
    items
}

/// The parts of a comment.
fn item(group: String, name: String, number: String, text: &str) -> Item {
    let (text, cost) = text.split_once(" Cost: ").map_or((text, None), |(text, cost)| (text, Some(cost.into())));
    let (text, errors) =
        text.split_once(" Errors: ").map_or((text, None), |(text, errors)| (text, Some(errors.into())));
    Item { group, name, number, text: text.into(), errors, cost }
}

/// Instructions of a stored figure.
fn figure(name: &str) -> Option<f64> {
    let line = FIGURES.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))?;
    line.split('\t').next()?.parse().ok()
}

/// A cost with the instructions before each name.
///
/// # Errors
/// A name that is none.
fn priced(cost: &str) -> Result<String, String> {
    let is_name = |word: &str| word.contains('_') || figure(word).is_some();
    let price = |word: &str| {
        let name = word.trim_end_matches([',', ';', ':', '.']);
        if !is_name(name) {
            return Ok(word.to_owned());
        }
        let instructions = figure(name).ok_or_else(|| format!("there is no figure {name}"))?;
        Ok(format!("{instructions:.0} (`{name}`){}", &word[name.len()..]))
    };
    cost.split(' ').map(price).collect::<Result<Vec<_>, _>>().map(|words| words.join(" "))
}

/// Name and number of a line that gives a name a number.
fn numbered(line: &str) -> Option<(String, String)> {
    let (left, right) = line.split_once(" = ")?;
    let method = left.strip_prefix("pub const ").and_then(|rest| rest.strip_suffix(": u32"));
    let name = method.unwrap_or(left);
    let number = right.strip_suffix(if method.is_some() { ';' } else { ',' })?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_number = number.starts_with(|c: char| c.is_ascii_digit());
    (is_name && is_number).then(|| (name.into(), number.into()))
}

/// The text without the targets of its links, as one line of a table.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        plain += before;
        let (name, after) = link.split_once("`]").expect("a link ends");
        let _ = write!(plain, "`{name}`");
        rest = after.strip_prefix('(').and_then(|target| target.split_once(')')).map_or(after, |(_, after)| after);
    }
    (plain + rest).replace('|', "\\|")
}

fn table(page: &mut String, title: &str, items: &[&Item]) {
    let _ = writeln!(page, "\n## {title}\n");
    if items.iter().all(|item| item.errors.is_none()) {
        let _ = writeln!(page, "| number | name | what it means |\n|---|---|---|");
        for Item { name, number, text, .. } in items {
            let _ = writeln!(page, "| {number} | `{name}` | {text} |");
        }
        return;
    }
    let _ = writeln!(page, "| number | name | what it does | errors, and when | cost |\n|---|---|---|---|---|");
    for Item { name, number, text, errors, cost, .. } in items {
        let errors = errors.as_deref().unwrap_or_default();
        let cost = cost.as_deref().map(|cost| priced(cost).expect("figures are checked")).unwrap_or_default();
        let _ = writeln!(page, "| {number} | `{name}` | {text} | {errors} | {cost} |");
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Calls, methods, errors\n\nMade from `ukernel/abi`, where registers (`call`), message layout (`message`) and objects (`object`) are described; \
         the test `reference` of that crate keeps it true.\n\nAny \
         method may fail with InvalidCapability (the slot, or one that an argument names, holds nothing of the kind), InvalidMethod, and \
         InvalidMessage (too few words); the tables have what else there is. Costs are instructions as the caller sees them, of \
         the rows that are named, as the last stored run of `cargo run -- bench kernel` measured them.\n",
    );
    table(&mut page, "System calls", &items(CALLS).iter().collect::<Vec<_>>());
    let methods = items(METHODS);
    for methods in methods.chunk_by(|a, b| a.group == b.group) {
        table(&mut page, &format!("Methods: `{}`", methods[0].group), &methods.iter().collect::<Vec<_>>());
    }
    table(&mut page, "Errors", &items(ERRORS).iter().collect::<Vec<_>>());
    page
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

#[test]
fn everything_is_documented_once() {
    for (source, count) in [(CALLS, 13), (ERRORS, 14), (METHODS, 40)] {
        let items = items(source);
        assert!(items.len() >= count, "only {} are found: {items:?}", items.len());
        for item in &items {
            assert!(item.text.len() > 4 && item.text.contains('.'), "{} is not documented", item.name);
            let same = items.iter().filter(|other| other.number == item.number).count();
            assert_eq!(same, 1, "{} is given twice", item.number);
        }
    }
}

#[test]
fn errors_and_costs_are_real() {
    let known = items(ERRORS);
    let documented: Vec<_> = [CALLS, METHODS].iter().flat_map(|source| items(source)).collect();
    for Item { group, name, errors, cost, .. } in &documented {
        let errors = errors.as_deref().unwrap_or_else(|| panic!("{group}::{name} does not say its errors"));
        let words = errors.split(|c: char| !c.is_ascii_alphanumeric());
        // A name of an error has a capital letter inside.
        let named = words.filter(|word| {
            word.chars().skip(1).any(|c| c.is_ascii_lowercase())
                && word.chars().filter(|c| c.is_ascii_uppercase()).count() > 1
        });
        let objects = ["CapTable", "VSpace", "SchedContext"];
        for word in named.filter(|word| !objects.contains(word) && *word != "MiB") {
            assert!(known.iter().any(|error| error.name == word), "{group}::{name}: there is no error {word}");
        }
        if let Some(Err(reason)) = cost.as_deref().map(priced) {
            panic!("{group}::{name}: {reason}");
        }
    }
    for Item { name, text, .. } in known {
        let given = documented.iter().any(|item| item.errors.as_deref().is_some_and(|errors| errors.contains(&name)));
        assert!(
            given
                || ["InvalidMethod", "InvalidMessage"].contains(&name.as_str())
                || text.ends_with("No call gives it."),
            "nothing gives {name}"
        );
    }
}

#[test]
fn the_kernel_knows_every_method() {
    let files = fs::read_dir(folder("core/src")).expect("the kernel's logic is there");
    let sources = files.flatten().filter(|file| file.path().extension().is_some_and(|extension| extension == "rs"));
    let code: String = sources.flat_map(|file| fs::read_to_string(file.path())).collect();
    for Item { group, name, .. } in items(METHODS) {
        assert!(code.contains(&format!("{group}::{name}")), "nothing answers {group}::{name}");
    }
}

#[test]
fn the_table_is_up_to_date() {
    let path = folder("REFERENCE.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, page()).expect("the table can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page(), "make the table anew: BLESS=1 cargo test -p ukernel-abi --test reference");
}

#[test]
fn links_become_names() {
    assert_eq!(plain("as [`A::B`](crate::A::B), or [`C`] | d"), "as `A::B`, or `C` \\| d");
    assert_eq!(numbered("pub const COPY: u32 = 0x201;"), Some(("COPY".into(), "0x201".into())));
    assert_eq!(numbered("0 => Self::Call,"), None);
}

#[test]
fn comments_have_parts() {
    let all = item("g".into(), "N".into(), "1".into(), "Does. Errors: none. Cost: with X: null_call, yield_alone");
    assert_eq!((all.text.as_str(), all.errors.as_deref()), ("Does.", Some("none.")));
    let cost = priced(all.cost.as_deref().expect("it has one")).expect("the names are right");
    let number = cost.strip_prefix("with X: ").and_then(|rest| rest.split_once(" (`null_call`), "));
    assert!(number.is_some_and(|(number, _)| number.parse::<u32>().is_ok()), "{cost}");
    assert!(priced("not_a_row").is_err());
}

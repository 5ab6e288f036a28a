//! What the README quotes is what is compiled here.

const README: &str = include_str!("../../../../native-servers/README.md");

const FILES: [(&str, &str); 6] = [
    ("contract.rs", include_str!("contract.rs")),
    ("library.rs", include_str!("library.rs")),
    ("native.rs", include_str!("native.rs")),
    ("client.rs", include_str!("client.rs")),
    ("homes.rs", include_str!("homes.rs")),
    ("tickets.toml", include_str!("tickets.toml")),
];

/// The quotations: file, and text. A quotation is a block of code after a line that ends with the file's name in quotes
/// and a colon.
fn quotations() -> Vec<(&'static str, &'static str)> {
    let mut parts = README.split("`:\n\n```");
    let mut before = parts.next().expect("there is always a first part");
    let mut found = Vec::new();
    for part in parts {
        let file = before.rsplit('`').next().expect("there is always a last part");
        let (_language, part) = part.split_once('\n').expect("the block begins");
        let (text, rest) = part.split_once("```").expect("the block ends");
        found.push((file, text));
        before = rest;
    }
    found
}

#[test]
fn the_readme_quotes_these_files_and_each_of_them() {
    let quotations = quotations();
    for (file, text) in &quotations {
        let source = FILES.iter().find(|(name, _)| name == file).map(|(_, source)| *source);
        let source = source.unwrap_or_else(|| panic!("no file {file}"));
        assert!(source.contains(text), "{file} has not:\n{text}");
    }
    for (file, _) in FILES {
        assert!(quotations.iter().any(|(quoted, _)| *quoted == file), "{file} is not quoted");
    }
}

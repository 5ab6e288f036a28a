//! The rules hold for the tree as it is.

use anyhow::Result;
use lint::unsafety::{Allowance, pieces};
use lint::{dependencies, root, source};

const ALLOWANCE: &str = include_str!("../unsafe.tsv");

#[test]
fn unsafe_code_is_where_it_may_be_says_why_and_gets_no_more() -> Result<()> {
    let pieces = pieces(&source::read_all(&root())?);
    assert!(pieces.len() > 100, "only {} pieces are found", pieces.len());
    let complaints = Allowance::parse(ALLOWANCE)?.complaints(&pieces);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

#[test]
fn crates_depend_in_one_direction() -> Result<()> {
    let crates = dependencies::read_all(&root())?;
    assert!(crates.len() > 40, "only {} crates are found", crates.len());
    let complaints = dependencies::complaints(&crates);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

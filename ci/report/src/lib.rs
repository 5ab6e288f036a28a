//! One page about both designs: what was measured in this run, as tables and plots, each with the command that repeats it.
//!
//! The figures are the demonstrations' ([`demo`]) and those of [`work`], which runs the same commands in both designs. A
//! section that cannot be measured fails the report: a page with holes would be read as a result.

mod html;
mod plot;
mod sections;
mod work;

use anyhow::{Context, Result, bail};
use demo::Size;
use demo::ground::Ground;
use std::fs;
use std::path::{Path, PathBuf};

/// The page's name in its folder.
const PAGE: &str = "index.html";

/// Measures everything, or only the section of that name, and writes the page into `folder`; the page's path.
///
/// # Errors
/// When something cannot be measured, the page cannot be written, or there is no such section.
pub fn write(folder: &Path, only: Option<&str>, size: Size) -> Result<PathBuf> {
    let chosen = sections::ALL.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
    let chosen: Vec<_> = chosen.map(|(_, write)| *write).collect();
    if chosen.is_empty() {
        let names = sections::ALL.map(|(name, _)| name).join(", ");
        bail!("there is no section {:?}: {names}", only.unwrap_or_default());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let ground = Ground::new()?;
    let mut page = html::Page::new("Banyan: one service, two placements");
    sections::write(&mut page, &chosen, &ground, size)?;
    let path = folder.join(PAGE);
    fs::write(&path, page.finish()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

//! One page about both designs: what was measured in this run, as tables and plots, each with the command that repeats it.
//!
//! The figures are the demonstrations' ([`demo`]) and those of [`work`], which runs the same commands in both designs. A
//! section that cannot be measured fails the report: a page with holes would be read as a result.

mod html;
mod plot;
mod sections;
mod work;

use anyhow::{Context, Result};
use demo::Size;
use demo::ground::Ground;
use std::fs;
use std::path::{Path, PathBuf};

/// The page's name in its folder.
const PAGE: &str = "index.html";

/// Measures everything and writes the page into `folder`; the page's path.
///
/// # Errors
/// When something cannot be measured, or the page cannot be written.
pub fn write(folder: &Path, size: Size) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let ground = Ground::new()?;
    let mut page = html::Page::new("Banyan: one service, two placements");
    sections::all(&mut page, &ground, size)?;
    let path = folder.join(PAGE);
    fs::write(&path, page.finish()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

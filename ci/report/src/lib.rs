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
    let draft = Draft::new(folder)?;
    let ground = Ground::new()?;
    let mut page = html::Page::new("Banyan: one service, two placements");
    sections::write(&mut page, &chosen, &ground, size)?;
    draft.finish(&page.finish(), &folder.join(PAGE))
}

/// The page's file while there is no page: what cannot be written is found out before minutes of measurement, and an earlier page
/// stays until there is a new one.
struct Draft(PathBuf);

impl Draft {
    fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(format!("{PAGE}.new-{}", std::process::id()));
        fs::write(&path, "").with_context(|| format!("cannot write to {}", folder.display()))?;
        Ok(Self(path))
    }

    fn finish(self, text: &str, page: &Path) -> Result<PathBuf> {
        let written = fs::write(&self.0, text).and_then(|()| fs::rename(&self.0, page));
        written.with_context(|| format!("cannot write {}", page.display()))?;
        Ok(page.into())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already when the page is in its place; what is left behind costs only space.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_or_as_before() {
        let folder = std::env::temp_dir().join(format!("banyan-report-{}", std::process::id()));
        let names = || fs::read_dir(&folder).expect("it is there").count();
        drop(Draft::new(&folder.join("a/b")).expect("temporary files can be made"));
        assert!(folder.join("a/b").is_dir());
        let (draft, page) = (Draft::new(&folder).expect("it can be written to"), folder.join(PAGE));
        fs::write(&page, "old").expect("temporary files can be made");
        drop(draft);
        assert_eq!((fs::read_to_string(&page).expect("it is there").as_str(), names()), ("old", 2));
        Draft::new(&folder).and_then(|draft| draft.finish("new", &page)).expect("it can be written to");
        assert_eq!((fs::read_to_string(&page).expect("it is there").as_str(), names()), ("new", 2));
        fs::remove_dir_all(folder).expect("it is this test's own");
    }

    #[test]
    fn a_folder_that_takes_no_page_is_told_before_anything_is_measured() {
        let error = write(Path::new("/proc/self"), None, Size::Quick).expect_err("nobody can write there");
        assert!(format!("{error:#}").starts_with("cannot write to /proc/self"), "{error:#}");
    }
}

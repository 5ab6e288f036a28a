//! Judges a disk: two implementations replay its journal, find it clean and read the same, and nothing promised is missing.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use banyan::setup::E2fs;
use legacy_programs::promises::{Tree, is_same};

use crate::e2fs::{self, Replayed};
use crate::folder::Folder;
use crate::replay::copy;
use crate::{our, workers};

/// Judges disks; each disk is used up.
pub struct Judge<'a> {
    e2fs: &'a E2fs,
    folder: &'a Folder,
    names: Vec<String>,
}

/// What was found, besides that it is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both replayed it.
    Both,
    /// Only ours did: half of a superblock was written, and e2fsck does not look further.
    OursAlone,
}

impl<'a> Judge<'a> {
    /// A judge of the folders with these names.
    #[must_use]
    pub fn new(e2fs: &'a E2fs, folder: &'a Folder, names: Vec<String>) -> Self {
        Self { e2fs, folder, names }
    }

    /// Judges a disk after a power cut, at which the workers were where `followers` are.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_cut(&self, disk: &Path, followers: &[workers::Follower]) -> Result<Verdict> {
        let ours = self.folder.path("ours");
        copy(&File::open(disk)?, &ours)?;
        let our_trees = self.ours(&ours)?;
        for (follower, tree) in followers.iter().zip(&our_trees) {
            follower.check(tree.as_ref()).context("replayed by our file system")?;
        }
        if e2fs::replay(self.e2fs, disk)? == Replayed::TornSuperblock {
            return Ok(Verdict::OursAlone);
        }
        let their_trees = self.theirs(disk)?;
        for (follower, tree) in followers.iter().zip(&their_trees) {
            follower.check(tree.as_ref()).context("replayed by e2fsck")?;
        }
        self.agree(&their_trees, &our_trees)?;
        Ok(Verdict::Both)
    }

    /// Judges a disk that was left in good order, when the workers had ended after so many steps.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_end(&self, disk: &Path, followers: &[workers::Follower], steps: &[u64]) -> Result<()> {
        e2fs::is_clean(self.e2fs, disk)?;
        let their_trees = self.theirs(disk)?;
        for ((follower, steps), tree) in followers.iter().zip(steps).zip(&their_trees) {
            follower.check_end(*steps, tree.as_ref())?;
        }
        let our_trees = self.ours(disk)?;
        self.agree(&their_trees, &our_trees)
    }

    fn ours(&self, disk: &Path) -> Result<Vec<Option<Tree>>> {
        let trees = our::read(disk, &self.names)?;
        e2fs::is_clean(self.e2fs, disk).context("after our file system left it")?;
        Ok(trees)
    }

    fn theirs(&self, disk: &Path) -> Result<Vec<Option<Tree>>> {
        e2fs::read(self.e2fs, disk, &self.names, &self.folder.path("tree"))
    }

    fn agree(&self, theirs: &[Option<Tree>], ours: &[Option<Tree>]) -> Result<()> {
        for ((name, theirs), ours) in self.names.iter().zip(theirs).zip(ours) {
            match (theirs, ours) {
                (None, None) => {}
                (Some(theirs), Some(ours)) => is_same(theirs, ours).map_err(|error| {
                    anyhow::anyhow!("e2fsck and our file system do not agree about /{name}: {error}")
                })?,
                _ => ensure!(false, "e2fsck and our file system do not agree whether there is /{name}"),
            }
        }
        Ok(())
    }
}

//! The files of one recording: the image that the machine starts with, its disk, the log. They are removed with it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use banyan::disk::{self, Disk, Storage};
use banyan::root::{Contents, Tree};
use banyan::run::Config;
use banyan::setup::E2fs;
use banyan::workspace;

use crate::replay::copy;

/// The folder with the files.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = workspace::own("stage")?.join(format!("power-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    /// Lets a machine start with a disk of `tree`, and log its writes.
    ///
    /// # Errors
    /// When the disk cannot be made.
    pub fn prepare(&self, tree: &Tree, config: &mut Config, e2fs: &E2fs) -> Result<()> {
        let contents = Contents::Tree(Arc::new(tree.clone()));
        disk::prepare(&Disk::Fresh, &contents, e2fs, &self.start())?;
        copy(&File::open(self.start())?, &self.disk())?;
        File::create_new(self.log())?;
        config.storage = Storage::Disk(Disk::Kept(self.disk()));
        config.write_log = Some(self.log());
        Ok(())
    }

    /// The image that the machine starts with.
    #[must_use]
    pub fn start(&self) -> PathBuf {
        self.path("start")
    }

    /// The machine's disk.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.path("disk")
    }

    /// The log of what reached it.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path("log")
    }

    /// Another file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left costs only space.
        let _ = fs::remove_dir_all(&self.0);
    }
}

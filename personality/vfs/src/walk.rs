//! Path resolution, as path_resolution(7) describes it.
//!
//! A [`Walk`] stands at a directory and has text left to go. A symbolic link's text is put in front of what is left, so
//! nothing recurses; 40 links in all are followed.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};

use crate::context::Caller;
use crate::credentials::{Access, Capability};
use crate::dentry::Dentry;
use crate::inode::LinkTarget;
use crate::metadata::FileKind;
use crate::path::Path;

const LINK_LIMIT: u32 = 40;

bitflags::bitflags! {
    /// How a path is resolved.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct WalkFlags: u32 {
        /// Stay on one mount.
        const NO_XDEV = raw::RESOLVE_NO_XDEV;
        /// Follow no magic links.
        const NO_MAGICLINKS = raw::RESOLVE_NO_MAGICLINKS;
        /// Follow no links at all, but a final one if that is not followed anyway.
        const NO_SYMLINKS = raw::RESOLVE_NO_SYMLINKS;
        /// Never leave the starting directory.
        const BENEATH = raw::RESOLVE_BENEATH;
        /// The starting directory is the root.
        const IN_ROOT = raw::RESOLVE_IN_ROOT;
        /// Follow a final symbolic link.
        const FOLLOW = 1 << 16;
        /// The result must be a directory.
        const DIRECTORY = 1 << 17;
    }
}

/// The last component of a path, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// There is none: the path is `/`, or only a link to it.
    Root,
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// A name, as a range of the text.
    Name(Range<usize>),
}

/// A resolution under way.
pub struct Walk<'a> {
    caller: Caller<'a>,
    root: Path,
    /// Where the walk stands.
    path: Path,
    text: Cow<'a, [u8]>,
    position: usize,
    /// What is left of the texts that links interrupted, innermost last.
    outer: Vec<(Cow<'a, [u8]>, usize)>,
    links: u32,
    flags: WalkFlags,
    has_trailing_slash: bool,
}

impl<'a> Walk<'a> {
    /// Starts at `base` (the working directory if `None`) or, for an absolute path, at the root.
    ///
    /// # Errors
    /// `ENOENT` for an empty path, `ENAMETOOLONG`, `EXDEV` for an absolute path with `BENEATH`.
    pub fn start(caller: Caller<'a>, base: Option<&Path>, text: &'a [u8], flags: WalkFlags) -> Result<Walk<'a>> {
        if text.is_empty() {
            return Err(Errno::ENOENT);
        }
        if text.len() >= raw::PATH_MAX as usize {
            return Err(Errno::ENAMETOOLONG);
        }
        let is_absolute = text.first() == Some(&b'/');
        if is_absolute && flags.contains(WalkFlags::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let is_contained = flags.intersects(WalkFlags::BENEATH | WalkFlags::IN_ROOT);
        let base_path = || base.cloned().unwrap_or_else(|| caller.fs.working_directory());
        let root = if is_contained { base_path() } else { caller.fs.root() };
        let path = if is_absolute { root.clone() } else { base_path() };
        Ok(Walk {
            caller,
            root,
            path,
            text: Cow::Borrowed(text),
            position: 0,
            outer: Vec::new(),
            links: 0,
            flags,
            has_trailing_slash: false,
        })
    }

    /// Returns where the walk stands.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the walk ended.
    #[must_use]
    pub fn into_path(self) -> Path {
        self.path
    }

    /// Tells whether the text ended with a slash, so that only a directory will do.
    #[must_use]
    pub fn has_trailing_slash(&self) -> bool {
        self.has_trailing_slash
    }

    /// Returns the text of a last component.
    #[must_use]
    pub fn name(&self, last: &Last) -> &[u8] {
        match last {
            Last::Root => b"",
            Last::Dot => b".",
            Last::DotDot => b"..",
            Last::Name(range) => self.text.get(range.clone()).unwrap_or_default(),
        }
    }

    /// Goes to the directory that the last component is in.
    ///
    /// # Errors
    /// `ENOTDIR`, `EACCES`, `ENOENT`, `ELOOP`, `ENAMETOOLONG`, ...
    pub fn go_to_last(&mut self) -> Result<Last> {
        loop {
            let Some(range) = self.next_component() else { return Ok(Last::Root) };
            self.require_search()?;
            let last = match self.text.get(range.clone()) {
                Some(b".") => Last::Dot,
                Some(b"..") => Last::DotDot,
                _ => Last::Name(range),
            };
            if self.is_at_end() {
                return Ok(last);
            }
            self.step(&last, true)?;
        }
    }

    /// Takes the next component out of the text; `None` at the end of all text.
    fn next_component(&mut self) -> Option<Range<usize>> {
        loop {
            let rest = self.text.get(self.position..).unwrap_or_default();
            if let Some(skipped) = rest.iter().position(|&byte| byte != b'/') {
                let start = self.position + skipped;
                let rest = self.text.get(start..).unwrap_or_default();
                let length = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
                self.position = start + length;
                return Some(start..start + length);
            }
            (self.text, self.position) = self.outer.pop()?;
        }
    }

    /// Tells whether only slashes are left, and remembers if there are any.
    fn is_at_end(&mut self) -> bool {
        let here = self.text.get(self.position..).unwrap_or_default();
        let outer = self.outer.iter().map(|(text, position)| text.get(*position..).unwrap_or_default());
        let mut has_slash = false;
        for rest in core::iter::once(here).chain(outer) {
            if rest.iter().any(|&byte| byte != b'/') {
                return false;
            }
            has_slash |= !rest.is_empty();
        }
        self.has_trailing_slash |= has_slash;
        true
    }

    /// Checks that the walk stands at a directory that the caller may search.
    fn require_search(&self) -> Result<()> {
        if !self.path.dentry.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        let credentials = self.caller.credentials;
        if credentials.has(Capability::DacOverride) {
            return Ok(());
        }
        credentials.require(Access::EXECUTE, self.path.inode().ownership()?, true)
    }

    /// Goes one component on; if that is a link to be followed, its text comes next. Tells whether it was one.
    ///
    /// # Errors
    /// As [`Walk::go_to_last`].
    pub fn step(&mut self, last: &Last, follows: bool) -> Result<bool> {
        let range = match last {
            Last::Root | Last::Dot => return Ok(false),
            Last::DotDot => return self.go_up().map(|()| false),
            Last::Name(range) => range.clone(),
        };
        let child = self.path.dentry.child(self.text.get(range).unwrap_or_default())?;
        self.enter(child, follows)
    }

    /// Enters a child of the directory at which the walk stands, as [`Walk::step`].
    ///
    /// # Errors
    /// `ELOOP`, `EXDEV`, what reading a link gives.
    pub fn enter(&mut self, child: Arc<Dentry>, follows: bool) -> Result<bool> {
        if child.kind() == FileKind::Symlink && follows {
            return self.follow(&child).map(|()| true);
        }
        self.path.dentry = child;
        if self.path.dentry.is_mount_point() {
            self.enter_mounts()?;
        }
        Ok(false)
    }

    fn enter_mounts(&mut self) -> Result<()> {
        let before = self.path.mount.clone();
        self.caller.fs.namespace().enter_mounts(&mut self.path);
        self.require_same_mount(&before)
    }

    fn require_same_mount(&self, before: &Arc<crate::mount::Mount>) -> Result<()> {
        let crossed = !Arc::ptr_eq(before, &self.path.mount);
        if crossed && self.flags.contains(WalkFlags::NO_XDEV) { Err(Errno::EXDEV) } else { Ok(()) }
    }

    fn go_up(&mut self) -> Result<()> {
        if self.flags.contains(WalkFlags::BENEATH) && self.path.is_same(&self.root) {
            return Err(Errno::EXDEV);
        }
        let before = self.path.mount.clone();
        self.path.go_to_parent(&self.root);
        self.caller.fs.namespace().enter_mounts(&mut self.path);
        self.require_same_mount(&before)
    }

    fn follow(&mut self, link: &Dentry) -> Result<()> {
        self.links += 1;
        if self.links > LINK_LIMIT || self.flags.contains(WalkFlags::NO_SYMLINKS) {
            return Err(Errno::ELOOP);
        }
        match link.inode().follow()? {
            LinkTarget::Text(text) => self.follow_text(text),
            LinkTarget::Jump(path) => self.jump(path),
        }
    }

    fn follow_text(&mut self, text: Vec<u8>) -> Result<()> {
        match text.first() {
            None => return Err(Errno::ENOENT),
            Some(b'/') if self.flags.contains(WalkFlags::BENEATH) => return Err(Errno::EXDEV),
            Some(b'/') => self.path = self.root.clone(),
            Some(_) => {}
        }
        let interrupted = core::mem::replace(&mut self.text, Cow::Owned(text));
        self.outer.push((interrupted, core::mem::take(&mut self.position)));
        Ok(())
    }

    fn jump(&mut self, path: Path) -> Result<()> {
        if self.flags.contains(WalkFlags::NO_MAGICLINKS) {
            return Err(Errno::ELOOP);
        }
        if self.flags.intersects(WalkFlags::BENEATH | WalkFlags::IN_ROOT | WalkFlags::NO_XDEV) {
            return Err(Errno::EXDEV);
        }
        self.path = path;
        Ok(())
    }
}

/// Resolves a path to what it names.
///
/// # Errors
/// As path_resolution(7) says.
pub fn resolve(caller: Caller<'_>, base: Option<&Path>, text: &[u8], flags: WalkFlags) -> Result<Path> {
    let mut walk = Walk::start(caller, base, text, flags)?;
    loop {
        let last = walk.go_to_last()?;
        let follows = flags.contains(WalkFlags::FOLLOW) || walk.has_trailing_slash();
        if !walk.step(&last, follows)? {
            break;
        }
    }
    let must_be_directory = flags.contains(WalkFlags::DIRECTORY) || walk.has_trailing_slash();
    if must_be_directory && !walk.path().dentry.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    Ok(walk.into_path())
}

/// The directory of a path's last component, and that component.
pub struct Parent {
    /// The directory.
    pub directory: Path,
    /// The last component's kind.
    pub last: Last,
    /// Its text.
    pub name: Vec<u8>,
    /// Whether a slash follows it.
    pub has_trailing_slash: bool,
}

/// Resolves all but the last component of a path.
///
/// # Errors
/// As path_resolution(7) says.
pub fn resolve_parent(caller: Caller<'_>, base: Option<&Path>, text: &[u8]) -> Result<Parent> {
    let mut walk = Walk::start(caller, base, text, WalkFlags::empty())?;
    let last = walk.go_to_last()?;
    let name = walk.name(&last).to_vec();
    Ok(Parent { has_trailing_slash: walk.has_trailing_slash(), directory: walk.into_path(), last, name })
}

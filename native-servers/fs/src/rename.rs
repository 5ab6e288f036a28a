//! Moving and swapping names.

use interfaces::FsError;
use interfaces::file_system::{Target, Time};

use crate::Result;
use crate::directory::entry;
use crate::directory::search::Found;
use crate::inode::{Inode, Stamp, flag};
use crate::inodes::ROOT;
use crate::names::{check_name, remove_subdirectory};
use crate::volume::Volume;

/// Two names, and where they are.
struct Ends {
    /// The directory that the first name is in; the other one, if it is another.
    from: Inode,
    to: Option<Inode>,
}

impl Ends {
    fn to(&mut self) -> &mut Inode {
        self.to.as_mut().unwrap_or(&mut self.from)
    }
}

impl Volume {
    /// Moves `name` of the first directory to `new_name` in the second, or swaps them: the inode that lost a name, if any.
    pub(crate) fn rename(
        &mut self,
        directories: (u64, u64),
        (name, new_name): (&[u8], &[u8]),
        target: Target,
        now: &Time,
    ) -> Result<Option<Inode>> {
        check_name(name)?;
        check_name(new_name)?;
        let from = self.directory(directories.0)?;
        let to = if directories.0 == directories.1 { None } else { Some(self.directory(directories.1)?) };
        let mut ends = Ends { from, to };
        let found = self.find_existing(&ends.from, name)?;
        let there = self.find(ends.to(), new_name)?;
        let source = self.inode(u64::from(found.inode)).map_err(|_| FsError::Corrupt)?;
        if source.is_directory() && ends.to.is_some() {
            self.check_no_loop(&source, ends.to())?;
        }
        match (target, there) {
            (Target::Exchange, None) => Err(FsError::NotFound),
            (_, Some(there)) if there.inode == found.inode => Ok(None),
            (Target::Exchange, Some(there)) => self.exchange(&mut ends, source, (&found, &there), now).map(|()| None),
            (Target::Replace, Some(there)) => self.replace(&mut ends, source, (&found, &there), now).map(Some),
            (Target::Replace, None) => self.move_to(&mut ends, source, &found, new_name, now).map(|()| None),
        }
    }

    /// Moves a name to where there is none.
    fn move_to(&mut self, ends: &mut Ends, source: Inode, found: &Found, new_name: &[u8], now: &Time) -> Result<()> {
        let target = (source.number, entry::kind_of(source.mode()));
        self.remove_entry_of(&ends.from, found)?;
        self.add_entry(ends.to(), new_name, target)?;
        self.arrive(ends, source, now)?;
        self.touch_ends(ends, now)
    }

    /// Moves a name to where one is, whose inode loses it.
    fn replace(
        &mut self,
        ends: &mut Ends,
        source: Inode,
        (found, there): (&Found, &Found),
        now: &Time,
    ) -> Result<Inode> {
        let mut victim = self.inode(u64::from(there.inode)).map_err(|_| FsError::Corrupt)?;
        match (source.is_directory(), victim.is_directory()) {
            (true, false) => return Err(FsError::NotDirectory),
            (false, true) => return Err(FsError::IsDirectory),
            // Before anything moves: it may be the directory that the name moves out of.
            (true, true) if !self.is_empty(&victim)? => return Err(FsError::NotEmpty),
            _ => {}
        }
        let target = (source.number, entry::kind_of(source.mode()));
        self.redirect(ends.to(), there, target)?;
        self.remove_entry_of(&ends.from, found)?;
        self.lose_name(&mut victim, ends.to(), now)?;
        self.arrive(ends, source, now)?;
        self.touch_ends(ends, now)?;
        Ok(victim)
    }

    fn exchange(&mut self, ends: &mut Ends, source: Inode, (found, there): (&Found, &Found), now: &Time) -> Result<()> {
        let other = self.inode(u64::from(there.inode)).map_err(|_| FsError::Corrupt)?;
        if other.is_directory() && ends.to.is_some() {
            self.check_no_loop(&other, &ends.from)?;
        }
        self.redirect(&ends.from, found, (other.number, entry::kind_of(other.mode())))?;
        self.redirect(ends.to(), there, (source.number, entry::kind_of(source.mode())))?;
        self.arrive(ends, source, now)?;
        let mut back = Ends { from: ends.to.take().unwrap_or_else(|| ends.from.clone()), to: None };
        if back.from.number != ends.from.number {
            back.to = Some(ends.from.clone());
        }
        self.arrive(&mut back, other, now)?;
        self.touch_ends(&mut back, now)
    }

    /// Notes in an inode that its name has moved; a directory gets another `..`.
    fn arrive(&mut self, ends: &mut Ends, mut source: Inode, now: &Time) -> Result<()> {
        if let Some(to) = ends.to.as_mut().filter(|_| source.is_directory()) {
            let found = self.find(&source, b"..")?.ok_or(FsError::Corrupt)?;
            if source.has_flag(flag::INDEX) {
                // Its sum covers the index as well.
                self.remove_index(&mut source)?;
            }
            self.redirect(&source, &found, (to.number, entry::kind_of(to.mode())))?;
            self.add_subdirectory(to)?;
            remove_subdirectory(&mut ends.from);
        }
        source.set_time(Stamp::Changed, now);
        self.put_inode(&mut source)
    }

    fn touch_ends(&mut self, ends: &mut Ends, now: &Time) -> Result<()> {
        self.touch(&mut ends.from, now)?;
        ends.to.as_mut().map_or(Ok(()), |to| self.touch(to, now))
    }

    /// Checks that `directory` is not inside of `moved`.
    ///
    /// # Errors
    /// `Loop`.
    fn check_no_loop(&mut self, moved: &Inode, directory: &Inode) -> Result<()> {
        let mut at = directory.clone();
        for _ in 0..self.geometry.inodes {
            if at.number == moved.number {
                return Err(FsError::Loop);
            }
            if at.number == ROOT {
                return Ok(());
            }
            let parent = self.parent_of(&at)?;
            at = self.inode(u64::from(parent)).map_err(|_| FsError::Corrupt)?;
        }
        Err(FsError::Corrupt)
    }
}

//! A process's descriptors.
//!
//! A new descriptor is first reserved, then filled: `open` fails with `EMFILE` before it has any effect. Descriptions
//! are dropped outside of the table's lock.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_abi::{Errno, Result};
use rt::sync::Mutex;

use crate::flags::OpenFlags;
use crate::locks;
use crate::open_file::OpenFile;

/// What a descriptor is.
#[derive(Clone)]
pub struct Descriptor {
    /// The description.
    pub file: Arc<OpenFile>,
    /// Whether `exec` closes it.
    pub closes_on_exec: bool,
}

#[derive(Clone)]
enum Slot {
    Free,
    Reserved,
    Open(Descriptor),
}

/// The descriptors of a process; shared by `CLONE_FILES`.
pub struct FdTable {
    state: Mutex<State>,
    /// Owner of the record locks that this table's processes set.
    id: u64,
}

#[derive(Clone, Default)]
struct State {
    slots: Vec<Slot>,
    /// No slot below this is free.
    lowest_free: usize,
}

/// A descriptor number that is taken, without a file yet; given back when dropped.
pub struct Reservation<'a> {
    table: &'a FdTable,
    number: usize,
}

impl Default for FdTable {
    fn default() -> Self {
        FdTable::new()
    }
}

impl State {
    fn get(&self, fd: i32) -> Result<&Descriptor> {
        match usize::try_from(fd).ok().and_then(|number| self.slots.get(number)) {
            Some(Slot::Open(descriptor)) => Ok(descriptor),
            _ => Err(Errno::EBADF),
        }
    }

    fn get_mut(&mut self, fd: i32) -> Result<&mut Descriptor> {
        match usize::try_from(fd).ok().and_then(|number| self.slots.get_mut(number)) {
            Some(Slot::Open(descriptor)) => Ok(descriptor),
            _ => Err(Errno::EBADF),
        }
    }

    /// Finds the lowest free number from `minimum` on and puts `slot` there.
    fn put(&mut self, minimum: usize, limit: u64, slot: Slot) -> Result<usize> {
        let start = minimum.max(self.lowest_free);
        let found = self.slots.iter().skip(start).position(|slot| matches!(slot, Slot::Free));
        let number = found.map_or(self.slots.len().max(start), |index| start + index);
        if number as u64 >= limit {
            return Err(Errno::EMFILE);
        }
        if minimum <= self.lowest_free {
            self.lowest_free = number + 1;
        }
        self.set(number, slot)?;
        Ok(number)
    }

    /// Puts a slot at a number and returns what was there.
    fn set(&mut self, number: usize, slot: Slot) -> Result<Slot> {
        if number >= self.slots.len() {
            self.slots.try_reserve(number + 1 - self.slots.len()).map_err(|_| Errno::ENOMEM)?;
            self.slots.resize(number + 1, Slot::Free);
        }
        let place = self.slots.get_mut(number).expect("the table was resized above");
        Ok(core::mem::replace(place, slot))
    }

    /// Frees a slot and returns the descriptor that was there.
    fn take(&mut self, number: usize) -> Option<Descriptor> {
        let slot = self.slots.get_mut(number)?;
        if !matches!(slot, Slot::Open(_)) {
            return None;
        }
        let old = core::mem::replace(slot, Slot::Free);
        self.lowest_free = self.lowest_free.min(number);
        match old {
            Slot::Open(descriptor) => Some(descriptor),
            _ => None,
        }
    }
}

impl FdTable {
    /// Makes an empty table.
    #[must_use]
    pub fn new() -> FdTable {
        FdTable::with(State::default())
    }

    fn with(state: State) -> FdTable {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        FdTable { state: Mutex::new(state), id: NEXT_ID.fetch_add(1, Ordering::Relaxed) }
    }

    /// Returns a copy that shares the descriptions, for `fork`.
    #[must_use]
    pub fn duplicate(&self) -> FdTable {
        let mut state = self.state.lock().clone();
        for slot in state.slots.iter_mut().filter(|slot| matches!(slot, Slot::Reserved)) {
            *slot = Slot::Free;
        }
        state.lowest_free = 0;
        FdTable::with(state)
    }

    /// Returns the table's number, the owner of its record locks.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the description behind a descriptor, unless it is only a name (`O_PATH`).
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get(&self, fd: i32) -> Result<Arc<OpenFile>> {
        let state = self.state.lock();
        let file = &state.get(fd)?.file;
        if file.flags().contains(OpenFlags::PATH) { Err(Errno::EBADF) } else { Ok(file.clone()) }
    }

    /// Returns the description behind a descriptor, `O_PATH` or not.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get_any(&self, fd: i32) -> Result<Arc<OpenFile>> {
        Ok(self.state.lock().get(fd)?.file.clone())
    }

    /// Returns a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn descriptor(&self, fd: i32) -> Result<Descriptor> {
        Ok(self.state.lock().get(fd)?.clone())
    }

    /// Sets whether `exec` closes a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_closes_on_exec(&self, fd: i32, closes: bool) -> Result<()> {
        self.state.lock().get_mut(fd)?.closes_on_exec = closes;
        Ok(())
    }

    /// Reserves the lowest free number from `minimum` on, below `limit` (`RLIMIT_NOFILE`).
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn reserve(&self, minimum: usize, limit: u64) -> Result<Reservation<'_>> {
        let number = self.state.lock().put(minimum, limit, Slot::Reserved)?;
        Ok(Reservation { table: self, number })
    }

    /// Enters a description at the lowest free number from `minimum` on, below `limit`.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn insert(&self, minimum: usize, limit: u64, descriptor: Descriptor) -> Result<i32> {
        self.state.lock().put(minimum, limit, Slot::Open(descriptor)).map(|number| number as i32)
    }

    /// Enters a description at a given number, as `dup2` does; closes what was there.
    ///
    /// # Errors
    /// `EBADF` if the number is not below `limit`, `EBUSY` if another thread is just opening it.
    pub fn replace(&self, fd: i32, limit: u64, descriptor: Descriptor) -> Result<()> {
        let number = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if number as u64 >= limit {
            return Err(Errno::EBADF);
        }
        let mut state = self.state.lock();
        if let Some(Slot::Reserved) = state.slots.get(number) {
            return Err(Errno::EBUSY);
        }
        let old = state.set(number, Slot::Open(descriptor))?;
        drop(state);
        if let Slot::Open(old) = old {
            // dup2 reports nothing of the close it implies.
            let _ = self.finish_close(old);
        }
        Ok(())
    }

    /// Closes a descriptor.
    ///
    /// # Errors
    /// `EBADF`; what the file's flush reports (the descriptor is closed all the same).
    pub fn close(&self, fd: i32) -> Result<()> {
        let number = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let descriptor = self.state.lock().take(number).ok_or(Errno::EBADF)?;
        self.finish_close(descriptor)
    }

    fn finish_close(&self, descriptor: Descriptor) -> Result<()> {
        locks::release_owner(&descriptor.file, self.id);
        descriptor.file.file().flush()
    }

    /// Closes every descriptor for which `which` holds.
    pub fn close_where(&self, which: impl Fn(i32, &Descriptor) -> bool) {
        let mut from = 0;
        loop {
            let mut state = self.state.lock();
            let matching = |(_, slot): &(usize, &Slot)| matches!(slot, Slot::Open(_));
            let found =
                state.slots.iter().enumerate().skip(from).filter(matching).find_map(|(number, slot)| match slot {
                    Slot::Open(descriptor) if which(number as i32, descriptor) => Some(number),
                    _ => None,
                });
            let Some(number) = found else { return };
            let taken = state.take(number);
            drop(state);
            if let Some(descriptor) = taken {
                // Nobody is left to tell.
                let _ = self.finish_close(descriptor);
            }
            from = number + 1;
        }
    }

    /// Closes what `exec` closes.
    pub fn close_on_exec(&self) {
        self.close_where(|_, descriptor| descriptor.closes_on_exec);
    }

    /// Closes everything, at the end of the last process that uses the table.
    pub fn close_all(&self) {
        self.close_where(|_, _| true);
    }

    /// Sets close-on-exec for all descriptors from `first` to `last`.
    pub fn set_range_closes_on_exec(&self, first: u32, last: u32) {
        let mut state = self.state.lock();
        let range = first as usize..=last as usize;
        for (_, slot) in state.slots.iter_mut().enumerate().filter(|(number, _)| range.contains(number)) {
            if let Slot::Open(descriptor) = slot {
                descriptor.closes_on_exec = true;
            }
        }
    }

    /// Returns the numbers of all open descriptors, ascending.
    #[must_use]
    pub fn numbers(&self) -> Vec<i32> {
        let state = self.state.lock();
        let open = |(number, slot): (usize, &Slot)| matches!(slot, Slot::Open(_)).then_some(number as i32);
        state.slots.iter().enumerate().filter_map(open).collect()
    }

    /// Returns how many descriptors the table has room for (`FDSize` of `/proc/PID/status`).
    #[must_use]
    pub fn size(&self) -> usize {
        self.state.lock().slots.len().next_power_of_two().max(64)
    }
}

impl Drop for FdTable {
    fn drop(&mut self) {
        self.close_all();
    }
}

impl Reservation<'_> {
    /// Returns the number.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.number as i32
    }

    /// Enters the description and returns the number.
    pub fn fill(self, descriptor: Descriptor) -> i32 {
        let number = self.number;
        if let Some(slot) = self.table.state.lock().slots.get_mut(number) {
            *slot = Slot::Open(descriptor);
        }
        number as i32
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut state = self.table.state.lock();
        if let Some(slot @ Slot::Reserved) = state.slots.get_mut(self.number) {
            *slot = Slot::Free;
            state.lowest_free = state.lowest_free.min(self.number);
        }
    }
}

#[cfg(test)]
#[path = "fd_table_tests.rs"]
mod tests;

//! What is newer here goes to the server: dirty pages in runs, then the attributes; and to the disk when somebody waits for it.

use alloc::vec::Vec;

use interfaces::file_system::{MAX_PIECES, NewAttributes, set};
use linux_abi::{Errno, Result};

use crate::attributes::no_change;
use crate::log::Operation;
use crate::node::{Body, Node};
use crate::pages::Run;
use crate::regular::{PAGE, Regular};
use crate::window::WINDOW_PAGES;

impl Node {
    /// Sends everything that is newer here to the server, pages included that a process may write through a mapping.
    ///
    /// # Errors
    /// What the server finds.
    pub(crate) fn write_back(&self) -> Result<()> {
        if let Body::Regular(regular) = &self.body {
            self.catch_mapped(regular);
            self.write_pages(regular)?;
        }
        self.write_attributes()
    }

    /// Makes all pages dirty that processes may have written through mappings.
    fn catch_mapped(&self, regular: &Regular) {
        let Some(mappings) = guest_memory::mappings() else {
            self.content(regular).pages.dirty_mapped();
            return;
        };
        // In this order: who asks to write a page after this is noted again, who had it writable before loses that below,
        // and what he writes until then is in the page when it is sent.
        if self.content(regular).pages.take_mapped() > 0 {
            mappings.write_protect(self);
        }
    }

    /// Sends dirty pages to the server, as many runs at once as the window and a message take.
    ///
    /// # Errors
    /// What the server finds; the pages are gone then, as nothing else would ever make room for others. It is told again
    /// by the next fsync(2).
    pub(crate) fn write_pages(&self, regular: &Regular) -> Result<()> {
        // Where room is scarce what fits goes, run by run.
        let most_runs = if self.volume.is_tight() { 1 } else { MAX_PIECES };
        let mut from = 0;
        loop {
            let _io = regular.io.lock();
            let taken = self.content(regular).pages.take_dirty(from, WINDOW_PAGES, most_runs);
            let Some(last) = taken.last() else { return self.write_size(regular) };
            from = last.end();
            let pages: Vec<_> = taken.iter().map(|run| run.first..run.end()).collect();
            if let Err(error) = self.write_runs(regular, taken) {
                let mut content = self.content(regular);
                pages.into_iter().for_each(|pages| content.pages.remove_range(pages.start, pages.end));
                drop(content);
                *regular.failure.lock() = Some(error);
                return Err(error);
            }
        }
    }

    /// Sends runs, up to the file's end. The caller holds `io`.
    fn write_runs(&self, regular: &Regular, taken: Vec<Run>) -> Result<()> {
        let size = self.content(regular).size;
        let (mut runs, mut frames) = (Vec::with_capacity(taken.len()), Vec::new());
        for mut run in taken {
            let offset = run.first * PAGE;
            let bytes = (run.frames.len() as u64 * PAGE).min(size.saturating_sub(offset));
            if bytes > 0 {
                run.frames.truncate(bytes.div_ceil(PAGE) as usize);
                runs.push((offset, u32::try_from(bytes).map_err(|_| Errno::EIO)?));
                frames.append(&mut run.frames);
            }
        }
        let Some(&(offset, bytes)) = runs.last() else { return Ok(()) };
        let (now, pages) = (self.known().own.changed, frames.len() as u64);
        self.change(now, Operation::Write { inode: self.number(), runs, frames })?;
        self.volume.note_used(pages);
        let mut content = self.content(regular);
        content.server_size = content.server_size.max(offset + u64::from(bytes));
        Ok(())
    }

    /// Tells the server the size where no page did: the last ones may have become a hole before they were written. The
    /// caller holds `io`.
    fn write_size(&self, regular: &Regular) -> Result<()> {
        let (size, server_size) = {
            let content = self.content(regular);
            (content.size, content.server_size)
        };
        if size <= server_size {
            return Ok(());
        }
        let new = NewAttributes { set: set::SIZE, size, ..no_change() };
        let now = self.known().own.changed;
        self.change(now, Operation::SetAttributes { inode: self.number(), new })?;
        self.content(regular).server_size = size;
        Ok(())
    }

    /// Sends the attributes that can be set, if the server has others.
    fn write_attributes(&self) -> Result<()> {
        let (sent, new): (_, NewAttributes) = {
            let known = self.known();
            if !known.has_news() {
                return Ok(());
            }
            (known.own, known.news())
        };
        let operation = Operation::SetAttributes { inode: self.number(), new };
        let (done, number) = self.volume.change(sent.changed, operation)?;
        self.take_over(&done, number)?;
        let mut known = self.known();
        if known.last_change == number {
            known.round_times(&sent);
        }
        Ok(())
    }

    /// Waits until everything that happened to it so far is on the disk.
    ///
    /// # Errors
    /// As fsync(2).
    pub(crate) fn write_to_disk(&self) -> Result<()> {
        // Why pages were lost is told by the failure that is kept.
        let written = self.write_back();
        if let Body::Regular(regular) = &self.body
            && let Some(error) = regular.failure.lock().take()
        {
            return Err(error);
        }
        written?;
        let last_change = self.known().last_change;
        self.volume.link.commit(last_change)
    }

    /// Writes what was just written to `offset..end`, because there may be no room for it; where that ended.
    ///
    /// # Errors
    /// `ENOSPC` and the like: the file is as before.
    pub(crate) fn write_through(&self, regular: &Regular, offset: u64, end: u64, old_size: u64) -> Result<u64> {
        let Err(error) = self.write_pages(regular) else { return Ok(end) };
        regular.failure.lock().take();
        let _io = regular.io.lock();
        let mut content = self.content(regular);
        content.size = old_size.max(content.server_size);
        let size = content.size;
        content.pages.remove_range(size.div_ceil(PAGE), u64::MAX);
        let written = if old_size <= offset { content.server_size.clamp(offset, end) } else { offset };
        if written > offset { Ok(written) } else { Err(error) }
    }

    /// Whether processes may write pages through mappings.
    pub(crate) fn is_mapped_for_writing(&self) -> bool {
        matches!(&self.body, Body::Regular(regular) if self.content(regular).pages.has_mapped())
    }
}

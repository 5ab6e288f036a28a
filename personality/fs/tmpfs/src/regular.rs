//! Regular files.
//!
//! `writer` serialises writes and changes of size, and may be held while user memory is touched; `content` holds pages
//! and size and is what page faults take. A page is taken out of `content` (as one more reference) before it is copied.

use alloc::sync::Arc;
use core::any::Any;

use guest_memory::{CutOff, Frame, PageSource, Sink, Source};
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{
    Allocation, AttributeChanges, File, FileKind, Inode, Metadata, NewInode, OpenFlags, Ownership, Positioning,
    SeekTarget,
};

use crate::common::Common;
use crate::pages::Pages;
use crate::volume::Volume;

const PAGE: u64 = 4096;
/// Largest file, as on Linux.
const SIZE_LIMIT: u64 = i64::MAX as u64;

/// A regular file.
pub(crate) struct RegularFile {
    common: Common,
    writer: Mutex<()>,
    content: Mutex<Content>,
}

#[derive(Default)]
struct Content {
    pages: Pages,
    size: u64,
    /// Pages were once given to a mapping.
    was_mapped: bool,
}

impl RegularFile {
    pub(crate) fn new(volume: &Arc<Volume>, new: &NewInode<'_>) -> Result<RegularFile> {
        let common = Common::new(volume, new)?;
        Ok(RegularFile { common, writer: Mutex::new(()), content: Mutex::new(Content::default()) })
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    /// Returns the page at an index for writing, made if there is none.
    ///
    /// # Errors
    /// `ENOSPC` if the volume is full or no memory is left.
    fn own_page(&self, content: &mut Content, index: u64) -> Result<Frame> {
        if let Some(frame) = content.pages.get(index) {
            return Ok(frame.clone());
        }
        self.common.volume.charge_page()?;
        let frame = Frame::alloc_zeroed().map_err(|_| {
            self.common.volume.release_pages(1);
            Errno::ENOSPC
        })?;
        content.pages.insert(index, frame.clone());
        Ok(frame)
    }

    /// Writes at `offset`; the caller holds `writer`.
    fn write_locked(&self, offset: u64, source: &mut dyn Source) -> Result<usize> {
        if source.remaining() == 0 {
            return Ok(0);
        }
        if offset >= SIZE_LIMIT {
            return Err(Errno::EFBIG);
        }
        self.clear_tail_before(offset);
        let mut position = offset;
        let mut failure = None;
        while source.remaining() > 0 && position < SIZE_LIMIT {
            match self.write_page(position, source) {
                Ok(0) => break,
                Ok(count) => position += count as u64,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if position == offset {
            return failure.map_or(Ok(0), Err);
        }
        self.common.note_modification();
        Ok((position - offset) as usize)
    }

    /// Writes to the page in which `position` lies, and grows the file to what was written.
    fn write_page(&self, position: u64, source: &mut dyn Source) -> Result<usize> {
        let frame = self.own_page(&mut self.content.lock(), position / PAGE)?;
        let wanted = source.remaining().min((SIZE_LIMIT - position) as usize);
        let count = frame.write_from((position % PAGE) as usize, wanted, source)?;
        let mut content = self.content.lock();
        content.size = content.size.max(position + count as u64);
        Ok(count)
    }

    /// Makes what lies behind the end in the last page zero, before the end moves past it: a shared mapping may have
    /// written there.
    fn clear_tail_before(&self, offset: u64) {
        let content = self.content.lock();
        if offset > content.size && !content.size.is_multiple_of(PAGE) {
            content.clear_in_page(content.size, PAGE);
        }
    }

    fn resize(&self, size: u64) -> Result<()> {
        if size > SIZE_LIMIT {
            return Err(Errno::EFBIG);
        }
        self.clear_tail_before(size);
        let mut content = self.content.lock();
        if size < content.size {
            content.clear_in_page(size, PAGE);
        }
        let removed = content.pages.remove_range(size.div_ceil(PAGE), u64::MAX);
        let is_mapped = content.was_mapped && size < content.size;
        content.size = size;
        drop(content);
        if is_mapped && let Some(mappings) = guest_memory::mappings() {
            mappings.cut_off(self, size.div_ceil(PAGE)..u64::MAX, CutOff::All);
        }
        self.common.volume.release_pages(removed);
        self.common.note_modification();
        Ok(())
    }

    /// Makes a range zero, giving whole pages back.
    fn clear_range(&self, start: u64, end: u64) {
        let mut content = self.content.lock();
        let (first_whole, end_whole) = (start.div_ceil(PAGE), end / PAGE);
        if start / PAGE == end / PAGE {
            content.clear_in_page(start, end - start / PAGE * PAGE);
        } else {
            if !start.is_multiple_of(PAGE) {
                content.clear_in_page(start, PAGE);
            }
            if !end.is_multiple_of(PAGE) {
                content.clear_in_page(end / PAGE * PAGE, end % PAGE);
            }
        }
        let removed = content.pages.remove_range(first_whole, end_whole);
        drop(content);
        self.common.volume.release_pages(removed);
    }

    /// Makes every page of a range; on failure gives those back that it made.
    fn reserve(&self, start: u64, end: u64) -> Result<()> {
        let (first, last) = (start / PAGE, end.div_ceil(PAGE));
        let mut made = alloc::vec::Vec::new();
        for index in first..last {
            let mut content = self.content.lock();
            if content.pages.get(index).is_some() {
                continue;
            }
            if let Err(error) = self.own_page(&mut content, index) {
                let removed: u64 = made.iter().map(|&index| content.pages.remove_range(index, index + 1)).sum();
                drop(content);
                self.common.volume.release_pages(removed);
                return Err(error);
            }
            made.push(index);
        }
        Ok(())
    }
}

impl Content {
    /// Makes the bytes of one page zero, from the file offset `start` up to `end_in_page`.
    fn clear_in_page(&self, start: u64, end_in_page: u64) {
        if let Some(frame) = self.pages.get(start / PAGE) {
            let from = start % PAGE;
            frame.clear(from as usize, end_in_page.saturating_sub(from) as usize);
        }
    }
}

impl Drop for RegularFile {
    fn drop(&mut self) {
        self.common.volume.release_pages(self.content.lock().pages.count());
    }
}

impl Inode for RegularFile {
    fn kind(&self) -> FileKind {
        FileKind::Regular
    }

    fn metadata(&self) -> Result<Metadata> {
        let (size, pages) = {
            let content = self.content.lock();
            (content.size, content.pages.count())
        };
        Ok(self.common.metadata(size, pages * (PAGE / 512)))
    }

    fn ownership(&self) -> Result<Ownership> {
        Ok(self.common.ownership())
    }

    fn set_attributes(&self, changes: &AttributeChanges) -> Result<()> {
        self.common.set_attributes(changes);
        Ok(())
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        Ok(self)
    }

    fn truncate(&self, size: u64) -> Result<()> {
        let _writer = self.writer.lock();
        self.resize(size)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl File for RegularFile {
    fn positioning(&self) -> Positioning {
        Positioning::Seekable
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        let mut position = offset;
        while sink.remaining() > 0 {
            let (frame, rest) = {
                let content = self.content.lock();
                let Some(rest) = content.size.checked_sub(position).filter(|rest| *rest > 0) else { break };
                (content.pages.get(position / PAGE).cloned(), rest)
            };
            let in_page = position % PAGE;
            let wanted = rest.min(PAGE - in_page).min(sink.remaining() as u64) as usize;
            let moved = match &frame {
                Some(frame) => frame.read_to(in_page as usize, wanted, sink),
                None => sink.write_zeros(wanted),
            };
            match moved {
                Ok(0) => break,
                Ok(count) => position += count as u64,
                Err(error) if position == offset => return Err(error),
                Err(_) => break,
            }
        }
        if !flags.contains(OpenFlags::NOATIME) {
            self.common.note_access();
        }
        Ok((position - offset) as usize)
    }

    fn write(&self, offset: u64, source: &mut dyn Source, _flags: OpenFlags) -> Result<usize> {
        let _writer = self.writer.lock();
        self.write_locked(offset, source)
    }

    fn append(&self, source: &mut dyn Source, _flags: OpenFlags) -> Result<(usize, u64)> {
        let _writer = self.writer.lock();
        let end = self.content.lock().size;
        let count = self.write_locked(end, source)?;
        Ok((count, end + count as u64))
    }

    fn size(&self) -> Result<u64> {
        Ok(self.content.lock().size)
    }

    fn seek_content(&self, offset: u64, target: SeekTarget) -> Result<u64> {
        let content = self.content.lock();
        if offset >= content.size {
            return Err(Errno::ENXIO);
        }
        match target {
            SeekTarget::Data => {
                let page = content.pages.next_page(offset / PAGE).ok_or(Errno::ENXIO)?;
                let found = offset.max(page.saturating_mul(PAGE));
                if found < content.size { Ok(found) } else { Err(Errno::ENXIO) }
            }
            SeekTarget::Hole => {
                let gap = content.pages.next_gap(offset / PAGE);
                Ok(offset.max(gap.saturating_mul(PAGE)).min(content.size))
            }
        }
    }

    fn truncate(&self, size: u64) -> Result<()> {
        Inode::truncate(self, size)
    }

    fn allocate(&self, how: Allocation, offset: u64, length: u64) -> Result<()> {
        let end = offset.checked_add(length).filter(|end| *end <= SIZE_LIMIT).ok_or(Errno::EFBIG)?;
        let _writer = self.writer.lock();
        match how {
            Allocation::PunchHole => self.clear_range(offset, end),
            Allocation::Zero | Allocation::ZeroKeepSize => return Err(Errno::EOPNOTSUPP),
            Allocation::Extend | Allocation::KeepSize => self.reserve(offset, end)?,
        }
        let mut content = self.content.lock();
        if how == Allocation::Extend && end > content.size {
            content.size = end;
        }
        drop(content);
        self.common.note_modification();
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn page_source(self: Arc<Self>) -> Result<Arc<dyn PageSource>> {
        Ok(self)
    }
}

impl PageSource for RegularFile {
    fn page(&self, index: u64, for_write: bool) -> Result<Frame> {
        let mut content = self.content.lock();
        if index >= content.size.div_ceil(PAGE) {
            return Err(Errno::EFAULT);
        }
        content.was_mapped = true;
        match content.pages.get(index) {
            Some(frame) => Ok(frame.clone()),
            None if for_write => self.own_page(&mut content, index),
            None => Ok(Frame::zero()),
        }
    }

    fn cached_pages(&self, first: u64, out: &mut [Option<Frame>]) {
        let content = self.content.lock();
        let end = content.size.div_ceil(PAGE);
        for (index, place) in (first..end).zip(out) {
            *place = content.pages.get(index).cloned();
        }
    }

    fn page_count(&self) -> u64 {
        self.content.lock().size.div_ceil(PAGE)
    }
}

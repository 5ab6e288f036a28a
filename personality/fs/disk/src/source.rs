//! The open file, and its pages for mappings.

use alloc::sync::Arc;

use guest_memory::{CutOff, Frame, PageSource, Sink, Source};
use linux_abi::{Errno, Result};
use vfs::{Allocation, EmitEntry, File, FileKind, OpenFlags, Positioning, SeekTarget, clock};

use crate::log::Operation;
use crate::node::Node;
use crate::regular::{PAGE, Regular};

impl File for Node {
    fn positioning(&self) -> Positioning {
        Positioning::Seekable
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        let regular = self.regular().map_err(|_| Errno::EISDIR)?;
        let count = self.read_bytes(regular, offset, sink)?;
        if !flags.contains(OpenFlags::NOATIME) {
            self.note_access();
        }
        Ok(count)
    }

    fn write(&self, offset: u64, source: &mut dyn Source, flags: OpenFlags) -> Result<usize> {
        let regular = self.regular()?;
        let writer = regular.writer.lock();
        let count = self.write_bytes(regular, offset, source)?;
        drop(writer);
        self.sync_if_asked(flags)?;
        Ok(count)
    }

    fn append(&self, source: &mut dyn Source, flags: OpenFlags) -> Result<(usize, u64)> {
        let regular = self.regular()?;
        let writer = regular.writer.lock();
        let end = self.content(regular).size;
        let count = self.write_bytes(regular, end, source)?;
        drop(writer);
        self.sync_if_asked(flags)?;
        Ok((count, end + count as u64))
    }

    fn size(&self) -> Result<u64> {
        match self.node_kind() {
            FileKind::Regular => Ok(self.size_and_pending().0),
            // Behind all cookies.
            _ => Ok(i64::MAX as u64),
        }
    }

    fn read_directory(&self, cookie: u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        if self.node_kind() == FileKind::Directory { self.list(cookie, emit) } else { Err(Errno::ENOTDIR) }
    }

    fn seek_content(&self, offset: u64, target: SeekTarget) -> Result<u64> {
        let regular = self.regular()?;
        if offset >= self.content(regular).size {
            return Err(Errno::ENXIO);
        }
        // The server knows the holes, once it knows the pages.
        self.write_pages(regular)?;
        let size = self.content(regular).size;
        let wants_hole = target == SeekTarget::Hole;
        match self.volume.link.ask(|server| server.seek(self.number(), offset, wants_hole)) {
            Ok(found) if wants_hole => Ok(found.clamp(offset, size)),
            Ok(found) if found < size => Ok(found.max(offset)),
            Ok(_) | Err(Errno::ENOENT) => Err(Errno::ENXIO),
            Err(error) => Err(error),
        }
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.set_size(size)
    }

    fn allocate(&self, how: Allocation, offset: u64, length: u64) -> Result<()> {
        let regular = self.regular().map_err(|_| Errno::ENODEV)?;
        let end = offset.checked_add(length).filter(|end| *end <= self.volume.size_limit()).ok_or(Errno::EFBIG)?;
        let _writer = regular.writer.lock();
        match how {
            Allocation::PunchHole => self.punch_hole(regular, offset, end),
            Allocation::Extend => self.reserve(regular, offset, end),
            // The contract has nothing that reserves behind the end or clears what stays reserved.
            Allocation::KeepSize if end <= self.content(regular).size => self.reserve(regular, offset, end),
            Allocation::KeepSize | Allocation::Zero | Allocation::ZeroKeepSize => Err(Errno::EOPNOTSUPP),
        }
    }

    fn sync(&self) -> Result<()> {
        self.write_to_disk()
    }

    fn page_source(self: Arc<Self>) -> Result<Arc<dyn PageSource>> {
        if self.node_kind() == FileKind::Regular { Ok(self) } else { Err(Errno::ENODEV) }
    }
}

impl Node {
    /// Waits for the disk after a write with `O_SYNC` or `O_DSYNC`.
    fn sync_if_asked(&self, flags: OpenFlags) -> Result<()> {
        if flags.contains(OpenFlags::DSYNC) { self.write_to_disk() } else { Ok(()) }
    }

    /// Makes a range a hole. The caller holds `writer`.
    fn punch_hole(&self, regular: &Regular, start: u64, end: u64) -> Result<()> {
        let io = regular.io.lock();
        let now = clock::now();
        let server_size = self.content(regular).server_size;
        let bytes = end.min(server_size.next_multiple_of(PAGE)).saturating_sub(start);
        if bytes > 0 {
            self.change(now, Operation::PunchHole { inode: self.number(), offset: start, bytes })?;
        }
        let mut content = self.content(regular);
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
        content.pages.remove_range(first_whole, end_whole);
        drop(content);
        drop(io);
        self.cut_off_mappings(regular, first_whole..end_whole, CutOff::Shared);
        self.known().note_modification(now);
        self.keep_until_written();
        Ok(())
    }

    /// Makes room for a range, by writing zeros to its holes. The caller holds `writer`.
    fn reserve(&self, regular: &Regular, start: u64, end: u64) -> Result<()> {
        self.write_pages(regular)?;
        let mut index = start / PAGE;
        while index * PAGE < end {
            let server_size = self.content(regular).server_size;
            let found = if index * PAGE >= server_size {
                index * PAGE
            } else {
                self.volume.link.ask(|server| server.seek(self.number(), index * PAGE, true))?
            };
            let hole = (found / PAGE).max(index);
            if hole * PAGE >= end {
                break;
            }
            // Referred to until it is dirty, so that nobody gives it back before.
            let _page = self.own_page(regular, hole)?;
            let mut content = self.content(regular);
            content.pages.mark_dirty(hole);
            content.size = content.size.max(end.min((hole + 1) * PAGE));
            drop(content);
            index = hole + 1;
            if index.is_multiple_of(crate::window::WINDOW_PAGES as u64) || index * PAGE >= end {
                self.write_pages(regular)?;
            }
        }
        let mut content = self.content(regular);
        content.size = content.size.max(end);
        drop(content);
        self.known().note_modification(clock::now());
        self.keep_until_written();
        Ok(())
    }
}

impl PageSource for Node {
    fn page(&self, index: u64, for_write: bool) -> Result<Frame> {
        let regular = self.regular()?;
        if index >= self.content(regular).size.div_ceil(PAGE) {
            return Err(Errno::EFAULT);
        }
        let frame = self.own_page(regular, index)?;
        let mut content = self.content(regular);
        content.was_mapped = true;
        if !for_write {
            return Ok(frame);
        }
        self.volume.require_writable()?;
        if content.pages.peek(index) != Some(&frame) {
            // Cut off meanwhile.
            return Err(Errno::EFAULT);
        }
        content.pages.mark_dirty(index);
        content.pages.mark_mapped(index);
        drop(content);
        self.known().note_modification(clock::now());
        self.keep_until_written();
        Ok(frame)
    }

    fn tracks_writes(&self) -> bool {
        true
    }

    fn cached_pages(&self, first: u64, out: &mut [Option<Frame>]) {
        let Ok(regular) = self.regular() else { return };
        let mut content = self.content(regular);
        let end = content.size.div_ceil(PAGE);
        for (index, place) in (first..end).zip(out) {
            *place = content.pages.get(index).cloned();
        }
    }

    fn page_count(&self) -> u64 {
        self.size_and_pending().0.div_ceil(PAGE)
    }

    fn sync(&self) -> Result<()> {
        self.write_to_disk()
    }
}

//! Regular files: their pages, and how those come from the server and are written to.
//!
//! `writer` serialises writes and changes of size and may be held while user memory is touched. `io` serialises what is
//! said to the server of this file's contents: pages that come, pages that go, the size. `content` is what is here.
//! A page is taken out of `content` (as one more reference) before it is copied.

use core::ops::{Deref, DerefMut, Range};
use core::sync::atomic::Ordering;

use guest_memory::{CutOff, Frame, Sink, Source};
use interfaces::file_system::{NewAttributes, Piece, set};
use linux_abi::{Errno, Result};
use rt::sync::{Mutex, MutexGuard};
use vfs::clock;

use crate::attributes::no_change;
use crate::log::Operation;
use crate::node::{Body, Node};
use crate::pages::Pages;
use crate::window::WINDOW_PAGES;

pub(crate) const PAGE: u64 = 4096;
/// Pages that are read at once where nothing is known of the order of reading.
const READ_AHEAD_START: u64 = 16;

/// What a regular file has besides its attributes.
pub(crate) struct Regular {
    pub(crate) writer: Mutex<()>,
    pub(crate) io: Mutex<Io>,
    content: Mutex<Content>,
    /// Why pages did not get to the disk, for the next fsync(2).
    pub(crate) failure: Mutex<Option<Errno>>,
}

/// How the file is being read.
#[derive(Default)]
pub(crate) struct Io {
    /// The page after the last that was read from the disk.
    next: u64,
    /// Pages that the last read brought.
    ahead: u64,
}

/// What is here of the contents.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) pages: Pages,
    /// The size, as programs see it.
    pub(crate) size: u64,
    /// The size that the server knows: behind it nothing needs to be read.
    pub(crate) server_size: u64,
    /// Pages were once given to a mapping.
    pub(crate) was_mapped: bool,
}

/// The locked contents; what changes in number is counted when they are let go.
pub(crate) struct ContentGuard<'a> {
    content: MutexGuard<'a, Content>,
    node: &'a Node,
    counts: (u64, u64),
}

impl Deref for ContentGuard<'_> {
    type Target = Content;
    fn deref(&self) -> &Content {
        &self.content
    }
}

impl DerefMut for ContentGuard<'_> {
    fn deref_mut(&mut self) -> &mut Content {
        &mut self.content
    }
}

impl Drop for ContentGuard<'_> {
    fn drop(&mut self) {
        let (cached, dirty) = self.content.counts();
        let volume = &self.node.volume;
        // Differences modulo 2^64: the sums are never negative.
        volume.cached_pages.fetch_add(cached.wrapping_sub(self.counts.0), Ordering::Relaxed);
        volume.dirty_pages.fetch_add(dirty.wrapping_sub(self.counts.1), Ordering::Relaxed);
    }
}

impl Content {
    const fn counts(&self) -> (u64, u64) {
        (self.pages.count(), self.pages.dirty())
    }

    /// Makes the bytes of one page zero, from the file offset `start` up to `end_in_page`.
    pub(crate) fn clear_in_page(&self, start: u64, end_in_page: u64) {
        if let Some(frame) = self.pages.peek(start / PAGE) {
            let from = start % PAGE;
            frame.clear(from as usize, end_in_page.saturating_sub(from) as usize);
        }
    }

    /// Makes what lies behind the end zero, before the end moves to `size`: a shared mapping may have written there.
    fn clear_tail_before(&mut self, size: u64) {
        if size > self.size && self.was_mapped {
            if !self.size.is_multiple_of(PAGE) {
                self.clear_in_page(self.size, PAGE);
            }
            self.pages.remove_range(self.size.div_ceil(PAGE), u64::MAX);
        }
    }
}

impl Regular {
    /// A file of `size` bytes on the disk.
    pub(crate) fn new(size: u64) -> Self {
        let content = Content { size, server_size: size, ..Content::default() };
        Self { writer: Mutex::new(()), io: Mutex::default(), content: Mutex::new(content), failure: Mutex::new(None) }
    }

    /// Pages in memory, and dirty ones.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.content.lock().counts()
    }

    /// Whether a page or the size is newer than what the server has.
    pub(crate) fn is_dirty(&self) -> bool {
        let content = self.content.lock();
        content.pages.dirty() > 0 || content.size != content.server_size
    }
}

impl Node {
    /// The part that regular files have.
    ///
    /// # Errors
    /// `EINVAL` if it is none.
    pub(crate) const fn regular(&self) -> Result<&Regular> {
        if let Body::Regular(regular) = &self.body { Ok(regular) } else { Err(Errno::EINVAL) }
    }

    /// The contents of `regular`, this node's.
    pub(crate) fn content<'a>(&'a self, regular: &'a Regular) -> ContentGuard<'a> {
        let content = regular.content.lock();
        let counts = content.counts();
        ContentGuard { content, node: self, counts }
    }

    /// The contents, unless somebody has them.
    pub(crate) fn try_content<'a>(&'a self, regular: &'a Regular) -> Option<ContentGuard<'a>> {
        let content = regular.content.try_lock()?;
        let counts = content.counts();
        Some(ContentGuard { content, node: self, counts })
    }

    /// The size, and pages behind the server's end of file that will need room.
    pub(crate) fn size_and_pending(&self) -> (u64, u64) {
        let Ok(regular) = self.regular() else { return (0, 0) };
        let content = self.content(regular);
        (content.size, content.pages.dirty_from(content.server_size.div_ceil(PAGE)))
    }

    /// Brings a page in, and some that follow it. `None`: the server has nothing there.
    ///
    /// # Errors
    /// `ENOMEM`; what the server finds.
    pub(crate) fn fetch(&self, regular: &Regular, index: u64) -> Result<Option<Frame>> {
        let mut io = regular.io.lock();
        let count = {
            let mut content = self.content(regular);
            if let Some(frame) = content.pages.get(index) {
                return Ok(Some(frame.clone()));
            }
            let end = content.server_size.div_ceil(PAGE);
            if index >= end {
                return Ok(None);
            }
            let most = io.ahead_at(index).min(end - index);
            (1..most).find(|&step| content.pages.peek(index + step).is_some()).unwrap_or(most)
        };
        let reader = self.volume.link.reader();
        let bytes = (count * PAGE) as u32;
        let got = self.volume.link.ask_with_region(Some(&reader), |server, region| {
            server.read(self.number(), Piece { offset: index * PAGE, bytes, region, at: 0 })
        })?;
        (io.next, io.ahead) = (index + count, count);
        let first = if got == 0 { Frame::alloc_zeroed()? } else { reader.window().page_to_frame(0)? };
        // A page that was written whole does not wait for `io`: it may be here by now, and is newer.
        let first = self.enter_page(regular, index, first);
        let valid = u64::from(got.min(bytes)).div_ceil(PAGE);
        for step in 1..valid {
            // Without memory there is no reading ahead.
            let Ok(frame) = reader.window().page_to_frame(step as usize) else { break };
            let mut content = self.content(regular);
            if content.pages.peek(index + step).is_none() {
                content.pages.insert(index + step, frame);
            }
        }
        Ok(Some(first))
    }

    /// The file's own page at an index, made if there is none.
    ///
    /// # Errors
    /// `ENOMEM`; what the server finds.
    pub(crate) fn own_page(&self, regular: &Regular, index: u64) -> Result<Frame> {
        if let Some(frame) = self.content(regular).pages.get(index) {
            return Ok(frame.clone());
        }
        match self.fetch(regular, index)? {
            Some(frame) => Ok(frame),
            None => Ok(self.enter_page(regular, index, Frame::alloc_zeroed()?)),
        }
    }

    /// Enters a page, if none came meanwhile; the one that is there now.
    fn enter_page(&self, regular: &Regular, index: u64, frame: Frame) -> Frame {
        let mut content = self.content(regular);
        if let Some(there) = content.pages.get(index) {
            return there.clone();
        }
        content.pages.insert(index, frame.clone());
        frame
    }

    /// Reads into `sink`.
    ///
    /// # Errors
    /// As read(2).
    pub(crate) fn read_bytes(&self, regular: &Regular, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let mut position = offset;
        while sink.remaining() > 0 {
            match self.read_page(regular, position, sink) {
                Ok(0) => break,
                Ok(count) => position += count as u64,
                Err(error) if position == offset => return Err(error),
                Err(_) => break,
            }
        }
        Ok((position - offset) as usize)
    }

    /// Reads from the page in which `position` lies.
    fn read_page(&self, regular: &Regular, position: u64, sink: &mut dyn Sink) -> Result<usize> {
        let (frame, rest) = {
            let mut content = self.content(regular);
            let rest = content.size.saturating_sub(position);
            (content.pages.get(position / PAGE).cloned(), rest)
        };
        if rest == 0 {
            return Ok(0);
        }
        let frame = match frame {
            Some(frame) => Some(frame),
            None => self.fetch(regular, position / PAGE)?,
        };
        let in_page = position % PAGE;
        let wanted = rest.min(PAGE - in_page).min(sink.remaining() as u64) as usize;
        match frame {
            Some(frame) => frame.read_to(in_page as usize, wanted, sink),
            None => sink.write_zeros(wanted),
        }
    }

    /// Writes from `source`; the caller holds `writer`.
    ///
    /// # Errors
    /// As write(2).
    pub(crate) fn write_bytes(&self, regular: &Regular, offset: u64, source: &mut dyn Source) -> Result<usize> {
        self.volume.require_writable()?;
        if source.remaining() == 0 {
            return Ok(0);
        }
        let limit = self.volume.size_limit();
        if offset >= limit {
            return Err(Errno::EFBIG);
        }
        let old_size = {
            let mut content = self.content(regular);
            content.clear_tail_before(offset.saturating_add(source.remaining() as u64));
            content.size
        };
        let mut position = offset;
        let mut failure = None;
        while source.remaining() > 0 && position < limit {
            match self.write_page(regular, position, source) {
                Ok(0) => break,
                Ok(count) => position += count as u64,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
            if self.volume.has_too_many_dirty()
                && let Err(error) = self.write_pages(regular)
            {
                failure = Some(error);
                break;
            }
        }
        if position == offset {
            return failure.map_or(Ok(0), Err);
        }
        self.note_written();
        if self.volume.is_tight() {
            position = self.write_through(regular, offset, position, old_size)?;
        }
        Ok((position - offset) as usize)
    }

    /// Writes to the page in which `position` lies, and grows the file to what was written.
    fn write_page(&self, regular: &Regular, position: u64, source: &mut dyn Source) -> Result<usize> {
        let (index, in_page) = (position / PAGE, (position % PAGE) as usize);
        let wanted = source.remaining().min((self.volume.size_limit() - position) as usize);
        let (is_here, server_size) = {
            let content = self.content(regular);
            (content.pages.peek(index).is_some(), content.server_size)
        };
        let covers_page = in_page == 0 && wanted as u64 >= PAGE.min(server_size.saturating_sub(index * PAGE));
        // A page to which nobody refers may be given back until it is dirty, so that it is referred to until then.
        let (_page, count) = if !is_here && covers_page {
            self.write_fresh_page(regular, index, wanted, source)?
        } else {
            let page = self.own_page(regular, index)?;
            let count = page.write_from(in_page, wanted, source)?;
            (page, count)
        };
        let mut content = self.content(regular);
        content.pages.mark_dirty(index);
        content.size = content.size.max(position + count as u64);
        Ok(count)
    }

    /// Writes a page of which nothing old will be left, without reading it first; the page, and how many bytes.
    fn write_fresh_page(
        &self,
        regular: &Regular,
        index: u64,
        wanted: usize,
        source: &mut dyn Source,
    ) -> Result<(Frame, usize)> {
        let fresh = Frame::alloc_zeroed()?;
        let count = fresh.write_from(0, wanted, source)?;
        let server_size = self.content(regular).server_size;
        let is_whole = count as u64 >= PAGE.min(server_size.saturating_sub(index * PAGE));
        let page =
            if is_whole { self.enter_page(regular, index, fresh.clone()) } else { self.own_page(regular, index)? };
        if page != fresh {
            // It came by a mapping meanwhile, or the source gave less than it said: only what was written is new.
            let mut bytes = [0; PAGE as usize];
            fresh.read(0, &mut bytes);
            page.write(0, bytes.get(..count).unwrap_or_default());
        }
        Ok((page, count))
    }

    /// Notes that the contents have changed. A file's set-id bits go when somebody writes it.
    fn note_written(&self) {
        let mut known = self.known();
        known.note_modification(clock::now());
        let permissions = known.own.permissions;
        if permissions & 0o6000 != 0 {
            let group = if permissions & 0o010 == 0 { 0 } else { 0o2000 };
            known.own.permissions = permissions & !(0o4000 | group);
        }
        drop(known);
        self.keep_until_written();
    }

    /// Sets the size.
    ///
    /// # Errors
    /// As ftruncate(2).
    pub(crate) fn set_size(&self, size: u64) -> Result<()> {
        let regular = self.regular()?;
        if size > self.volume.size_limit() {
            return Err(Errno::EFBIG);
        }
        let _writer = regular.writer.lock();
        let old_size = self.content(regular).size;
        self.set_size_locked(regular, size)?;
        if size < old_size {
            self.cut_off_mappings(regular, size.div_ceil(PAGE)..u64::MAX, CutOff::All);
        }
        Ok(())
    }

    /// Takes pages out of processes' mappings: they are the file's no more. The caller holds `writer` alone.
    pub(crate) fn cut_off_mappings(&self, regular: &Regular, pages: Range<u64>, from: CutOff) {
        if self.content(regular).was_mapped
            && let Some(mappings) = guest_memory::mappings()
        {
            mappings.cut_off(self, pages, from);
        }
    }

    /// The same for one who holds `writer`.
    pub(crate) fn set_size_locked(&self, regular: &Regular, size: u64) -> Result<()> {
        let _io = regular.io.lock();
        let now = clock::now();
        let is_change = {
            let mut content = self.content(regular);
            content.clear_tail_before(size);
            content.size != size || content.server_size != size
        };
        if is_change {
            let new = NewAttributes { set: set::SIZE, size, ..no_change() };
            self.change(now, Operation::SetAttributes { inode: self.number(), new })?;
        }
        let mut content = self.content(regular);
        if size < content.size {
            content.clear_in_page(size, PAGE);
        }
        content.pages.remove_range(size.div_ceil(PAGE), u64::MAX);
        (content.size, content.server_size) = (size, size);
        drop(content);
        self.known().note_modification(now);
        self.keep_until_written();
        Ok(())
    }
}

impl Io {
    /// How many pages to read from `index` on: more with each step of a reader that goes straight on.
    fn ahead_at(&self, index: u64) -> u64 {
        if index == self.next && self.ahead > 0 {
            (self.ahead * 2).min(WINDOW_PAGES as u64)
        } else if index == 0 {
            READ_AHEAD_START
        } else {
            READ_AHEAD_START / 4
        }
    }
}

//! Files for tests: in memory, with a builder for small ELF files.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::{Frame, PAGE_BYTES, PageSource};
use linux_abi::{Errno, Result};
use mm::MappedObject;

use crate::{Files, ImageFile};

/// A file's bytes.
#[derive(Clone, Debug)]
pub(crate) struct Bytes(pub(crate) Arc<Vec<u8>>);

impl Bytes {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(Arc::new(bytes.to_vec()))
    }
}

struct Pages(Arc<Vec<u8>>);

impl PageSource for Pages {
    fn page(&self, index: u64, _for_write: bool) -> Result<Frame> {
        let start = usize::try_from(index * PAGE_BYTES).map_err(|_| Errno::EFAULT)?;
        let bytes = self.0.get(start..).filter(|bytes| !bytes.is_empty()).ok_or(Errno::EFAULT)?;
        let frame = Frame::alloc_zeroed()?;
        frame.write(0, bytes);
        Ok(frame)
    }

    fn page_count(&self) -> u64 {
        (self.0.len() as u64).div_ceil(PAGE_BYTES)
    }
}

impl ImageFile for Bytes {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.0.as_slice().read_at(offset, into)
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn object(&self) -> Result<Arc<MappedObject>> {
        let source = Arc::new(Pages(self.0.clone()));
        Ok(Arc::new(MappedObject { source, name: b"/program".to_vec(), device: 0, inode: 0, keep: None }))
    }
}

/// A directory.
#[derive(Default)]
pub(crate) struct Directory(pub(crate) BTreeMap<Vec<u8>, Bytes>);

impl Files for Directory {
    type File = Bytes;

    fn open(&mut self, path: &[u8]) -> Result<Bytes> {
        self.0.get(path).cloned().ok_or(Errno::ENOENT)
    }
}

/// A program header of a file to be built.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) file_bytes: u64,
    pub(crate) memory_bytes: u64,
}

/// An ELF file of 64-bit x86: the headers, zeros up to `size`, `patches` on top.
pub(crate) fn elf(kind: u16, entry: u64, headers: &[Header], size: usize, patches: &[(usize, &[u8])]) -> Bytes {
    let mut file = alloc::vec![0; size];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &kind.to_le_bytes());
    put(18, &62u16.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(24, &entry.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(52, &64u16.to_le_bytes());
    put(54, &56u16.to_le_bytes());
    put(56, &(headers.len() as u16).to_le_bytes());
    for (number, header) in headers.iter().enumerate() {
        let at = 64 + number * 56;
        put(at, &header.kind.to_le_bytes());
        put(at + 4, &header.flags.to_le_bytes());
        let words = [header.offset, header.address, 0, header.file_bytes, header.memory_bytes, PAGE_BYTES];
        for (word, value) in words.iter().enumerate() {
            put(at + 8 + word * 8, &value.to_le_bytes());
        }
    }
    patches.iter().for_each(|(at, bytes)| put(*at, bytes));
    Bytes(Arc::new(file))
}

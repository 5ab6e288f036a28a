//! Open files as something to execute and to map.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::SliceSink;
use linux_abi::{Errno, Result};
use mm::MappedObject;
use vfs::OpenFile;

use crate::prepare::ImageFile;

/// An open file to execute.
pub struct OpenImage {
    file: Arc<OpenFile>,
    name: Vec<u8>,
    size: u64,
}

impl OpenImage {
    /// Wraps a file that is open for reading; `name` is its path for `/proc/PID/maps`.
    ///
    /// # Errors
    /// What the file system reports; `EACCES` for what has no size.
    pub fn new(file: Arc<OpenFile>, name: Vec<u8>) -> Result<Self> {
        let size = file.file().size().map_err(|_| Errno::EACCES)?;
        Ok(Self { file, name, size })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Arc<OpenFile> {
        &self.file
    }
}

impl ImageFile for OpenImage {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let mut sink = SliceSink::new(into);
        // Files end long before offsets wrap; what lies past the end reads as nothing.
        if offset > i64::MAX as u64 {
            return Ok(0);
        }
        while self.file.read_at(offset + sink.written() as u64, &mut sink)? > 0 {}
        Ok(sink.written())
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn object(&self) -> Result<Arc<MappedObject>> {
        mapped_object(&self.file, self.name.clone())
    }
}

/// The file as something to be mapped, which keeps it open.
///
/// # Errors
/// `ENODEV` if it cannot be mapped; what its metadata report.
pub fn mapped_object(file: &Arc<OpenFile>, name: Vec<u8>) -> Result<Arc<MappedObject>> {
    let source = file.file().clone().page_source()?;
    let metadata = file.metadata()?;
    Ok(Arc::new(MappedObject {
        source,
        name,
        device: metadata.device.encoded(),
        inode: metadata.inode,
        keep: Some(file.clone()),
    }))
}

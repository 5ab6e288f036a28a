//! An open text file. The text is made when it is read from the start and kept for reads further on.

use crate::links;
use crate::node::Node;
use crate::tree::{SystemFile, ThreadFile, What};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use guest_memory::{Sink, Source};
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{File, OpenFlags, Positioning};

/// Most bytes of a write that are looked at.
const WRITE_BYTES: usize = 4096;

pub(crate) struct TextFile {
    node: Arc<Node>,
    text: Mutex<Option<Arc<Vec<u8>>>>,
}

impl TextFile {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, text: Mutex::new(None) }
    }

    fn make(&self) -> Result<Vec<u8>> {
        let source = self.node.source();
        match self.node.what {
            What::SystemFile(file) => Ok((file.show)(source)),
            What::ThreadFile(subject, file) => (file.show)(source, subject),
            What::DescriptorInfo(subject, number) => links::descriptor_info(source, subject, number),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The text as of the last read from the start. No lock is held while it is made or copied.
    fn text(&self, offset: u64) -> Result<Arc<Vec<u8>>> {
        if offset != 0
            && let Some(text) = self.text.lock().clone()
        {
            return Ok(text);
        }
        let text = Arc::new(self.make()?);
        *self.text.lock() = Some(text.clone());
        Ok(text)
    }
}

impl File for TextFile {
    fn positioning(&self) -> Positioning {
        Positioning::Seekable
    }

    fn size(&self) -> Result<u64> {
        Ok(0)
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink, _flags: OpenFlags) -> Result<usize> {
        let text = self.text(offset)?;
        let rest = usize::try_from(offset).ok().and_then(|offset| text.get(offset..)).unwrap_or(&[]);
        if rest.is_empty() { Ok(0) } else { sink.write(rest) }
    }

    fn write(&self, _offset: u64, source: &mut dyn Source, _flags: OpenFlags) -> Result<usize> {
        let mut bytes = vec![0; source.remaining().min(WRITE_BYTES)];
        let count = source.read(&mut bytes)?;
        let bytes = bytes.get(..count).unwrap_or(&[]);
        let source = self.node.source();
        match self.node.what {
            What::SystemFile(SystemFile { store: Some(store), .. }) => store(source, bytes)?,
            What::ThreadFile(subject, ThreadFile { store: Some(store), .. }) => store(source, subject, bytes)?,
            _ => return Err(Errno::EACCES),
        }
        Ok(count)
    }
}

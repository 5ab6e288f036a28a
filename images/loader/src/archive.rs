//! Finds data entries in the boot archive (`ukernel_abi::boot`); the kernel is one of them.
//!
//! The archive may be damaged or hostile: every offset is checked against the slice.

use core::mem::{offset_of, size_of};

use ukernel_abi::boot::{Entry, Header, KIND_DATA, MAGIC};

use crate::Error;

/// A checked view of a boot archive.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    entries: usize,
}

/// A data entry: its bytes and where they start.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// Offset from the archive's start.
    pub offset: u64,
    /// The data.
    pub bytes: &'a [u8],
}

impl<'a> Archive<'a> {
    /// Checks the header.
    ///
    /// # Errors
    /// [`Error::Archive`] when the header does not describe `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let magic = bytes.get(..MAGIC.len()).ok_or(Error::Archive("shorter than its header"))?;
        if magic != MAGIC {
            return Err(Error::Archive("bad magic number"));
        }
        let stated = read_u64(bytes, offset_of!(Header, bytes))?;
        if stated > bytes.len() as u64 {
            return Err(Error::Archive("truncated"));
        }
        let entries = usize::try_from(read_u64(bytes, offset_of!(Header, entries))?).unwrap_or(usize::MAX);
        let table_bytes =
            entries.checked_mul(size_of::<Entry>()).and_then(|table| table.checked_add(size_of::<Header>()));
        match table_bytes {
            Some(end) if end as u64 <= stated => Ok(Self { bytes: &bytes[..stated as usize], entries }),
            _ => Err(Error::Archive("entry table beyond the end")),
        }
    }

    /// Looks up the data entry called `name`.
    ///
    /// # Errors
    /// [`Error::Missing`] without such an entry, [`Error::Archive`] when it lies outside the archive.
    pub fn data(&self, name: &'static str) -> Result<Data<'a>, Error> {
        for index in 0..self.entries {
            let entry = size_of::<Header>() + index * size_of::<Entry>();
            let is_data = read_u64(self.bytes, entry + offset_of!(Entry, kind))? == KIND_DATA;
            if is_data && self.name(entry) == name.as_bytes() {
                return self.data_of(entry);
            }
        }
        Err(Error::Missing(name))
    }

    fn name(&self, entry: usize) -> &'a [u8] {
        let start = entry + offset_of!(Entry, name);
        let field = self.bytes.get(start..start + 48).unwrap_or_default();
        let length = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        &field[..length]
    }

    fn data_of(&self, entry: usize) -> Result<Data<'a>, Error> {
        let offset = read_u64(self.bytes, entry + offset_of!(Entry, offset))?;
        let length = read_u64(self.bytes, entry + offset_of!(Entry, bytes))?;
        let end = offset.checked_add(length).ok_or(Error::Archive("entry beyond the end"))?;
        let range = usize::try_from(offset).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(range).ok_or(Error::Archive("entry beyond the end"))?;
        Ok(Data { offset, bytes })
    }
}

fn read_u64(bytes: &[u8], offset: usize) -> Result<u64, Error> {
    let field = bytes.get(offset..).and_then(|rest| rest.first_chunk()).ok_or(Error::Archive("truncated"))?;
    Ok(u64::from_le_bytes(*field))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    pub(crate) fn archive_with(name: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 8192 + data.len()];
        let total = bytes.len() as u64;
        bytes[..8].copy_from_slice(&MAGIC);
        let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(offset_of!(Header, bytes), total);
        put(offset_of!(Header, entries), 1);
        let entry = size_of::<Header>();
        put(entry + offset_of!(Entry, kind), KIND_DATA);
        put(entry + offset_of!(Entry, offset), 4096);
        put(entry + offset_of!(Entry, bytes), data.len() as u64);
        bytes[entry..entry + name.len()].copy_from_slice(name.as_bytes());
        bytes[4096..4096 + data.len()].copy_from_slice(data);
        bytes
    }

    #[test]
    fn a_data_entry_is_found_by_its_name() {
        let bytes = archive_with("ukernel", b"elf");
        let archive = Archive::parse(&bytes).expect("well formed");
        assert_eq!(archive.data("ukernel").expect("present").bytes, b"elf");
        assert_eq!(archive.data("other").err(), Some(Error::Missing("other")));
    }

    #[test]
    fn every_truncation_and_every_changed_byte_is_survived() {
        let bytes = archive_with("ukernel", b"elf");
        for length in 0..bytes.len() {
            assert!(Archive::parse(&bytes[..length]).is_err());
        }
        for at in 0..600 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            if let Ok(archive) = Archive::parse(&damaged) {
                let _ = archive.data("ukernel");
            }
        }
    }
}

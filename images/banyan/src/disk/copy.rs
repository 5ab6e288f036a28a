//! Copies a file and keeps its holes, so that a mostly empty disk takes little time and space.

use anyhow::{Context, Error, Result};
use rustix::fs::SeekFrom as Place;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Makes `to`, which is empty, equal to `from`.
///
/// # Errors
/// When one of them fails; a full disk is named as such.
pub(super) fn sparse(from: &File, to: &mut File) -> Result<()> {
    if rustix::fs::ioctl_ficlone(&*to, from).is_ok() {
        return Ok(());
    }
    let bytes = from.metadata().context("cannot be read")?.len();
    to.set_len(bytes).map_err(explain)?;
    let mut at = 0;
    while let Some((start, end)) = next_data(from, at, bytes)? {
        copy_range(from, to, start, end)?;
        at = end;
    }
    Ok(())
}

/// The next stretch of the file that is not a hole.
fn next_data(file: &File, at: u64, bytes: u64) -> Result<Option<(u64, u64)>> {
    if at >= bytes {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, Place::Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // A file system without holes.
        Err(Errno::INVAL) => return Ok(Some((at, bytes))),
        Err(error) => return Err(error).context("cannot be read"),
    };
    let end = rustix::fs::seek(file, Place::Hole(start)).context("cannot be read")?;
    Ok(Some((start, end.min(bytes))))
}

fn copy_range(mut from: &File, to: &mut File, start: u64, end: u64) -> Result<()> {
    from.seek(SeekFrom::Start(start)).context("cannot be read")?;
    to.seek(SeekFrom::Start(start)).map_err(explain)?;
    let mut left = end - start;
    let mut buffer = vec![0; 256 << 10];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = from.read(&mut buffer[..most]).context("cannot be read")?;
        if count == 0 {
            return Err(Error::msg("became shorter while it was copied"));
        }
        to.write_all(&buffer[..count]).map_err(explain)?;
        left -= count as u64;
    }
    Ok(())
}

/// Says what to do about a full disk.
pub(super) fn explain(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(error).context("there is no space left for it on the host's disk")
        }
        _ => Error::new(error).context("cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named() {
        let full = explain(io::Error::from(Errno::NOSPC));
        assert!(format!("{full:#}").starts_with("there is no space left"), "{full:#}");
        let other = explain(io::Error::from(Errno::IO));
        assert!(format!("{other:#}").starts_with("cannot be written"), "{other:#}");
    }
}

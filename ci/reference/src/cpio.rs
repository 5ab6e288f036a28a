//! Writes the cpio archives (format "newc") that Linux unpacks as its initial root.
//!
//! Everything belongs to root and has the time 0, so that an archive depends on the tree's contents alone.

use std::fs;
use std::io::{Result, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const CHARACTER_DEVICE: u32 = 0o020_000;
const FOLDER: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// An archive being written.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    written: u64,
    files: u32,
}

impl<W: Write> Writer<W> {
    /// Starts an archive.
    pub fn new(output: W) -> Self {
        Self { output, written: 0, files: 0 }
    }

    /// Adds everything below `folder`.
    ///
    /// # Errors
    /// The file system's, or the output's.
    pub fn tree(&mut self, folder: &Path) -> Result<()> {
        self.below(folder, Path::new(""))
    }

    /// Adds a regular file.
    ///
    /// # Errors
    /// The output's.
    pub fn file(&mut self, name: &str, permissions: u32, contents: &[u8]) -> Result<()> {
        self.entry(name.as_bytes(), REGULAR | permissions, (0, 0), contents)
    }

    /// Adds a folder.
    ///
    /// # Errors
    /// The output's.
    pub fn folder(&mut self, name: &str) -> Result<()> {
        self.entry(name.as_bytes(), FOLDER | 0o755, (0, 0), b"")
    }

    /// Adds a character device.
    ///
    /// # Errors
    /// The output's.
    pub fn character_device(&mut self, name: &str, major: u32, minor: u32) -> Result<()> {
        self.entry(name.as_bytes(), CHARACTER_DEVICE | 0o600, (major, minor), b"")
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(mut self) -> Result<W> {
        self.entry(b"TRAILER!!!", 0, (0, 0), b"")?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn below(&mut self, root: &Path, folder: &Path) -> Result<()> {
        let mut names: Vec<_> = fs::read_dir(root.join(folder))?.collect::<Result<_>>()?;
        names.sort_unstable_by_key(fs::DirEntry::file_name);
        for name in names {
            let path = folder.join(name.file_name());
            let data = name.metadata()?;
            let contents = if data.is_symlink() {
                fs::read_link(name.path())?.as_os_str().as_bytes().to_vec()
            } else if data.is_file() {
                fs::read(name.path())?
            } else {
                Vec::new()
            };
            self.entry(path.as_os_str().as_bytes(), data.mode(), (0, 0), &contents)?;
            if data.is_dir() {
                self.below(root, &path)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: &[u8], mode: u32, device: (u32, u32), contents: &[u8]) -> Result<()> {
        self.files += 1;
        let size = u32::try_from(contents.len()).map_err(|_| std::io::ErrorKind::FileTooLarge)?;
        let (major, minor) = device;
        let name_bytes = name.len() as u32 + 1;
        // Inode, mode, uid, gid, links, time, size, device, device it stands for, bytes of the name, no checksum.
        let fields = [self.files, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_bytes, 0];
        let header: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        self.put(format!("070701{header}").as_bytes())?;
        self.put(name)?;
        self.put(&[0])?;
        self.pad()?;
        self.put(contents)?;
        self.pad()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.output.write_all(bytes)
    }

    fn pad(&mut self) -> Result<()> {
        let count = (4 - self.written % 4) % 4;
        self.put(&[0; 3][..count as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::Writer;

    #[test]
    fn an_archive_has_aligned_entries_and_a_trailer() {
        let mut writer = Writer::new(Vec::new());
        writer.file("a", 0o755, b"hello").expect("memory takes all");
        let bytes = writer.finish().expect("memory takes all");
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[110..117], b"a\0hello");
        assert_eq!(&bytes[120..126], b"070701");
        assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
    }
}

//! What our own file system makes of an image: replays its journal, reads folders, leaves it clean.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};
use fs_server::Ext4;
use interfaces::block_device::{BlockInfo, Pieces, SECTOR_BYTES};
use interfaces::file_system::{Orphans, Piece};
use interfaces::{BlockDevice, BlockError, FileSystem};
use ipc::Capability;
use legacy_programs::promises::{Node, Tree};
use rt::memory::{Owned, Shared, Window};

const MAX_BYTES: u32 = 256 << 10;
const REGION_BYTES: u64 = 256 << 10;
/// The type bits of a directory in a mode, and of all types.
const DIRECTORY: u32 = 0o040_000;
const TYPE: u32 = 0o170_000;

/// A file as a disk.
struct FileDisk {
    file: File,
    sectors: u64,
    regions: Mutex<BTreeMap<u64, Window>>,
}

impl FileDisk {
    fn open(path: &Path) -> Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let sectors = file.metadata()?.len() / SECTOR_BYTES;
        Ok(Self { file, sectors, regions: Mutex::default() })
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<u64, Window>) -> Result<T, BlockError>) -> Result<T, BlockError> {
        work(&mut self.regions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where a request begins in the file.
    fn start(&self, sector: u64, bytes: u32) -> Result<u64, BlockError> {
        let end = sector.checked_add(u64::from(bytes).div_ceil(SECTOR_BYTES)).ok_or(BlockError::OutOfRange)?;
        let fits = end <= self.sectors && bytes <= MAX_BYTES && u64::from(bytes).is_multiple_of(SECTOR_BYTES);
        if fits { Ok(sector * SECTOR_BYTES) } else { Err(BlockError::OutOfRange) }
    }
}

impl BlockDevice for FileDisk {
    fn info(&self) -> Result<BlockInfo, BlockError> {
        Ok(BlockInfo { sectors: self.sectors, max_bytes: MAX_BYTES, read_only: false, incarnation: 1 })
    }

    fn attach(&self, memory: Capability, bytes: u64) -> Result<u64, BlockError> {
        let window = Owned::copy_of(memory.0).and_then(|owned| owned.map(bytes)).map_err(|_| BlockError::OutOfRange)?;
        self.with(|regions| {
            let number = regions.last_key_value().map_or(1, |(number, _)| number + 1);
            regions.insert(number, window);
            Ok(number)
        })
    }

    fn detach(&self, region: u64) -> Result<(), BlockError> {
        self.with(|regions| regions.remove(&region).map(drop).ok_or(BlockError::NoRegion))
    }

    fn read(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError> {
        let (start, mut buffer) = (self.start(sector, bytes)?, vec![0; bytes as usize]);
        self.file.read_exact_at(&mut buffer, start).map_err(|_| BlockError::Device)?;
        self.with(|regions| {
            let window = regions.get(&region).ok_or(BlockError::NoRegion)?;
            window.copy_in(at as usize, &buffer).map_err(|_| BlockError::OutOfRange)
        })
    }

    fn write(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError> {
        let (start, mut buffer) = (self.start(sector, bytes)?, vec![0; bytes as usize]);
        self.with(|regions| {
            let window = regions.get(&region).ok_or(BlockError::NoRegion)?;
            window.copy_out(at as usize, &mut buffer).map_err(|_| BlockError::OutOfRange)
        })?;
        self.file.write_all_at(&buffer, start).map_err(|_| BlockError::Device)
    }

    fn write_pieces(&self, region: u64, pieces: Pieces) -> Result<(), BlockError> {
        pieces.0.iter().try_for_each(|piece| self.write(region, piece.at, piece.sector, piece.bytes))
    }

    fn flush(&self) -> Result<(), BlockError> {
        Ok(())
    }

    fn end_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }

    fn admit_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }
}

/// Starts on an image as after a boot, reads what is in these folders of its root (`None`: there is no such folder), and
/// leaves it clean.
///
/// # Errors
/// When our file system refuses the image, or part of it.
pub(crate) fn read(image: &Path, folders: &[String]) -> Result<Vec<Option<Tree>>> {
    let fs = Ext4::new(Arc::new(FileDisk::open(image)?));
    let info = fs.begin(Orphans::Free).map_err(|error| anyhow!("our file system does not start: {error:?}"))?;
    let memory = Shared::allocate(REGION_BYTES).map_err(|error| anyhow!("no memory: {error:?}"))?;
    let region = fs.attach(Capability(memory.memory().slot()), REGION_BYTES).map_err(failed)?;
    let reader = Reader { fs: &fs, memory, region };
    let names = reader.names(info.root)?;
    let trees = folders.iter().map(|folder| names.get(folder).map(|inode| reader.tree(*inode)).transpose());
    let trees = trees.collect::<Result<_>>()?;
    fs.retire().map_err(failed)?;
    Ok(trees)
}

fn failed(error: interfaces::FsError) -> anyhow::Error {
    anyhow!("our file system answers {error:?}")
}

struct Reader<'a> {
    fs: &'a Ext4,
    memory: Shared,
    region: u64,
}

impl Reader<'_> {
    fn tree(&self, root: u64) -> Result<Tree> {
        let (mut tree, mut left) = (Tree::new(), vec![(String::new(), root)]);
        while let Some((path, directory)) = left.pop() {
            for (name, inode) in self.names(directory)? {
                let below = if path.is_empty() { name } else { format!("{path}/{name}") };
                let node = self.node(inode).with_context(|| below.clone())?;
                if node == Node::Folder {
                    left.push((below.clone(), inode));
                }
                tree.insert(below, node);
            }
        }
        Ok(tree)
    }

    fn node(&self, inode: u64) -> Result<Node> {
        let attributes = self.fs.attributes(inode).map_err(failed)?;
        if attributes.mode & TYPE == DIRECTORY {
            Ok(Node::Folder)
        } else {
            Ok(Node::File(self.contents(inode, attributes.size)?))
        }
    }

    fn contents(&self, inode: u64, size: u64) -> Result<Vec<u8>> {
        let mut contents = Vec::new();
        while (contents.len() as u64) < size {
            let offset = contents.len() as u64;
            let bytes = u32::try_from((size - offset).min(REGION_BYTES))?;
            let piece = Piece { offset, bytes, region: self.region, at: 0 };
            let got = self.fs.read(inode, piece).map_err(failed)?;
            anyhow::ensure!(got == bytes, "{got} of {bytes} bytes can be read");
            let mut part = vec![0; got as usize];
            self.memory.window().copy_out(0, &mut part).map_err(|error| anyhow!("{error:?}"))?;
            contents.extend(part);
        }
        Ok(contents)
    }

    /// Names and inode numbers in a directory, without the dots.
    fn names(&self, directory: u64) -> Result<BTreeMap<String, u64>> {
        let (mut cookie, mut names) = (0, BTreeMap::new());
        loop {
            let listing = self.fs.list(directory, cookie).map_err(failed)?;
            if listing.entries.is_empty() {
                return Ok(names);
            }
            let mut entries = listing.entries.as_slice();
            // Inode, cookie, type, length of the name, name.
            while let Some((head, rest)) = entries.split_at_checked(18) {
                let word = |at: usize| head[at..at + 8].try_into().map(u64::from_le_bytes);
                let (name, rest) = rest.split_at_checked(head[17].into()).context("a listing is cut off")?;
                let (inode, after) = (word(0)?, word(8)?);
                anyhow::ensure!(after > cookie, "a listing does not go forward");
                cookie = after;
                if name != b"." && name != b".." {
                    names.insert(String::from_utf8_lossy(name).into_owned(), inode);
                }
                entries = rest;
            }
        }
    }
}

//! A slot: the place that clients call, and behind it whatever serves at the moment.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::block_device::{self, BlockInfo};
use interfaces::file_system::{
    Attributes, Change, Changed, FsInfo, FsStatistics, HandOver, Listing, NewAttributes, NewNode, Orphans, Piece,
    Pieces, Target,
};
use interfaces::{BlockDevice, BlockError, FileSystem, FsError};
use ipc::Capability;
use rt::sync::{ReadersHeld, RwLock, RwLockWriteGuard};

use crate::pauses::{Pause, Start};

/// How long a gate that is to be closed lets calls in while there are always some in flight, in nanoseconds.
const PATIENCE_NS: u64 = 500_000_000;

/// A service's place. Calls hold its gate open; whoever moves the service closes it.
pub struct Slot<T: ?Sized> {
    name: String,
    home: RwLock<Arc<T>>,
}

/// A closed gate: new calls wait until this is dropped. Once it is [drained](Self::drain), none is in flight.
pub struct Closed<'a, T: ?Sized> {
    // Given back in this order: nobody is let in before both are.
    held: ReadersHeld<'a, Arc<T>>,
    quiet: Option<RwLockWriteGuard<'a, Arc<T>>>,
    home: &'a RwLock<Arc<T>>,
    since: Start,
}

impl<T: ?Sized> Slot<T> {
    /// A slot for the service of this name, which runs at `home`.
    #[must_use]
    pub fn new(name: &str, home: Arc<T>) -> Self {
        Self { name: name.into(), home: RwLock::new(home) }
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls the service where it is.
    pub fn call<R>(&self, call: impl FnOnce(&T) -> R) -> R {
        if let Some(home) = self.home.try_read() {
            return call(&**home);
        }
        // Who had to wait for a move goes first when it is over: the mover and others may wait for what it holds.
        let _raised = rt::thread::raise();
        call(&**self.home.read())
    }

    /// Lets no new calls in: from a moment on in which none is in flight, if there is one soon. (New calls would wait for all
    /// that those in flight wait for.)
    pub fn close(&self) -> Closed<'_, T> {
        let quiet = self.home.try_write_until(rt::time::now_ns() + PATIENCE_NS);
        let held = self.home.hold_readers();
        let mut since = Pause::begin();
        since.note("gate");
        Closed { held, quiet, home: &self.home, since }
    }
}

impl<T: ?Sized> Closed<'_, T> {
    /// Waits for the end of the calls in flight.
    pub fn drain(&mut self) {
        if self.quiet.is_none() {
            self.quiet = Some(self.home.write());
            self.since.note("drain");
        }
    }

    /// Puts the service elsewhere, once no call is in flight.
    pub fn set(&mut self, home: Arc<T>) {
        **self.quiet.get_or_insert_with(|| self.home.write()) = home;
    }

    /// Notes that what was done since the last call was `name`.
    pub fn note(&mut self, name: &'static str) {
        self.since.note(name);
    }

    /// Lets calls in again; since when they were held back.
    pub fn open(self) -> Start {
        let Self { held, quiet, since, .. } = self;
        drop((held, quiet));
        since
    }
}

/// A disk by reference, for those who want to own one.
pub struct DiskHandle(pub Arc<dyn BlockDevice>);

impl DiskHandle {
    fn call<R>(&self, call: impl FnOnce(&dyn BlockDevice) -> R) -> R {
        call(&*self.0)
    }
}

/// Implements a contract for what calls a home: each method is the home's.
macro_rules! pass_on {
    ($contract:ident for $for:ty, $error:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $ok:ty;)*) => {
        impl $contract for $for {
            $(
                fn $method(&self, $($argument: $type),*) -> Result<$ok, $error> {
                    self.call(|home| home.$method($($argument),*))
                }
            )*
        }
    };
}

pass_on! { BlockDevice for Slot<dyn BlockDevice>, BlockError:
    fn info() -> BlockInfo;
    fn attach(memory: Capability, bytes: u64) -> u64;
    fn detach(region: u64) -> ();
    fn read(region: u64, at: u64, sector: u64, bytes: u32) -> ();
    fn write(region: u64, at: u64, sector: u64, bytes: u32) -> ();
    fn flush() -> ();
    fn write_pieces(region: u64, pieces: block_device::Pieces) -> ();
    fn end_client(badge: u64) -> ();
    fn admit_client(badge: u64) -> ();
}

pass_on! { BlockDevice for DiskHandle, BlockError:
    fn info() -> BlockInfo;
    fn attach(memory: Capability, bytes: u64) -> u64;
    fn detach(region: u64) -> ();
    fn read(region: u64, at: u64, sector: u64, bytes: u32) -> ();
    fn write(region: u64, at: u64, sector: u64, bytes: u32) -> ();
    fn flush() -> ();
    fn write_pieces(region: u64, pieces: block_device::Pieces) -> ();
    fn end_client(badge: u64) -> ();
    fn admit_client(badge: u64) -> ();
}

pass_on! { FileSystem for Slot<dyn FileSystem>, FsError:
    fn begin(orphans: Orphans) -> FsInfo;
    fn attach(memory: Capability, bytes: u64) -> u64;
    fn detach(region: u64) -> ();
    fn statistics() -> FsStatistics;
    fn lookup(directory: u64, name: &[u8]) -> Attributes;
    fn attributes(inode: u64) -> Attributes;
    fn list(directory: u64, cookie: u64) -> Listing;
    fn read_link(inode: u64) -> Vec<u8>;
    fn read(inode: u64, piece: Piece) -> u32;
    fn seek(inode: u64, offset: u64, hole: bool) -> u64;
    fn set_attributes(change: Change, inode: u64, new: NewAttributes) -> Changed;
    fn write(change: Change, inode: u64, pieces: Pieces) -> Changed;
    fn create(change: Change, directory: u64, name: &[u8], node: NewNode, target: &[u8]) -> Changed;
    fn create_unnamed(change: Change, node: NewNode) -> Changed;
    fn link(change: Change, inode: u64, directory: u64, name: &[u8]) -> Changed;
    fn unlink(change: Change, directory: u64, name: &[u8]) -> Changed;
    fn remove_directory(change: Change, directory: u64, name: &[u8]) -> Changed;
    fn rename(change: Change, directories: (u64, u64), name: &[u8], new_name: &[u8], target: Target) -> Changed;
    fn punch_hole(change: Change, inode: u64, offset: u64, bytes: u64) -> Changed;
    fn forget(change: Change, inode: u64) -> Changed;
    fn commit() -> u64;
    fn retire() -> u64;
    fn settle() -> ();
    fn hand_over() -> HandOver;
    fn open(left: HandOver) -> ();
    fn is_settled() -> bool;
    fn prepare() -> ();
}

//! What is known of an inode besides its contents, and how the contract's records say it.

use interfaces::file_system::{Attributes, NewAttributes, Time, set};
use vfs::Timestamp;

/// How long an access time stays although the file is read (as Linux's `relatime`).
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Attributes as this side knows them. Times may be newer than the disk's.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    pub(crate) permissions: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u32,
    /// Size of what is no regular file.
    pub(crate) size: u64,
    /// Blocks on the disk, of 512 bytes.
    pub(crate) sectors: u64,
    pub(crate) times: Times,
    pub(crate) born: Option<Timestamp>,
    /// The times that the server has.
    pub(crate) server_times: Times,
    /// A change of names in this directory has made the rest stale.
    pub(crate) is_stale: bool,
    /// Number of the last change that concerns it.
    pub(crate) last_change: u64,
}

/// The three times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Times {
    pub(crate) accessed: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
}

impl Known {
    /// What the server says.
    pub(crate) fn new(attributes: &Attributes) -> Self {
        let times = Times::of(attributes);
        let born = timestamp(&attributes.born);
        Self {
            permissions: attributes.mode & 0o7777,
            uid: attributes.uid,
            gid: attributes.gid,
            links: attributes.links,
            size: attributes.size,
            sectors: attributes.sectors,
            times,
            born: (born != Timestamp::default()).then_some(born),
            server_times: times,
            is_stale: false,
            last_change: 0,
        }
    }

    /// Takes over what change `number` has brought, unless a later one was here before; the times stay this side's.
    pub(crate) fn update(&mut self, attributes: &Attributes, number: u64) {
        if number < self.last_change {
            return;
        }
        self.last_change = number;
        self.permissions = attributes.mode & 0o7777;
        (self.uid, self.gid, self.links) = (attributes.uid, attributes.gid, attributes.links);
        (self.size, self.sectors) = (attributes.size, attributes.sectors);
        self.server_times = Times::of(attributes);
    }

    /// Takes over all but an access time that is newer here.
    pub(crate) fn refresh(&mut self, attributes: &Attributes) {
        let accessed = self.times.accessed;
        self.update(attributes, self.last_change);
        self.times = Times { accessed: accessed.max(self.server_times.accessed), ..self.server_times };
        self.is_stale = false;
    }

    /// Notes a read; whether the access time moved.
    pub(crate) fn note_access(&mut self, now: Timestamp) -> bool {
        let Times { accessed, modified, changed } = self.times;
        let moves = accessed <= modified || accessed <= changed || now.seconds - accessed.seconds >= DAY_SECONDS;
        let moves = moves && accessed != now;
        if moves {
            self.times.accessed = now;
        }
        moves
    }

    /// Notes a change of contents.
    pub(crate) const fn note_modification(&mut self, now: Timestamp) {
        self.times.modified = now;
        self.times.changed = now;
    }

    /// Whether the server has other times.
    pub(crate) fn has_new_times(&self) -> bool {
        self.times != self.server_times
    }

    /// The change that tells the server the times.
    pub(crate) fn new_times(&self) -> NewAttributes {
        NewAttributes {
            set: set::ACCESSED | set::MODIFIED,
            accessed: time(self.times.accessed),
            modified: time(self.times.modified),
            ..no_change()
        }
    }
}

impl Times {
    fn of(attributes: &Attributes) -> Self {
        Self {
            accessed: timestamp(&attributes.accessed),
            modified: timestamp(&attributes.modified),
            changed: timestamp(&attributes.changed),
        }
    }
}

/// A change of nothing, to be filled in.
pub(crate) const fn no_change() -> NewAttributes {
    NewAttributes { set: 0, mode: 0, uid: 0, gid: 0, size: 0, accessed: EPOCH, modified: EPOCH }
}

const EPOCH: Time = Time { seconds: 0, nanoseconds: 0 };

/// The contract's form of a time.
pub(crate) const fn time(timestamp: Timestamp) -> Time {
    Time { seconds: timestamp.seconds.cast_unsigned(), nanoseconds: timestamp.nanoseconds }
}

/// The VFS's form of a time; a server's nonsense is cut to a time.
pub(crate) fn timestamp(time: &Time) -> Timestamp {
    Timestamp { seconds: time.seconds.cast_signed(), nanoseconds: time.nanoseconds.min(999_999_999) }
}

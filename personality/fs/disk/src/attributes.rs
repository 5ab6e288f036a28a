//! What is known of an inode besides its contents, and how the contract's records say it.

use interfaces::file_system::{Attributes, NewAttributes, Time, set};
use vfs::{AttributeChanges, Timestamp};

/// How long an access time stays although the file is read (as Linux's `relatime`).
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Attributes as this side knows them.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    /// What programs see.
    pub(crate) own: Settable,
    /// What the server has of that: where it differs, it is to be told.
    pub(crate) server: Settable,
    pub(crate) links: u32,
    /// Size of what is no regular file.
    pub(crate) size: u64,
    /// Blocks on the disk, of 512 bytes.
    pub(crate) sectors: u64,
    pub(crate) born: Option<Timestamp>,
    /// A change of names in this directory has made links, size and sectors stale.
    pub(crate) is_stale: bool,
    /// Number of the last change that concerns it.
    pub(crate) last_change: u64,
}

/// Attributes that can be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Settable {
    pub(crate) permissions: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) accessed: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
}

impl Known {
    /// What the server says.
    pub(crate) fn new(attributes: &Attributes) -> Self {
        let own = Settable::of(attributes);
        let born = timestamp(&attributes.born);
        Self {
            own,
            server: own,
            links: attributes.links,
            size: attributes.size,
            sectors: attributes.sectors,
            born: (born != Timestamp::default()).then_some(born),
            is_stale: false,
            last_change: 0,
        }
    }

    /// Takes over what the server has after change `number`, unless a later one was here before.
    pub(crate) fn update(&mut self, attributes: &Attributes, number: u64) {
        if number < self.last_change {
            return;
        }
        self.last_change = number;
        self.server = Settable::of(attributes);
        (self.links, self.size, self.sectors) = (attributes.links, attributes.size, attributes.sectors);
        self.is_stale = false;
    }

    /// Takes over what the server says when asked: what has changed there by itself, that is by changes of names.
    pub(crate) fn refresh(&mut self, attributes: &Attributes) {
        let before = self.server;
        self.update(attributes, self.last_change);
        let newer = |own: Timestamp, before, server| if own == before { server } else { own };
        self.own.modified = newer(self.own.modified, before.modified, self.server.modified);
        self.own.changed = newer(self.own.changed, before.changed, self.server.changed);
    }

    /// Takes over what the server made of the times that were `sent`, where they were not changed since: an inode may have
    /// room for whole seconds only, and for none beyond some year.
    pub(crate) fn round_times(&mut self, sent: &Settable) {
        let rounded = |own: Timestamp, sent, server| if own == sent { server } else { own };
        self.own.accessed = rounded(self.own.accessed, sent.accessed, self.server.accessed);
        self.own.modified = rounded(self.own.modified, sent.modified, self.server.modified);
        self.own.changed = rounded(self.own.changed, sent.changed, self.server.changed);
    }

    /// Changes attributes.
    pub(crate) fn set(&mut self, changes: &AttributeChanges, now: Timestamp) {
        let own = &mut self.own;
        own.permissions = changes.permissions.map_or(own.permissions, |permissions| permissions & 0o7777);
        own.uid = changes.uid.unwrap_or(own.uid);
        own.gid = changes.gid.unwrap_or(own.gid);
        own.accessed = changes.accessed.unwrap_or(own.accessed);
        own.modified = changes.modified.unwrap_or(own.modified);
        own.changed = now;
    }

    /// Notes a read; whether the access time moved.
    pub(crate) fn note_access(&mut self, now: Timestamp) -> bool {
        let Settable { accessed, modified, changed, .. } = self.own;
        let moves = accessed <= modified || accessed <= changed || now.seconds - accessed.seconds >= DAY_SECONDS;
        let moves = moves && accessed != now;
        if moves {
            self.own.accessed = now;
        }
        moves
    }

    /// Notes a change of contents.
    pub(crate) const fn note_modification(&mut self, now: Timestamp) {
        self.own.modified = now;
        self.own.changed = now;
    }

    /// Notes a change that the server has made as well, and that has set the time of last change of anything.
    pub(crate) const fn note_shared_change(&mut self, now: Timestamp) {
        self.own.changed = now;
        self.server.changed = now;
    }

    /// The same for the contents of a directory.
    pub(crate) const fn note_shared_modification(&mut self, now: Timestamp) {
        self.note_shared_change(now);
        self.own.modified = now;
        self.server.modified = now;
    }

    /// Whether the server has other attributes.
    pub(crate) fn has_news(&self) -> bool {
        self.own != self.server
    }

    /// The change that tells the server.
    pub(crate) fn news(&self) -> NewAttributes {
        let (own, server) = (&self.own, &self.server);
        let bit = |differs: bool, bit: u32| if differs { bit } else { 0 };
        NewAttributes {
            set: bit(own.permissions != server.permissions, set::MODE)
                | bit(own.uid != server.uid, set::UID)
                | bit(own.gid != server.gid, set::GID)
                | set::ACCESSED
                | set::MODIFIED,
            mode: own.permissions,
            uid: own.uid,
            gid: own.gid,
            accessed: time(own.accessed),
            modified: time(own.modified),
            ..no_change()
        }
    }
}

impl Settable {
    fn of(attributes: &Attributes) -> Self {
        Self {
            permissions: attributes.mode & 0o7777,
            uid: attributes.uid,
            gid: attributes.gid,
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

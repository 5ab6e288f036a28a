//! All local sockets there are, for who lists them.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use rt::sync::Mutex;

use super::{Role, UnixSocket};
use crate::report::{Owner, UnixReport};

/// By the number of its port. The lock is innermost; no socket ends under it.
static SOCKETS: Mutex<BTreeMap<u64, Weak<UnixSocket>>> = Mutex::new(BTreeMap::new());

/// A socket's place in the list, until dropped.
pub(super) struct Listed(u64);

impl Listed {
    pub(super) fn new(id: u64, socket: Weak<UnixSocket>) -> Listed {
        SOCKETS.lock().insert(id, socket);
        Listed(id)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let removed = SOCKETS.lock().remove(&self.0);
        drop(removed);
    }
}

/// The local sockets, those that wait to be accepted included, in the order in which they were made.
#[must_use]
pub fn unix_sockets() -> Vec<UnixReport> {
    let sockets: Vec<_> = SOCKETS.lock().values().filter_map(Weak::upgrade).collect();
    sockets.iter().filter_map(report).collect()
}

fn report(socket: &Arc<UnixSocket>) -> Option<UnixReport> {
    let (listens, is_connected) = match &socket.state.lock().role {
        Role::Idle | Role::Connecting => (false, false),
        Role::Listening(_) => (true, false),
        Role::Connected(_) => (false, true),
    };
    let port = &socket.common.port;
    let address = {
        let state = port.state();
        if state.closed {
            return None;
        }
        state.address.clone()
    };
    Some(UnixReport {
        id: port.id(),
        // Its owner and its peers know the port; the list counts as one, as Linux's does.
        references: Arc::strong_count(port).saturating_add(1),
        kind: socket.common.kind,
        listens,
        is_connected,
        owner: Owner::of(&socket.common),
        name: address.map(|address| super::name::text(&address).to_vec()).unwrap_or_default(),
    })
}

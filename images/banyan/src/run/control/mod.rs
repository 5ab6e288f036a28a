//! The control socket: commands for a running system from other processes.
//!
//! A running tool listens on a socket that only its user may open. Who connects speaks the channel's own protocol, as if
//! the tool were the guest; frames are passed on under another session number, and so are the windows: nothing is kept
//! here. When a client leaves, its commands hear SIGHUP and lose their streams, as with a terminal that is closed.
//!
//! Sockets are named for the tool's process. The folder's path may be longer than a socket's address, so the address goes
//! through the folder's descriptor.

mod relay;
mod remote;

pub use remote::Remote;

use super::Vm;
use super::channel::Channel;
use crate::workspace;
use anyhow::{Context, Result};
use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a client waits for a system that is still starting.
const START_LIMIT: Duration = Duration::from_secs(180);

/// A listening socket; it is removed with this value.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
}

impl Control {
    /// Listens for others who want to command `vm`; once in a process.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn listen(vm: &Vm) -> Result<Self> {
        Self::listen_as(&std::process::id().to_string(), vm.channel())
    }

    fn listen_as(name: &str, channel: Arc<Channel>) -> Result<Self> {
        let folder = workspace::own("ctl")?;
        let path = folder.join(name);
        // A process that had this number before may have left its own.
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(address(&File::open(&folder)?, name));
        let listener = listener.with_context(|| format!("cannot listen on {}", path.display()))?;
        let control = Self { path };
        fs::set_permissions(&control.path, Permissions::from_mode(0o600))?;
        // It ends with the process.
        std::thread::spawn(move || accept(&listener, &channel));
        Ok(control)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Whoever finds it left over removes it.
        let _ = fs::remove_file(&self.path);
    }
}

/// The address of a socket in a folder, short however long the folder's path is.
fn address(folder: &File, name: &str) -> PathBuf {
    format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()).into()
}

fn accept(listener: &UnixListener, channel: &Arc<Channel>) {
    for client in listener.incoming() {
        let channel = Arc::clone(channel);
        match client {
            Ok(client) => drop(std::thread::spawn(move || relay::serve(client, &channel))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests;

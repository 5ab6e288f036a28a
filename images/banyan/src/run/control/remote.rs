//! The client's side of the control socket.

use super::{START_LIMIT, address};
use crate::run::channel::{Channel, End, Session};
use crate::workspace;
use anyhow::{Context, Result, anyhow};
use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// A running system of another process.
pub struct Remote {
    channel: Arc<Channel>,
}

impl Remote {
    /// Connects to the instance with this number (its process), or to the one that was started last.
    ///
    /// # Errors
    /// When there is none.
    pub fn connect(instance: Option<u32>) -> Result<Self> {
        let path = workspace::own("ctl")?;
        let folder = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let stream = match instance {
            Some(number) => connect(&folder, &number.to_string()),
            None => newest_first(&path).iter().find_map(|name| connect(&folder, name)),
        };
        let stream = stream.with_context(|| match instance {
            Some(number) => {
                let mut running = newest_first(&path);
                running.retain(|name| connect(&folder, name).is_some());
                format!("there is no running system with the number {number}; running: {}", listed(&running))
            }
            None => "there is no running system; cargo run starts one".into(),
        })?;
        let channel = Channel::start(stream)?;
        let watched = Arc::clone(&channel);
        std::thread::spawn(move || watched.finish(End::Failed("its tool ended".into())));
        Ok(Self { channel })
    }

    /// Waits until the system takes commands, and starts `sh -c command`.
    ///
    /// # Errors
    /// When the system stops first.
    pub fn open(&self, command: &str) -> Result<Session> {
        let ready = self.channel.wait_ready(Some(Instant::now() + START_LIMIT));
        ready.map_err(|stop| anyhow!("the running system does not answer: {stop}"))?;
        self.channel.open(command, 0)
    }
}

/// Connects to one socket, and removes it when nobody listens on it any more.
pub(super) fn connect(folder: &File, name: &str) -> Option<UnixStream> {
    let address = address(folder, name);
    match UnixStream::connect(&address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let _ = fs::remove_file(&address);
            None
        }
        other => other.ok(),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn newest_first(folder: &Path) -> Vec<String> {
    let mut found: Vec<(SystemTime, String)> = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if let Ok(made) = entry.metadata().and_then(|data| data.modified()) {
            found.push((made, entry.file_name().to_string_lossy().into_owned()));
        }
    }
    found.sort();
    found.into_iter().rev().map(|(_, name)| name).collect()
}

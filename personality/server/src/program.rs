//! Programs that the personality itself starts: shells.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_abi::Result;
use task::{Process, Spawn, TraceSink};
use vfs::{Caller, Credentials, Descriptor, FdTable, FsContext, Namespace, OpenFile, WalkFlags};

/// The shell.
const SHELL: &[u8] = b"/bin/sh";
/// Where it starts, if that is there.
const HOME: &[u8] = b"/root";
/// Descriptors that a shell's table can take at the start.
const FIRST_LIMIT: u64 = 1024;

/// A shell that is to start.
pub(crate) struct Shell {
    /// Its arguments, its own name first.
    pub(crate) arguments: Vec<Vec<u8>>,
    /// The terminal's type, if it has one.
    pub(crate) terminal: Option<&'static str>,
    /// Standard input, output, error output.
    pub(crate) streams: [Arc<OpenFile>; 3],
    /// Where its calls are traced.
    pub(crate) trace: Option<Arc<dyn TraceSink>>,
    /// The host's session, or 0.
    pub(crate) host_session: u64,
}

impl Shell {
    /// Starts it, as leader of a session; `before_start` sees it before it runs.
    ///
    /// # Errors
    /// As fork(2) and execve(2).
    pub(crate) fn start(self, namespace: &Arc<Namespace>, before_start: impl FnOnce(&Arc<Process>)) -> Result<()> {
        let files = FdTable::new();
        for file in self.streams {
            files.insert(0, FIRST_LIMIT, Descriptor { file, closes_on_exec: false })?;
        }
        let request = Spawn {
            files: Arc::new(files),
            fs: Arc::new(context(namespace)),
            credentials: Credentials::root(),
            path: SHELL.to_vec(),
            arguments: self.arguments,
            environment: environment(self.terminal),
            trace: self.trace,
            host_session: self.host_session,
        };
        task::spawn(request, before_start).map(drop)
    }
}

/// At home, or at the root.
fn context(namespace: &Arc<Namespace>) -> FsContext {
    let fs = FsContext::new(namespace.clone());
    let credentials = Credentials::root();
    let caller = Caller { credentials: &credentials, fs: &fs };
    let home = vfs::resolve(caller, None, HOME, WalkFlags::FOLLOW | WalkFlags::DIRECTORY);
    if let Ok(home) = home {
        fs.set_working_directory(home);
    }
    fs
}

fn environment(terminal: Option<&str>) -> Vec<Vec<u8>> {
    let mut environment = Vec::from([b"HOME=/root".to_vec(), b"PATH=/sbin:/usr/sbin:/bin:/usr/bin".to_vec()]);
    if let Some(terminal) = terminal {
        environment.push([b"TERM=", terminal.as_bytes()].concat());
    }
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shells_on_terminals_have_a_terminal_type() {
        assert_eq!(environment(None).len(), 2);
        assert_eq!(environment(Some("vt100")).last().map(Vec::as_slice), Some(&b"TERM=vt100"[..]));
    }
}

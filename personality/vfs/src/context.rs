//! What a process's path names mean: its root, working directory and umask (shared by `CLONE_FS`).

use alloc::sync::Arc;

use rt::sync::Mutex;

use crate::credentials::Credentials;
use crate::mount::Namespace;
use crate::path::Path;

/// Root, working directory, umask.
pub struct FsContext {
    namespace: Arc<Namespace>,
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    root: Path,
    working_directory: Path,
    umask: u32,
}

impl FsContext {
    /// Makes the context of the first process: everything at the root of the namespace.
    #[must_use]
    pub fn new(namespace: Arc<Namespace>) -> FsContext {
        let root = namespace.root();
        let state = State { working_directory: root.clone(), root, umask: 0o022 };
        FsContext { namespace, state: Mutex::new(state) }
    }

    /// Returns a copy of its own, for `fork`.
    #[must_use]
    pub fn duplicate(&self) -> FsContext {
        FsContext { namespace: self.namespace.clone(), state: Mutex::new(self.state.lock().clone()) }
    }

    /// Returns the mount namespace.
    #[must_use]
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// Returns the root.
    #[must_use]
    pub fn root(&self) -> Path {
        self.state.lock().root.clone()
    }

    /// Sets the root.
    pub fn set_root(&self, path: Path) {
        let old = core::mem::replace(&mut self.state.lock().root, path);
        drop(old);
    }

    /// Returns the working directory.
    #[must_use]
    pub fn working_directory(&self) -> Path {
        self.state.lock().working_directory.clone()
    }

    /// Sets the working directory.
    pub fn set_working_directory(&self, path: Path) {
        let old = core::mem::replace(&mut self.state.lock().working_directory, path);
        drop(old);
    }

    /// Returns the umask.
    #[must_use]
    pub fn umask(&self) -> u32 {
        self.state.lock().umask
    }

    /// Sets the umask and returns the old one.
    pub fn set_umask(&self, umask: u32) -> u32 {
        core::mem::replace(&mut self.state.lock().umask, umask & 0o777)
    }
}

/// Who asks, and what names mean to them: the context of every operation on paths.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Ids and capabilities.
    pub credentials: &'a Credentials,
    /// Root, working directory, umask.
    pub fs: &'a FsContext,
}

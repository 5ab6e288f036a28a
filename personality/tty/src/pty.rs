//! Pseudo-terminals: `/dev/ptmx` makes a master and its terminal `/dev/pts/N` (pty(7)).
//!
//! The table keeps each terminal until its master is closed. Closing the master hangs the terminal up.

use crate::file::TtyFile;
use crate::sessions::Sessions;
use crate::terminal::{OtherSide, Side, Tty};
use crate::termios::Termios;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use guest_memory::{Sink, Source, UserAddr, user};
use linux_abi::raw::{general as linux, ioctl};
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use sync::WaitError;
use vfs::{CharDevice, DeviceNumber, File, OpenFlags, Opened, PollEvents, PollTable};

/// Number of `/dev/ptmx`.
pub const MULTIPLEXER: DeviceNumber = DeviceNumber::new(5, 2);
/// Major number of the terminals in `/dev/pts`.
pub const TERMINAL_MAJOR: u32 = 136;
/// Group of new terminals: `tty` on Debian.
const TTY_GROUP: u32 = 5;
/// Most bytes moved at once.
const COPY_BYTES: usize = 4096;

/// Owner and permissions of a terminal's node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeAttributes {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub permissions: u32,
    /// Time of creation, in nanoseconds since 1970.
    pub created_ns: u64,
}

struct Pair {
    tty: Arc<Tty>,
    locked: bool,
    node: NodeAttributes,
}

/// All pseudo-terminals. Its lock is taken before a terminal's.
pub struct PtyTable {
    pairs: Mutex<BTreeMap<u32, Pair>>,
    limit: u32,
    sessions: Arc<Sessions>,
}

impl PtyTable {
    /// Makes an empty table for at most `limit` pseudo-terminals.
    pub fn new(limit: u32, sessions: Arc<Sessions>) -> Arc<Self> {
        Arc::new(Self { pairs: Mutex::new(BTreeMap::new()), limit, sessions })
    }

    /// Numbers of the terminals that exist, ascending.
    pub fn indices(&self) -> Vec<u32> {
        self.pairs.lock().keys().copied().collect()
    }

    /// Owner and permissions of a terminal's node.
    pub fn attributes(&self, index: u32) -> Option<NodeAttributes> {
        self.pairs.lock().get(&index).map(|pair| pair.node)
    }

    /// Changes owner and permissions of a terminal's node.
    ///
    /// # Errors
    /// `ENOENT` if the terminal is gone.
    pub fn change_attributes(&self, index: u32, change: impl FnOnce(&mut NodeAttributes)) -> Result<()> {
        change(&mut self.pairs.lock().get_mut(&index).ok_or(Errno::ENOENT)?.node);
        Ok(())
    }

    /// Makes a pseudo-terminal; its terminal is locked until `TIOCSPTLCK`.
    ///
    /// # Errors
    /// `ENOSPC` if there are too many.
    pub fn create(self: &Arc<Self>) -> Result<Arc<Master>> {
        let uid = self.sessions.job_control().caller().map_or(0, |caller| caller.uid);
        let mut pairs = self.pairs.lock();
        let index = (0..self.limit).find(|index| !pairs.contains_key(index)).ok_or(Errno::ENOSPC)?;
        let device = DeviceNumber::new(TERMINAL_MAJOR, index);
        let tty = Tty::new(device, Termios::standard(), None, self.sessions.clone());
        let node = NodeAttributes { uid, gid: TTY_GROUP, permissions: 0o620, created_ns: vfs::clock::realtime_ns() };
        pairs.insert(index, Pair { tty: tty.clone(), locked: true, node });
        Ok(Arc::new(Master { tty, index, table: self.clone() }))
    }

    /// Opens the terminal of a pair.
    ///
    /// # Errors
    /// `EIO` if it is locked or gone.
    fn open_terminal(&self, index: u32, flags: OpenFlags) -> Result<Arc<TtyFile>> {
        let tty = match self.pairs.lock().get(&index) {
            Some(pair) if !pair.locked => pair.tty.clone(),
            _ => return Err(Errno::EIO),
        };
        TtyFile::open_controlling(tty, flags)
    }

    fn remove(&self, index: u32) {
        let _pair = self.pairs.lock().remove(&index);
    }
}

/// The device `/dev/ptmx`.
pub struct Multiplexer(pub Arc<PtyTable>);

impl CharDevice for Multiplexer {
    fn open(&self, _device: DeviceNumber, _flags: OpenFlags) -> Result<Opened> {
        let file: Arc<dyn File> = self.0.create()?;
        Ok(file.into())
    }
}

/// The devices in `/dev/pts`.
pub struct Terminals(pub Arc<PtyTable>);

impl CharDevice for Terminals {
    fn open(&self, device: DeviceNumber, flags: OpenFlags) -> Result<Opened> {
        let file: Arc<dyn File> = self.0.open_terminal(device.minor(), flags)?;
        Ok(file.into())
    }
}

/// The open master of a pseudo-terminal.
pub struct Master {
    tty: Arc<Tty>,
    index: u32,
    table: Arc<PtyTable>,
}

impl Master {
    /// Number of the terminal, as in `/dev/pts/N`.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Opens the terminal even while it is locked (`TIOCGPTPEER`).
    ///
    /// # Errors
    /// `EBUSY` if it is used exclusively.
    pub fn open_peer(&self, flags: OpenFlags) -> Result<Arc<TtyFile>> {
        TtyFile::open_controlling(self.tty.clone(), flags)
    }

    /// Takes output, or a packet-mode status; none when there is nothing to read yet.
    fn take(&self, limit: usize) -> Option<Result<Vec<u8>>> {
        let mut state = self.tty.state.lock();
        let mut bytes = Vec::new();
        if let Some(status) = &mut state.packet {
            bytes.push(core::mem::take(status));
            if bytes != [0] {
                return Some(Ok(bytes));
            }
        }
        let output = state.take_output(limit.saturating_sub(bytes.len()));
        if output.is_empty() {
            return state.abandoned.then_some(Err(Errno::EIO));
        }
        bytes.extend(output);
        Some(Ok(bytes))
    }

    fn set_locked(&self, at: UserAddr) -> Result<()> {
        let mut bytes = [0; 4];
        user::read_bytes(at, &mut bytes)?;
        if let Some(pair) = self.table.pairs.lock().get_mut(&self.index) {
            pair.locked = bytes != [0; 4];
        }
        Ok(())
    }

    fn set_packet_mode(&self, at: UserAddr) -> Result<()> {
        let mut bytes = [0; 4];
        user::read_bytes(at, &mut bytes)?;
        let mut state = self.tty.state.lock();
        match (bytes != [0; 4], state.packet) {
            (true, None) => state.packet = Some(0),
            (false, _) => state.packet = None,
            (true, Some(_)) => {}
        }
        Ok(())
    }

    /// `TIOCSIG`: a signal to the foreground group, as if its key had been typed.
    fn signal(&self, number: u64) -> Result<()> {
        use crate::job_control::TerminalSignal;
        let signal = match number as u32 {
            linux::SIGINT => TerminalSignal::Interrupt,
            linux::SIGQUIT => TerminalSignal::Quit,
            linux::SIGTSTP => TerminalSignal::Stop,
            _ => return Err(Errno::EINVAL),
        };
        if let Some(group) = self.tty.foreground() {
            self.tty.job_control().signal_group(group, signal);
        }
        Ok(())
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.table.remove(self.index);
        self.tty.state.lock().other_side = OtherSide::Gone;
        self.tty.hang_up();
    }
}

impl File for Master {
    fn read(&self, _offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        let limit = sink.remaining().min(COPY_BYTES);
        if limit == 0 {
            return Ok(0);
        }
        let bytes = match self.take(limit) {
            Some(result) => result?,
            None if flags.is_nonblocking() => return Err(Errno::EAGAIN),
            None => self.tty.master.wait(None, || self.take(limit)).map_err(|_| Errno::ERESTARTSYS)??,
        };
        self.tty.room.wake_all();
        sink.write(&bytes)
    }

    fn write(&self, _offset: u64, source: &mut dyn Source, flags: OpenFlags) -> Result<usize> {
        let mut done = 0;
        let mut buffer = [0; 512];
        while source.remaining() > 0 {
            let count = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            };
            let chunk = buffer.get(..count).unwrap_or(&[]);
            let mut sent = self.tty.receive(chunk);
            while let Some(rest) = chunk.get(sent..).filter(|rest| !rest.is_empty()) {
                if flags.is_nonblocking() {
                    return if done + sent == 0 { Err(Errno::EAGAIN) } else { Ok(done + sent) };
                }
                let push = || Some(self.tty.receive(rest)).filter(|count| *count > 0);
                match self.tty.master.wait(None, push) {
                    Ok(count) => sent += count,
                    Err(WaitError::Interrupted | WaitError::TimedOut) if done + sent == 0 => {
                        return Err(Errno::ERESTARTSYS);
                    }
                    Err(_) => return Ok(done + sent),
                }
            }
            done += sent;
        }
        Ok(done)
    }

    fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        table.add(&self.tty.master);
        let state = self.tty.state.lock();
        let mut events = PollEvents::empty();
        let status = state.packet.is_some_and(|status| status != 0);
        events.set(PollEvents::READABLE, state.has_output() || status);
        events.set(PollEvents::PRI, status);
        events.set(PollEvents::WRITABLE, state.waiting.len() < COPY_BYTES);
        events.set(PollEvents::HUP, state.abandoned);
        events
    }

    fn ioctl(&self, command: u32, argument: u64) -> Result<u64> {
        let at = UserAddr::new(argument);
        match command {
            ioctl::TIOCGPTN => user::write_bytes(at, &self.index.to_le_bytes())?,
            ioctl::TIOCSPTLCK => self.set_locked(at)?,
            ioctl::TIOCGPTLCK => {
                let locked = self.table.pairs.lock().get(&self.index).is_some_and(|pair| pair.locked);
                user::write_bytes(at, &i32::from(locked).to_le_bytes())?;
            }
            ioctl::TIOCPKT => self.set_packet_mode(at)?,
            ioctl::TIOCGPKT => {
                let on = self.tty.state.lock().packet.is_some();
                user::write_bytes(at, &i32::from(on).to_le_bytes())?;
            }
            ioctl::TIOCSIG => self.signal(argument)?,
            // A master's input is the terminal's output.
            ioctl::TIOCINQ => {
                let waiting = self.tty.state.lock().outgoing.len();
                user::write_bytes(at, &i32::try_from(waiting).unwrap_or(i32::MAX).to_le_bytes())?;
            }
            ioctl::TIOCOUTQ => user::write_bytes(at, &0i32.to_le_bytes())?,
            _ => return self.tty.ioctl(command, argument, Side::Master),
        }
        Ok(0)
    }
}

//! A file system server in memory that dies when its dice say so: everything since its last commit is lost then.

mod contract;
mod dice;
mod disk;

use std::collections::BTreeMap;
use std::sync::Arc;

use interfaces::FsError;
use interfaces::file_system::{Attributes, Change, Changed, NewNode};
use ipc::Failure;
use rt::memory::Window;
use rt::sync::Mutex;
use ukernel_abi::Error;

pub use dice::Dice;
pub use disk::{Disk, Inode};

const PAGE: usize = 4096;
pub const ROOT: u64 = 2;

/// How often things go wrong: once in so many calls, 0 for never.
#[derive(Clone, Copy, Default)]
pub struct Odds {
    pub death: u64,
    pub commit: u64,
}

struct State {
    running: Disk,
    committed: Disk,
    begun: bool,
    retired: bool,
    incarnation: u64,
    regions: BTreeMap<u64, Arc<Window>>,
    dice: Dice,
    odds: Odds,
    deaths: u64,
    capacity_pages: usize,
}

/// The server.
pub struct Fake(Mutex<State>, Mutex<Option<(Call, Meanwhile)>>);

/// What somebody else does while a call is under way.
type Meanwhile = Box<dyn FnOnce() + Send>;

/// Calls during which something else can happen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Read,
    Write,
}

type Answer<T> = Result<T, FsError>;

const DEAD: FsError = FsError::Call(Failure::Kernel(Error::ServerDied));

impl Fake {
    pub fn new(seed: u64, odds: Odds) -> Arc<Self> {
        let root = NewNode { mode: 0o40755, uid: 0, gid: 0, rdev: 0, inode: ROOT };
        let mut inodes = BTreeMap::new();
        inodes.insert(ROOT, Inode::new(ROOT, &root, &disk::time(1)));
        let disk = Disk { inodes, next_cookie: 0, last: 0 };
        let state = State {
            committed: disk.clone(),
            running: disk,
            begun: false,
            retired: false,
            incarnation: 1,
            regions: BTreeMap::new(),
            dice: Dice::new(seed),
            odds,
            deaths: 0,
            capacity_pages: 100_000,
        };
        Arc::new(Self(Mutex::new(state), Mutex::new(None)))
    }

    /// Has something happen before the next such call is answered.
    pub fn during_next(&self, call: Call, meanwhile: impl FnOnce() + Send + 'static) {
        *self.1.lock() = Some((call, Box::new(meanwhile)));
    }

    fn let_happen(&self, call: Call) {
        let meanwhile = self.1.lock().take_if(|(when, _)| *when == call);
        meanwhile.into_iter().for_each(|(_, meanwhile)| meanwhile());
    }

    pub fn set_odds(&self, odds: Odds) {
        self.0.lock().odds = odds;
    }

    pub fn set_capacity(&self, pages: usize) {
        self.0.lock().capacity_pages = pages;
    }

    pub fn deaths(&self) -> u64 {
        self.0.lock().deaths
    }

    /// What is on the disk for good.
    pub fn committed(&self) -> Disk {
        self.0.lock().committed.clone()
    }

    /// Dies now.
    pub fn die(&self) {
        self.0.lock().die();
    }

    /// Starts anew after it has retired, as after a reboot or a move.
    pub fn restart(&self) {
        self.0.lock().die();
    }

    /// Moves: commits, and another incarnation goes on, which whoever moved it has begun.
    pub fn move_on(&self) {
        let mut state = self.0.lock();
        state.commit();
        state.die();
        state.begun = true;
    }

    /// Answers a question.
    fn ask<T>(&self, answer: impl FnOnce(&mut State) -> Answer<T>) -> Answer<T> {
        let mut state = self.0.lock();
        let odds = state.odds;
        if state.dice.one_in(odds.death) {
            state.die();
            return Err(DEAD);
        }
        if state.retired {
            return Err(FsError::Retired);
        }
        if !state.begun {
            return Err(FsError::NotBegun);
        }
        let result = answer(&mut state);
        if state.dice.one_in(odds.commit) {
            state.commit();
        }
        if state.dice.one_in(odds.death) {
            state.die();
            return Err(DEAD);
        }
        result
    }

    /// Makes a change.
    fn change(&self, change: &Change, make: impl FnOnce(&mut State) -> Answer<Attributes>) -> Answer<Changed> {
        let number = change.number;
        self.ask(|state| {
            if number <= state.running.last {
                return Err(FsError::AlreadyDone);
            }
            if number != state.running.last + 1 {
                return Err(FsError::Invalid);
            }
            let before = state.running.clone();
            match make(state) {
                Ok(attributes) => {
                    state.running.last = number;
                    Ok(Changed { attributes, committed: state.committed.last })
                }
                Err(error) => {
                    state.running = before;
                    Err(error)
                }
            }
        })
    }
}

impl State {
    fn die(&mut self) {
        self.running = self.committed.clone();
        (self.begun, self.retired) = (false, false);
        self.regions.clear();
        self.incarnation += 1;
        self.deaths += 1;
    }

    fn commit(&mut self) {
        self.committed = self.running.clone();
    }
}

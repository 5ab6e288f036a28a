//! A thread that executes one instruction which may fault, and an endpoint that hears of it.
//!
//! The code ends with an undefined instruction: whoever gets so far has done what it tried.

use rt::memory::Shared;
use ukernel_abi::fault;
use ukernel_user::object::{MapRange, SchedContext, StartRegisters, Thread};
use ukernel_user::{Cap, Endpoint, Error, Reply, Rights};

use crate::held::PAGE;

/// Vectors (Intel SDM 3A, table 6-1).
const UNDEFINED: u64 = 6;
const PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;

/// What to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// Read a word at an address.
    Read(u64),
    /// Write one.
    Write(u64),
    /// Read a port.
    In(u16),
    /// Write a port.
    Out(u16),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was done.
    Done,
    /// A page fault at this address.
    Fault(u64),
    /// The processor refused.
    Protected,
    /// Another fault.
    Other(u64),
}

/// The thread.
pub struct Probe {
    thread: Cap<Thread>,
    faults: Cap<Endpoint>,
    reply: Cap<Reply>,
    _code: Shared,
}

impl Try {
    /// Where its code begins, and the thread's first two arguments.
    const fn start(self) -> (u64, u64, u64) {
        match self {
            Self::Read(address) => (0, address, 0),
            Self::Write(address) => (16, address, 0),
            Self::In(port) => (32, 0, port as u64),
            Self::Out(port) => (48, 0, port as u64),
        }
    }
}

/// mov eax, [rdi]; ud2 | mov [rdi], eax; ud2 | mov edx, esi; in eax, dx; ud2 | mov edx, esi; out dx, eax; ud2
const CODE: [(usize, &[u8]); 4] = [
    (0, &[0x8b, 0x07, 0x0f, 0x0b]),
    (16, &[0x89, 0x07, 0x0f, 0x0b]),
    (32, &[0x89, 0xf2, 0xed, 0x0f, 0x0b]),
    (48, &[0x89, 0xf2, 0xef, 0x0f, 0x0b]),
];

impl Probe {
    /// A thread that does not run yet.
    pub fn new() -> Result<Self, Error> {
        let code = Shared::allocate(PAGE)?;
        CODE.iter().try_for_each(|(at, bytes)| code.window().copy_in(*at, bytes))?;
        let rights = Rights::READ.or(Rights::EXECUTE);
        let attachment = rt::memory::attach(code.memory(), place(), PAGE, rights)?;
        rt::memory::map_range(attachment, MapRange::new(place(), rights, 0, 1))?;
        let (thread, time) = (rt::object::create::<Thread>(0)?, rt::object::create::<SchedContext>(0)?);
        let (faults, reply) = (rt::object::create(0)?, rt::object::create(0)?);
        time.bind(thread)?;
        thread.configure(rt::own::cap_table(), rt::own::vspace(), faults, Cap::NULL, 0)?;
        thread.set_priority(rt::thread::priority())?;
        Ok(Self { thread, faults, reply, _code: code })
    }

    /// Tries it.
    pub fn run(&self, what: Try) -> Result<Happened, Error> {
        let (offset, rdi, rsi) = what.start();
        self.thread.suspend()?;
        let rip = place() + offset;
        self.thread.write_registers(&StartRegisters { rip, rsp: 0, rdi, rsi, fs_base: 0 })?;
        self.thread.resume()?;
        let told = self.faults.receive(self.reply)?;
        self.thread.suspend()?;
        Ok(match told.words[fault::WORD_VECTOR] {
            UNDEFINED => Happened::Done,
            PAGE_FAULT => Happened::Fault(told.words[fault::WORD_ADDRESS]),
            PROTECTION => Happened::Protected,
            other => Happened::Other(other),
        })
    }
}

/// Where the code is.
fn place() -> u64 {
    rt::memory::base() + rt::layout::OWN + (4 << 30)
}

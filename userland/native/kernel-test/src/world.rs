//! What a test works with: fresh objects from one untyped, which is revoked behind each test.

use core::fmt::{self, Write};

use ukernel_abi::boot::{RootInfo, slot};
use ukernel_abi::{Error, PAGE_BYTES, Rights};
use ukernel_user::object::{MapRange, Object, StartRegisters};
use ukernel_user::{
    Attachment, Cap, CapTable, Endpoint, IoPorts, Log, Memory, Notification, SchedContext, Thread, Untyped, VSpace,
};

use crate::machine::{self, THREADS};
use crate::options;

/// Where tests map memory of their own.
pub const PLAYGROUND: u64 = 0x1000_0000_0000;
/// Where message pages of test threads are.
const PAGES: u64 = 0x2000_0000_0000;
/// Slot of the untyped that tests take from.
const POT: u64 = slot::FREE_FIRST;
/// Slot of a notification that nobody signals: threads that are done wait for it.
const PARKING: u64 = POT + 1;
/// Bytes of the untyped.
const POT_BYTES: u64 = 32 << 20;

/// The priority of the task's own thread, as the kernel starts it.
pub const OWN_PRIORITY: u8 = 254;

/// A test's world.
pub struct World {
    next_slot: u64,
    /// A slot that is to be emptied behind the test, with all that is derived from it; 0: none.
    forgotten: u64,
    threads: usize,
    times: u64,
    place: Place,
    /// How many processors there are.
    pub cpus: u64,
    /// What the tests' objects are made of.
    pub pot: Cap<Untyped>,
    /// The task's own CapTable.
    pub table: Cap<CapTable>,
    /// The task's own VSpace.
    pub vspace: Cap<VSpace>,
    repeat: u64,
    /// Frequency of the time-stamp counter.
    pub tsc_hz: u64,
    /// What the random attack starts from, and how many calls it makes.
    pub attack_seed: u64,
    /// Its calls.
    pub attack_calls: u64,
}

/// Where the threads that a test makes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the test's own processor.
    Here,
    /// On all others, in turn.
    Elsewhere,
    /// Where the kernel finds a processor idle.
    Anywhere,
}

/// Calls of the random attack where the host asks for nothing else.
const ATTACK_CALLS: u64 = 300_000;

impl World {
    /// A fresh world.
    pub fn new(info: &RootInfo, place: Place) -> Self {
        let pot = Cap::new(POT);
        let largest = (0..info.untyped_count as usize).max_by_key(|index| info.untypeds[*index].bytes).unwrap_or(0);
        let source: Cap<Untyped> = Cap::new(slot::UNTYPED_FIRST + largest as u64);
        // The first world makes the pot; it stays.
        if pot.info().is_err() {
            source.create::<Untyped>(POT_BYTES, POT).expect("there is memory for the tests");
        }
        let table = Cap::new(slot::CAP_TABLE);
        pot.create::<Notification>(0, PARKING).expect("the pot is full");
        Self {
            next_slot: PARKING + 1,
            forgotten: 0,
            threads: 0,
            times: 0,
            place,
            cpus: info.cpus,
            pot,
            table,
            vspace: Cap::new(slot::VSPACE),
            repeat: options::number(info, "times", 1),
            tsc_hz: info.tsc_hz,
            attack_seed: options::number(info, "seed", 1),
            attack_calls: options::number(info, "calls", ATTACK_CALLS),
        }
    }

    /// Give everything back.
    pub fn end(self) {
        if self.forgotten != 0 {
            self.table.revoke(self.forgotten).expect("revoking a part of a device's memory works");
            self.table.delete(self.forgotten).expect("deleting it as well");
        }
        self.table.revoke(POT).expect("revoking the tests' own untyped works");
    }

    /// Empties this slot behind the test, with all that is derived from it. One slot.
    pub fn forget_later(&mut self, slot: u64) {
        self.forgotten = slot;
    }

    /// An empty slot.
    pub fn slot(&mut self) -> u64 {
        self.next_slot += 1;
        self.next_slot - 1
    }

    /// A new object.
    pub fn make<T: Object>(&mut self) -> Result<Cap<T>, Error> {
        self.make_sized(0)
    }

    /// A new object with a size argument.
    pub fn make_sized<T: Object>(&mut self, size: u64) -> Result<Cap<T>, Error> {
        let slot = self.slot();
        self.pot.create(size, slot)
    }

    /// A copy of a capability with a badge.
    pub fn mint<T>(&mut self, source: Cap<T>, rights: Rights, badge: u64) -> Result<Cap<T>, Error> {
        let slot = self.slot();
        self.table.mint(slot, self.table, source.slot(), rights, badge)?;
        Ok(Cap::new(slot))
    }

    /// So many rounds, or as many times more as the host asks for.
    pub fn times(&self, rounds: u64) -> u64 {
        rounds * self.repeat
    }

    /// Time for a thread, where the test's threads are to run.
    pub fn time(&mut self) -> Result<Cap<SchedContext>, Error> {
        let time = self.make::<SchedContext>()?;
        match self.place {
            Place::Here => time.set_cpu(0)?,
            Place::Elsewhere => time.set_cpu(1 + self.times % (self.cpus - 1).max(1))?,
            Place::Anywhere => {}
        }
        self.times += 1;
        Ok(time)
    }

    /// Memory attached to a VSpace and mapped from `address` on.
    pub fn map(
        &mut self,
        vspace: Cap<VSpace>,
        memory: Cap<Memory>,
        address: u64,
        rights: Rights,
    ) -> Result<Cap<Attachment>, Error> {
        let attachment = self.make::<Attachment>()?;
        let bytes = memory.size()?;
        memory.attach(vspace, address, bytes, Rights::ALL, attachment)?;
        attachment.map(&[MapRange::new(address, rights, 0, bytes / PAGE_BYTES)])?;
        Ok(attachment)
    }

    /// A thread of this task that will run `main(argument)`; not started.
    pub fn thread(
        &mut self,
        priority: u8,
        faults: Cap<Endpoint>,
        main: extern "C" fn(u64) -> !,
        argument: u64,
    ) -> Result<Cap<Thread>, Error> {
        let index = self.threads;
        assert!(index < THREADS, "a test uses too many threads");
        self.threads += 1;
        let page = self.make_sized::<Memory>(PAGE_BYTES)?;
        let address = PAGES + index as u64 * PAGE_BYTES;
        self.map(self.vspace, page, address, Rights::READ.or(Rights::WRITE))?;
        let (rip, rsp, fs_base) = machine::thread_start(index, address, main);
        let thread = self.make::<Thread>()?;
        thread.configure(self.table, self.vspace, faults, page, 0)?;
        thread.write_registers(&StartRegisters { rip, rsp, rdi: argument, rsi: 0, fs_base })?;
        thread.set_priority(priority)?;
        self.time()?.bind(thread)?;
        Ok(thread)
    }

    /// A VSpace with page tables.
    pub fn vspace(&mut self) -> Result<Cap<VSpace>, Error> {
        let vspace = self.make::<VSpace>()?;
        vspace.donate(self.pot, 16)?;
        Ok(vspace)
    }

    /// Code in memory of its own, mapped executable at `address` of `vspace`.
    pub fn load_code(&mut self, vspace: Cap<VSpace>, code: &[u8], address: u64) -> Result<(), Error> {
        let memory = self.make_sized::<Memory>(PAGE_BYTES)?;
        let window = self.map(self.vspace, memory, PLAYGROUND + (1 << 30), Rights::READ.or(Rights::WRITE))?;
        machine::place(code, PLAYGROUND + (1 << 30));
        window.detach()?;
        self.map(vspace, memory, address, Rights::READ.or(Rights::EXECUTE)).map(drop)
    }

    /// An echo server in an address space of its own, running; returns its endpoint.
    pub fn echo_server(&mut self, priority: u8) -> Result<Cap<Endpoint>, Error> {
        let vspace = self.vspace()?;
        self.server_in(vspace, machine::echo_code(), priority)
    }

    /// A server that sees `shared` where this task sees it.
    pub fn server(&mut self, code: &[u8], priority: u8, shared: Cap<Memory>) -> Result<Cap<Endpoint>, Error> {
        let vspace = self.vspace()?;
        self.map(vspace, shared, PLAYGROUND, Rights::READ.or(Rights::WRITE))?;
        self.server_in(vspace, code, priority)
    }

    fn server_in(&mut self, vspace: Cap<VSpace>, code: &[u8], priority: u8) -> Result<Cap<Endpoint>, Error> {
        let endpoint = self.make::<Endpoint>()?;
        let reply = self.make::<ukernel_user::Reply>()?;
        self.program(vspace, code, priority, [reply.slot(), endpoint.slot()])?;
        Ok(endpoint)
    }

    /// A page mapped at the start of the playground.
    pub fn shared_page(&mut self) -> Result<Cap<Memory>, Error> {
        let shared = self.make_sized::<Memory>(PAGE_BYTES)?;
        self.map(self.vspace, shared, PLAYGROUND, Rights::READ.or(Rights::WRITE))?;
        Ok(shared)
    }

    /// A thread of another address space that notes in `shared` how long signals take to reach it; returns what it waits for.
    pub fn waiter(&mut self, priority: u8, shared: Cap<Memory>) -> Result<Cap<Notification>, Error> {
        let vspace = self.vspace()?;
        self.map(vspace, shared, PLAYGROUND, Rights::READ.or(Rights::WRITE))?;
        let notification = self.make::<Notification>()?;
        self.program(vspace, machine::waiter_code(), priority, [notification.slot(), PLAYGROUND])?;
        Ok(notification)
    }

    /// A running thread for code that is loaded to an address space of its own, with two arguments.
    pub fn program(
        &mut self,
        vspace: Cap<VSpace>,
        code: &[u8],
        priority: u8,
        arguments: [u64; 2],
    ) -> Result<(), Error> {
        self.load_code(vspace, code, 0x40_0000)?;
        self.thread_at(vspace, 0x40_0000, priority, Cap::NULL, arguments)
    }

    /// A running thread that starts at `rip`, with two arguments.
    pub fn thread_at(
        &mut self,
        vspace: Cap<VSpace>,
        rip: u64,
        priority: u8,
        faults: Cap<Endpoint>,
        [rdi, rsi]: [u64; 2],
    ) -> Result<(), Error> {
        let thread = self.make::<Thread>()?;
        let page = self.make_sized::<Memory>(PAGE_BYTES)?;
        thread.configure(self.table, vspace, faults, page, 0)?;
        thread.write_registers(&StartRegisters { rip, rdi, rsi, ..StartRegisters::default() })?;
        thread.set_priority(priority)?;
        self.time()?.bind(thread)?;
        thread.resume()
    }
}

/// The end of a test's thread.
pub fn park() -> ! {
    loop {
        let _ = Cap::<Notification>::new(PARKING).wait();
    }
}

/// A line for the log, in pieces.
struct Line {
    bytes: [u8; 400],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}

/// Print a line.
pub fn say(arguments: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 400], length: 0 };
    let written = write!(line, "[kernel-test] {arguments}");
    if written.is_ok() {
        // Nothing can be said about a log that does not work.
        let _ = Cap::<Log>::new(slot::LOG).write(&line.bytes[..line.length]);
    }
}

/// End the machine; the emulator's status is `2 * code + 1`.
pub fn switch_off(code: u32) -> ! {
    let ports: Cap<IoPorts> = Cap::new(slot::IO_PORTS);
    loop {
        let _ = ports.write(0xf4, 4, code);
    }
}

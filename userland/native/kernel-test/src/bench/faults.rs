//! Faults: of a thread in another address space, handled by this one.

use core::cell::Cell;

use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights, fault};
use ukernel_user::object::MapRange;
use ukernel_user::{Attachment, Cap, Endpoint, Memory, Reply};

use super::meter::{Meter, Totals};
use crate::machine::{faulter_code, faulter_places, now, peek, place, toucher_code};
use crate::world::{OWN_PRIORITY, PLAYGROUND, World};

/// What the faulting thread notes: when it was about to fault, and when it went on.
const BEFORE: u64 = PLAYGROUND;
const AFTER: u64 = PLAYGROUND + 8;
/// The pages that it touches, one after the other, are far behind that of the notes.
const TOUCHED: u64 = PLAYGROUND + (1 << 30);
/// Where its code is, and where the test sees that.
const CODE: u64 = 0x40_0000;
const CODE_VIEW: u64 = PLAYGROUND + (1 << 31);
/// `ud2`, and two bytes that do nothing.
const INVALID: [u8; 2] = [0x0f, 0x0b];
const NOTHING: [u8; 2] = [0x66, 0x90];
const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);

/// Sums of what parts of a fault took.
#[derive(Default)]
struct Parts {
    to_handler: Cell<u64>,
    resume: Cell<u64>,
    whole: Cell<u64>,
}

/// A thread that faults over and over, and its handler.
struct Faults {
    endpoint: Cap<Endpoint>,
    reply: Cap<Reply>,
    /// When the last fault arrived, when it happened, and the faulting instruction and address.
    arrived: Cell<u64>,
    before: Cell<u64>,
    instruction: Cell<u64>,
    address: Cell<u64>,
    parts: Parts,
}

impl Faults {
    /// A thread that runs `code` in `vspace`, its faults unanswered.
    fn new(
        world: &mut World,
        program: impl FnOnce(&mut World, Cap<Endpoint>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let (endpoint, reply) = (world.make()?, world.make()?);
        let badged = world.mint(endpoint, Rights::SEND.or(Rights::GRANT), 1)?;
        program(world, badged)?;
        let zero = || Cell::new(0);
        let (arrived, before, instruction, address) = (zero(), zero(), zero(), zero());
        let faults = Self { endpoint, reply, arrived, before, instruction, address, parts: Parts::default() };
        faults.next()?;
        Ok(faults)
    }

    /// Let the thread go on until its next fault.
    fn next(&self) -> Result<(), Error> {
        let resume = MessageInfo::new(fault::RESUME, 0);
        let incoming = self.endpoint.reply_receive(self.reply, resume, &[0; 6], self.reply)?;
        self.arrived.set(now());
        self.before.set(peek(BEFORE));
        self.instruction.set(incoming.words[fault::WORD_IP]);
        self.address.set(incoming.words[fault::WORD_ADDRESS]);
        if incoming.info.label() == fault::LABEL { Ok(()) } else { Err(Error::InvalidState) }
    }

    /// Mend the last fault and wait for the next.
    fn round(&self, mend: impl Fn(&Self) -> Result<(), Error>) -> Result<(), Error> {
        let (arrived, before) = (self.arrived.get(), self.before.get());
        mend(self)?;
        let left = now();
        self.next()?;
        let after = peek(AFTER);
        let add = |sum: &Cell<u64>, ticks: u64| sum.set(sum.get() + ticks);
        add(&self.parts.to_handler, arrived - before);
        add(&self.parts.resume, after - left);
        add(&self.parts.whole, after - before);
        Ok(())
    }

    /// Rounds, and the ticks of their parts: to the handler, from there on, from the fault until the thread goes on.
    fn total(&self, meter: Meter, mend: impl Fn(&Self) -> Result<(), Error>) -> Result<(Totals, [u64; 3]), Error> {
        let Parts { to_handler, resume, whole } = &self.parts;
        let parts = [to_handler, resume, whole];
        let totals = meter.total(|| self.round(&mend), || parts.into_iter().for_each(|sum| sum.set(0)))?;
        Ok((totals, parts.map(Cell::get)))
    }
}

/// An invalid instruction, which the handler replaces by one that does nothing; so the thread comes to the other of two places,
/// where the handler had put an invalid one.
pub fn invalid_instructions(world: &mut World, meter: Meter) -> Result<(), Error> {
    let shared = world.shared_page()?;
    let vspace = world.vspace()?;
    world.map(vspace, shared, PLAYGROUND, READ_WRITE)?;
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    world.map(world.vspace, memory, CODE_VIEW, READ_WRITE)?;
    place(faulter_code(), CODE_VIEW);
    world.map(vspace, memory, CODE, Rights::READ.or(Rights::EXECUTE))?;
    let faults =
        Faults::new(world, |world, faults| world.thread_at(vspace, CODE, OWN_PRIORITY, faults, [0, PLAYGROUND]))?;
    let [first, second] = faulter_places();
    let mend = |faults: &Faults| {
        let here = faults.instruction.get() - CODE;
        let other = if here == first { second } else { first };
        place(&NOTHING, CODE_VIEW + here);
        place(&INVALID, CODE_VIEW + other);
        Ok(())
    };
    let (totals, [to_handler, resume, _]) = faults.total(meter, mend)?;
    let events = meter.events(|| faults.round(mend))?;
    meter.print("fault_to_handler", totals.half().taking(to_handler), None);
    meter.print("fault_resume", totals.half().taking(resume), None);
    meter.print("fault_round_trip", totals.taking(to_handler + resume), Some(events));
    Ok(())
}

/// A page that is not there, which the handler maps; the thread goes on to the next.
pub fn missing_pages(world: &mut World, meter: Meter) -> Result<(), Error> {
    let shared = world.shared_page()?;
    let vspace = world.vspace()?;
    world.map(vspace, shared, PLAYGROUND, READ_WRITE)?;
    world.load_code(vspace, toucher_code(), CODE)?;
    let (page, attachment) = (world.make_sized::<Memory>(PAGE_BYTES)?, world.make::<Attachment>()?);
    page.attach(vspace, TOUCHED, 1 << 30, Rights::ALL, attachment)?;
    let faults =
        Faults::new(world, |world, faults| world.thread_at(vspace, CODE, OWN_PRIORITY, faults, [TOUCHED, PLAYGROUND]))?;
    let mend = |faults: &Faults| Ok(attachment.map(&[MapRange::new(faults.address.get(), Rights::READ, 0, 1)])?);
    let (totals, [to_handler, _, whole]) = faults.total(meter, mend)?;
    let events = meter.events(|| faults.round(mend))?;
    meter.print_ticks("fault_page_to_handler", to_handler);
    meter.print("fault_page_map_resume", totals.taking(whole), Some(events));
    Ok(())
}

//! Foreign code in a thread of its own, with the test as its handler.

use ukernel_abi::vcpu::{REGISTER_WORDS, State, TRAP_WORDS};
use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights, fault};
use ukernel_user::message::{Incoming, load_words};
use ukernel_user::{Cap, Endpoint, Memory, Reply, Thread, VSpace};

use crate::master::MASTER_STATE;
use crate::world::World;
use crate::{Failure, check};

/// The badge that traps arrive with.
const BADGE: u64 = 33;

/// A foreign thread and what its traps go through.
pub struct ForeignThread {
    /// The thread.
    pub thread: Cap<Thread>,
    /// Where its traps arrive.
    pub endpoint: Cap<Endpoint>,
    /// What holds it between trap and answer.
    pub reply: Cap<Reply>,
    start: u64,
}

impl ForeignThread {
    /// A thread of priority 100 for `code` at `address` of a legacy VSpace, with the FPU state of `serves`; not started.
    pub fn new(world: &mut World, code: &[u8], address: u64, serves: Cap<Thread>) -> Result<Self, Error> {
        let home = world.vspace()?;
        let page = world.make_sized::<Memory>(PAGE_BYTES)?;
        world.map(home, page, MASTER_STATE, Rights::READ)?;
        let space = world.vspace()?;
        space.make_legacy(home)?;
        Self::in_vspace(world, space, code, address, serves)
    }

    /// One that exists, as another thread of the test sees it.
    pub const fn of(thread: Cap<Thread>, endpoint: Cap<Endpoint>, reply: Cap<Reply>, start: u64) -> Self {
        Self { thread, endpoint, reply, start }
    }

    /// The same, in a given VSpace.
    pub fn in_vspace(
        world: &mut World,
        space: Cap<VSpace>,
        code: &[u8],
        address: u64,
        serves: Cap<Thread>,
    ) -> Result<Self, Error> {
        world.load_code(space, code, address)?;
        let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
        let traps = world.mint(endpoint, Rights::SEND, BADGE)?;
        let thread = world.make::<Thread>()?;
        thread.configure(world.table, space, traps, Cap::NULL, 0)?;
        thread.make_foreign(serves)?;
        thread.set_priority(100)?;
        world.time()?.bind(thread)?;
        Ok(Self { thread, endpoint, reply, start: address })
    }

    /// Start it with a kick, so that it traps before its first instruction; the registers to go on with.
    pub fn start(&self) -> Result<State, Failure> {
        self.thread.kick()?;
        self.thread.resume()?;
        let mut state = self.receive()?;
        (state.rip, state.rflags) = (self.start, 0x202);
        Ok(state)
    }

    /// Wait for a trap.
    pub fn receive(&self) -> Result<State, Failure> {
        read(&self.endpoint.receive(self.reply)?)
    }

    /// Let it run with these registers.
    pub fn answer(&self, state: &State) -> Result<(), Error> {
        let words = load_words(&state.trap_words()[..REGISTER_WORDS]);
        self.reply.reply(MessageInfo::new(fault::RESUME, REGISTER_WORDS), &words)
    }

    /// Let it run with these registers until its next trap.
    pub fn run(&self, state: &State) -> Result<State, Failure> {
        let words = load_words(&state.trap_words()[..REGISTER_WORDS]);
        let info = MessageInfo::new(fault::RESUME, REGISTER_WORDS);
        read(&self.endpoint.reply_receive(self.reply, info, &words, self.reply)?)
    }
}

fn read(incoming: &Incoming) -> Result<State, Failure> {
    let mut words = [0; TRAP_WORDS];
    let length = incoming.read_words(&mut words);
    check!(incoming.badge == BADGE);
    check!(incoming.info.label() == fault::FOREIGN);
    check!(length == TRAP_WORDS);
    let mut state = State::default();
    state.set_trap_words(&words);
    Ok(state)
}

//! A master with foreign code: a thread whose own code, stack and state page are in the master slot.

use ukernel_abi::vcpu::State;
use ukernel_abi::{Error, MASTER_START, PAGE_BYTES, Rights};
use ukernel_user::object::StartRegisters;
use ukernel_user::{Cap, Memory, Notification, Thread, Timer, VSpace, Vcpu};

use crate::machine::{self, now, peek, poke};
use crate::world::{PLAYGROUND, World};
use crate::{Failure, Outcome};

const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);
const MASTER_CODE: u64 = MASTER_START + 0x1000_0000;
pub(crate) const MASTER_STATE: u64 = MASTER_START + 0x2000_0000;
const MASTER_STACK: u64 = MASTER_START + 0x3000_0000;
/// Where the test itself sees the state page.
const VIEW: u64 = PLAYGROUND + (1 << 31);

/// Orders, as the master's code knows them.
const ENTER: u64 = 1;
const LOAD: u64 = 2;
const ENTER_MANY: u64 = 4;

/// Words of the state page that are the master's own.
const LOAD_ADDRESS: u64 = 2048;
const LOAD_VALUE: u64 = 2056;
const FIXUPS: u64 = 2064;
const ROUNDS: u64 = 2072;

/// A master, waiting for orders.
pub struct Master {
    vcpu: Cap<Vcpu>,
    orders: Cap<Notification>,
    /// To signal for the order to enter many times.
    enter_order: Cap<Notification>,
    done: Cap<Notification>,
    address: u64,
    /// Where it runs.
    pub space: Cap<VSpace>,
}

/// What the state page says after an exit.
pub struct Seen {
    /// The exit reason.
    pub reason: u64,
    /// The page.
    pub state: State,
}

impl Master {
    /// A master of `code` at `address`.
    pub fn new(world: &mut World, code: &[u8], address: u64) -> Result<Self, Error> {
        let home = world.vspace()?;
        world.load_code(home, machine::master_code(), MASTER_CODE)?;
        let (page, stack) = (world.make_sized::<Memory>(PAGE_BYTES)?, world.make_sized::<Memory>(PAGE_BYTES)?);
        world.map(home, page, MASTER_STATE, READ_WRITE)?;
        world.map(home, stack, MASTER_STACK, READ_WRITE)?;
        world.map(world.vspace, page, VIEW, READ_WRITE)?;
        let space = world.vspace()?;
        space.make_legacy(home)?;
        world.load_code(space, code, address)?;

        let (orders, done) = (world.make::<Notification>()?, world.make::<Notification>()?);
        let finished = world.mint(done, Rights::SEND, 1)?;
        let thread = world.make::<Thread>()?;
        thread.configure(world.table, space, Cap::NULL, Cap::NULL, 0)?;
        let vcpu = world.make::<Vcpu>()?;
        vcpu.set_state(page, 0)?;
        let (start, end, target) = machine::master_fixup();
        vcpu.set_fixups(&[(MASTER_CODE + start, MASTER_CODE + end, MASTER_CODE + target)])?;
        thread.bind_vcpu(vcpu)?;
        let rsp = MASTER_STACK + PAGE_BYTES;
        let registers = StartRegisters { rip: MASTER_CODE, rsp, rdi: orders.slot(), rsi: finished.slot(), fs_base: 0 };
        thread.write_registers(&registers)?;
        thread.set_priority(100)?;
        world.time()?.bind(thread)?;
        let enter_order = world.mint(orders, Rights::SEND, ENTER_MANY)?;
        let master = Self { vcpu, orders, enter_order, done, address, space };
        master.state(|state| (state.rip, state.rcx, state.rflags, state.r11) = (address, address, 0x202, 0x202));
        thread.resume()?;
        Ok(master)
    }

    fn order(&self, world: &mut World, order: u64) -> Result<(), Error> {
        world.mint(self.orders, Rights::SEND, order)?.signal()
    }

    /// Change the state page.
    pub fn state(&self, change: impl FnOnce(&mut State)) {
        let mut state = machine::read_state(VIEW);
        change(&mut state);
        machine::write_state(VIEW, &state);
    }

    /// Enter the foreign code, and wait for its exit.
    pub fn enter(&mut self, world: &mut World) -> Result<Seen, Error> {
        self.order(world, ENTER)?;
        self.wait(world)
    }

    /// Enter the foreign code.
    pub fn start(&mut self, world: &mut World) -> Result<(), Error> {
        self.order(world, ENTER)
    }

    /// Enter and leave the foreign code so many times.
    pub fn start_many(&self, rounds: u64) -> Result<(), Error> {
        poke(VIEW + ROUNDS, rounds);
        self.enter_order.signal()
    }

    /// See to it that no kick is latched.
    pub fn settle(&mut self, world: &mut World) -> Result<(), Error> {
        self.state(|state| (state.rip, state.rcx) = (self.address, self.address));
        for _ in 0..2 {
            self.enter(world)?;
        }
        Ok(())
    }

    /// Whether the master has reported since.
    pub fn returned(&self) -> bool {
        self.done.poll().is_ok()
    }

    /// Wait for the exit.
    pub fn wait(&mut self, _: &mut World) -> Result<Seen, Error> {
        self.done.wait()?;
        let state = machine::read_state(VIEW);
        Ok(Seen { reason: state.exit_reason, state })
    }

    /// Kick the Vcpu.
    pub fn kick(&self) -> Result<(), Error> {
        self.vcpu.kick()
    }

    /// Let the master load a word of its address space. `None`: its fix-up was taken.
    pub fn load(&mut self, world: &mut World, address: u64) -> Result<Option<u64>, Error> {
        let before = peek(VIEW + FIXUPS);
        poke(VIEW + LOAD_ADDRESS, address);
        self.order(world, LOAD)?;
        self.done.wait()?;
        Ok((peek(VIEW + FIXUPS) == before).then(|| peek(VIEW + LOAD_VALUE)))
    }

    /// The faulting address that the last fix-up left.
    pub fn fixup(&self) -> u64 {
        machine::read_state(VIEW).fixup_address
    }

    /// Enter the foreign code that often, and wait for the last exit.
    pub fn enter_many(&self, rounds: u64) -> Result<(), Error> {
        poke(VIEW + ROUNDS, rounds);
        self.enter_order.signal()?;
        self.done.wait().map(drop)
    }
}

/// Let others run for so many milliseconds.
pub fn sleep(world: &mut World, milliseconds: u64) -> Outcome {
    let (notification, timer) = (world.make::<Notification>()?, world.make::<Timer>()?);
    let badged = world.mint(notification, Rights::SEND, 1)?;
    timer.bind(badged)?;
    timer.arm(now() + world.tsc_hz / 1000 * milliseconds)?;
    notification.wait().map(drop).map_err(Failure::from)
}

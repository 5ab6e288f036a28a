//! What a task must not be able to do to others, or to what it was given. Others of the kind are in `faults` (kernel
//! memory, ports, FPU) and `foreign` (hostile state pages, forbidden instructions).

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights, fault};
use ukernel_user::message::Incoming;
use ukernel_user::object::StartRegisters;
use ukernel_user::{Cap, Endpoint, Memory, Notification, Reply, SchedContext, Thread, Untyped};

use crate::machine::{jump, overflow_code, place, poke};
use crate::master::sleep;
use crate::world::{PLAYGROUND, World, park};
use crate::{Failure, Outcome, attack, check};

const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);
const BADGE: u64 = 22;
/// Bits of a page fault's error code (Intel SDM 3A, 4.7).
const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const USER: u64 = 4;
const FETCH: u64 = 16;
/// Where code and stack of another address space are.
const CODE: u64 = 0x40_0000;
const STACK: u64 = 0x80_0000;

static REACHED: AtomicU64 = AtomicU64::new(0);

pub fn random_calls_harm_nobody(world: &mut World) -> Outcome {
    let (seed, calls) = (world.attack_seed, world.attack_calls);
    attack::run(world, seed, calls)
}

/// Start a thread of this task, and receive the fault that it makes.
fn fault_of(world: &mut World, main: extern "C" fn(u64) -> !, argument: u64) -> Result<Incoming, Failure> {
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let faults = world.mint(endpoint, Rights::SEND, BADGE)?;
    world.thread(255, faults, main, argument)?.resume()?;
    let incoming = endpoint.try_receive(reply)?;
    check!(incoming.info == MessageInfo::new(fault::LABEL, fault::WORDS) && incoming.badge == BADGE);
    check!(incoming.words[fault::WORD_VECTOR] == 14);
    Ok(incoming)
}

extern "C" fn execute(address: u64) -> ! {
    jump(address);
    REACHED.fetch_add(1, Ordering::SeqCst);
    park()
}

pub fn writable_pages_are_not_executed(world: &mut World) -> Outcome {
    REACHED.store(0, Ordering::SeqCst);
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    let attachment = world.map(world.vspace, memory, PLAYGROUND, READ_WRITE)?;
    // ret
    place(&[0xc3], PLAYGROUND);
    let told = fault_of(world, execute, PLAYGROUND)?;
    check!(told.words[fault::WORD_ADDRESS] == PLAYGROUND && told.words[fault::WORD_IP] == PLAYGROUND);
    check!(told.words[fault::WORD_ERROR_CODE] == PRESENT | USER | FETCH);
    check!(REACHED.load(Ordering::SeqCst) == 0);
    // The same page, executable, and so no longer writable.
    attachment.unmap_all()?;
    world.map(world.vspace, memory, PLAYGROUND, Rights::READ.or(Rights::EXECUTE))?;
    world.thread(255, Cap::NULL, execute, PLAYGROUND)?.resume()?;
    check!(REACHED.load(Ordering::SeqCst) == 1);
    let told = fault_of(world, write, PLAYGROUND)?;
    check!(told.words[fault::WORD_ERROR_CODE] == PRESENT | USER | WRITE);
    Ok(())
}

extern "C" fn write(address: u64) -> ! {
    poke(address, 4711);
    REACHED.fetch_add(1, Ordering::SeqCst);
    park()
}

pub fn memory_that_may_be_read_is_not_written(world: &mut World) -> Outcome {
    REACHED.store(0, Ordering::SeqCst);
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    let slot = world.slot();
    world.table.copy(slot, world.table, memory.slot(), Rights::READ)?;
    let readable = Cap::<Memory>::new(slot);
    check!(world.map(world.vspace, readable, PLAYGROUND, READ_WRITE) == Err(Error::InsufficientRights));
    world.map(world.vspace, readable, PLAYGROUND, Rights::READ)?;
    let told = fault_of(world, write, PLAYGROUND + 8)?;
    check!(told.words[fault::WORD_ADDRESS] == PLAYGROUND + 8);
    check!(told.words[fault::WORD_ERROR_CODE] == PRESENT | USER | WRITE);
    check!(REACHED.load(Ordering::SeqCst) == 0);
    Ok(())
}

pub fn a_stack_overflow_is_a_fault(world: &mut World) -> Outcome {
    let vspace = world.vspace()?;
    world.load_code(vspace, overflow_code(), CODE)?;
    let stack = world.make_sized::<Memory>(2 * PAGE_BYTES)?;
    world.map(vspace, stack, STACK, READ_WRITE)?;
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let thread = world.make::<Thread>()?;
    thread.configure(world.table, vspace, endpoint, Cap::NULL, 0)?;
    let rsp = STACK + 2 * PAGE_BYTES;
    thread.write_registers(&StartRegisters { rip: CODE, rsp, ..StartRegisters::default() })?;
    thread.set_priority(255)?;
    world.make::<SchedContext>()?.bind(thread)?;
    thread.resume()?;
    let told = endpoint.try_receive(reply)?;
    check!(told.words[fault::WORD_VECTOR] == 14);
    check!(told.words[fault::WORD_ADDRESS] == STACK - 8 && told.words[fault::WORD_SP] == STACK);
    check!(told.words[fault::WORD_ERROR_CODE] == USER | WRITE);
    Ok(())
}

/// Registers that nobody wrote are zeros, but interrupts are on: a loop at address 0 does not keep the processor.
pub fn a_thread_without_registers_can_be_interrupted(world: &mut World) -> Outcome {
    let vspace = world.vspace()?;
    // jmp to itself
    world.load_code(vspace, &[0xeb, 0xfe], 0)?;
    let thread = world.make::<Thread>()?;
    thread.configure(world.table, vspace, Cap::NULL, Cap::NULL, 0)?;
    thread.set_priority(1)?;
    world.make::<SchedContext>()?.bind(thread)?;
    thread.resume()?;
    sleep(world, 2)?;
    thread.suspend()?;
    Ok(())
}

pub fn revoked_capabilities_send_nothing(world: &mut World) -> Outcome {
    let (endpoint, notification) = (world.make::<Endpoint>()?, world.make::<Notification>()?);
    let (send, signal) = (world.mint(endpoint, Rights::ALL, 1)?, world.mint(notification, Rights::ALL, 1)?);
    world.table.revoke(endpoint.slot())?;
    world.table.revoke(notification.slot())?;
    let info = MessageInfo::new(1, 0);
    check!(send.send(info, &[0; 6]) == Err(Error::InvalidCapability));
    check!(send.try_send(info, &[0; 6]) == Err(Error::InvalidCapability));
    check!(send.call(info, &[0; 6]) == Err(Error::InvalidCapability));
    check!(signal.signal() == Err(Error::InvalidCapability));
    check!(endpoint.try_receive(Cap::NULL) == Err(Error::WouldBlock));
    check!(notification.poll() == Err(Error::WouldBlock));
    Ok(())
}

pub fn one_tasks_memory_is_not_anothers(world: &mut World) -> Outcome {
    let greedy = world.make_sized::<Untyped>(64 * PAGE_BYTES)?;
    let modest = world.make_sized::<Untyped>(16 * PAGE_BYTES)?;
    let mut made = 0;
    let first = world.slot();
    let failed = loop {
        let slot = if made == 0 { first } else { world.slot() };
        match greedy.create::<Thread>(0, slot) {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    check!(failed == Error::OutOfMemory && made == 64 * PAGE_BYTES / 2048);
    let slot = world.slot();
    check!(greedy.create::<Endpoint>(0, slot) == Err(Error::OutOfMemory));
    let vspace = world.make::<ukernel_user::VSpace>()?;
    check!(vspace.donate(greedy, 1) == Err(Error::OutOfMemory));
    // Another goes on as if nothing were.
    vspace.donate(modest, 8)?;
    let memory = modest.create::<Memory>(4 * PAGE_BYTES, slot)?;
    world.map(vspace, memory, CODE, READ_WRITE)?;
    world.map(world.vspace, memory, PLAYGROUND, READ_WRITE)?;
    poke(PLAYGROUND, 1);
    check!(modest.info()?.0 == 4 * PAGE_BYTES);
    Ok(())
}

//! Faults of ordinary threads.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights, fault};
use ukernel_user::message::Incoming;
use ukernel_user::{Cap, Endpoint, Memory, Reply};

use crate::machine::{bad_call, peek, poke, touch_port, use_fpu};
use crate::world::{PLAYGROUND, World, park};
use crate::{Failure, Outcome, check};

static REACHED: AtomicU64 = AtomicU64::new(0);

fn reached() -> ! {
    REACHED.fetch_add(1, Ordering::SeqCst);
    park()
}

/// Start a thread that is going to fault, and receive its fault.
fn fault_of(
    world: &mut World,
    main: extern "C" fn(u64) -> !,
    argument: u64,
) -> Result<(Incoming, Cap<Reply>), Failure> {
    REACHED.store(0, Ordering::SeqCst);
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let faults = world.mint(endpoint, Rights::SEND, 21)?;
    world.thread(255, faults, main, argument)?.resume()?;
    let incoming = endpoint.try_receive(reply)?;
    check!(incoming.info == MessageInfo::new(fault::LABEL, fault::WORDS));
    check!(incoming.badge == 21);
    Ok((incoming, reply))
}

extern "C" fn touch(address: u64) -> ! {
    poke(address, 4711);
    reached()
}

pub fn a_page_fault_is_told_and_resumed(world: &mut World) -> Outcome {
    let (incoming, reply) = fault_of(world, touch, PLAYGROUND + 16)?;
    check!(incoming.words[fault::WORD_VECTOR] == 14);
    check!(incoming.words[fault::WORD_ADDRESS] == PLAYGROUND + 16);
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    world.map(world.vspace, memory, PLAYGROUND, Rights::READ.or(Rights::WRITE))?;
    reply.reply(MessageInfo::new(fault::RESUME, 0), &[0; 6])?;
    check!(REACHED.load(Ordering::SeqCst) == 1);
    check!(peek(PLAYGROUND + 16) == 4711);
    Ok(())
}

pub fn kernel_memory_is_out_of_reach(world: &mut World) -> Outcome {
    for address in [0xffff_ffff_8000_0000, 0xffff_c000_0000_0000, 0xffff_8000_0000_0000] {
        let (incoming, reply) = fault_of(world, touch, address)?;
        check!(incoming.words[fault::WORD_VECTOR] == 14);
        check!(incoming.words[fault::WORD_ADDRESS] == address);
        reply.reply(MessageInfo::new(1, 0), &[0; 6])?;
        check!(REACHED.load(Ordering::SeqCst) == 0);
    }
    Ok(())
}

extern "C" fn touch_a_port(_: u64) -> ! {
    touch_port();
    reached()
}

pub fn ports_are_out_of_reach(world: &mut World) -> Outcome {
    let (incoming, _) = fault_of(world, touch_a_port, 0)?;
    check!(incoming.words[fault::WORD_VECTOR] == 13);
    Ok(())
}

extern "C" fn use_the_fpu(_: u64) -> ! {
    use_fpu();
    reached()
}

pub fn the_fpu_must_be_declared(world: &mut World) -> Outcome {
    let (incoming, _) = fault_of(world, use_the_fpu, 0)?;
    check!(incoming.words[fault::WORD_VECTOR] == 7);
    let thread = world.thread(255, Cap::NULL, use_the_fpu, 0)?;
    thread.set_fpu(true)?;
    thread.resume()?;
    check!(REACHED.load(Ordering::SeqCst) == 1);
    Ok(())
}

extern "C" fn make_a_bad_call(_: u64) -> ! {
    bad_call();
    reached()
}

pub fn unknown_calls_are_faults(world: &mut World) -> Outcome {
    let (incoming, reply) = fault_of(world, make_a_bad_call, 0)?;
    check!(incoming.words[fault::WORD_VECTOR] == fault::BAD_CALL);
    check!(incoming.words[fault::WORD_ADDRESS] == 999);
    reply.reply(MessageInfo::new(fault::RESUME, 0), &[0; 6])?;
    check!(REACHED.load(Ordering::SeqCst) == 1);
    Ok(())
}

extern "C" fn receive_forever(endpoint: u64) -> ! {
    loop {
        if let Ok(incoming) = Cap::<Endpoint>::new(endpoint).receive(Cap::NULL) {
            REACHED.fetch_add(incoming.words[0], Ordering::SeqCst);
        }
    }
}

pub fn stopped_threads_repeat_their_call(world: &mut World) -> Outcome {
    REACHED.store(0, Ordering::SeqCst);
    let endpoint = world.make::<Endpoint>()?;
    let thread = world.thread(255, Cap::NULL, receive_forever, endpoint.slot())?;
    thread.resume()?;
    thread.suspend()?;
    check!(thread.read_registers()?.state == 0);
    check!(endpoint.try_receive(Cap::NULL) == Err(Error::WouldBlock));
    thread.resume()?;
    endpoint.send(MessageInfo::new(0, 1), &[5, 0, 0, 0, 0, 0])?;
    check!(REACHED.load(Ordering::SeqCst) == 5);
    Ok(())
}

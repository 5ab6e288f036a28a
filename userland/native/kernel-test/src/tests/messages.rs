//! Endpoints, Reply objects, donated time.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::{Error, MessageInfo, Rights};
use ukernel_user::message::{load_words, set_receive_caps, set_send_caps};
use ukernel_user::{Cap, Endpoint, Notification, Reply, SchedContext};

use crate::world::{World, park};
use crate::{Outcome, check};

/// What the threads of a test need to know.
static SHARED: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn shared(index: usize) -> u64 {
    SHARED[index].load(Ordering::SeqCst)
}

fn share(index: usize, value: u64) {
    SHARED[index].store(value, Ordering::SeqCst);
}

pub fn a_call_is_answered(world: &mut World) -> Outcome {
    for priority in [100, 255] {
        let endpoint = world.echo_server(priority)?;
        for length in 0..=6 {
            let words = [1, 2, 3, 4, 5, 6];
            let answer = endpoint.call(MessageInfo::new(9, length), &words)?;
            check!(answer.info == MessageInfo::new(9, length));
            check!(answer.words[..length] == words[..length]);
        }
    }
    Ok(())
}

pub fn long_messages_arrive(world: &mut World) -> Outcome {
    let endpoint = world.echo_server(100)?;
    let words: [u64; 480] = core::array::from_fn(|index| index as u64 * 3 + 1);
    let registers = load_words(&words);
    let answer = endpoint.call(MessageInfo::new(1, words.len()), &registers)?;
    let mut back = [0; 480];
    check!(answer.read_words(&mut back) == 480);
    check!(back == words);
    check!(endpoint.call(MessageInfo::new(1, 481), &registers) == Err(Error::InvalidMessage));
    Ok(())
}

extern "C" fn take_capability(endpoint: u64) -> ! {
    let slot = shared(0);
    set_receive_caps(&[slot, 0, 0, 0]);
    let incoming = Cap::<Endpoint>::new(endpoint).receive(Cap::NULL);
    share(1, incoming.map_or(99, |incoming| incoming.info.caps() as u64));
    let signalled = Cap::<Notification>::new(slot).signal();
    share(2, u64::from(signalled.is_ok()));
    park()
}

pub fn capabilities_travel(world: &mut World) -> Outcome {
    let endpoint = world.make::<Endpoint>()?;
    let notification = world.make::<Notification>()?;
    let badged = world.mint(notification, Rights::SEND, 64)?;
    share(0, world.slot());
    let thread = world.thread(255, Cap::NULL, take_capability, endpoint.slot())?;
    thread.resume()?;
    set_send_caps(&[badged.slot()]);
    endpoint.send(MessageInfo::new(0, 0).with_caps(1), &[0; 6])?;
    thread.suspend()?;
    check!(shared(1) == 1);
    check!(shared(2) == 1);
    check!(notification.poll()? == 64);
    Ok(())
}

extern "C" fn send_twice(endpoint: u64) -> ! {
    for value in [5, 6] {
        let sent = Cap::<Endpoint>::new(endpoint).send(MessageInfo::new(0, 1), &[value, 0, 0, 0, 0, 0]);
        share(0, shared(0) + u64::from(sent.is_ok()));
    }
    park()
}

pub fn senders_wait_for_a_receiver(world: &mut World) -> Outcome {
    share(0, 0);
    let endpoint = world.make::<Endpoint>()?;
    let badged = world.mint(endpoint, Rights::SEND, 3)?;
    check!(endpoint.try_receive(Cap::NULL) == Err(Error::WouldBlock));
    check!(endpoint.try_send(MessageInfo::new(0, 0), &[0; 6]) == Ok(()));
    let thread = world.thread(255, Cap::NULL, send_twice, badged.slot())?;
    thread.resume()?;
    check!(shared(0) == 0);
    let first = endpoint.receive(Cap::NULL)?;
    check!((first.badge, first.words[0]) == (3, 5));
    let second = endpoint.try_receive(Cap::NULL)?;
    check!(second.words[0] == 6);
    thread.suspend()?;
    check!(shared(0) == 2);
    Ok(())
}

pub fn capabilities_travel_with_the_right_only(world: &mut World) -> Outcome {
    let endpoint = world.make::<Endpoint>()?;
    let notification = world.make::<Notification>()?;
    // To send, but not to give.
    let mute = world.mint(endpoint, Rights::SEND, 5)?;
    share(0, world.slot());
    let thread = world.thread(255, Cap::NULL, take_capability, endpoint.slot())?;
    thread.resume()?;
    set_send_caps(&[notification.slot()]);
    mute.send(MessageInfo::new(0, 0).with_caps(1), &[0; 6])?;
    thread.suspend()?;
    check!((shared(1), shared(2)) == (0, 0));
    check!(notification.poll() == Err(Error::WouldBlock));
    Ok(())
}

pub fn polling_meets_who_waits_and_nobody_else(world: &mut World) -> Outcome {
    share(0, 0);
    let endpoint = world.make::<Endpoint>()?;
    let mute = world.mint(endpoint, Rights::RECEIVE, 0)?;
    check!(mute.try_send(MessageInfo::new(0, 0), &[0; 6]) == Err(Error::InsufficientRights));
    let badged = world.mint(endpoint, Rights::SEND, 3)?;
    check!(badged.try_receive(Cap::NULL) == Err(Error::InsufficientRights));
    // Nobody waits: it goes nowhere, and nothing arrives later.
    badged.try_send(MessageInfo::new(0, 1), &[1, 0, 0, 0, 0, 0])?;
    let thread = world.thread(255, Cap::NULL, add_up, endpoint.slot())?;
    thread.resume()?;
    check!(shared(0) == 0);
    badged.try_send(MessageInfo::new(0, 1), &[7, 0, 0, 0, 0, 0])?;
    check!(shared(0) == 7);
    thread.suspend()?;
    badged.try_send(MessageInfo::new(0, 1), &[1, 0, 0, 0, 0, 0])?;
    check!(shared(0) == 7 && endpoint.try_receive(Cap::NULL) == Err(Error::WouldBlock));
    Ok(())
}

extern "C" fn add_up(endpoint: u64) -> ! {
    loop {
        let incoming = Cap::<Endpoint>::new(endpoint).receive(Cap::NULL);
        share(0, shared(0) + incoming.map_or(100, |incoming| incoming.words[0]));
    }
}

pub fn a_cancelled_call_is_made_again(world: &mut World) -> Outcome {
    share(0, 77);
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let badged = world.mint(endpoint, Rights::SEND, 6)?;
    let thread = world.thread(255, Cap::NULL, call_and_note, badged.slot())?;
    // While it waits for somebody to receive, and while it waits for the answer.
    thread.resume()?;
    thread.suspend()?;
    check!(endpoint.try_receive(reply) == Err(Error::WouldBlock));
    for _ in 0..3 {
        thread.resume()?;
        check!(endpoint.try_receive(reply)?.badge == 6);
        thread.suspend()?;
        check!(reply.reply(MessageInfo::new(0, 0), &[0; 6]) == Err(Error::InvalidState));
        check!(shared(0) == 77);
    }
    thread.resume()?;
    endpoint.try_receive(reply)?;
    reply.reply(MessageInfo::new(0, 0), &[0; 6])?;
    thread.suspend()?;
    check!(shared(0) == 0);
    Ok(())
}

pub fn an_idle_reply_answers_nobody(world: &mut World) -> Outcome {
    let reply = world.make::<Reply>()?;
    check!(reply.reply(MessageInfo::new(0, 0), &[0; 6]) == Err(Error::InvalidState));
    Ok(())
}

extern "C" fn call_and_note(endpoint: u64) -> ! {
    let answer = Cap::<Endpoint>::new(endpoint).call(MessageInfo::new(0, 0), &[0; 6]);
    share(0, answer.map_or_else(|error| error as u64, |_| 0));
    park()
}

pub fn a_destroyed_reply_fails_the_call(world: &mut World) -> Outcome {
    share(0, 77);
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let thread = world.thread(255, Cap::NULL, call_and_note, endpoint.slot())?;
    thread.resume()?;
    endpoint.receive(reply)?;
    check!(endpoint.receive(reply) == Err(Error::InvalidState));
    check!(shared(0) == 77);
    world.table.delete(reply.slot())?;
    thread.suspend()?;
    check!(shared(0) == Error::ServerDied as u64);
    Ok(())
}

pub fn a_destroyed_endpoint_fails_its_senders(world: &mut World) -> Outcome {
    share(0, 77);
    let endpoint = world.make::<Endpoint>()?;
    let thread = world.thread(255, Cap::NULL, call_and_note, endpoint.slot())?;
    thread.resume()?;
    check!(shared(0) == 77);
    world.table.delete(endpoint.slot())?;
    thread.suspend()?;
    check!(shared(0) == Error::ServerDied as u64);
    Ok(())
}

extern "C" fn serve(endpoint: u64) -> ! {
    let (endpoint, reply) = (Cap::<Endpoint>::new(endpoint), Cap::<Reply>::new(shared(1)));
    let mut incoming = endpoint.receive(reply);
    loop {
        share(0, shared(0) + 1);
        let words = incoming.map_or([0; 6], |incoming| incoming.words);
        incoming = endpoint.reply_receive(reply, MessageInfo::new(0, 1), &words, reply);
    }
}

pub fn passive_servers_run_on_donated_time(world: &mut World) -> Outcome {
    share(0, 0);
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    share(1, reply.slot());
    let thread = world.thread(255, Cap::NULL, serve, endpoint.slot())?;
    // The last object that `thread` made is its scheduling context.
    let time: Cap<SchedContext> = Cap::new(world.slot() - 1);
    thread.resume()?;
    time.unbind()?;
    for value in 0..5 {
        let answer = endpoint.call(MessageInfo::new(0, 1), &[value, 0, 0, 0, 0, 0])?;
        check!(answer.words[0] == value);
    }
    check!(shared(0) == 5);
    Ok(())
}

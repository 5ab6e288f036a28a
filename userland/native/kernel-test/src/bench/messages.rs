//! Messages, between address spaces.

use core::cell::Cell;

use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights};
use ukernel_user::message::load_words;
use ukernel_user::{Endpoint, Memory};

use super::meter::Meter;
use crate::machine::{now, peek, poke, receiver_code, stamper_code};
use crate::world::{OWN_PRIORITY, PLAYGROUND, World};

const LENGTHS: [usize; 6] = [0, 4, 6, 8, 60, 120];
/// Where the server adds up how long calls take to reach it.
const ARRIVED: u64 = PLAYGROUND + 8;
/// When it answered last.
const ANSWERED: u64 = PLAYGROUND + 16;

/// A call and its answer, of so many words.
pub fn round_trips(world: &mut World, meter: Meter) -> Result<(), Error> {
    let endpoint = world.echo_server(100)?;
    let words: [u64; 120] = [1; 120];
    let names = [
        "ipc_call_reply_0",
        "ipc_call_reply_4",
        "ipc_call_reply_6",
        "ipc_call_reply_8",
        "ipc_call_reply_60",
        "ipc_call_reply_120",
    ];
    for (name, length) in names.into_iter().zip(LENGTHS) {
        let registers = load_words(&words[..length]);
        meter.measure(name, || endpoint.call(MessageInfo::new(0, length), &registers).map(drop))?;
    }
    Ok(())
}

/// The way there and the way back, each until the other thread runs.
pub fn one_ways(world: &mut World, meter: Meter) -> Result<(), Error> {
    let shared = world.shared_page()?;
    let endpoint = world.server(stamper_code(), 100, shared)?;
    let words: [u64; 120] = [1; 120];
    let names = [
        ("ipc_call_0", "ipc_reply_receive_0"),
        ("ipc_call_4", "ipc_reply_receive_4"),
        ("ipc_call_6", "ipc_reply_receive_6"),
        ("ipc_call_8", "ipc_reply_receive_8"),
        ("ipc_call_60", "ipc_reply_receive_60"),
        ("ipc_call_120", "ipc_reply_receive_120"),
    ];
    for ((there, back), length) in names.into_iter().zip(LENGTHS) {
        let registers = load_words(&words[..length]);
        let back_ticks = Cell::new(0);
        let round = || {
            poke(PLAYGROUND, now());
            endpoint.call(MessageInfo::new(0, length), &registers)?;
            back_ticks.set(back_ticks.get() + now() - peek(ANSWERED));
            Ok(())
        };
        let totals = meter.total(round, || {
            poke(ARRIVED, 0);
            back_ticks.set(0);
        })?;
        meter.print(there, totals.half().taking(peek(ARRIVED)), None);
        meter.print(back, totals.half().taking(back_ticks.get()), None);
    }
    Ok(())
}

/// Sending without an answer.
pub fn sends(world: &mut World, meter: Meter) -> Result<(), Error> {
    let nobody = world.make::<Endpoint>()?;
    meter.measure("send_nobody_waits", || nobody.try_send(MessageInfo::default(), &[0; 6]))?;
    let shared = world.make_sized::<Memory>(PAGE_BYTES)?;
    world.map(world.vspace, shared, PLAYGROUND, Rights::READ)?;
    let endpoint = world.server(receiver_code(), OWN_PRIORITY, shared)?;
    ukernel_user::yield_now();
    meter.measure("send_to_receiver_and_yield", || {
        endpoint.send(MessageInfo::default(), &[0; 6])?;
        ukernel_user::yield_now();
        Ok(())
    })
}

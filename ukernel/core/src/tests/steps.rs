//! A single step whose trap arrives as its thread is pulled to another processor: it is told when the thread goes on.

use ukernel_abi::invoke::thread;
use ukernel_abi::{Call, MessageInfo, ObjectType, fault};

use super::World;
use crate::checks::world::FREE;
use crate::context::Resume;
use crate::{Cap, Ref, State, Thread};

const ENDPOINT: u64 = FREE;
const REPLY: u64 = FREE + 1;
const TIME: u64 = FREE + 2;
const STEPPER: u64 = FREE + 3;
/// Behind the instruction that was stepped.
const BEHIND: u64 = 0x40_1003;

/// A handler on processor 0, and a thread that has just made a step on processor 1, of which that has not told the kernel yet.
fn stepped() -> (World, Ref<Thread>, Ref<Thread>) {
    let mut world = World::new();
    world.kernel.machine.add_cpu();
    let (handler, stepper) = (world.thread(10), world.thread(10));
    assert_eq!(world.make(handler, ObjectType::Endpoint, 0, ENDPOINT), 0);
    assert_eq!(world.make(handler, ObjectType::Reply, 0, REPLY), 0);
    world.give_thread(stepper, STEPPER);
    world.give_time(stepper, TIME);
    let Cap::Endpoint { endpoint, .. } = world.cap(ENDPOINT) else { panic!("an endpoint") };
    world.kernel.get_mut(stepper).fault_endpoint = Some((endpoint, 7));
    let Cap::SchedContext(time) = world.cap(TIME) else { panic!("time") };
    world.kernel.move_sched_context(time, 1);
    world.kernel.machine.go_to(1);
    assert_eq!(world.kernel.settle(), Some(stepper));
    let context = &mut world.kernel.get_mut(stepper).context;
    (context.resume, context.rip) = (Resume::STEPPED, BEHIND);
    world.kernel.machine.go_to(0);
    (world, handler, stepper)
}

/// Processor 1 has the kernel at last, and says what it came for.
fn arrive(world: &mut World) {
    world.kernel.machine.go_to(1);
    world.kernel.exception(1, 0, 0);
    world.kernel.settle();
    world.kernel.machine.go_to(0);
}

/// What the handler is told, if something.
fn told(world: &mut World, handler: Ref<Thread>) -> Option<[u64; 4]> {
    world.kernel.get_mut(handler).context.r14 = REPLY;
    if world.call(handler, Call::NbRecv, ENDPOINT, MessageInfo::default(), &[]) != 0 {
        return None;
    }
    let context = &world.kernel.get(handler).context;
    assert_eq!(MessageInfo(context.rsi).label(), fault::LABEL);
    Some(core::array::from_fn(|word| context.words[word]))
}

#[test]
fn a_step_is_told_where_nobody_interferes() {
    let (mut world, handler, stepper) = stepped();
    arrive(&mut world);
    let words = told(&mut world, handler).expect("the step");
    assert_eq!((words[fault::WORD_VECTOR], words[fault::WORD_IP]), (1, BEHIND));
    assert_eq!(world.kernel.get(stepper).context.resume, Resume::FULL, "and once only");
}

#[test]
fn a_step_is_told_after_its_thread_was_pulled() {
    let (mut world, handler, stepper) = stepped();
    assert_eq!(world.invoke(handler, STEPPER, thread::SUSPEND, &[]), 0);
    arrive(&mut world);
    assert_eq!(world.kernel.get(stepper).state, State::Stopped);
    assert_eq!(told(&mut world, handler), None, "it is stopped, so nothing is told yet");
    assert_eq!(world.invoke(handler, STEPPER, thread::RESUME, &[]), 0);
    world.kernel.machine.go_to(1);
    assert_eq!(world.kernel.settle(), None, "it does not go on with the next instruction");
    world.kernel.machine.go_to(0);
    let words = told(&mut world, handler).expect("the step");
    assert_eq!((words[fault::WORD_VECTOR], words[fault::WORD_IP]), (1, BEHIND));
}

#[test]
fn other_exceptions_come_again_by_themselves() {
    for vector in [0, 3, 6, 13, 14] {
        let (mut world, handler, stepper) = stepped();
        world.kernel.get_mut(stepper).context.resume = Resume(vector + 1);
        assert_eq!(world.invoke(handler, STEPPER, thread::SUSPEND, &[]), 0);
        assert_eq!(world.invoke(handler, STEPPER, thread::RESUME, &[]), 0);
        world.kernel.machine.go_to(1);
        assert_eq!(world.kernel.settle(), Some(stepper), "vector {vector}");
        let context = &world.kernel.get(stepper).context;
        assert_eq!((context.resume, context.rip), (Resume::FULL, BEHIND - u64::from(vector == 3)));
    }
}

//! Foreign threads: traps become messages, answers bring registers, kicks are not lost.

use ukernel_abi::invoke::{attachment, memory, thread};
use ukernel_abi::vcpu::{ExitReason, REGISTER_WORDS, State as Registers, TRAP_WORDS};
use ukernel_abi::{Call, Error, MASTER_START, MessageInfo, ObjectType, PAGE_BYTES, USER_END, fault};

use super::check;
use crate::checks::world::{FREE, TABLE, World};
use crate::{Cap, Fpu, Machine, PhysAddr, Ref, State, Thread};

const ENDPOINT: u64 = FREE;
const REPLY: u64 = FREE + 1;
const FOREIGN: u64 = FREE + 2;
const HOME: u64 = FREE + 3;
const SPACE: u64 = FREE + 4;
const TIME: u64 = FREE + 5;
/// Where the foreign code is.
const CODE: u64 = 0x40_0000;

struct Pair {
    world: World,
    handler: Ref<Thread>,
    foreign: Ref<Thread>,
}

/// A handler, and a foreign thread that it has not started yet.
fn pair() -> Pair {
    let mut world = World::new();
    let handler = world.thread(10);
    for (slot, object) in [
        (ENDPOINT, ObjectType::Endpoint),
        (REPLY, ObjectType::Reply),
        (FOREIGN, ObjectType::Thread),
        (HOME, ObjectType::VSpace),
        (SPACE, ObjectType::VSpace),
        (TIME, ObjectType::SchedContext),
    ] {
        assert_eq!(world.make(handler, object, 0, slot), 0);
    }
    let Cap::VSpace(home) = world.cap(HOME) else { panic!("a VSpace") };
    let Cap::VSpace(space) = world.cap(SPACE) else { panic!("a VSpace") };
    world.kernel.add_tables(home, PhysAddr(0x60_0000), 8);
    world.kernel.add_tables(space, PhysAddr(0x70_0000), 8);
    // The master slot has something in it.
    assert_eq!(world.make(handler, ObjectType::Memory, PAGE_BYTES, TIME + 30), 0);
    assert_eq!(world.make(handler, ObjectType::Attachment, 0, TIME + 31), 0);
    let attach = [HOME, MASTER_START, PAGE_BYTES, 1, TIME + 31];
    assert_eq!(world.invoke(handler, TIME + 30, memory::ATTACH, &attach), 0);
    assert_eq!(world.invoke(handler, TIME + 31, attachment::MAP, &[MASTER_START | 1, 0]), 0);
    world.kernel.make_legacy(space, home).expect("both are fresh");
    let Cap::Thread(foreign) = world.cap(FOREIGN) else { panic!("a thread") };
    let words = [TABLE, SPACE, ENDPOINT, 0, 0];
    assert_eq!(world.invoke(handler, FOREIGN, thread::CONFIGURE, &words), 0);
    assert_eq!(world.invoke(handler, FOREIGN, thread::SET_PRIORITY, &[10]), 0);
    assert_eq!(world.invoke(handler, TIME, ukernel_abi::invoke::sched_context::BIND, &[FOREIGN]), 0);
    assert_eq!(world.invoke(handler, FOREIGN, thread::MAKE_FOREIGN, &[0]), 0);
    check(&world);
    Pair { world, handler, foreign }
}

impl Pair {
    fn kick(&mut self) -> u64 {
        self.world.invoke(self.handler, FOREIGN, thread::KICK, &[])
    }

    /// The message that the handler has just got.
    fn message(&mut self) -> Registers {
        check(&self.world);
        let h = self.world.kernel.get(self.handler);
        assert_eq!(h.context.rax, 0);
        assert_eq!(MessageInfo(h.context.rsi), MessageInfo::new(fault::FOREIGN, TRAP_WORDS));
        let page = h.page.expect("it has a page");
        let words = core::array::from_fn(|index| match h.context.words.get(index) {
            Some(word) => *word,
            None => self.world.kernel.machine.word(page, index),
        });
        let mut registers = Registers::default();
        registers.set_trap_words(&words);
        registers
    }

    fn receive(&mut self) -> u64 {
        self.world.kernel.get_mut(self.handler).context.r14 = REPLY;
        self.world.call(self.handler, Call::NbRecv, ENDPOINT, MessageInfo::default(), &[])
    }

    /// Kick, start, and receive what comes of it.
    fn start(&mut self) -> Registers {
        assert_eq!(self.kick(), 0);
        assert_eq!(self.world.invoke(self.handler, FOREIGN, thread::RESUME, &[]), 0);
        assert_eq!(self.receive(), 0);
        self.message()
    }

    /// Answer with registers; the handler waits for the next trap.
    fn answer(&mut self, registers: &Registers, length: usize) {
        let words = registers.trap_words();
        let page = self.world.kernel.get(self.handler).page.expect("it has a page");
        for (index, word) in words.iter().enumerate().skip(6) {
            self.world.kernel.machine.set_word(page, index, *word);
        }
        let context = &mut self.world.kernel.get_mut(self.handler).context;
        (context.r14, context.r15) = (REPLY, ENDPOINT);
        let info = MessageInfo::new(fault::RESUME, length);
        self.world.call(self.handler, Call::ReplyRecv, REPLY, info, &words);
        check(&self.world);
    }
}

fn registers() -> Registers {
    let mut registers = Registers::default();
    registers.set_trap_words(&core::array::from_fn(|index| index as u64 + 1));
    (registers.rip, registers.rflags, registers.fs_base, registers.gs_base) = (CODE, 0x202, 0x1000, 0x2000);
    registers
}

#[test]
fn all_calls_of_foreign_code_are_messages() {
    for number in 0..16 {
        let mut pair = pair();
        assert_eq!(pair.start().exit_reason, ExitReason::Kick as u64);
        let mut sent = registers();
        sent.rax = number;
        pair.answer(&sent, REGISTER_WORDS);
        assert_eq!(pair.world.kernel.current(), Some(pair.foreign));
        pair.world.kernel.system_call();
        pair.world.kernel.settle();
        assert_eq!(pair.world.kernel.current(), Some(pair.handler));
        let seen = pair.message();
        (sent.exit_reason, sent.vector, sent.error_code, sent.fault_address) = (ExitReason::Syscall as u64, 0, 0, 0);
        (sent.rcx, sent.r11) = (sent.rip, sent.rflags);
        assert_eq!(seen, sent);
    }
}

#[test]
fn exceptions_of_foreign_code_are_messages() {
    let mut pair = pair();
    pair.start();
    let mut sent = registers();
    pair.answer(&sent, REGISTER_WORDS);
    pair.world.kernel.exception(14, 6, 0x1234);
    pair.world.kernel.settle();
    (sent.exit_reason, sent.vector) = (ExitReason::Exception as u64, 14);
    (sent.error_code, sent.fault_address) = (6, 0x1234);
    assert_eq!(pair.message(), sent);
    // A short answer leaves the other registers as they are.
    pair.answer(&Registers { rax: 77, rbx: 78, ..Registers::default() }, 1);
    assert_eq!(
        pair.kick_of_running(),
        Registers { rax: 77, exit_reason: 3, vector: 0, error_code: 0, fault_address: 0, ..sent }
    );
}

impl Pair {
    /// Another thread kicks the foreign code while it runs and its handler waits.
    fn kick_of_running(&mut self) -> Registers {
        let other = self.world.thread(20);
        assert_eq!(self.world.invoke(other, FOREIGN, thread::KICK, &[]), 0);
        assert_eq!(
            self.world.call(other, Call::Wait, ENDPOINT, MessageInfo::default(), &[]),
            Error::InvalidCapability as u64
        );
        self.world.kernel.suspend(other);
        self.world.kernel.settle();
        self.message()
    }
}

#[test]
fn kicks_wait_until_the_thread_goes_on() {
    let mut pair = pair();
    pair.start();
    assert_eq!(pair.kick(), 0);
    assert_eq!(pair.receive(), Error::InvalidState as u64, "the Reply object still holds the thread");
    let sent = registers();
    pair.answer(&sent, REGISTER_WORDS);
    assert_eq!(
        pair.message(),
        Registers { exit_reason: ExitReason::Kick as u64, vector: 0, error_code: 0, fault_address: 0, ..sent.clone() }
    );
    pair.answer(&sent, REGISTER_WORDS);
    assert_eq!(pair.world.kernel.current(), Some(pair.foreign));
}

#[test]
fn impossible_registers_trap_at_once() {
    let bad: [fn(&mut Registers); 4] = [
        |r| r.rip = USER_END,
        |r| r.rip = 0xffff_8000_0000_0000,
        |r| r.fs_base = USER_END + 5,
        |r| r.gs_base = 0x8000_0000_0000_0000,
    ];
    for change in bad {
        let mut pair = pair();
        pair.start();
        let mut sent = registers();
        change(&mut sent);
        pair.answer(&sent, REGISTER_WORDS);
        let seen = pair.message();
        assert_eq!((seen.exit_reason, seen.vector, seen.rip), (ExitReason::Exception as u64, 13, sent.rip));
        // Nor does stopping and starting it help.
        assert_eq!(pair.world.invoke(pair.handler, FOREIGN, thread::SUSPEND, &[]), 0);
        assert_eq!(pair.world.invoke(pair.handler, FOREIGN, thread::RESUME, &[]), 0);
        assert!(matches!(pair.world.kernel.get(pair.foreign).state, State::Sending { .. }));
        check(&pair.world);
    }
    let mut pair = pair();
    pair.start();
    let sent = Registers { rflags: u64::MAX, ..registers() };
    pair.answer(&sent, REGISTER_WORDS);
    assert_eq!(pair.world.kernel.get(pair.foreign).context.rflags, ukernel_abi::vcpu::USER_FLAGS | 0x202);
}

#[test]
fn a_trap_that_nobody_can_answer_stops_the_thread() {
    for waits in [false, true] {
        let mut pair = pair();
        let Pair { world, handler, foreign } = &mut pair;
        let other = world.thread(10);
        let receive = |world: &mut World, thread| world.call(thread, Call::Recv, ENDPOINT, MessageInfo::default(), &[]);
        if waits {
            receive(world, other);
        }
        // The master's part of the address space, where foreign code has nothing.
        assert_eq!(world.invoke(*handler, FOREIGN, thread::WRITE_REGISTERS, &[MASTER_START, 0, 0, 0, 0]), 0);
        assert_eq!(world.invoke(*handler, FOREIGN, thread::RESUME, &[]), 0);
        if !waits {
            assert_eq!(receive(world, *handler), 0);
        }
        assert_eq!(world.kernel.get(*foreign).state, State::Stopped);
        check(world);
    }
}

#[test]
fn a_stopped_call_repeats() {
    let mut pair = pair();
    pair.start();
    pair.answer(&registers(), REGISTER_WORDS);
    pair.world.kernel.system_call();
    pair.world.kernel.settle();
    assert_eq!(pair.world.invoke(pair.handler, FOREIGN, thread::SUSPEND, &[]), 0);
    assert_eq!(pair.world.kernel.get(pair.foreign).context.rip, CODE - 2);
    assert_eq!(pair.world.invoke(pair.handler, FOREIGN, thread::RESUME, &[]), 0);
    check(&pair.world);
    assert_eq!(pair.world.kernel.get(pair.foreign).state, State::Ready);
}

#[test]
fn floating_point_state_is_shared_with_one() {
    let mut pair = pair();
    let Pair { world, handler, foreign } = &mut pair;
    assert_eq!(world.make(*handler, ObjectType::Thread, 0, FREE + 6), 0);
    assert_eq!(world.make(*handler, ObjectType::Thread, 0, FREE + 7), 0);
    let Cap::Thread(second) = world.cap(FREE + 7) else { panic!("a thread") };
    assert_eq!(world.invoke(*handler, FOREIGN, thread::MAKE_FOREIGN, &[0]), Error::InvalidState as u64);
    assert_eq!(world.invoke(*handler, FREE + 7, thread::MAKE_FOREIGN, &[FREE + 7]), Error::InvalidState as u64);
    assert_eq!(world.invoke(*handler, FREE + 7, thread::MAKE_FOREIGN, &[FOREIGN]), Error::InvalidState as u64);
    assert_eq!(world.invoke(*handler, FREE + 7, thread::KICK, &[]), Error::InvalidState as u64);
    assert_eq!(world.invoke(*handler, FREE + 7, thread::MAKE_FOREIGN, &[FREE + 6]), 0);
    assert!(matches!(world.kernel.get(second).fpu, Fpu::Of(_)));
    assert_eq!(world.invoke(*handler, TABLE, ukernel_abi::invoke::cap_table::DELETE, &[FREE + 6]), 0);
    assert_eq!(world.kernel.get(second).fpu, Fpu::None);
    assert_eq!(world.kernel.get(*foreign).fpu, Fpu::None);
    check(world);
}

//! 128 bits that stand for a state, for sets of many millions of states.
//!
//! State is what can make a difference to what threads will see: capabilities and their places, objects, page-table words,
//! order of waiting queues, how far away deadlines and refills are, with several processors who runs where. Not state: counters, the clock itself, memory of objects that are gone, registers that a program fills
//! before its next call ([`World::tidy`] resets these), and which of the threads that can run the scheduler would pick
//! (an explorer picks each of them, and makes it the running one before its call).

use super::simulation::Simulation;
use super::world::World;
use crate::{
    Attachment, Cap, CapTable, Content, Endpoint, Fpu, IoMapping, IoSpace, Irq, IrqSource, Kernel, Machine,
    Notification, Object, Ref, Reply, SchedContext, Slot, State, Thread, Timer, VSpace, Vcpu,
};

/// Odd constants without pattern: fractional bits of the square roots of 2, 3 and 5.
const ROOTS: [u64; 3] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b];

/// Takes in words, gives 128 bits.
struct Digest(u64, u64);

impl Digest {
    #[inline]
    fn add(&mut self, word: u64) {
        let first = u128::from(self.0 ^ word) * u128::from(ROOTS[0]);
        let second = u128::from(self.1.wrapping_add(word) ^ ROOTS[2]) * u128::from(ROOTS[1]);
        self.0 = (first as u64 ^ (first >> 64) as u64).wrapping_add(ROOTS[1]);
        self.1 = (second as u64 ^ (second >> 64) as u64).rotate_left(23);
    }

    fn link<T>(&mut self, object: Option<Ref<T>>) {
        self.add(object.map_or(0, Ref::address));
    }

    /// Two small numbers and one.
    fn pair(&mut self, first: u64, second: u64) {
        self.add(first << 32 ^ second);
    }
}

impl World {
    /// What stands for the state of this world. Call [`tidy`](Self::tidy) first.
    #[must_use]
    pub fn digest(&self) -> u128 {
        let (kernel, mut digest) = (&self.kernel, Digest(ROOTS[2], ROOTS[0]));
        let d = &mut digest;
        for (at, held) in kernel.machine.all::<Slot>().filter(|(_, slot)| slot.cap != Cap::Null) {
            d.add(at.address());
            slot(held, d);
        }
        each(kernel, d, |t, d| thread(kernel, t, d));
        each(kernel, d, endpoint);
        each(kernel, d, reply);
        each(kernel, d, notification);
        each(kernel, d, vspace);
        each(kernel, d, attachment);
        each(kernel, d, vcpu);
        each(kernel, d, io_space);
        each(kernel, d, io_mapping);
        each(kernel, d, |t: &CapTable, d| {
            d.pair(t.slots | u64::from(t.burial.listed) << 20, t.caps.into());
        });
        for step in self.unfinished.iter().chain(&self.doors) {
            d.add(step.is_some().into());
            let Some(step) = step else { continue };
            d.pair(step.cap | step.call << 16 | (step.thread as u64) << 24, step.method.into());
            step.words.into_iter().for_each(|word| d.add(word));
            d.pair(step.reply, step.endpoint);
        }
        if kernel.machine.cpus() > 1 {
            processors(kernel, d);
        }
        let now = kernel.machine.now;
        each(kernel, d, |c: &SchedContext, d| sched_context(c, now, d));
        each(kernel, d, |t: &Timer, d| {
            d.pair(t.armed.into(), if t.armed { t.deadline.wrapping_sub(now) } else { 0 });
            d.link(t.links.parent);
            d.link(t.links.left);
        });
        each(kernel, d, |i: &Irq, d| {
            d.pair(i.vector.into(), if let IrqSource::Line(line) = i.source { line.into() } else { 0 });
        });
        kernel.machine.all_words(|address, value| {
            d.add(address);
            d.add(value);
        });
        u128::from(digest.0) << 64 | u128::from(digest.1)
    }
}

/// Take in all objects of a type, with their addresses.
fn each<T: Object>(kernel: &Kernel<Simulation>, digest: &mut Digest, add: impl Fn(&T, &mut Digest)) {
    for (at, object) in kernel.machine.all::<T>() {
        digest.add(at.address());
        add(object, digest);
    }
}

fn slot(slot: &Slot, d: &mut Digest) {
    cap(slot.cap, d);
    // The other links say the same.
    d.link(slot.parent);
    d.link(slot.next);
}

fn cap(cap: Cap, d: &mut Digest) {
    let (kind, first, second, third) = match cap {
        Cap::Null => (0, 0, 0, 0),
        Cap::Untyped { base, bytes, used, dirty, cleared } => {
            (1 + 64 * u64::from(dirty), base.0, bytes | u64::from(cleared) << 40, used)
        }
        Cap::CapTable(table) => (2, table.address(), 0, 0),
        Cap::Thread(thread) => (3, thread.address(), 0, 0),
        Cap::VSpace(vspace) => (4, vspace.address(), 0, 0),
        Cap::Memory { base, bytes, rights, device } => (5 + 64 * u64::from(device), base.0, bytes, rights.0.into()),
        Cap::Endpoint { endpoint, badge, rights } => (6, endpoint.address(), badge, rights.0.into()),
        Cap::Reply(reply) => (7, reply.address(), 0, 0),
        Cap::Notification { notification, badge, rights } => (8, notification.address(), badge, rights.0.into()),
        Cap::SchedContext(context) => (9, context.address(), 0, 0),
        Cap::Timer(timer) => (10, timer.address(), 0, 0),
        Cap::Vcpu(vcpu) => (11, vcpu.address(), 0, 0),
        Cap::Attachment(attachment) => (12, attachment.address(), 0, 0),
        Cap::Irq(irq) => (13, irq.address(), 0, 0),
        Cap::IoPorts { first, last } => (14, first.into(), last.into(), 0),
        Cap::IrqControl => (15, 0, 0, 0),
        Cap::Log => (16, 0, 0, 0),
        Cap::AttachedMemory(attachment) => (17, attachment.address(), 0, 0),
        Cap::ThreadTable { thread, table } => (18, thread.address(), table.address(), 0),
        Cap::ThreadVSpace { thread, vspace } => (19, thread.address(), vspace.address(), 0),
        Cap::ThreadPage(thread) => (20, thread.address(), 0, 0),
        Cap::ThreadFault { thread, endpoint, badge } => (21, thread.address(), endpoint.address(), badge),
        Cap::VSpaceTables(vspace) => (22, vspace.address(), 0, 0),
        Cap::VSpaceMaster { vspace, master } => (23, vspace.address(), master.address(), 0),
        Cap::VcpuState(vcpu) => (24, vcpu.address(), 0, 0),
        Cap::TimerTarget { timer, notification, badge } => (25, timer.address(), notification.address(), badge),
        Cap::IrqTarget { irq, notification, badge } => (26, irq.address(), notification.address(), badge),
        Cap::Trace => (27, 0, 0, 0),
        Cap::TraceMemory => (28, 0, 0, 0),
        Cap::IoSpace(space) => (29, space.address(), 0, 0),
        Cap::IoMapping(mapping) => (30, mapping.address(), 0, 0),
        Cap::IoControl => (31, 0, 0, 0),
        Cap::Husk => (36, 0, 0, 0),
        Cap::ThreadTimeout { thread, endpoint, badge } => (35, thread.address(), endpoint.address(), badge),
        Cap::IoMapped(mapping) => (32, mapping.address(), 0, 0),
        Cap::IoSpaceTables(space) => (33, space.address(), 0, 0),
        Cap::IoFaultTarget { space, notification, badge } => (34, space.address(), notification.address(), badge),
    };
    // The kind says which of the others there are.
    d.pair(kind, third);
    d.add(first);
    if second != 0 {
        d.add(!second);
    }
}

fn thread(kernel: &Kernel<Simulation>, t: &Thread, d: &mut Digest) {
    match t.state {
        State::Stopped => d.add(0),
        State::Ready => d.add(1),
        State::Sending { endpoint, badge, kind } => {
            d.pair(2 | u64::from(kind.call) << 8 | u64::from(kind.grant) << 9 | (kind.content as u64) << 10, badge);
            d.link(Some(endpoint));
            d.add(t.context.rsi);
            let words = if kind.content == Content::Own { t.context.words } else { t.fault_words };
            words.into_iter().for_each(|word| d.add(word));
        }
        State::Receiving { endpoint, reply } => {
            d.add(3);
            d.link(Some(endpoint));
            d.link(reply);
        }
        State::Replying { reply, content } => {
            d.pair(4, content as u64);
            d.link(Some(reply));
        }
        State::Waiting { notification } => {
            d.add(5);
            d.link(Some(notification));
        }
    }
    // Links matter where they are those of a waiting queue; the order of the run queue does not.
    d.add(t.progress);
    d.link(if t.queued && kernel.machine.cpus() == 1 { None } else { t.next });
    d.link(t.sched_context);
    d.link(t.table);
    d.link(t.vspace);
    d.link(t.vspace_next);
    d.link(t.bound);
    d.link(t.vcpu);
    d.link(t.fault_endpoint.map(|(endpoint, _)| endpoint));
    d.link(t.timeout_endpoint.map(|(endpoint, _)| endpoint));
    d.link(t.fpu_user);
    d.link(if let Fpu::Of(holder) = t.fpu { Some(holder) } else { None });
    d.pair(
        u64::from(t.priority) | u64::from(t.max_priority) << 8 | u64::from(t.makes_time) << 16,
        t.page.map_or(0, |page| page.0),
    );
    if t.foreign {
        d.pair(t.kicked.into(), t.fault_words[0]);
        t.context.state_words().into_iter().for_each(|word| d.add(word));
    }
    if t.vcpu.is_some_and(|vcpu| kernel.get(vcpu).foreign != 0) {
        t.context.state_words().into_iter().for_each(|word| d.add(word));
    }
}

/// With several processors: who runs where, and who was told to choose anew.
fn processors(kernel: &Kernel<Simulation>, d: &mut Digest) {
    for index in 0..kernel.machine.cpus() {
        let cpu = kernel.machine.cpu_at(index);
        d.pair(cpu.summoned.into(), (kernel.idle >> index & 1).into());
        d.link(cpu.current);
        d.link(cpu.active);
        d.add(kernel.machine.processor(index).root.0);
    }
}

/// Times are as far away as they are, and past is past: use of a refill counts from when it begins.
fn sched_context(c: &SchedContext, now: u64, d: &mut Digest) {
    d.link(c.thread);
    d.link(c.lent);
    d.pair(c.cpu.into(), c.floating.into());
    if let Some(limit) = &c.limit {
        d.pair(limit.budget, limit.period);
        d.add(c.waiting.into());
        let mut limit = limit.clone();
        limit.defer(now);
        for refill in limit.all() {
            d.pair(refill.time - now, refill.amount);
        }
    }
}

fn endpoint(ep: &Endpoint, d: &mut Digest) {
    d.pair(ep.waiters as u64, ep.burial.listed.into());
    d.link(ep.queue.head);
}

fn reply(r: &Reply, d: &mut Digest) {
    d.link(r.caller);
    d.link(r.waiter);
    d.link(r.donated);
    d.link(r.outer);
}

fn notification(n: &Notification, d: &mut Digest) {
    d.pair(n.burial.listed.into(), n.bits);
    d.link(n.queue.head);
    d.link(n.bound);
}

fn vspace(v: &VSpace, d: &mut Digest) {
    d.pair(v.root.0 | u64::from(v.burial.listed), v.legacy_root.0);
    d.pair(v.pool.0, v.pool_pages);
    d.link(v.master);
    d.link(v.attachments);
    d.link(v.threads);
}

fn attachment(a: &Attachment, d: &mut Digest) {
    d.link(a.vspace);
    // Of one that is detached, what is left of the last time does not matter.
    if a.vspace.is_some() {
        d.pair(a.number.into(), a.rights.0.into());
        d.pair(a.base.0, a.pages);
        d.add(a.start);
        d.add(a.end);
        d.link(a.next);
    }
}

fn io_space(s: &IoSpace, d: &mut Digest) {
    d.pair(s.root.0, s.source.map_or(0, |source| u64::from(source.0) + 1));
    d.pair(s.pool.0, s.pool_pages);
    d.pair(s.domain.into(), (s.faults > 0).into());
    d.link(s.mappings);
    d.link(s.next);
}

fn io_mapping(m: &IoMapping, d: &mut Digest) {
    d.link(m.space);
    // Of one that is not mapped, what is left of the last time does not matter.
    if m.space.is_some() {
        d.pair(m.base.0, m.pages);
        d.pair(m.start, m.rights.0.into());
        d.link(m.next);
    }
}

fn vcpu(v: &Vcpu, d: &mut Digest) {
    d.pair(v.foreign, v.kicked | (v.fixup_count as u64) << 1);
    d.pair(v.master_rip, v.master_rsp);
    d.link(v.thread);
    d.add(v.page.map_or(0, |page| page.0));
}

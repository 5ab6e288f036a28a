//! Invocations: the methods of kernel objects.

use ukernel_abi::invoke::{
    attachment, cap_table, io_ports, irq, irq_control, log, memory, sched_context, thread, timer, trace, untyped, vcpu,
    vspace,
};
use ukernel_abi::message::{MAX_WORDS, REGISTER_WORDS};
use ukernel_abi::vcpu::MAX_FIXUPS;
use ukernel_abi::{Error, MessageInfo, ObjectType, PAGE_BYTES, Rights};

use crate::call::Outcome;
use crate::preemption::Progress;
use crate::vspace::{VSPACE_SLOTS, vspace_slot};
use crate::{
    Attachment, Cap, CapTable, Fpu, Irq, Kernel, Machine, PhysAddr, Ref, SchedContext, SlotRef, Source, State, Thread,
    Timer, VSpace, Vcpu,
};

/// An invocation: who makes it, and its message.
#[derive(Clone, Copy)]
pub(crate) struct Invocation {
    pub(crate) caller: Ref<Thread>,
    slot: SlotRef,
    pub(crate) method: u32,
    words: [u64; REGISTER_WORDS],
    length: usize,
}

/// The progress of a list of pairs: the pair's index from this bit on, and its pages below.
const PAIR_SHIFT: u32 = 32;

pub(crate) type Answer = Result<Outcome, Error>;

impl<M: Machine> Kernel<M> {
    /// `Invoke`: find the object, then its method.
    pub(crate) fn invoke(&mut self, caller: Ref<Thread>, cap: u64) -> Answer {
        let slot = self.slot(caller, cap)?;
        let context = &self.get(caller).context;
        let info = MessageInfo(context.rsi);
        if info.length() > MAX_WORDS {
            return Err(Error::InvalidMessage);
        }
        let call = Invocation { caller, slot, method: info.label(), words: context.words, length: info.length() };
        // Before memory is taken, what was there is taken apart.
        let takes_memory = || matches!(self.cap(slot), Cap::Untyped { .. } | Cap::VSpace(_) | Cap::IoSpace(_));
        if self.dead.is_some() && takes_memory() && self.bury() == Progress::Preempted {
            return Ok(Outcome::Repeat);
        }
        match self.cap(slot) {
            Cap::Attachment(attachment) => self.invoke_attachment(call, attachment),
            Cap::Timer(timer) => self.invoke_timer(call, timer),
            Cap::Irq(irq) => self.invoke_irq(call, irq),
            Cap::IoPorts { first, last } => self.invoke_io_ports(call, first, last),
            Cap::Vcpu(vcpu) => self.invoke_vcpu(call, vcpu),
            Cap::Thread(thread) => self.invoke_thread(call, thread),
            Cap::Untyped { .. } => self.invoke_untyped(call),
            Cap::CapTable(table) => self.invoke_cap_table(call, table),
            Cap::Memory { base, bytes, rights, device } => self.invoke_memory(call, base, bytes, rights, device),
            Cap::VSpace(vspace) => self.invoke_vspace(call, vspace),
            Cap::SchedContext(context) => self.invoke_sched_context(call, context),
            Cap::IrqControl => self.invoke_irq_control(call),
            Cap::Log => self.invoke_log(call),
            Cap::Trace => self.invoke_trace(call),
            Cap::IoSpace(space) => self.invoke_io_space(call, space),
            Cap::IoMapping(mapping) => self.invoke_io_mapping(call, mapping),
            Cap::IoControl => self.invoke_io_control(call),
            _ => Err(Error::InvalidCapability),
        }
    }

    /// The first words of the message, which must have that many.
    pub(crate) fn args<const N: usize>(&self, call: &Invocation) -> Result<[u64; N], Error> {
        if call.length < N {
            return Err(Error::InvalidMessage);
        }
        let mut args = [0; N];
        args.copy_from_slice(&call.words[..N]);
        Ok(args)
    }

    /// Word `index` of the message, wherever it is.
    fn word(&self, call: &Invocation, index: usize) -> Result<u64, Error> {
        if index >= call.length {
            return Err(Error::InvalidMessage);
        }
        if let Some(word) = call.words.get(index) {
            return Ok(*word);
        }
        let page = self.get(call.caller).page.ok_or(Error::InvalidMessage)?;
        Ok(self.machine.word(page, index))
    }

    /// Store results.
    pub(crate) fn give(&mut self, call: &Invocation, results: &[u64]) -> Outcome {
        let words = &mut self.get_mut(call.caller).context.words;
        for (word, result) in words.iter_mut().zip(results) {
            *word = *result;
        }
        Outcome::Done
    }

    /// How far the call has come, if it is made again.
    pub(crate) fn progress(&self, call: &Invocation) -> u64 {
        self.get(call.caller).progress
    }

    /// Have the call made again, from where it has come to.
    pub(crate) fn repeat_from(&mut self, call: &Invocation, progress: u64) -> Outcome {
        self.get_mut(call.caller).progress = progress;
        Outcome::Repeat
    }

    /// The CapTable in the caller's slot `index`; 0: the caller's own.
    fn table_at(&self, call: &Invocation, index: u64) -> Result<Ref<CapTable>, Error> {
        match self.optional_slot(call.caller, index)? {
            None => self.get(call.caller).table.ok_or(Error::InvalidCapability),
            Some(slot) => match self.cap(slot) {
                Cap::CapTable(table) => Ok(table),
                _ => Err(Error::InvalidCapability),
            },
        }
    }

    fn slot_in(&self, table: Ref<CapTable>, index: u64) -> Result<SlotRef, Error> {
        self.get(table).slot(table, index).ok_or(Error::InvalidCapability)
    }

    fn invoke_untyped(&mut self, call: Invocation) -> Answer {
        match call.method {
            untyped::RETYPE => {
                let [object, size, count, first, table] = self.args(&call)?;
                let object = ObjectType::from_number(object).ok_or(Error::InvalidArgument)?;
                if object == ObjectType::SchedContext {
                    self.may_make_time(call.caller)?;
                }
                let table = self.table_at(&call, table)?;
                let made = self.retype(call.slot, (object, size), count, (table, first), self.progress(&call))?;
                Ok(if made < count { self.repeat_from(&call, made) } else { Outcome::Done })
            }
            untyped::INFO => {
                let Cap::Untyped { bytes, used, .. } = self.cap(call.slot) else {
                    return Err(Error::InvalidCapability);
                };
                let used = if self.get(call.slot).has_children() { used } else { 0 };
                Ok(self.give(&call, &[bytes - used, bytes]))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    fn invoke_cap_table(&mut self, call: Invocation, table: Ref<CapTable>) -> Answer {
        match call.method {
            cap_table::COPY | cap_table::MINT | cap_table::MOVE => {
                let [destination, source_table, source] = self.args(&call)?;
                let source = self.slot_in(self.table_at(&call, source_table)?, source)?;
                let destination = self.slot_in(table, destination)?;
                match call.method {
                    cap_table::MOVE => self.move_cap(source, destination)?,
                    cap_table::COPY => {
                        let [.., rights] = self.args::<4>(&call)?;
                        self.copy_cap(source, destination, Rights::from_bits(rights), None)?;
                    }
                    _ => {
                        let [.., rights, badge] = self.args::<5>(&call)?;
                        self.copy_cap(source, destination, Rights::from_bits(rights), Some(badge))?;
                    }
                }
                Ok(Outcome::Done)
            }
            cap_table::DELETE => {
                let [slot] = self.args(&call)?;
                let slot = self.slot_in(table, slot)?;
                Ok(Outcome::from(self.delete(slot)))
            }
            cap_table::REVOKE => {
                let [slot] = self.args(&call)?;
                let slot = self.slot_in(table, slot)?;
                Ok(Outcome::from(self.revoke(slot)))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    fn invoke_thread(&mut self, call: Invocation, target: Ref<Thread>) -> Answer {
        match call.method {
            thread::CONFIGURE => self.configure_thread(&call, target)?,
            thread::WRITE_REGISTERS => self.write_registers(target, self.args(&call)?)?,
            thread::RESUME => self.resume(target),
            thread::SUSPEND => {
                self.get_mut(call.caller).context.rax = 0;
                self.suspend(target);
                return Ok(if target == call.caller { Outcome::Settled } else { Outcome::Done });
            }
            thread::SET_PRIORITY => {
                let [priority] = self.args(&call)?;
                let priority = self.allowed_priority(call.caller, priority)?;
                self.set_priority(target, priority);
            }
            thread::SET_MAX_PRIORITY => {
                let [priority] = self.args(&call)?;
                self.get_mut(target).max_priority = self.allowed_priority(call.caller, priority)?;
            }
            thread::FORGO_TIME => self.get_mut(target).makes_time = false,
            thread::BIND_NOTIFICATION => {
                let [notification] = self.args(&call)?;
                let slot = self.optional_slot(call.caller, notification)?;
                let notification = slot.map(|slot| self.notification_in(slot, Rights::RECEIVE)).transpose()?;
                self.bind_notification(target, notification.map(|(notification, _)| notification))?;
            }
            thread::SET_VSPACE => {
                let [vspace] = self.args(&call)?;
                let slot = self.slot(call.caller, vspace)?;
                self.set_vspace(target, slot)?;
            }
            thread::SET_FPU => match self.args(&call)? {
                [thread::FPU_NONE] => self.set_fpu(target, Fpu::None),
                [thread::FPU_EAGER] => self.set_fpu(target, Fpu::Eager),
                _ => return Err(Error::InvalidArgument),
            },
            thread::READ_REGISTERS => {
                self.pull(target);
                let t = self.get(target);
                let state = match t.state {
                    State::Stopped => 0,
                    State::Ready => 1,
                    _ => 2,
                };
                let c = &t.context;
                let results = [c.rip, c.rsp, c.rbp, c.rax, c.rflags, state];
                return Ok(self.give(&call, &results));
            }
            thread::BIND_VCPU => {
                let [vcpu] = self.args(&call)?;
                let Cap::Vcpu(vcpu) = self.cap(self.slot(call.caller, vcpu)?) else {
                    return Err(Error::InvalidCapability);
                };
                self.bind_vcpu(target, vcpu)?;
            }
            thread::MAKE_FOREIGN => {
                let [holder] = self.args(&call)?;
                let holder = match self.optional_slot(call.caller, holder)?.map(|slot| self.cap(slot)) {
                    None => None,
                    Some(Cap::Thread(holder)) => Some(holder),
                    Some(_) => return Err(Error::InvalidCapability),
                };
                self.make_foreign(target, holder)?;
            }
            thread::KICK => self.kick_foreign(target)?,
            thread::SET_TIMEOUT => {
                let [endpoint] = self.args(&call)?;
                let slot = self.optional_slot(call.caller, endpoint)?;
                self.set_timeout_endpoint(target, slot)?;
            }
            thread::SET_NAME => self.get_mut(target).name = self.args(&call)?,
            _ => return Err(Error::InvalidMethod),
        }
        Ok(Outcome::Done)
    }

    /// A priority that the caller may give to a thread.
    fn allowed_priority(&self, caller: Ref<Thread>, wanted: u64) -> Result<u8, Error> {
        let priority = u8::try_from(wanted).map_err(|_| Error::InvalidArgument)?;
        if priority > self.get(caller).max_priority { Err(Error::InsufficientRights) } else { Ok(priority) }
    }

    fn configure_thread(&mut self, call: &Invocation, target: Ref<Thread>) -> Result<(), Error> {
        if self.get(target).state != State::Stopped {
            return Err(Error::InvalidState);
        }
        let [table, vspace, fault, memory, offset] = self.args(call)?;
        let (table, vspace) = (self.slot(call.caller, table)?, self.slot(call.caller, vspace)?);
        let (fault, memory) = (self.optional_slot(call.caller, fault)?, self.optional_slot(call.caller, memory)?);
        self.set_table(target, table)?;
        self.set_vspace(target, vspace)?;
        self.set_fault_endpoint(target, fault)?;
        if let Some(memory) = memory {
            self.set_message_page(target, memory, offset)?;
        }
        Ok(())
    }

    fn invoke_vspace(&mut self, call: Invocation, target: Ref<VSpace>) -> Answer {
        match call.method {
            vspace::DONATE => {
                let [source, pages] = self.args(&call)?;
                if pages == 0 || pages > 4096 {
                    return Err(Error::InvalidArgument);
                }
                let untyped = self.slot(call.caller, source)?;
                if !matches!(self.cap(untyped), Cap::Untyped { .. }) {
                    return Err(Error::InvalidCapability);
                }
                let given = self.donate_tables(target, untyped, pages, self.progress(&call))?;
                Ok(if given < pages { self.repeat_from(&call, given) } else { Outcome::Done })
            }
            vspace::MAKE_LEGACY => {
                let [master] = self.args(&call)?;
                let slot = self.slot(call.caller, master)?;
                let Cap::VSpace(master) = self.cap(slot) else { return Err(Error::InvalidCapability) };
                self.make_legacy(target, master)?;
                let tie = vspace_slot(target, VSPACE_SLOTS - 1);
                self.insert_child(slot, tie, Cap::VSpaceMaster { vspace: target, master });
                Ok(Outcome::Done)
            }
            vspace::POOL => {
                let pages = self.get(target).pool_pages;
                Ok(self.give(&call, &[pages]))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    fn invoke_memory(&mut self, call: Invocation, base: PhysAddr, bytes: u64, rights: Rights, device: bool) -> Answer {
        match call.method {
            memory::ATTACH => {
                let [vspace, start, length, wanted, storage] = self.args(&call)?;
                let Cap::VSpace(vspace) = self.cap(self.slot(call.caller, vspace)?) else {
                    return Err(Error::InvalidCapability);
                };
                let Cap::Attachment(storage) = self.cap(self.slot(call.caller, storage)?) else {
                    return Err(Error::InvalidCapability);
                };
                let end = start.checked_add(length).ok_or(Error::InvalidArgument)?;
                self.attach(call.slot, storage, vspace, (start, end), Rights::from_bits(wanted))?;
                Ok(Outcome::Done)
            }
            memory::SUB => {
                let [offset, length, destination, wanted] = self.args(&call)?;
                let end = offset.checked_add(length).ok_or(Error::InvalidArgument)?;
                if length == 0 || (offset | length) % PAGE_BYTES != 0 || end > bytes {
                    return Err(Error::InvalidArgument);
                }
                let destination = self.slot(call.caller, destination)?;
                self.require_empty(destination)?;
                let rights = rights.and(Rights::from_bits(wanted));
                let part = Cap::Memory { base: base.offset(offset), bytes: length, rights, device };
                self.insert_child(call.slot, destination, part);
                Ok(Outcome::Done)
            }
            memory::PHYSICAL if rights.contains(Rights::PHYSICAL) => Ok(self.give(&call, &[base.0, bytes])),
            memory::PHYSICAL => Err(Error::InsufficientRights),
            memory::SIZE => Ok(self.give(&call, &[bytes])),
            _ => Err(Error::InvalidMethod),
        }
    }

    fn invoke_attachment(&mut self, call: Invocation, target: Ref<Attachment>) -> Answer {
        let pair = match call.method {
            attachment::MAP => Self::map_pair,
            attachment::PROTECT => Self::protect_pair,
            attachment::UNMAP => Self::unmap_pair,
            attachment::UNMAP_ALL => {
                let reached = self.unmap_all(target, self.progress(&call))?;
                return Ok(reached.map_or(Outcome::Done, |reached| self.repeat_from(&call, reached)));
            }
            attachment::DETACH => {
                let slot = crate::attachment::slot_of(target);
                if self.cap(slot) == Cap::Null {
                    return Err(Error::InvalidState);
                }
                return Ok(Outcome::from(self.remove(slot)));
            }
            _ => return Err(Error::InvalidMethod),
        };
        if !call.length.is_multiple_of(2) || call.length > attachment::MAX_PAIRS * 2 {
            return Err(Error::InvalidMessage);
        }
        let progress = self.progress(&call);
        let (mut index, mut done) = ((progress >> PAIR_SHIFT) as usize, progress & ((1 << PAIR_SHIFT) - 1));
        let pairs = call.length / 2;
        while index < pairs {
            let words = (self.word(&call, index * 2)?, self.word(&call, index * 2 + 1)?);
            match pair(self, target, words, done) {
                Ok(0) => (index, done) = (index + 1, 0),
                Ok(some) => done = some,
                Err(error) => {
                    self.give(&call, &[index as u64]);
                    return Err(error);
                }
            }
            if index < pairs && self.is_preempted() {
                return Ok(self.repeat_from(&call, (index as u64) << PAIR_SHIFT | done));
            }
        }
        Ok(self.give(&call, &[pairs as u64]))
    }

    /// Whether a thread may make and configure scheduling contexts.
    fn may_make_time(&self, caller: Ref<Thread>) -> Result<(), Error> {
        if self.get(caller).makes_time { Ok(()) } else { Err(Error::InsufficientRights) }
    }

    fn invoke_sched_context(&mut self, call: Invocation, target: Ref<SchedContext>) -> Answer {
        match call.method {
            sched_context::CONFIGURE => {
                self.may_make_time(call.caller)?;
                self.configure_time(target, self.args(&call)?)?;
                Ok(Outcome::Done)
            }
            sched_context::CONSUMED => {
                let consumed = self.consumed(target)?;
                Ok(self.give(&call, &[consumed]))
            }
            sched_context::YIELD_TO => {
                self.yield_to(call.caller, target)?;
                Ok(Outcome::Done)
            }
            sched_context::BIND => {
                let [thread] = self.args(&call)?;
                let Cap::Thread(thread) = self.cap(self.slot(call.caller, thread)?) else {
                    return Err(Error::InvalidCapability);
                };
                if self.get(target).thread.is_some() || self.get(thread).sched_context.is_some() {
                    return Err(Error::InvalidState);
                }
                self.bind_sched_context(target, thread);
                Ok(Outcome::Done)
            }
            sched_context::SET_CPU => {
                let [cpu] = self.args(&call)?;
                if cpu >= self.machine.cpus() as u64 {
                    return Err(Error::InvalidArgument);
                }
                self.move_sched_context(target, cpu as u8);
                Ok(Outcome::Done)
            }
            sched_context::UNBIND => {
                self.free_sched_context(target);
                Ok(Outcome::Done)
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    fn invoke_irq_control(&mut self, call: Invocation) -> Answer {
        let [storage] = self.args(&call)?;
        let Cap::Irq(storage) = self.cap(self.slot(call.caller, storage)?) else {
            return Err(Error::InvalidCapability);
        };
        match call.method {
            irq_control::IOAPIC => {
                let [_, line, flags] = self.args(&call)?;
                let line = u32::try_from(line).map_err(|_| Error::InvalidArgument)?;
                let level = flags & irq_control::LEVEL != 0;
                self.issue_line(storage, line, level, flags & irq_control::ACTIVE_LOW != 0)?;
                Ok(Outcome::Done)
            }
            irq_control::MSI => {
                let [_, source] = self.args(&call)?;
                let source = Source(u16::try_from(source).map_err(|_| Error::InvalidArgument)?);
                let (address, data) = self.issue_message(storage, source)?;
                Ok(self.give(&call, &[address, data]))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    fn invoke_irq(&mut self, call: Invocation, target: Ref<Irq>) -> Answer {
        let slot = crate::interrupt::slot_of(target);
        match call.method {
            irq::BIND => {
                let [source] = self.args(&call)?;
                let source = self.slot(call.caller, source)?;
                let (notification, badge) = self.notification_in(source, Rights::SEND)?;
                self.clear(slot);
                self.insert_child(source, slot, Cap::IrqTarget { irq: target, notification, badge });
                self.get_mut(target).target = Some((notification, badge));
            }
            irq::ACK => self.acknowledge(target),
            irq::UNBIND => self.clear(slot),
            _ => return Err(Error::InvalidMethod),
        }
        Ok(Outcome::Done)
    }

    fn invoke_io_ports(&mut self, call: Invocation, first: u16, last: u16) -> Answer {
        let [port, width] = self.args(&call)?;
        // A transfer touches `width` consecutive ports; all of them must be in the range.
        let check = |port: u64, width: u64| match u16::try_from(port) {
            Ok(start) if start >= first && port + width <= u64::from(last) + 1 => Ok(start),
            _ => Err(Error::InvalidArgument),
        };
        let width_of = |width: u64| match width {
            1 | 2 | 4 => Ok(width as u8),
            _ => Err(Error::InvalidArgument),
        };
        match call.method {
            io_ports::SUB => {
                let [start, end, destination] = self.args(&call)?;
                let (start, end) = (check(start, 1)?, check(end, 1)?);
                let destination = self.slot(call.caller, destination)?;
                self.require_empty(destination)?;
                if start > end {
                    return Err(Error::InvalidArgument);
                }
                self.insert_child(call.slot, destination, Cap::IoPorts { first: start, last: end });
                Ok(Outcome::Done)
            }
            io_ports::IN => {
                let value = self.machine.port_in(check(port, width)?, width_of(width)?);
                Ok(self.give(&call, &[u64::from(value)]))
            }
            io_ports::OUT => {
                let [_, _, value] = self.args(&call)?;
                self.machine.port_out(check(port, width)?, width_of(width)?, value as u32);
                Ok(Outcome::Done)
            }
            io_ports::OUT_BYTES => {
                let (port, bytes) = (check(port, 1)?, call.words);
                if width > 32 {
                    return Err(Error::InvalidArgument);
                }
                for index in 0..width as usize {
                    let byte = bytes[2 + index / 8] >> (index % 8 * 8);
                    self.machine.port_out(port, 1, byte as u32 & 0xff);
                }
                Ok(Outcome::Done)
            }
            io_ports::IN_BYTES_WHILE => {
                let [_, most, status, mask] = self.args(&call)?;
                let (port, status) = (check(port, 1)?, check(status, 1)?);
                let mut results = [0; 5];
                while results[0] < most.min(32) && u64::from(self.machine.port_in(status, 1)) & mask != 0 {
                    let index = results[0] as usize;
                    results[1 + index / 8] |= u64::from(self.machine.port_in(port, 1) & 0xff) << (index % 8 * 8);
                    results[0] += 1;
                }
                Ok(self.give(&call, &results))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    fn invoke_timer(&mut self, call: Invocation, target: Ref<Timer>) -> Answer {
        match call.method {
            timer::BIND => {
                let [source] = self.args(&call)?;
                let source = self.slot(call.caller, source)?;
                let (notification, badge) = self.notification_in(source, Rights::SEND)?;
                let slot = crate::timer::slot_of(target);
                self.clear(slot);
                self.insert_child(source, slot, Cap::TimerTarget { timer: target, notification, badge });
                self.get_mut(target).target = Some((notification, badge));
            }
            timer::ARM => {
                let [deadline] = self.args(&call)?;
                if self.get(target).target.is_none() {
                    return Err(Error::InvalidState);
                }
                self.arm(target, deadline);
            }
            timer::CANCEL => self.disarm(target),
            _ => return Err(Error::InvalidMethod),
        }
        Ok(Outcome::Done)
    }

    fn invoke_vcpu(&mut self, call: Invocation, target: Ref<Vcpu>) -> Answer {
        match call.method {
            vcpu::SET_STATE => {
                let [memory, offset] = self.args(&call)?;
                let source = self.slot(call.caller, memory)?;
                let page = self.page_of(source, offset)?;
                self.pull_master(target);
                if self.get(target).foreign != 0 {
                    return Err(Error::InvalidState);
                }
                let slot = crate::vcpu::slot_of(target);
                self.clear(slot);
                self.insert_child(source, slot, Cap::VcpuState(target));
                let window = self.machine.window(page);
                let v = self.get_mut(target);
                (v.page, v.state) = (Some(page), window);
            }
            vcpu::SET_FIXUPS => {
                let count = call.length / 3;
                if !call.length.is_multiple_of(3) || count > MAX_FIXUPS {
                    return Err(Error::InvalidMessage);
                }
                let mut fixups = [[0; 3]; MAX_FIXUPS];
                for (index, word) in fixups.as_flattened_mut().iter_mut().take(call.length).enumerate() {
                    *word = self.word(&call, index)?;
                }
                if fixups.iter().any(|[_, _, target]| !crate::vcpu::user_address(*target)) {
                    return Err(Error::InvalidArgument);
                }
                let v = self.get_mut(target);
                (v.fixups, v.fixup_count) = (fixups, count);
            }
            vcpu::KICK => self.kick(target),
            _ => return Err(Error::InvalidMethod),
        }
        Ok(Outcome::Done)
    }

    fn invoke_trace(&mut self, call: Invocation) -> Answer {
        match call.method {
            trace::START => {
                let [memory] = self.args(&call)?;
                let source = self.slot(call.caller, memory)?;
                self.start_trace(source)?;
            }
            trace::STOP => self.stop_trace(),
            trace::THREAD => {
                let [first] = self.args(&call)?;
                let found = self.watch_thread(first)?;
                return Ok(self.give(&call, &found));
            }
            _ => return Err(Error::InvalidMethod),
        }
        Ok(Outcome::Done)
    }

    fn invoke_log(&mut self, call: Invocation) -> Answer {
        if call.method == log::COUNTERS {
            let c = self.counters;
            let root_writes = self.machine.root_writes();
            let entries = c.calls + c.interrupts + c.faults + self.machine.fast_entries();
            return Ok(self.give(&call, &[c.calls, c.switches, c.interrupts, c.faults, root_writes, entries]));
        }
        if call.method == log::IDLE {
            return Ok(self.give(&call, &[self.counters.idle]));
        }
        let [bytes] = self.args(&call)?;
        if call.method != log::WRITE {
            return Err(Error::InvalidMethod);
        }
        for index in 0..(bytes as usize).min(MAX_WORDS * 8).div_ceil(8) {
            let word = self.word(&call, 1 + index)?.to_le_bytes();
            let rest = bytes as usize - index * 8;
            self.machine.log(&word[..rest.min(8)]);
        }
        self.machine.log(b"\n");
        Ok(Outcome::Done)
    }
}

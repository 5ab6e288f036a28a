//! Methods of Thread and of what threads run with: SchedContext, Timer, Vcpu.

use ukernel_abi::invoke::{sched_context, thread, timer, vcpu};
use ukernel_abi::vcpu::MAX_FIXUPS;
use ukernel_abi::{Error, Rights};

use crate::call::Outcome;
use crate::invocation::{Answer, Invocation};
use crate::preemption::Progress;
use crate::{Cap, Fpu, Kernel, Machine, Ref, SchedContext, State, Thread, Timer, Vcpu};

impl<M: Machine> Kernel<M> {
    pub(crate) fn invoke_thread(&mut self, call: Invocation, target: Ref<Thread>) -> Answer {
        match call.method {
            thread::CONFIGURE => self.configure_thread(&call, target)?,
            thread::WRITE_REGISTERS => self.write_registers(target, self.args(&call)?)?,
            thread::RESUME => self.resume(target),
            thread::SUSPEND => {
                if self.prepare_cancel(target) == Progress::Preempted {
                    return Ok(Outcome::Repeat);
                }
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

    /// Whether a thread may make and configure scheduling contexts.
    pub(crate) fn may_make_time(&self, caller: Ref<Thread>) -> Result<(), Error> {
        if self.get(caller).makes_time { Ok(()) } else { Err(Error::InsufficientRights) }
    }

    pub(crate) fn invoke_sched_context(&mut self, call: Invocation, target: Ref<SchedContext>) -> Answer {
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
                if cpu == sched_context::ANY_CPU {
                    self.let_float(target);
                    return Ok(Outcome::Done);
                }
                if cpu >= self.machine.cpus() as u64 {
                    return Err(Error::InvalidArgument);
                }
                self.move_sched_context(target, cpu as u8);
                Ok(Outcome::Done)
            }
            sched_context::UNBIND => {
                if self.prepare_free(target) == Progress::Preempted {
                    return Ok(Outcome::Repeat);
                }
                self.free_sched_context(target);
                Ok(Outcome::Done)
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    pub(crate) fn invoke_timer(&mut self, call: Invocation, target: Ref<Timer>) -> Answer {
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

    pub(crate) fn invoke_vcpu(&mut self, call: Invocation, target: Ref<Vcpu>) -> Answer {
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
}

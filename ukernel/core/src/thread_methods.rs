//! What is done to threads: configuring, starting, stopping, destroying.

use ukernel_abi::{Error, PAGE_BYTES, Rights};

use crate::thread::{SendKind, ThreadSlot, slot_of};
use crate::vcpu::user_address;
use crate::{Cap, Content, Endpoint, Fpu, Kernel, Machine, Ref, SlotRef, State, Thread};

impl<M: Machine> Kernel<M> {
    /// The thread's capability space.
    pub(crate) fn set_table(&mut self, thread: Ref<Thread>, source: SlotRef) -> Result<(), Error> {
        let Cap::CapTable(table) = self.cap(source) else { return Err(Error::InvalidCapability) };
        let slot = slot_of(thread, ThreadSlot::Table);
        self.clear(slot);
        self.insert_child(source, slot, Cap::ThreadTable { thread, table });
        self.get_mut(thread).table = Some(table);
        Ok(())
    }

    /// The thread's address space.
    pub(crate) fn set_vspace(&mut self, thread: Ref<Thread>, source: SlotRef) -> Result<(), Error> {
        let Cap::VSpace(vspace) = self.cap(source) else { return Err(Error::InvalidCapability) };
        if self.get(vspace).root.0 == 0 {
            return Err(Error::InvalidState);
        }
        let slot = slot_of(thread, ThreadSlot::VSpace);
        // The new binding comes first, so that an address space that is set again does not die in between.
        if self.get(thread).vspace == Some(vspace) {
            return Ok(());
        }
        self.clear(slot);
        self.insert_child(source, slot, Cap::ThreadVSpace { thread, vspace });
        self.join_vspace(thread, vspace);
        self.enqueue_waiting(thread);
        Ok(())
    }

    /// The thread's message page.
    pub(crate) fn set_message_page(&mut self, thread: Ref<Thread>, source: SlotRef, offset: u64) -> Result<(), Error> {
        let page = self.page_of(source, offset)?;
        let slot = slot_of(thread, ThreadSlot::Page);
        self.clear(slot);
        self.insert_child(source, slot, Cap::ThreadPage(thread));
        self.get_mut(thread).page = Some(page);
        Ok(())
    }

    /// The physical address of a page of a RAM Memory that its holder may read and write.
    pub(crate) fn page_of(&self, source: SlotRef, offset: u64) -> Result<crate::PhysAddr, Error> {
        let Cap::Memory { base, bytes, rights, device } = self.cap(source) else {
            return Err(Error::InvalidCapability);
        };
        if !rights.contains(Rights::READ.or(Rights::WRITE)) {
            return Err(Error::InsufficientRights);
        }
        if device || !offset.is_multiple_of(PAGE_BYTES) || offset >= bytes {
            return Err(Error::InvalidArgument);
        }
        Ok(base.offset(offset))
    }

    /// Where the thread's faults go.
    pub(crate) fn set_fault_endpoint(&mut self, thread: Ref<Thread>, source: Option<SlotRef>) -> Result<(), Error> {
        let cap = |endpoint, badge| Cap::ThreadFault { thread, endpoint, badge };
        let handler = self.set_handler(slot_of(thread, ThreadSlot::Fault), source, cap)?;
        self.get_mut(thread).fault_endpoint = handler;
        Ok(())
    }

    /// Where messages go that the thread's time is used up.
    pub(crate) fn set_timeout_endpoint(&mut self, thread: Ref<Thread>, source: Option<SlotRef>) -> Result<(), Error> {
        let cap = |endpoint, badge| Cap::ThreadTimeout { thread, endpoint, badge };
        let handler = self.set_handler(slot_of(thread, ThreadSlot::Timeout), source, cap)?;
        self.get_mut(thread).timeout_endpoint = handler;
        Ok(())
    }

    /// Puts what `cap` makes of the endpoint in `source`, or nothing, into a thread's slot; the endpoint and its badge.
    fn set_handler(
        &mut self,
        slot: SlotRef,
        source: Option<SlotRef>,
        cap: impl FnOnce(Ref<Endpoint>, u64) -> Cap,
    ) -> Result<Option<(Ref<Endpoint>, u64)>, Error> {
        let Some(source) = source else {
            self.clear(slot);
            return Ok(None);
        };
        let Cap::Endpoint { endpoint, badge, rights } = self.cap(source) else { return Err(Error::InvalidCapability) };
        if !rights.contains(Rights::SEND) {
            return Err(Error::InsufficientRights);
        }
        self.clear(slot);
        self.insert_child(source, slot, cap(endpoint, badge));
        Ok(Some((endpoint, badge)))
    }

    /// `WRITE_REGISTERS`: `[rip, rsp, rdi, rsi, fs base]`.
    pub(crate) fn write_registers(
        &mut self,
        thread: Ref<Thread>,
        [rip, rsp, rdi, rsi, fs_base]: [u64; 5],
    ) -> Result<(), Error> {
        if self.get(thread).state != State::Stopped || self.foreign_vcpu(thread).is_some() {
            return Err(Error::InvalidState);
        }
        if !user_address(rip) || !user_address(fs_base) {
            return Err(Error::InvalidArgument);
        }
        let context = &mut self.get_mut(thread).context;
        context.start(rip, rsp);
        (context.rdi, context.rsi, context.fs_base) = (rdi, rsi, fs_base);
        self.get_mut(thread).progress = 0;
        Ok(())
    }

    /// Start a stopped thread; what it was blocked in repeats.
    pub(crate) fn resume(&mut self, thread: Ref<Thread>) {
        let t = self.get(thread);
        if t.state == State::Stopped && (!t.foreign || self.may_go_on(thread)) {
            self.make_ready(thread);
        }
    }

    /// Stop a thread.
    pub(crate) fn suspend(&mut self, thread: Ref<Thread>) {
        self.pull(thread);
        self.cancel(thread);
        self.get_mut(thread).state = State::Stopped;
        self.leave_processor(thread);
    }

    /// Take a thread out of whatever it waits in; the system call is to be made again.
    fn cancel(&mut self, thread: Ref<Thread>) {
        let repeats = match self.get(thread).state {
            State::Stopped | State::Ready => false,
            State::Sending { endpoint, kind: SendKind { content, .. }, .. } => {
                self.unwait(endpoint, thread);
                self.repeats(thread, content)
            }
            State::Receiving { endpoint, reply } => {
                self.unwait(endpoint, thread);
                if let Some(reply) = reply {
                    self.get_mut(reply).waiter = None;
                }
                true
            }
            State::Replying { reply, content } => {
                self.get_mut(reply).caller = None;
                self.take_back_time(reply, thread);
                self.repeats(thread, content)
            }
            State::Waiting { notification } => {
                let queue = self.unqueue(self.get(notification).queue, thread);
                self.get_mut(notification).queue = queue;
                true
            }
        };
        if repeats {
            self.get_mut(thread).context.repeat_call();
        }
    }

    /// Whether what a thread waits with is a system call, which is to be made again, and not an exception.
    fn repeats(&self, thread: Ref<Thread>, content: Content) -> bool {
        match content {
            Content::Own => true,
            Content::Fault => self.waits_in_foreign_call(thread),
            Content::Timeout => false,
        }
    }

    /// FPU declaration.
    pub(crate) fn set_fpu(&mut self, thread: Ref<Thread>, fpu: Fpu) {
        self.pull(thread);
        if let Some(user) = self.get(thread).fpu_user {
            self.pull(user);
        }
        self.part_fpu(thread);
        let t = self.get_mut(thread);
        t.fpu = fpu;
        t.note_kind();
        self.machine.reset_fpu(thread);
    }

    /// Nobody can reach the thread any more.
    pub(crate) fn destroy_thread(&mut self, thread: Ref<Thread>) {
        self.suspend(thread);
        if let Some(context) = self.get(thread).sched_context {
            self.unbind_sched_context(context);
        }
        self.bind_notification(thread, None).expect("unbinding cannot fail");
        if let Some(vcpu) = self.get(thread).vcpu {
            self.unbind_vcpu(vcpu);
        }
        self.part_fpu(thread);
        self.part_fpu_user(thread);
        for slot in [ThreadSlot::Table, ThreadSlot::VSpace, ThreadSlot::Page, ThreadSlot::Fault, ThreadSlot::Timeout] {
            self.clear(slot_of(thread, slot));
        }
        if self.cpu().loaded == Some(thread) {
            self.machine.switch(self.cpu().loaded, None);
            self.cpu_mut().loaded = None;
        }
        self.machine.forget(thread);
        self.unlist_thread(thread);
    }
}

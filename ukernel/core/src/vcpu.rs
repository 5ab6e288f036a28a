//! Foreign execution: a thread that is, for a while, somebody else's code.
//!
//! While `foreign` is set the thread's context is the foreign code's and it runs under the legacy view; its master is
//! where `master_*` say. The common ways in and out (`VcpuEnter` that can use `sysret`, and the foreign `syscall`) are in the
//! entry code of `ukernel-hal`, on this structure; everything else is here.

use ukernel_abi::vcpu::{ExitReason, MAX_FIXUPS, State as StatePage};
use ukernel_abi::{Error, MASTER_END, MASTER_START, USER_END};

use crate::context::Resume;
use crate::fault::DEBUG;
use crate::foreign::may_run;
use crate::trace::Event;
use crate::{Context, Kernel, Machine, Object, PhysAddr, Ref, SlotRef, State, Thread};
use ukernel_abi::trace::Kind;

/// Where a Vcpu's slot is, in bytes from its start.
const SLOT_OFFSET: u64 = 512;
/// Vector of a general protection fault.
pub(crate) const GENERAL_PROTECTION: u8 = 13;
/// Vector of a page fault.
pub(crate) const PAGE_FAULT: u8 = 14;

/// A foreign execution context; the fields up to `master_gs` serve the entry code.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Vcpu {
    /// 1 while the thread is foreign code.
    pub foreign: u64,
    /// 1 when the next entry is to return at once.
    pub kicked: u64,
    /// The machine's address of the state page, or 0 while there is none.
    pub state: u64,
    /// Root of the legacy view, or 0 while the thread's VSpace has none.
    pub legacy_root: u64,
    /// Root of the master view.
    pub master_root: u64,
    /// Where the master goes on: stack pointer.
    pub master_rsp: u64,
    /// Where the master goes on: instruction pointer.
    pub master_rip: u64,
    /// The master's `fs` base.
    pub master_fs: u64,
    /// The master's `gs` base.
    pub master_gs: u64,
    pub(crate) page: Option<PhysAddr>,
    pub(crate) thread: Option<Ref<Thread>>,
    pub(crate) caps: u32,
    pub(crate) fixup_count: usize,
    /// (start, end, target)
    pub(crate) fixups: [[u64; 3]; MAX_FIXUPS],
}

impl Object for Vcpu {}

const _: () = assert!(size_of::<Vcpu>() <= SLOT_OFFSET as usize);

impl Vcpu {
    /// One that is bound to nothing.
    pub const fn new() -> Self {
        Self {
            foreign: 0,
            kicked: 0,
            state: 0,
            legacy_root: 0,
            master_root: 0,
            master_rsp: 0,
            master_rip: 0,
            master_fs: 0,
            master_gs: 0,
            page: None,
            thread: None,
            caps: 0,
            fixup_count: 0,
            fixups: [[0; 3]; MAX_FIXUPS],
        }
    }

    fn fixup_for(&self, rip: u64) -> Option<u64> {
        let fixups = self.fixups.get(..self.fixup_count)?;
        fixups.iter().find(|[start, end, _]| (*start..*end).contains(&rip)).map(|[_, _, target]| *target)
    }
}

impl Default for Vcpu {
    fn default() -> Self {
        Self::new()
    }
}

/// The slot that holds the state page's memory.
pub(crate) fn slot_of(vcpu: Ref<Vcpu>) -> SlotRef {
    vcpu.part(SLOT_OFFSET)
}

/// Index of a field of the state page, in words.
macro_rules! word {
    ($field:ident) => {
        core::mem::offset_of!(StatePage, $field) / 8
    };
}

/// Why a foreign thread stops, with what the state page tells about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    pub(crate) reason: ExitReason,
    pub(crate) vector: u8,
    pub(crate) error_code: u64,
    pub(crate) address: u64,
}

/// Whether `fs` or `gs` may have this base.
pub(crate) const fn canonical(address: u64) -> bool {
    address < USER_END || address >= MASTER_START
}

/// Whether user code may start here.
pub(crate) const fn user_address(address: u64) -> bool {
    address < USER_END || (address >= MASTER_START && address < MASTER_END)
}

impl<M: Machine> Kernel<M> {
    /// The thread's Vcpu, while the thread is foreign code.
    pub(crate) fn foreign_vcpu(&self, thread: Ref<Thread>) -> Option<Ref<Vcpu>> {
        self.get(thread).vcpu.filter(|vcpu| self.get(*vcpu).foreign != 0)
    }

    /// `VcpuEnter`, in its general form.
    #[inline(never)]
    pub(crate) fn vcpu_enter(&mut self, thread: Ref<Thread>) -> Result<(), Error> {
        let vcpu = self.get(thread).vcpu.ok_or(Error::InvalidState)?;
        let v = self.get_mut(vcpu);
        let page = v.page.ok_or(Error::InvalidState)?;
        if v.legacy_root == 0 {
            return Err(Error::InvalidState);
        }
        self.machine.save_bases(thread);
        let context = self.get(thread).context.clone();
        let v = self.get_mut(vcpu);
        let kicked = core::mem::take(&mut v.kicked) != 0;
        self.trace(move |_| Event::new(Kind::VcpuEnter, Some(thread)));
        let v = self.get_mut(vcpu);
        (v.master_rsp, v.master_rip) = (context.rsp, context.rip);
        (v.master_fs, v.master_gs) = (context.fs_base, context.gs_base);
        let foreign = self.read_state(page, &context);
        if kicked {
            self.end_entry(thread, vcpu, Exit { reason: ExitReason::Kick, vector: 0, error_code: 0, address: 0 });
        } else if let Some(foreign) = foreign {
            self.get_mut(vcpu).foreign = 1;
            self.get_mut(thread).context = foreign;
            self.machine.reload(thread);
            self.machine.load_bases(thread);
        } else {
            let exit = Exit { reason: ExitReason::Exception, vector: GENERAL_PROTECTION, error_code: 0, address: 0 };
            self.end_entry(thread, vcpu, exit);
        }
        Ok(())
    }

    /// The context that a state page describes. `None`: no processor would take it.
    fn read_state(&self, page: PhysAddr, master: &Context) -> Option<Context> {
        let mut context = Context { cs: master.cs, ss: master.ss, ..Context::default() };
        context.set_state_words(&core::array::from_fn(|index| self.machine.word(page, index)));
        may_run(&context).then_some(context)
    }

    fn write_state(&mut self, page: PhysAddr, context: &Context) {
        for (index, value) in context.state_words().into_iter().enumerate() {
            self.machine.set_word(page, index, value);
        }
    }

    /// A thread stops being foreign code: its registers go to the state page, its master goes on.
    pub(crate) fn exit_to_master(&mut self, thread: Ref<Thread>, vcpu: Ref<Vcpu>, exit: Exit) {
        let Some(page) = self.get(vcpu).page else { return };
        if self.cpu().loaded == Some(thread) {
            self.machine.save_bases(thread);
        }
        let context = self.get(thread).context.clone();
        self.write_state(page, &context);
        self.end_entry(thread, vcpu, exit);
    }

    /// Foreign code made a system call, and the entry code did not deal with it.
    #[inline(never)]
    pub(crate) fn exit_by_call(&mut self, thread: Ref<Thread>, vcpu: Ref<Vcpu>) {
        let context = &mut self.get_mut(thread).context;
        (context.rcx, context.r11) = (context.rip, context.rflags);
        self.exit_to_master(thread, vcpu, Exit { reason: ExitReason::Syscall, vector: 0, error_code: 0, address: 0 });
    }

    /// `VcpuEnter` returns.
    fn end_entry(&mut self, thread: Ref<Thread>, vcpu: Ref<Vcpu>, exit: Exit) {
        let (reason, vector) = (exit.reason, exit.vector);
        self.trace(move |_| Event {
            detail: reason as u8,
            value: vector.into(),
            ..Event::new(Kind::VcpuExit, Some(thread))
        });
        let v = self.get_mut(vcpu);
        v.foreign = 0;
        let (rip, rsp, fs_base, gs_base) = (v.master_rip, v.master_rsp, v.master_fs, v.master_gs);
        if let Some(page) = v.page {
            self.machine.set_word(page, word!(exit_reason), exit.reason as u64);
            self.machine.set_word(page, word!(vector), u64::from(exit.vector));
            self.machine.set_word(page, word!(error_code), exit.error_code);
            self.machine.set_word(page, word!(fault_address), exit.address);
        }
        let context = &mut self.get_mut(thread).context;
        context.start(rip, rsp);
        (context.rdi, context.fs_base, context.gs_base) = (exit.reason as u64, fs_base, gs_base);
        if self.cpu().loaded == Some(thread) {
            self.machine.reload(thread);
            self.machine.load_bases(thread);
        }
    }

    /// Have the Vcpu's thread stop, if it runs on another processor: the entry code there uses the Vcpu as it likes.
    pub(crate) fn pull_master(&mut self, vcpu: Ref<Vcpu>) {
        if let Some(thread) = self.get(vcpu).thread {
            self.pull(thread);
        }
    }

    /// `vcpu::KICK`.
    pub(crate) fn kick(&mut self, vcpu: Ref<Vcpu>) {
        self.pull_master(vcpu);
        match self.get(vcpu).thread {
            Some(thread) if self.get(vcpu).foreign != 0 => {
                let mut exit = Exit { reason: ExitReason::Kick, vector: 0, error_code: 0, address: 0 };
                if self.get(thread).context.resume == Resume::STEPPED {
                    // The step is told first, and the next entry returns at once.
                    (exit.reason, exit.vector) = (ExitReason::Exception, DEBUG);
                    self.get_mut(vcpu).kicked = 1;
                }
                self.exit_to_master(thread, vcpu, exit);
            }
            _ => self.get_mut(vcpu).kicked = 1,
        }
    }

    /// Resume a master's fault at its fix-up. `false`: it has none for this.
    pub(crate) fn take_fixup(&mut self, thread: Ref<Thread>, vector: u8, error_code: u64, address: u64) -> bool {
        let Some(vcpu) = self.get(thread).vcpu else { return false };
        let rip = self.get(thread).context.rip;
        let address = match vector {
            PAGE_FAULT if address < USER_END => address,
            GENERAL_PROTECTION => u64::MAX,
            _ => return false,
        };
        let v = self.get(vcpu);
        let (Some(target), Some(page)) = (v.fixup_for(rip), v.page) else { return false };
        self.machine.set_word(page, word!(fixup_address), address);
        self.machine.set_word(page, word!(fixup_error), error_code);
        self.get_mut(thread).context.rip = target;
        true
    }

    /// Bind a Vcpu to a thread, both ways.
    pub(crate) fn bind_vcpu(&mut self, thread: Ref<Thread>, vcpu: Ref<Vcpu>) -> Result<(), Error> {
        if self.get(vcpu).thread.is_some() || self.get(thread).vcpu.is_some() || self.get(thread).foreign {
            return Err(Error::InvalidState);
        }
        self.pull(thread);
        self.get_mut(vcpu).thread = Some(thread);
        let t = self.get_mut(thread);
        t.vcpu = Some(vcpu);
        t.note_kind();
        self.update_vcpu_roots(thread);
        if self.cpu().loaded == Some(thread) {
            self.machine.reload(thread);
        }
        Ok(())
    }

    /// The thread's VSpace changed.
    pub(crate) fn update_vcpu_roots(&mut self, thread: Ref<Thread>) {
        let t = self.get(thread);
        let Some(vcpu) = t.vcpu else { return };
        let master = t.root.0;
        let legacy = t.vspace.map_or(0, |vspace| self.get(vspace).legacy_root.0);
        let v = self.get_mut(vcpu);
        (v.master_root, v.legacy_root) = (master, legacy);
    }

    /// The state page's memory was revoked. Foreign code cannot go on, nor can its master.
    pub(crate) fn drop_state_page(&mut self, vcpu: Ref<Vcpu>) {
        self.pull_master(vcpu);
        let v = self.get_mut(vcpu);
        (v.page, v.state) = (None, 0);
        let foreign = core::mem::take(&mut v.foreign) != 0;
        if let Some(thread) = v.thread
            && foreign
        {
            self.dequeue(thread);
            self.get_mut(thread).state = State::Stopped;
        }
    }

    /// A thread and its Vcpu part.
    pub(crate) fn unbind_vcpu(&mut self, vcpu: Ref<Vcpu>) {
        self.pull_master(vcpu);
        let v = self.get_mut(vcpu);
        let foreign = core::mem::take(&mut v.foreign) != 0;
        if let Some(thread) = v.thread.take() {
            let t = self.get_mut(thread);
            t.vcpu = None;
            t.note_kind();
            if foreign {
                self.dequeue(thread);
                self.get_mut(thread).state = State::Stopped;
            }
            if self.cpu().loaded == Some(thread) {
                self.machine.reload(thread);
            }
        }
    }

    pub(crate) fn destroy_vcpu(&mut self, vcpu: Ref<Vcpu>) {
        self.unbind_vcpu(vcpu);
        self.clear(slot_of(vcpu));
    }
}

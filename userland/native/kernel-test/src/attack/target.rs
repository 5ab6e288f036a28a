//! The attacker's task: what it is made of, and what it is given.

use ukernel_abi::boot::slot;
use ukernel_abi::{Error, ObjectType, PAGE_BYTES, Rights};
use ukernel_user::object::{IoControl, IoSpace, MapRange, Object, Retype};
use ukernel_user::{
    Attachment, Cap, CapTable, Endpoint, IoPorts, Irq, IrqControl, Memory, Notification, Reply, SchedContext, Thread,
    Timer, Untyped, VSpace,
};

use super::random::Random;
use super::registers;
use super::script::slots_of;
use crate::machine::{SCRIPT, attack_code, now, place, poke};
use crate::world::{PLAYGROUND, World};
use crate::{Failure, Outcome};

/// Where its code and its message page are.
pub const CODE: u64 = 0x40_0000;
pub const MESSAGES: u64 = 0x41_0000;
/// Where this task sees its message page and writes its code.
const MESSAGES_VIEW: u64 = PLAYGROUND + (1 << 25);
const CODE_VIEW: u64 = MESSAGES_VIEW + PAGE_BYTES;
/// Slots of this task's table for all of it, from here on.
const FIRST_SLOT: u64 = 3000;
const BELL_SLOT: u64 = FIRST_SLOT - 1;
const PORT_SLOT: u64 = FIRST_SLOT - 2;
const DEVICE_SLOT: u64 = FIRST_SLOT - 3;
const IO_CONTROL: Cap<IoControl> = Cap::new(slot::IO_CONTROL);
const IRQ_CONTROL: Cap<IrqControl> = Cap::new(slot::IRQ_CONTROL);
/// Bytes of memory that one attacker needs at most.
pub const ARENA_BYTES: u64 = 1 << 20;
const HIGHEST: u8 = 255;
/// What it may give to threads: less than its handler's.
const MOST_GIVEN: u8 = 99;
const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);

/// What an attacker gets that is not its own.
pub struct Given {
    /// Its script.
    pub script: Cap<Memory>,
    /// Memory that it may look at.
    pub victim: Cap<Memory>,
    /// A server that it may call.
    pub server: Cap<Endpoint>,
    /// A device that an IoSpace of its own is for, where there is an IOMMU.
    pub device: Option<u16>,
}

/// An attacker.
pub struct Target {
    arena: Cap<Untyped>,
    table: Cap<CapTable>,
    vspace: Cap<VSpace>,
    thread: Cap<Thread>,
    time: Cap<SchedContext>,
    page: Cap<Memory>,
    bell: Cap<Notification>,
    clock: Cap<Timer>,
    /// Where its faults arrive.
    pub faults: Cap<Endpoint>,
    /// To answer them.
    pub reply: Cap<Reply>,
}

/// Makes objects from an arena, in slots from `FIRST_SLOT` on.
struct Maker {
    arena: Cap<Untyped>,
    next: u64,
}

impl Maker {
    fn make<T: Object>(&mut self, size: u64) -> Result<Cap<T>, Error> {
        self.next += 1;
        self.arena.create(size, self.next - 1)
    }

    fn map(
        &mut self,
        vspace: Cap<VSpace>,
        memory: Cap<Memory>,
        at: u64,
        rights: Rights,
    ) -> Result<Cap<Attachment>, Error> {
        let attachment = self.make::<Attachment>(0)?;
        let bytes = memory.size()?;
        memory.attach(vspace, at, bytes, Rights::ALL, attachment)?;
        attachment.map(&[MapRange::new(at, rights, 0, bytes / PAGE_BYTES)]).map_err(Error::from)?;
        Ok(attachment)
    }
}

impl Target {
    /// An attacker, not started.
    pub fn new(world: &World, arena: Cap<Untyped>, given: &Given) -> Result<Self, Failure> {
        let mut maker = Maker { arena, next: FIRST_SLOT };
        let (vspace, table) = (maker.make::<VSpace>(0)?, maker.make::<CapTable>(7)?);
        vspace.donate(arena, 24)?;
        maker.map(vspace, given.script, SCRIPT, READ_WRITE)?;
        let code = maker.make::<Memory>(PAGE_BYTES)?;
        let view = maker.map(world.vspace, code, CODE_VIEW, READ_WRITE)?;
        place(attack_code(), CODE_VIEW);
        view.detach()?;
        maker.map(vspace, code, CODE, Rights::READ.or(Rights::EXECUTE))?;
        let page = maker.make::<Memory>(PAGE_BYTES)?;
        maker.map(vspace, page, MESSAGES, READ_WRITE)?;
        maker.map(world.vspace, page, MESSAGES_VIEW, READ_WRITE)?;
        let (faults, bell) = (maker.make::<Endpoint>(0)?, maker.make::<Notification>(0)?);
        world.table.mint(BELL_SLOT, world.table, bell.slot(), Rights::ALL, 1)?;
        let target = Self {
            arena,
            table,
            vspace,
            thread: maker.make(0)?,
            time: maker.make(0)?,
            page,
            bell: Cap::new(BELL_SLOT),
            clock: maker.make(0)?,
            faults,
            reply: maker.make(0)?,
        };
        target.give_own_objects(world)?;
        target.give_others_objects(world, given)?;
        Ok(target)
    }

    /// Objects that are the attacker's own, from an untyped that it has.
    fn give_own_objects(&self, world: &World) -> Outcome {
        let own = slots_of(ObjectType::Untyped);
        let retype = |source: Cap<Untyped>, object, size, count| {
            source.retype(&Retype { object, size, count, first_slot: slots_of(object) + 2, table: self.table })
        };
        self.arena.retype(&Retype {
            object: ObjectType::Untyped,
            size: 64 * PAGE_BYTES,
            count: 1,
            first_slot: own,
            table: self.table,
        })?;
        retype(self.arena, ObjectType::CapTable, 4, 1)?;
        retype(self.arena, ObjectType::Memory, 4 * PAGE_BYTES, 2)?;
        for object in [
            ObjectType::Thread,
            ObjectType::VSpace,
            ObjectType::Endpoint,
            ObjectType::Reply,
            ObjectType::Notification,
            ObjectType::SchedContext,
            ObjectType::Timer,
            ObjectType::Vcpu,
            ObjectType::Attachment,
            ObjectType::Irq,
            ObjectType::IoSpace,
            ObjectType::IoMapping,
        ] {
            retype(self.arena, object, 0, 2)?;
        }
        let copies = [
            (ObjectType::CapTable, self.table.slot()),
            (ObjectType::Thread, self.thread.slot()),
            (ObjectType::VSpace, self.vspace.slot()),
            (ObjectType::SchedContext, self.time.slot()),
        ];
        for (object, slot) in copies {
            self.table.copy(slots_of(object), world.table, slot, Rights::ALL)?;
        }
        Ok(())
    }

    /// What it may use of others: a server, a look at memory, one harmless port.
    fn give_others_objects(&self, world: &World, given: &Given) -> Outcome {
        let send = Rights::SEND.or(Rights::GRANT);
        self.table.mint(slots_of(ObjectType::Endpoint), world.table, given.server.slot(), send, 3)?;
        self.table.copy(slots_of(ObjectType::Memory), world.table, given.victim.slot(), Rights::READ)?;
        if let Some(device) = given.device {
            self.give_device(world, device)?;
        }
        let ports: Cap<IoPorts> = Cap::new(slot::IO_PORTS);
        ports.sub(0x80, 0x80, PORT_SLOT)?;
        Ok(self.table.move_here(slots_of(ObjectType::IoPorts), world.table, PORT_SLOT)?)
    }

    /// What the driver of a device has: its IoSpace, and an interrupt that it was given.
    fn give_device(&self, world: &World, device: u16) -> Outcome {
        let space = self.arena.create::<IoSpace>(0, DEVICE_SLOT)?;
        IO_CONTROL.bind(space, device)?;
        self.table.move_here(slots_of(ObjectType::IoSpace), world.table, DEVICE_SLOT)?;
        let irq = self.arena.create::<Irq>(0, DEVICE_SLOT)?;
        IRQ_CONTROL.issue_msi(irq, device)?;
        Ok(self.table.move_here(slots_of(ObjectType::Irq), world.table, DEVICE_SLOT)?)
    }

    /// Put it on its feet, wherever it is, and let it run: it runs before this returns.
    ///
    /// # Errors
    /// InvalidState: it has no address space any more.
    pub fn start(&self) -> Result<(), Error> {
        self.thread.suspend()?;
        self.thread.configure(self.table, self.vspace, self.faults, self.page, 0)?;
        self.thread.write_registers(&registers())?;
        self.thread.set_priority(HIGHEST)?;
        // Whom it makes cannot keep its handler from running.
        self.thread.set_max_priority(MOST_GIVEN)?;
        self.time.unbind()?;
        self.time.unlimit()?;
        // Where its handler is.
        self.time.set_cpu(0)?;
        self.thread.resume()?;
        // It may be bound to some other time of its own.
        match self.time.bind(self.thread) {
            Err(Error::InvalidState) => Ok(()),
            other => other,
        }
    }

    /// Slots to send and to receive into, and words, all random.
    pub fn fill_message_page(&self, random: &mut Random) {
        for offset in (0..PAGE_BYTES).step_by(8) {
            poke(MESSAGES_VIEW + offset, random.below(70));
        }
    }

    /// Let threads of lower priority run for a moment: the attacker may have started some.
    pub fn let_others_run(&self, tsc_hz: u64) -> Outcome {
        self.clock.bind(self.bell)?;
        self.clock.arm(now() + tsc_hz / 20_000)?;
        self.bell.wait()?;
        Ok(())
    }

    /// Take everything back.
    pub fn end(self, world: &World) -> Outcome {
        Ok(world.table.revoke(self.arena.slot())?)
    }
}

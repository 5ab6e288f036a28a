//! How long objects are there: each counts the capabilities to it, those inside objects included, and is destroyed with the last
//! one. What a capability inside an object stands for is undone with it.

use crate::preemption::Dead;
use crate::{Cap, Kernel, Machine};

impl<M: Machine> Kernel<M> {
    /// Count a new capability to its object.
    pub(crate) fn retain(&mut self, cap: Cap) {
        if let Some(count) = self.count_of(cap) {
            *count += 1;
        }
    }

    /// Count a capability less; destroy the object with its last one, or undo the binding that it stood for.
    #[inline(always)]
    pub(crate) fn release(&mut self, cap: Cap) {
        self.unbind(cap);
        let Some(count) = self.count_of(cap) else { return };
        *count -= 1;
        if *count == 0 {
            self.destroy(cap);
        }
    }

    /// The count of capabilities to the object that this one keeps alive.
    fn count_of(&mut self, cap: Cap) -> Option<&mut u32> {
        Some(match cap {
            Cap::CapTable(table) | Cap::ThreadTable { table, .. } => &mut self.get_mut(table).caps,
            Cap::Thread(thread) => &mut self.get_mut(thread).caps,
            Cap::VSpace(vspace) | Cap::ThreadVSpace { vspace, .. } => &mut self.get_mut(vspace).caps,
            Cap::VSpaceMaster { master, .. } => &mut self.get_mut(master).caps,
            Cap::Endpoint { endpoint, .. }
            | Cap::ThreadFault { endpoint, .. }
            | Cap::ThreadTimeout { endpoint, .. } => &mut self.get_mut(endpoint).caps,
            Cap::Reply(reply) => &mut self.get_mut(reply).caps,
            Cap::Notification { notification, .. }
            | Cap::TimerTarget { notification, .. }
            | Cap::IoFaultTarget { notification, .. }
            | Cap::IrqTarget { notification, .. } => &mut self.get_mut(notification).caps,
            Cap::SchedContext(context) => &mut self.get_mut(context).caps,
            Cap::Timer(timer) => &mut self.get_mut(timer).caps,
            Cap::Vcpu(vcpu) => &mut self.get_mut(vcpu).caps,
            Cap::Attachment(attachment) => &mut self.get_mut(attachment).caps,
            Cap::Irq(irq) => &mut self.get_mut(irq).caps,
            Cap::IoSpace(space) => &mut self.get_mut(space).caps,
            Cap::IoMapping(mapping) => &mut self.get_mut(mapping).caps,
            Cap::Null
            | Cap::Untyped { .. }
            | Cap::Memory { .. }
            | Cap::IoPorts { .. }
            | Cap::IrqControl
            | Cap::Log
            | Cap::Trace
            | Cap::IoControl
            | Cap::Husk
            | Cap::IoMapped(_)
            | Cap::IoSpaceTables(_)
            | Cap::TraceMemory
            | Cap::AttachedMemory(_)
            | Cap::ThreadPage(_)
            | Cap::VSpaceTables(_)
            | Cap::VcpuState(_) => return None,
        })
    }

    /// A capability inside an object went: undo what it stood for.
    #[inline(always)]
    fn unbind(&mut self, cap: Cap) {
        match cap {
            Cap::AttachedMemory(attachment) => self.detach(attachment),
            Cap::ThreadTable { thread, .. } => self.get_mut(thread).table = None,
            Cap::ThreadVSpace { thread, .. } => self.leave_vspace(thread),
            Cap::ThreadPage(thread) => self.get_mut(thread).page = None,
            Cap::ThreadFault { thread, .. } => self.get_mut(thread).fault_endpoint = None,
            Cap::ThreadTimeout { thread, .. } => self.get_mut(thread).timeout_endpoint = None,
            Cap::VSpaceTables(vspace) | Cap::VSpaceMaster { vspace, .. } => self.kill_vspace(vspace),
            Cap::VcpuState(vcpu) => self.drop_state_page(vcpu),
            Cap::TraceMemory => self.drop_ring(),
            Cap::TimerTarget { timer, .. } => self.drop_timer_target(timer),
            Cap::IrqTarget { irq, .. } => self.get_mut(irq).target = None,
            Cap::IoMapped(mapping) => self.unmap_io(mapping),
            Cap::IoSpaceTables(space) => self.empty_io_space(space),
            Cap::IoFaultTarget { space, .. } => self.get_mut(space).target = None,
            _ => {}
        }
    }

    /// The last capability to an object went.
    fn destroy(&mut self, cap: Cap) {
        match cap {
            Cap::CapTable(table) | Cap::ThreadTable { table, .. } => {
                self.get_mut(table).emptied = 0;
                self.list_dead(Dead::Table(table));
            }
            Cap::Thread(thread) => self.destroy_thread(thread),
            Cap::VSpace(vspace) | Cap::ThreadVSpace { vspace, .. } | Cap::VSpaceMaster { master: vspace, .. } => {
                self.destroy_vspace(vspace);
            }
            Cap::Endpoint { endpoint, .. }
            | Cap::ThreadFault { endpoint, .. }
            | Cap::ThreadTimeout { endpoint, .. } => self.destroy_endpoint(endpoint),
            Cap::Reply(reply) => self.destroy_reply(reply),
            Cap::Notification { notification, .. }
            | Cap::TimerTarget { notification, .. }
            | Cap::IoFaultTarget { notification, .. }
            | Cap::IrqTarget { notification, .. } => self.destroy_notification(notification),
            Cap::SchedContext(context) => {
                self.free_sched_context(context);
                self.drop_account(context);
            }
            Cap::Timer(timer) => self.destroy_timer(timer),
            Cap::Vcpu(vcpu) => self.destroy_vcpu(vcpu),
            Cap::Attachment(attachment) => self.destroy_attachment(attachment),
            Cap::Irq(irq) => self.destroy_irq(irq),
            Cap::IoSpace(space) => self.destroy_io_space(space),
            Cap::IoMapping(mapping) => self.destroy_io_mapping(mapping),
            _ => {}
        }
    }
}

//! Notifications: a word of pending bits, threads that wait for it, or one thread bound to it.

use crate::ipc::Blocking;
use crate::preemption::{Burial, Dead, Piece};
use crate::run_queue::{End, Queue};
use crate::trace::Event;
use crate::{Kernel, Machine, Object, Ref, State, Thread};
use ukernel_abi::Error;
use ukernel_abi::trace::Kind;

/// A word of pending bits. Invariant: while threads wait there are no bits.
#[derive(Clone, Debug)]
pub struct Notification {
    pub(crate) caps: u32,
    pub(crate) bits: u64,
    pub(crate) queue: Queue,
    /// The thread whose `Recv` gets the bits.
    pub(crate) bound: Option<Ref<Thread>>,
    /// Its place among the dead, while threads still wait here.
    pub(crate) burial: Burial,
}

impl Object for Notification {
    fn is_unfinished(&self) -> bool {
        self.burial.listed
    }
}

impl Notification {
    pub(crate) fn new() -> Self {
        Self { caps: 0, bits: 0, queue: Queue::default(), bound: None, burial: Burial::default() }
    }
}

impl<M: Machine> Kernel<M> {
    /// Or bits into the word, and wake whoever waits for them.
    pub(crate) fn signal(&mut self, notification: Ref<Notification>, badge: u64) {
        self.trace(move |k| Event {
            other: k.get(notification).queue.head,
            value: badge,
            object: notification.address(),
            ..Event::new(Kind::Signal, k.cpu().current)
        });
        let n = self.get(notification);
        if let Some(waiter) = n.queue.head {
            let queue = self.unqueue(n.queue, waiter);
            self.get_mut(notification).queue = queue;
            self.deliver_bits(waiter, badge);
            self.make_ready(waiter);
            return;
        }
        self.get_mut(notification).bits |= badge;
        self.wake_bound(notification);
    }

    /// Give the bits to the bound thread, if it waits for a message.
    fn wake_bound(&mut self, notification: Ref<Notification>) {
        let n = self.get(notification);
        let (bits, Some(thread)) = (n.bits, n.bound) else { return };
        let State::Receiving { endpoint, reply } = self.get(thread).state else { return };
        if crate::seeded::LOST_WAKEUP {
            return;
        }
        self.get_mut(notification).bits = 0;
        if let Some(reply) = reply {
            self.get_mut(reply).waiter = None;
        }
        self.unwait(endpoint, thread);
        self.deliver_bits(thread, bits);
        self.make_ready(thread);
    }

    /// Take the bits, or wait for them.
    pub(crate) fn wait(
        &mut self,
        thread: Ref<Thread>,
        notification: Ref<Notification>,
        blocking: Blocking,
    ) -> Result<(), Error> {
        let bits = core::mem::take(&mut self.get_mut(notification).bits);
        if bits != 0 {
            self.deliver_bits(thread, bits);
            return Ok(());
        }
        if blocking == Blocking::Poll {
            return Err(Error::WouldBlock);
        }
        self.get_mut(thread).state = State::Waiting { notification };
        let queue = self.push(self.get(notification).queue, thread, End::Back);
        self.get_mut(notification).queue = queue;
        self.leave_processor(thread);
        Ok(())
    }

    /// The bits of the notification that is bound to the thread, if there are any.
    pub(crate) fn take_bound_bits(&mut self, thread: Ref<Thread>) -> Option<u64> {
        let notification = self.get(thread).bound?;
        let bits = core::mem::take(&mut self.get_mut(notification).bits);
        (bits != 0).then_some(bits)
    }

    /// Tell a thread the bits, as a message without words.
    pub(crate) fn deliver_bits(&mut self, thread: Ref<Thread>, bits: u64) {
        let context = &mut self.get_mut(thread).context;
        context.rdi = bits;
        context.rsi = 0;
        context.rax = 0;
    }

    /// Bind a notification to a thread, or (`None`) undo it. Bits that are there already reach the thread if it waits.
    pub(crate) fn bind_notification(
        &mut self,
        thread: Ref<Thread>,
        notification: Option<Ref<Notification>>,
    ) -> Result<(), Error> {
        if let Some(notification) = notification {
            if self.get(notification).bound.is_some() || self.get(thread).bound.is_some() {
                return Err(Error::InvalidState);
            }
            self.get_mut(notification).bound = Some(thread);
        } else if let Some(old) = self.get(thread).bound {
            self.get_mut(old).bound = None;
        }
        self.get_mut(thread).bound = notification;
        if let Some(notification) = notification
            && self.get(notification).bits != 0
        {
            self.wake_bound(notification);
        }
        Ok(())
    }

    /// Nobody can reach the notification any more.
    pub(crate) fn destroy_notification(&mut self, notification: Ref<Notification>) {
        if let Some(thread) = self.get_mut(notification).bound.take() {
            self.get_mut(thread).bound = None;
        }
        if self.get(notification).queue.head.is_some() {
            self.list_dead(Dead::Notification(notification));
        }
    }

    /// One of those who wait for a dead notification gets an error.
    pub(crate) fn wake_for_nothing(&mut self, notification: Ref<Notification>) -> Piece {
        let n = self.get(notification);
        let Some(thread) = n.queue.head else { return Piece::None };
        let queue = self.unqueue(n.queue, thread);
        self.get_mut(notification).queue = queue;
        self.get_mut(thread).context.rax = Error::InvalidCapability as u64;
        self.make_ready(thread);
        Piece::Made
    }
}

//! Threads that serve one endpoint together, and can be stopped.
//!
//! Each has a Reply object, a notification that wakes it, and a dispatcher of its own, so that calls run at the same time
//! and may block. When a pool is stopped, calls in flight end first; then nobody receives at the endpoint (unless another
//! pool does), and the kernel holds callers until somebody does again.
//!
//! A pool's objects belong to whoever started it, and are given back when all of its threads have left: a late signal must
//! not reach an object's next user.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use rt::thread::{self, JoinHandle};
use ukernel_abi::Error;
use ukernel_user::{Cap, Endpoint, Notification, Reply, Rights};

use crate::answer::ReplyPool;
use crate::server::{Dispatch, EVENT, serve};

/// What a pool consists of.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize {
    /// Threads: so many calls are served at a time.
    pub threads: usize,
    /// Bytes of each one's stack.
    pub stack_bytes: usize,
    /// How urgent its work is within the task.
    pub urgency: Urgency,
}

/// How urgent the work of a pool's threads is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// As that of the task's other threads.
    Usual,
    /// More: others wait for it, and it is short.
    First,
}

/// Threads that serve an endpoint, until it is stopped or dropped.
#[derive(Debug)]
pub struct Pool {
    stopping: Arc<AtomicBool>,
    members: Vec<Member>,
}

/// A thread and its objects.
#[derive(Debug)]
struct Member {
    objects: Objects,
    thread: Option<JoinHandle>,
}

#[derive(Clone, Copy, Debug)]
struct Objects {
    reply: Cap<Reply>,
    notification: Cap<Notification>,
    wake: Cap<Notification>,
}

impl Pool {
    /// Starts threads that serve `endpoint`, each with a dispatcher that `make` makes.
    ///
    /// # Errors
    /// No memory or slots for the kernel objects; then no thread is left.
    pub fn start<D: Dispatch + Send + 'static>(
        name: &str,
        endpoint: Cap<Endpoint>,
        size: PoolSize,
        mut make: impl FnMut() -> D,
    ) -> Result<Self, Error> {
        let mut pool = Self { stopping: Arc::new(AtomicBool::new(false)), members: Vec::new() };
        for _ in 0..size.threads {
            let objects = Objects::new()?;
            pool.members.push(Member { objects, thread: None });
            let (stopping, mut service) = (pool.stopping.clone(), make());
            let body = move || work(endpoint, objects, &stopping, &mut service);
            let thread = match size.urgency {
                Urgency::Usual => thread::spawn(name, size.stack_bytes, body),
                Urgency::First => thread::spawn_raised(name, size.stack_bytes, body),
            };
            pool.members.last_mut().expect("just pushed").thread = Some(thread?);
        }
        Ok(pool)
    }

    /// Lets calls in flight end, and the threads leave; returns when they have. Not to be called by one of them.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        for member in &self.members {
            // It cannot fail: the capability is ours. Were it to, the thread would leave after its next request.
            let _ = member.objects.wake.signal();
        }
        for member in self.members.drain(..) {
            member.thread.into_iter().for_each(JoinHandle::join);
            member.objects.give_back();
        }
    }
}

impl Objects {
    fn new() -> Result<Self, Error> {
        let reply = rt::object::create::<Reply>(0)?;
        let made = rt::object::create::<Notification>(0).inspect_err(|_| rt::object::recycle(reply));
        let notification = made?;
        let wake = rt::cap::mint(notification, Rights::SEND, EVENT | 1).inspect_err(|_| {
            rt::object::recycle(notification);
            rt::object::recycle(reply);
        })?;
        Ok(Self { reply, notification, wake })
    }

    fn give_back(self) {
        rt::cap::delete(self.wake.slot());
        // The thread may have left without looking at its signal.
        let _ = self.notification.poll();
        rt::object::recycle(self.notification);
        rt::object::recycle(self.reply);
    }
}

fn work<D: Dispatch>(endpoint: Cap<Endpoint>, objects: Objects, stopping: &AtomicBool, service: &mut D) {
    let me = thread::raw().thread;
    me.bind_notification(objects.notification).expect("nothing is bound to a thread of a pool");
    let replies = Arc::new(ReplyPool::new(Vec::from([objects.reply])));
    if let Err(error) = serve(endpoint, &replies, stopping, service) {
        log::error!("a thread of a pool serves no longer: {error:?}");
    }
    me.bind_notification(Cap::NULL).expect("the thread is this one");
}

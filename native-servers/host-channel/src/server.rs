//! The contract `HostChannel`, with clients that wait.
//!
//! Lock order: `State` is the only lock. It is never held during a call to another server; answering a client that
//! waits does not block.

use crate::channel::{Attempt, Channel};
use alloc::sync::Arc;
use alloc::vec::Vec;
use interfaces::host_session::{Session, TerminalSize};
use interfaces::{HostChannelError as Error, HostChannelHandler};
use ipc::{Answer, Caller, Encode, MAX_BYTES, PendingReply};
use rt::sync::{Condvar, Mutex};

type Reply<T> = Result<T, Error>;

/// The channel and its clients, shared by the server and its two pumps.
#[derive(Debug, Default)]
pub struct Shared {
    state: Mutex<State>,
    /// There is something for the host.
    outgoing: Condvar,
}

#[derive(Debug, Default)]
struct State {
    channel: Channel,
    waiting: Waiting,
    is_gone: bool,
}

/// Requests that wait: their arguments and the right to answer.
#[derive(Debug, Default)]
struct Waiting {
    sessions: List<(), Session>,
    reads: List<(u32, u8, usize), Vec<u8>>,
    writes: List<(u32, u8, Vec<u8>), u32>,
    signals: List<u32, u32>,
    resizes: List<(), TerminalSize>,
    power_offs: List<(), ()>,
}

/// Requests of one kind.
#[derive(Debug)]
struct List<A, T: Encode>(Vec<(A, PendingReply<Reply<T>>)>);

impl<A, T: Encode> Default for List<A, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A, T: Encode> List<A, T> {
    /// Answer those that can be answered, oldest first; all of them where the link is gone.
    fn settle(&mut self, is_gone: bool, mut attempt: impl FnMut(&A) -> Attempt<T>) {
        for (arguments, reply) in core::mem::take(&mut self.0) {
            match attempt(&arguments) {
                Some(result) => reply.complete(result),
                None if is_gone => reply.complete(Err(Error::LinkGone)),
                None => self.0.push((arguments, reply)),
            }
        }
    }

    fn wait(&mut self, caller: Caller<'_, Reply<T>>, arguments: A) -> Answer<Reply<T>> {
        match caller.defer() {
            Some(reply) => self.0.push((arguments, reply)),
            None => return Answer::Now(Err(Error::Busy)),
        }
        Answer::Later
    }
}

impl State {
    /// Answer whatever can be answered now.
    fn settle(&mut self) {
        let Self { channel, waiting, is_gone } = self;
        waiting.sessions.settle(*is_gone, |()| channel.next_session());
        waiting.reads.settle(*is_gone, |&(id, stream, max)| channel.read(id, stream, max));
        waiting.writes.settle(*is_gone, |(id, stream, bytes)| channel.write(*id, *stream, bytes));
        waiting.signals.settle(*is_gone, |&id| channel.next_signal(id));
        waiting.resizes.settle(*is_gone, |()| channel.next_resize());
    }
}

impl Shared {
    /// Take in bytes from the host; false: the host broke the protocol, the link is not used any more.
    pub fn receive(&self, bytes: &[u8]) -> bool {
        let mut state = self.state.lock();
        let result = state.channel.receive(bytes);
        if let Err(violation) = result {
            log::error!("the host broke the channel's protocol: {violation}");
        } else {
            state.settle();
        }
        self.outgoing.notify_all();
        result.is_ok()
    }

    /// Wait for bytes for the host, and take at most a message full; `None`: the link is gone.
    ///
    /// Whoever calls this has sent what it took before: that is when a power-off counts as sent.
    pub fn take_outgoing(&self) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        loop {
            let State { channel, waiting, is_gone } = &mut *state;
            waiting.power_offs.settle(*is_gone, |()| channel.is_drained().then_some(Ok(())));
            if state.is_gone {
                return None;
            }
            let bytes = state.channel.take_outgoing(MAX_BYTES);
            if !bytes.is_empty() {
                state.settle();
                return Some(bytes);
            }
            state = self.outgoing.wait(state);
        }
    }

    /// The link is gone: nobody need wait for it.
    pub fn give_up(&self) {
        let mut state = self.state.lock();
        state.is_gone = true;
        state.settle();
        self.outgoing.notify_all();
    }
}

/// The server.
#[derive(Debug)]
pub struct HostChannelServer(pub Arc<Shared>);

impl HostChannelServer {
    /// Do something with the channel; then others may go on.
    fn with<T>(&self, action: impl FnOnce(&mut Channel, &mut Waiting) -> Answer<Reply<T>>) -> Answer<Reply<T>> {
        let mut state = self.0.state.lock();
        let State { channel, waiting, is_gone } = &mut *state;
        if *is_gone {
            return Answer::Now(Err(Error::LinkGone));
        }
        let answer = action(channel, waiting);
        state.settle();
        self.0.outgoing.notify_all();
        answer
    }
}

impl HostChannelHandler for HostChannelServer {
    fn begin(&mut self, _caller: Caller<'_, Reply<()>>) -> Answer<Reply<()>> {
        self.with(|channel, waiting| {
            // Nobody is there to be answered; what is dropped is answered with an error.
            *waiting = Waiting::default();
            channel.begin();
            Answer::Now(Ok(()))
        })
    }

    fn next_session(&mut self, caller: Caller<'_, Reply<Session>>) -> Answer<Reply<Session>> {
        self.with(|channel, waiting| match channel.next_session() {
            Some(result) => Answer::Now(result),
            None => waiting.sessions.wait(caller, ()),
        })
    }

    fn command(&mut self, _caller: Caller<'_, Reply<Vec<u8>>>, session: u32, offset: u32) -> Answer<Reply<Vec<u8>>> {
        self.with(|channel, _| channel.command(session, offset, MAX_BYTES).into())
    }

    fn read(
        &mut self,
        caller: Caller<'_, Reply<Vec<u8>>>,
        session: u32,
        stream: u8,
        max: u32,
    ) -> Answer<Reply<Vec<u8>>> {
        let max = (max as usize).min(MAX_BYTES);
        self.with(|channel, waiting| match channel.read(session, stream, max) {
            Some(result) => Answer::Now(result),
            None => waiting.reads.wait(caller, (session, stream, max)),
        })
    }

    fn write(&mut self, caller: Caller<'_, Reply<u32>>, session: u32, stream: u8, bytes: &[u8]) -> Answer<Reply<u32>> {
        self.with(|channel, waiting| match channel.write(session, stream, bytes) {
            Some(result) => Answer::Now(result),
            None => waiting.writes.wait(caller, (session, stream, bytes.into())),
        })
    }

    fn end_of_stream(&mut self, _caller: Caller<'_, Reply<()>>, session: u32, stream: u8) -> Answer<Reply<()>> {
        self.with(|channel, _| channel.end_of_stream(session, stream).into())
    }

    fn close_input(&mut self, _caller: Caller<'_, Reply<()>>, session: u32, stream: u8) -> Answer<Reply<()>> {
        self.with(|channel, _| channel.close_input(session, stream).into())
    }

    fn exit(&mut self, _caller: Caller<'_, Reply<()>>, session: u32, wait_status: u32) -> Answer<Reply<()>> {
        self.with(|channel, _| channel.exit(session, wait_status).into())
    }

    fn refuse(&mut self, _caller: Caller<'_, Reply<()>>, session: u32, reason: &str) -> Answer<Reply<()>> {
        self.with(|channel, _| channel.refuse(session, reason).into())
    }

    fn next_signal(&mut self, caller: Caller<'_, Reply<u32>>, session: u32) -> Answer<Reply<u32>> {
        self.with(|channel, waiting| match channel.next_signal(session) {
            Some(result) => Answer::Now(result),
            None => waiting.signals.wait(caller, session),
        })
    }

    fn next_resize(&mut self, caller: Caller<'_, Reply<TerminalSize>>) -> Answer<Reply<TerminalSize>> {
        self.with(|channel, waiting| match channel.next_resize() {
            Some(result) => Answer::Now(result),
            None => waiting.resizes.wait(caller, ()),
        })
    }

    fn powered_off(&mut self, caller: Caller<'_, Reply<()>>, failure: u32) -> Answer<Reply<()>> {
        self.with(|channel, waiting| {
            channel.power_off(failure);
            waiting.power_offs.wait(caller, ())
        })
    }
}

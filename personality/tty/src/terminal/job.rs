//! Job control: who may use a terminal now, and whose controlling terminal it is.

use super::Tty;
use crate::job_control::{Caller, Pid, TerminalSignal};
use alloc::sync::Arc;
use linux_abi::{Errno, Result};

impl Tty {
    /// Tells whether this is the caller's controlling terminal.
    pub(crate) fn controls(&self, caller: Caller) -> bool {
        self.state.lock().session == Some(caller.session)
    }

    /// Lets foreground processes, and those of other terminals, pass. Background processes are sent `signal`.
    ///
    /// # Errors
    /// `ERESTARTSYS` after the signal was sent; `EIO` where it cannot help: an orphaned group, or a reader that
    /// disregards `SIGTTIN`.
    pub(crate) fn require_foreground(&self, signal: TerminalSignal) -> Result<()> {
        let job_control = self.job_control();
        let Some(caller) = job_control.caller() else { return Ok(()) };
        let (session, foreground) = {
            let state = self.state.lock();
            (state.session, state.foreground)
        };
        if session != Some(caller.session) || foreground.is_none_or(|group| group == caller.group) {
            return Ok(());
        }
        if job_control.caller_disregards(signal) {
            return if signal == TerminalSignal::BackgroundRead { Err(Errno::EIO) } else { Ok(()) };
        }
        if job_control.is_orphaned(caller.group) {
            return Err(Errno::EIO);
        }
        job_control.signal_group(caller.group, signal);
        Err(Errno::ERESTARTSYS)
    }

    /// `TIOCSPGRP`.
    pub(crate) fn set_foreground(&self, group: Pid) -> Result<()> {
        self.require_foreground(TerminalSignal::BackgroundWrite)
            .map_err(|error| if error == Errno::EIO { Errno::ENOTTY } else { error })?;
        let caller = self.job_control().caller().ok_or(Errno::ENOTTY)?;
        if !self.controls(caller) {
            return Err(Errno::ENOTTY);
        }
        if group < 0 {
            return Err(Errno::EINVAL);
        }
        match self.job_control().session_of_group(group) {
            None => return Err(Errno::ESRCH),
            Some(session) if session != caller.session => return Err(Errno::EPERM),
            Some(_) => {}
        }
        self.state.lock().foreground = Some(group);
        Ok(())
    }

    /// `TIOCSCTTY`: makes this the controlling terminal of the caller's session.
    pub(crate) fn set_controlling(self: &Arc<Self>, steal: bool) -> Result<()> {
        let caller = self.job_control().caller().ok_or(Errno::EPERM)?;
        if caller.leads_session() && self.controls(caller) {
            return Ok(());
        }
        if !caller.leads_session() || self.sessions.terminal(caller.session).is_some() {
            return Err(Errno::EPERM);
        }
        let owner = self.state.lock().session;
        if let Some(owner) = owner {
            if !steal || !self.job_control().caller_is_administrator() {
                return Err(Errno::EPERM);
            }
            self.sessions.forget(owner);
        }
        self.adopt(caller.session, caller.group);
        Ok(())
    }

    /// Makes this the controlling terminal of `session`, with `group` in the foreground.
    pub fn adopt(self: &Arc<Self>, session: Pid, group: Pid) {
        {
            let mut state = self.state.lock();
            state.session = Some(session);
            state.foreground = Some(group);
        }
        self.sessions.remember(session, self.clone());
    }

    /// On open without `O_NOCTTY`: a session leader without terminal gets a terminal without session.
    pub(crate) fn offer_control(self: &Arc<Self>) {
        let Some(caller) = self.job_control().caller().filter(|caller| caller.leads_session()) else { return };
        if self.sessions.terminal(caller.session).is_none() && self.state.lock().session.is_none() {
            self.adopt(caller.session, caller.group);
        }
    }

    /// `TIOCNOTTY`. A session leader gives the terminal up for the whole session. For others there is nothing to do
    /// here: the terminal belongs to the session.
    pub(crate) fn give_up_control(&self) -> Result<()> {
        let caller = self.job_control().caller().ok_or(Errno::ENOTTY)?;
        if !self.controls(caller) {
            return Err(Errno::ENOTTY);
        }
        if caller.leads_session() {
            self.release_session(caller.session);
        }
        Ok(())
    }

    /// Parts the terminal from its session; the foreground group is told.
    pub(crate) fn release_session(&self, session: Pid) {
        let foreground = {
            let mut state = self.state.lock();
            if state.session != Some(session) {
                return;
            }
            state.session = None;
            state.foreground.take()
        };
        self.sessions.forget(session);
        if let Some(group) = foreground {
            self.job_control().signal_group(group, TerminalSignal::Hangup);
            self.job_control().signal_group(group, TerminalSignal::Continue);
        }
    }

    /// The session's leader ended: a device hangs up, a pseudo-terminal is free for another session.
    pub(crate) fn session_ended(&self, session: Pid) {
        if self.output.is_some() && self.state.lock().session == Some(session) {
            self.hang_up();
        } else {
            self.release_session(session);
        }
    }
}

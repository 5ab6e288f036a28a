//! Terminal ioctls (tty_ioctl(2)), the same for terminals and, where Linux has it so, for masters.

use super::{Tty, WindowSize};
use crate::discipline::Effects;
use crate::job_control::TerminalSignal;
use crate::termios::Termios;
use alloc::sync::Arc;
use guest_memory::{UserAddr, user};
use linux_abi::raw::{general as linux, ioctl};
use linux_abi::{Errno, Result};

/// Whether a command came through the terminal or through its master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The terminal itself.
    Terminal,
    /// The master of a pseudo-terminal.
    Master,
}

/// What of the queues a settings change waits for and throws away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Now,
    Drained,
    Flushed,
}

impl Tty {
    /// Performs a terminal command.
    ///
    /// # Errors
    /// `ENOTTY` for commands that terminals do not know; otherwise as tty_ioctl(2) says.
    pub(crate) fn ioctl(self: &Arc<Self>, command: u32, argument: u64, side: Side) -> Result<u64> {
        self.check_background(command)?;
        let at = UserAddr::new(argument);
        match command {
            ioctl::TCGETS | ioctl::TCGETS2 | ioctl::TCGETA => self.get_settings(command, at)?,
            ioctl::TCSETS | ioctl::TCSETS2 | ioctl::TCSETA => self.set_settings(command, at, When::Now)?,
            ioctl::TCSETSW | ioctl::TCSETSW2 | ioctl::TCSETAW => self.set_settings(command, at, When::Drained)?,
            ioctl::TCSETSF | ioctl::TCSETSF2 | ioctl::TCSETAF => self.set_settings(command, at, When::Flushed)?,
            ioctl::TCFLSH => self.flush(argument)?,
            ioctl::TCXONC => self.control_flow(argument)?,
            // No device here can send a break; what remains is to wait for the output.
            ioctl::TCSBRK | ioctl::TCSBRKP => self.wait_until_sent()?,
            ioctl::TIOCGWINSZ => self.get_window(at)?,
            ioctl::TIOCSWINSZ => self.set_window_from(at)?,
            ioctl::TIOCINQ => self.put_count(at, self.state.lock().discipline.available())?,
            ioctl::TIOCOUTQ => self.put_count(at, self.state.lock().outgoing.len())?,
            _ => return self.session_ioctl(command, argument, side),
        }
        Ok(0)
    }

    fn session_ioctl(self: &Arc<Self>, command: u32, argument: u64, side: Side) -> Result<u64> {
        let at = UserAddr::new(argument);
        match command {
            ioctl::TIOCGPGRP => {
                self.require_controlling(side)?;
                let group = self.state.lock().foreground.unwrap_or(0);
                user::write_bytes(at, &group.to_le_bytes())?;
            }
            ioctl::TIOCSPGRP => {
                let mut bytes = [0; 4];
                user::read_bytes(at, &mut bytes)?;
                self.set_foreground(i32::from_le_bytes(bytes))?;
            }
            ioctl::TIOCGSID => {
                self.require_controlling(side)?;
                let session = self.state.lock().session.ok_or(Errno::ENOTTY)?;
                user::write_bytes(at, &session.to_le_bytes())?;
            }
            ioctl::TIOCSCTTY if side == Side::Terminal => self.set_controlling(argument == 1)?,
            ioctl::TIOCNOTTY => self.give_up_control()?,
            ioctl::TIOCSTI => self.simulate_typing(at)?,
            ioctl::TIOCVHANGUP => {
                if !self.job_control().caller_is_administrator() {
                    return Err(Errno::EPERM);
                }
                self.hang_up();
            }
            _ => return self.device_ioctl(command, at),
        }
        Ok(0)
    }

    fn device_ioctl(&self, command: u32, at: UserAddr) -> Result<u64> {
        match command {
            ioctl::TIOCEXCL => self.state.lock().exclusive = true,
            ioctl::TIOCNXCL => self.state.lock().exclusive = false,
            ioctl::TIOCGEXCL => {
                let exclusive = i32::from(self.state.lock().exclusive);
                user::write_bytes(at, &exclusive.to_le_bytes())?;
            }
            // N_TTY, number 0, is the only line discipline.
            ioctl::TIOCGETD => user::write_bytes(at, &0i32.to_le_bytes())?,
            ioctl::TIOCSETD => {
                let mut bytes = [0; 4];
                user::read_bytes(at, &mut bytes)?;
                if bytes != [0; 4] {
                    return Err(Errno::EINVAL);
                }
            }
            ioctl::TIOCGDEV => user::write_bytes(at, &(self.device.encoded() as u32).to_le_bytes())?,
            ioctl::TIOCGSOFTCAR => {
                let local = self.state.lock().discipline.termios().c_cflag & linux::CLOCAL != 0;
                user::write_bytes(at, &i32::from(local).to_le_bytes())?;
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    /// Commands that change the terminal stop background callers.
    fn check_background(&self, command: u32) -> Result<()> {
        match command {
            ioctl::TCSETS
            | ioctl::TCSETSW
            | ioctl::TCSETSF
            | ioctl::TCSETS2
            | ioctl::TCSETSW2
            | ioctl::TCSETSF2
            | ioctl::TCSETA
            | ioctl::TCSETAW
            | ioctl::TCSETAF
            | ioctl::TCFLSH
            | ioctl::TCXONC
            | ioctl::TCSBRK
            | ioctl::TCSBRKP
            | ioctl::TIOCSETD => self.require_foreground(TerminalSignal::BackgroundWrite),
            _ => Ok(()),
        }
    }

    /// Only one's own controlling terminal tells its groups; a master tells in any case.
    fn require_controlling(&self, side: Side) -> Result<()> {
        let own = self.job_control().caller().is_some_and(|caller| self.controls(caller));
        if side == Side::Master || own { Ok(()) } else { Err(Errno::ENOTTY) }
    }

    fn get_settings(&self, command: u32, at: UserAddr) -> Result<()> {
        let settings = *self.state.lock().discipline.termios();
        match command {
            ioctl::TCGETS => user::write_bytes(at, &settings.to_termios()),
            ioctl::TCGETS2 => user::write_bytes(at, &settings.to_termios2()),
            _ => user::write_bytes(at, &settings.to_termio()),
        }
    }

    fn set_settings(&self, command: u32, at: UserAddr, when: When) -> Result<()> {
        let old = *self.state.lock().discipline.termios();
        let new = read_settings(&old, command, at)?;
        if when != When::Now {
            self.wait_until_sent()?;
        }
        let mut state = self.state.lock();
        if when == When::Flushed {
            state.discipline.flush_input();
            state.waiting.clear();
        }
        let mut effects = Effects::default();
        state.discipline.set_termios(new, &mut effects);
        let (was, is) = (uses_flow_control(&old), uses_flow_control(&new));
        if was != is {
            state.note_packet(if is { linux::TIOCPKT_DOSTOP } else { linux::TIOCPKT_NOSTOP });
        }
        let mut outcome = state.apply(effects);
        // Room or a change of rules may let waiting input proceed.
        if !state.waiting.is_empty() {
            outcome = state.process_waiting();
        }
        drop(state);
        self.carry_out(outcome);
        Ok(())
    }

    fn flush(&self, queue: u64) -> Result<()> {
        let mut state = self.state.lock();
        let (input, output) = match queue as u32 {
            linux::TCIFLUSH => (true, false),
            linux::TCOFLUSH => (false, true),
            linux::TCIOFLUSH => (true, true),
            _ => return Err(Errno::EINVAL),
        };
        if input {
            state.discipline.flush_input();
            state.waiting.clear();
            state.note_packet(linux::TIOCPKT_FLUSHREAD);
        }
        if output {
            state.outgoing.clear();
            state.note_packet(linux::TIOCPKT_FLUSHWRITE);
        }
        drop(state);
        self.wake_all();
        Ok(())
    }

    fn control_flow(&self, action: u64) -> Result<()> {
        let mut state = self.state.lock();
        let mut effects = Effects::default();
        let settings = *state.discipline.termios();
        match action as u32 {
            linux::TCOOFF => state.discipline.hold(&mut effects),
            linux::TCOON => state.discipline.release(&mut effects),
            linux::TCIOFF => effects.echo.push(settings.character(linux::VSTOP)),
            linux::TCION => effects.echo.push(settings.character(linux::VSTART)),
            _ => return Err(Errno::EINVAL),
        }
        let outcome = state.apply(effects);
        drop(state);
        self.carry_out(outcome);
        Ok(())
    }

    fn get_window(&self, at: UserAddr) -> Result<()> {
        let window = self.state.lock().window;
        let mut bytes = [0; 8];
        for (chunk, value) in bytes.chunks_exact_mut(2).zip([window.rows, window.columns, window.width, window.height])
        {
            chunk.copy_from_slice(&value.to_le_bytes());
        }
        user::write_bytes(at, &bytes)
    }

    fn set_window_from(&self, at: UserAddr) -> Result<()> {
        let mut bytes = [0; 8];
        user::read_bytes(at, &mut bytes)?;
        let [a, b, c, d, e, f, g, h] = bytes;
        self.set_window(WindowSize {
            rows: u16::from_le_bytes([a, b]),
            columns: u16::from_le_bytes([c, d]),
            width: u16::from_le_bytes([e, f]),
            height: u16::from_le_bytes([g, h]),
        });
        Ok(())
    }

    fn put_count(&self, at: UserAddr, count: usize) -> Result<()> {
        user::write_bytes(at, &i32::try_from(count).unwrap_or(i32::MAX).to_le_bytes())
    }

    /// `TIOCSTI`: for one's own terminal, or an administrator.
    fn simulate_typing(&self, at: UserAddr) -> Result<()> {
        let own = self.job_control().caller().is_some_and(|caller| self.controls(caller));
        if !own && !self.job_control().caller_is_administrator() {
            return Err(Errno::EPERM);
        }
        let mut byte = [0];
        user::read_bytes(at, &mut byte)?;
        self.receive(&byte);
        Ok(())
    }
}

fn read_settings(old: &Termios, command: u32, at: UserAddr) -> Result<Termios> {
    match command {
        ioctl::TCSETS | ioctl::TCSETSW | ioctl::TCSETSF => {
            let mut bytes = [0; Termios::TERMIOS_BYTES];
            user::read_bytes(at, &mut bytes)?;
            Ok(old.with_termios(&bytes))
        }
        ioctl::TCSETS2 | ioctl::TCSETSW2 | ioctl::TCSETSF2 => {
            let mut bytes = [0; Termios::TERMIOS2_BYTES];
            user::read_bytes(at, &mut bytes)?;
            Ok(old.with_termios2(&bytes))
        }
        _ => {
            let mut bytes = [0; Termios::TERMIO_BYTES];
            user::read_bytes(at, &mut bytes)?;
            Ok(old.with_termio(&bytes))
        }
    }
}

/// Tells whether the usual keys stop and start output, which masters in packet mode want to know.
fn uses_flow_control(settings: &Termios) -> bool {
    settings.input(linux::IXON) && settings.character(linux::VSTOP) == 0x13 && settings.character(linux::VSTART) == 0x11
}

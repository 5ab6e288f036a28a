//! Lines about signals: `--- SIGCHLD {si_signo=SIGCHLD, ...} ---`.

use crate::names::Names;
use crate::names::exact;
use crate::print::{self, put};
use alloc::string::String;

/// A signal about to be delivered, with the fields of `siginfo_t` that strace shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalEvent {
    /// Signal number.
    pub signal: u32,
    /// `si_code`.
    pub code: i32,
    /// What the code's fields are.
    pub detail: SignalDetail,
}

/// Fields of `siginfo_t`, by the kind of sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalDetail {
    /// From the kernel, without more.
    None,
    /// From a process.
    Sender {
        /// Its number.
        pid: i32,
        /// Its user.
        uid: u32,
    },
    /// A child's change of state.
    Child {
        /// Its number.
        pid: i32,
        /// Its user.
        uid: u32,
        /// Exit status or signal.
        status: i32,
        /// Its time in the program, in clock ticks.
        user_ticks: i64,
        /// Its time in calls, in clock ticks.
        system_ticks: i64,
    },
    /// A fault at an address.
    Fault {
        /// The address.
        address: u64,
    },
}

const ANY_CODES: Names = &[
    (0, "SI_USER"),
    (0x80, "SI_KERNEL"),
    (-1i32 as u32 as u64, "SI_QUEUE"),
    (-2i32 as u32 as u64, "SI_TIMER"),
    (-3i32 as u32 as u64, "SI_MESGQ"),
    (-4i32 as u32 as u64, "SI_ASYNCIO"),
    (-5i32 as u32 as u64, "SI_SIGIO"),
    (-6i32 as u32 as u64, "SI_TKILL"),
];
const CHILD_CODES: Names = &[
    (1, "CLD_EXITED"),
    (2, "CLD_KILLED"),
    (3, "CLD_DUMPED"),
    (4, "CLD_TRAPPED"),
    (5, "CLD_STOPPED"),
    (6, "CLD_CONTINUED"),
];
const SEGV_CODES: Names = &[(1, "SEGV_MAPERR"), (2, "SEGV_ACCERR"), (4, "SEGV_PKUERR")];
const BUS_CODES: Names = &[(1, "BUS_ADRALN"), (2, "BUS_ADRERR"), (3, "BUS_OBJERR")];
const FPE_CODES: Names = &[(1, "FPE_INTDIV"), (2, "FPE_INTOVF"), (3, "FPE_FLTDIV"), (7, "FPE_FLTINV")];
const ILL_CODES: Names = &[(1, "ILL_ILLOPC"), (2, "ILL_ILLOPN"), (5, "ILL_PRVOPC")];
const TRAP_CODES: Names = &[(1, "TRAP_BRKPT"), (2, "TRAP_TRACE")];

impl SignalEvent {
    /// Appends the line, without prefix and newline.
    pub(crate) fn show(&self, out: &mut String) {
        out.push_str("--- ");
        print::signal(out, u64::from(self.signal));
        out.push_str(" {si_signo=");
        print::signal(out, u64::from(self.signal));
        out.push_str(", si_code=");
        self.show_code(out);
        match self.detail {
            SignalDetail::None => {}
            SignalDetail::Sender { pid, uid } => put!(out, ", si_pid={pid}, si_uid={uid}"),
            SignalDetail::Fault { address } => {
                out.push_str(", si_addr=");
                print::address(out, address);
            }
            SignalDetail::Child { pid, uid, status, user_ticks, system_ticks } => {
                put!(out, ", si_pid={pid}, si_uid={uid}, si_status=");
                // An exit status is a number, all else is a signal.
                if self.code == 1 {
                    put!(out, "{status}")
                } else {
                    print::signal(out, status as u32 as u64)
                }
                put!(out, ", si_utime={user_ticks}, si_stime={system_ticks}");
            }
        }
        out.push_str("} ---");
    }

    fn show_code(&self, out: &mut String) {
        let own = match self.signal {
            4 => ILL_CODES,
            5 => TRAP_CODES,
            7 => BUS_CODES,
            8 => FPE_CODES,
            11 => SEGV_CODES,
            17 => CHILD_CODES,
            _ => &[],
        };
        let code = u64::from(self.code as u32);
        match exact(own, code).or_else(|| exact(ANY_CODES, code)) {
            Some(name) => out.push_str(name),
            None => put!(out, "{:#x}", self.code),
        }
    }
}

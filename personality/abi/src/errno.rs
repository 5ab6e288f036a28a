//! Linux error numbers as a type of their own.
//!
//! The numbers come from the kernel headers by way of `linux-raw-sys`; the four `ERESTART*` values never leave the
//! personality: the signal code turns each into a restarted call or `EINTR` before the program sees it.

use core::fmt;
use linux_raw_sys::errno as raw_errno;

/// An error that a system call reports, as the positive number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Errno(u16);

/// The result of anything that can fail with a Linux error.
pub type Result<T> = core::result::Result<T, Errno>;

macro_rules! errors {
    ($($name:ident,)*) => {
        /// The errors of the Linux ABI, by Linux's own names.
        #[expect(missing_docs, reason = "errno(3) documents each name")]
        impl Errno {
            $(pub const $name: Errno = Errno(raw_errno::$name as u16);)*

            fn public_name(self) -> Option<&'static str> {
                match self {
                    $(Errno::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errors! {
    EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, ENOEXEC, EBADF, ECHILD, EAGAIN, ENOMEM, EACCES, EFAULT,
    ENOTBLK, EBUSY, EEXIST, EXDEV, ENODEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, ETXTBSY, EFBIG,
    ENOSPC, ESPIPE, EROFS, EMLINK, EPIPE, EDOM, ERANGE, EDEADLK, ENAMETOOLONG, ENOLCK, ENOSYS, ENOTEMPTY, ELOOP,
    ENOMSG, EIDRM, ECHRNG, EL2NSYNC, EL3HLT, EL3RST, ELNRNG, EUNATCH, ENOCSI, EL2HLT, EBADE, EBADR, EXFULL,
    ENOANO, EBADRQC, EBADSLT, EBFONT, ENOSTR, ENODATA, ETIME, ENOSR, ENONET, ENOPKG, EREMOTE, ENOLINK, EADV,
    ESRMNT, ECOMM, EPROTO, EMULTIHOP, EDOTDOT, EBADMSG, EOVERFLOW, ENOTUNIQ, EBADFD, EREMCHG, ELIBACC, ELIBBAD,
    ELIBSCN, ELIBMAX, ELIBEXEC, EILSEQ, ERESTART, ESTRPIPE, EUSERS, ENOTSOCK, EDESTADDRREQ, EMSGSIZE,
    EPROTOTYPE, ENOPROTOOPT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EOPNOTSUPP, EPFNOSUPPORT, EAFNOSUPPORT,
    EADDRINUSE, EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, ENETRESET, ECONNABORTED, ECONNRESET, ENOBUFS, EISCONN,
    ENOTCONN, ESHUTDOWN, ETOOMANYREFS, ETIMEDOUT, ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EALREADY, EINPROGRESS,
    ESTALE, EUCLEAN, ENOTNAM, ENAVAIL, EISNAM, EREMOTEIO, EDQUOT, ENOMEDIUM, EMEDIUMTYPE, ECANCELED, ENOKEY,
    EKEYEXPIRED, EKEYREVOKED, EKEYREJECTED, EOWNERDEAD, ENOTRECOVERABLE, ERFKILL, EHWPOISON,
}

impl Errno {
    /// The second name of [`Errno::EAGAIN`].
    pub const EWOULDBLOCK: Errno = Errno::EAGAIN;
    /// The second name of [`Errno::EDEADLK`].
    pub const EDEADLOCK: Errno = Errno::EDEADLK;
    /// Internal: restart the call if the handler has `SA_RESTART` or no handler ran.
    pub const ERESTARTSYS: Errno = Errno(512);
    /// Internal: always restart the call.
    pub const ERESTARTNOINTR: Errno = Errno(513);
    /// Internal: restart the call only if no handler ran.
    pub const ERESTARTNOHAND: Errno = Errno(514);
    /// Internal: restart by `restart_syscall(2)`, which knows the time that is left.
    pub const ERESTART_RESTARTBLOCK: Errno = Errno(516);

    /// Returns the error with this number.
    #[must_use]
    pub const fn from_number(number: u16) -> Errno {
        Errno(number)
    }

    /// Returns the positive error number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Returns what the program finds in `rax`: the number negated.
    #[must_use]
    pub const fn as_return_value(self) -> u64 {
        (-(self.0 as i64)) as u64
    }

    /// Tells whether this is one of the internal restart requests.
    #[must_use]
    pub const fn is_restart(self) -> bool {
        matches!(
            self,
            Errno::ERESTARTSYS | Errno::ERESTARTNOINTR | Errno::ERESTARTNOHAND | Errno::ERESTART_RESTARTBLOCK
        )
    }

    /// Returns the symbolic name, as `strace` prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Errno::ERESTARTSYS => "ERESTARTSYS",
            Errno::ERESTARTNOINTR => "ERESTARTNOINTR",
            Errno::ERESTARTNOHAND => "ERESTARTNOHAND",
            Errno::ERESTART_RESTARTBLOCK => "ERESTART_RESTARTBLOCK",
            other => other.public_name().unwrap_or("E?"),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "E?" => write!(f, "Errno({})", self.0),
            name => f.write_str(name),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl core::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::format;

    #[test]
    fn numbers_are_linux_numbers() {
        assert_eq!(Errno::ENOENT.number(), 2);
        assert_eq!(Errno::ELOOP.number(), 40);
        assert_eq!(Errno::EINVAL.as_return_value(), (-22_i64) as u64);
    }

    #[test]
    fn names_are_printed_and_unknown_numbers_too() {
        assert_eq!(Errno::EAGAIN.name(), "EAGAIN");
        assert_eq!(format!("{:?}", Errno::from_number(999)), "Errno(999)");
        assert!(Errno::ERESTARTSYS.is_restart() && !Errno::EINTR.is_restart());
    }
}

//! How a process's traps reach the personality.

/// A way to run a program until it needs the personality. Chosen for each process, inherited by its children.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum TrapMechanism {
    /// The seat's own thread becomes the program, through its Vcpu.
    #[default]
    Vcpu = 0,
    /// The program is a thread of its own; each trap is a message to the seat.
    ExceptionIpc = 1,
}

impl TrapMechanism {
    /// Its name in `/proc/banyan/trap`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vcpu => "vcpu",
            Self::ExceptionIpc => "exception-ipc",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Vcpu, Self::ExceptionIpc].into_iter().find(|mechanism| mechanism.name().as_bytes() == name)
    }

    pub(crate) const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::ExceptionIpc,
            _ => Self::Vcpu,
        }
    }
}

//! What the slots of the task's CapTable hold, by asking each as every kind of thing that reaches a device.

use alloc::format;
use alloc::string::String;

use ukernel_user::{Cap, Error, IoPorts, Irq, IrqControl, Memory};

/// Slots of the personality's CapTable (`slot_bits` in its manifest entry is 16).
pub const SLOTS: u64 = 1 << 16;

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// Slots with memory.
    pub memories: u64,
    /// Of those, with an address that may be asked for.
    pub with_address: u64,
}

/// What the asking needs.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// An interrupt object of our own that is nobody's interrupt yet.
    pub spare: Cap<Irq>,
    /// The one memory whose address may not be asked for: the archive's entry.
    pub archive: Cap<Memory>,
    /// Where RAM ends at the latest.
    pub ram_end: u64,
}

/// Asks `slot`.
///
/// # Errors
/// It is something that reaches a device: what.
pub fn ask(slot: u64, known: &Known, found: &mut Found) -> Result<(), String> {
    if slot == rt::own::log().slot() {
        // It checks a message's length before its method, so it would look like anything.
        return Ok(());
    }
    let ports = Cap::<IoPorts>::new(slot).read(0xcf8, 4).map(drop);
    is_another(ports).map_err(|result| format!("slot {slot:#x} holds ports: {result}"))?;
    let control = Cap::<IrqControl>::new(slot).issue_msi(known.spare, 0).map(drop);
    is_another(control).map_err(|result| format!("slot {slot:#x} issues interrupts: {result}"))?;
    if slot != known.spare.slot() {
        let irq = Cap::<Irq>::new(slot).acknowledge();
        is_another(irq).map_err(|result| format!("slot {slot:#x} holds an interrupt: {result}"))?;
    }
    let memory = Cap::<Memory>::new(slot);
    let Ok(bytes) = memory.size() else { return Ok(()) };
    found.memories += 1;
    match memory.physical() {
        Ok((address, _)) if address.checked_add(bytes).is_none_or(|last| last > known.ram_end) => {
            Err(format!("slot {slot:#x} holds memory at {address:#x}, where no RAM is"))
        }
        Ok(_) => {
            found.with_address += 1;
            Ok(())
        }
        Err(_) if slot == known.archive.slot() => Ok(()),
        // As a device's registers are: without the right to ask.
        Err(error) => Err(format!("slot {slot:#x} holds memory that does not say where it is: {error:?}")),
    }
}

/// Whether a slot that was invoked so is empty, or holds another type of object.
fn is_another(result: Result<(), Error>) -> Result<(), String> {
    match result {
        Err(Error::InvalidCapability | Error::InvalidMethod) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

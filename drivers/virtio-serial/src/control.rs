//! Messages of the control queues (virtio 1.2, 5.3.6.2): 8 bytes, little-endian, and perhaps a name.

/// Bytes of a message without its name.
pub const BYTES: usize = 8;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Event {
    /// We are ready for control messages (`value` 1).
    DeviceReady = 0,
    /// The device has this port.
    PortAdd = 1,
    /// The device no longer has this port.
    PortRemove = 2,
    /// We are ready for the port (`value` 1).
    PortReady = 3,
    /// The port is open (`value` 1) or closed (0) on the sender's side.
    PortOpen = 6,
    /// The port's name follows.
    PortName = 7,
}

/// A message from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Which port; at will of the device.
    pub port: u32,
    /// What about it.
    pub event: Event,
    /// The event's argument.
    pub value: u16,
    /// The name, for [`Event::PortName`].
    pub name: &'a [u8],
}

/// Take a message apart; `None` for one that is cut short or of no interest.
pub fn decode(bytes: &[u8]) -> Option<Message<'_>> {
    let (header, name) = bytes.split_first_chunk::<BYTES>()?;
    let [p0, p1, p2, p3, e0, e1, v0, v1] = *header;
    let event = match u16::from_le_bytes([e0, e1]) {
        1 => Event::PortAdd,
        2 => Event::PortRemove,
        6 => Event::PortOpen,
        7 => Event::PortName,
        _ => return None,
    };
    // Some devices end the name with a zero.
    let name = name.strip_suffix(&[0]).unwrap_or(name);
    Some(Message { port: u32::from_le_bytes([p0, p1, p2, p3]), event, value: u16::from_le_bytes([v0, v1]), name })
}

/// Put a message together.
pub fn encode(port: u32, event: Event, value: u16) -> [u8; BYTES] {
    let [p0, p1, p2, p3] = port.to_le_bytes();
    let [e0, e1] = (event as u16).to_le_bytes();
    let [v0, v1] = value.to_le_bytes();
    [p0, p1, p2, p3, e0, e1, v0, v1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were() {
        let mut bytes = alloc::vec::Vec::from(encode(3, Event::PortName, 1));
        bytes.extend(b"org.x\0");
        let message = Message { port: 3, event: Event::PortName, value: 1, name: b"org.x" };
        assert_eq!(decode(&bytes), Some(message));
    }

    #[test]
    fn short_and_unknown_messages_are_none() {
        assert_eq!(decode(&[0; 7]), None);
        assert_eq!(decode(&[0, 0, 0, 0, 0xff, 0xff, 0, 0]), None);
    }
}

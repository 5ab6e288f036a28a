//! The 16550 and its FIFOs (PC16550D data sheet, section 8).
//!
//! Owns both rings. Receiving stops (and the other side is held up by the full FIFO) while the receive ring is full;
//! the transmit interrupt is on only while there is something to send.

use alloc::collections::VecDeque;
use driver_lib::port_io::{MAX_BURST_BYTES, PortIo};

/// Bytes that each ring holds.
pub const RING_BYTES: usize = 4096;
/// Bytes of the transmit FIFO.
const FIFO_BYTES: usize = 16;
/// Rounds of one interrupt, after which others get their turn.
const MAX_ROUNDS: usize = 64;

// Register offsets.
const DATA: u16 = 0;
const DIVISOR_LOW: u16 = 0;
const DIVISOR_HIGH: u16 = 1;
const INTERRUPT_ENABLE: u16 = 1;
const INTERRUPT_IDENTITY: u16 = 2;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;

const ENABLE_RECEIVE: u8 = 1;
const ENABLE_TRANSMIT: u8 = 2;
const NOTHING_PENDING: u8 = 1;
const STATUS_RECEIVED: u8 = 1;
const STATUS_TRANSMIT_EMPTY: u8 = 1 << 5;

/// A 16550.
#[derive(Debug)]
pub struct Uart<P> {
    ports: P,
    base: u16,
    enabled: u8,
    received: VecDeque<u8>,
    to_send: VecDeque<u8>,
}

impl<P: PortIo> Uart<P> {
    /// Set up the 16550 at port `base`: 115,200 baud, 8 bits, no parity, FIFOs on, receive interrupt on.
    pub fn new(ports: P, base: u16) -> Self {
        let received = VecDeque::with_capacity(RING_BYTES);
        let to_send = VecDeque::with_capacity(RING_BYTES);
        let mut uart = Self { ports, base, enabled: 0, received, to_send };
        let setup = [
            (INTERRUPT_ENABLE, 0),
            (LINE_CONTROL, 0x80), // the divisor's latch
            (DIVISOR_LOW, 1),
            (DIVISOR_HIGH, 0),
            (LINE_CONTROL, 0x03),  // 8N1
            (FIFO_CONTROL, 0x87),  // on, cleared, interrupt at 8 bytes received (or a pause after fewer)
            (MODEM_CONTROL, 0x0b), // DTR, RTS, and OUT2, which lets the interrupt through on a PC
        ];
        for (register, value) in setup {
            uart.ports.write_u8(base + register, value);
        }
        uart.enable(ENABLE_RECEIVE);
        uart
    }

    /// Do all that the device has work for. The line interrupt is edge-triggered: the device must be left without a
    /// reason to interrupt, or be made to state it afresh.
    pub fn on_interrupt(&mut self) {
        for _ in 0..MAX_ROUNDS {
            if self.ports.read_u8(self.base + INTERRUPT_IDENTITY) & NOTHING_PENDING != 0 {
                return;
            }
            self.receive();
            self.transmit();
        }
        let enabled = core::mem::take(&mut self.enabled);
        self.ports.write_u8(self.base + INTERRUPT_ENABLE, 0);
        self.enable(enabled);
    }

    /// Take over as many of `bytes` as there is room for, to be sent; returns how many.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(RING_BYTES - self.to_send.len());
        self.to_send.extend(bytes.iter().take(count));
        if self.enabled & ENABLE_TRANSMIT == 0 {
            self.transmit();
        }
        count
    }

    /// Move received bytes into `buffer`; returns how many.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.received.len());
        for (target, byte) in buffer.iter_mut().zip(self.received.drain(..count)) {
            *target = byte;
        }
        if self.enabled & ENABLE_RECEIVE == 0 && self.received.len() < RING_BYTES / 2 {
            self.enable(self.enabled | ENABLE_RECEIVE);
        }
        count
    }

    /// Whether [`read`](Self::read) would return any bytes.
    pub fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    /// Bytes that [`write`](Self::write) would take now.
    pub fn room(&self) -> usize {
        RING_BYTES - self.to_send.len()
    }

    fn receive(&mut self) {
        loop {
            let mut burst = [0; MAX_BURST_BYTES];
            let room = (RING_BYTES - self.received.len()).min(burst.len());
            let Some(target) = burst.get_mut(..room).filter(|target| !target.is_empty()) else {
                return self.enable(self.enabled & !ENABLE_RECEIVE);
            };
            let status = self.base + LINE_STATUS;
            let count = self.ports.read_burst_while(self.base + DATA, status, STATUS_RECEIVED, target);
            self.received.extend(target.iter().take(count));
            if count < room {
                return;
            }
        }
    }

    fn transmit(&mut self) {
        if self.to_send.is_empty() {
            return self.enable(self.enabled & !ENABLE_TRANSMIT);
        }
        if self.ports.read_u8(self.base + LINE_STATUS) & STATUS_TRANSMIT_EMPTY != 0 {
            let count = self.to_send.len().min(FIFO_BYTES);
            let mut burst = [0; FIFO_BYTES];
            for (target, byte) in burst.iter_mut().zip(self.to_send.drain(..count)) {
                *target = byte;
            }
            self.ports.write_burst(self.base + DATA, burst.get(..count).unwrap_or(&burst));
        }
        self.enable(self.enabled | ENABLE_TRANSMIT);
    }

    fn enable(&mut self, interrupts: u8) {
        if interrupts != self.enabled {
            self.enabled = interrupts;
            self.ports.write_u8(self.base + INTERRUPT_ENABLE, interrupts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    /// A 16550 as far as the driver sees it: bytes that wait, bytes that were sent.
    #[derive(Default)]
    struct Fake {
        waiting: VecDeque<u8>,
        sent: Vec<u8>,
        bursts: usize,
        enabled: u8,
        busy: bool,
    }

    impl PortIo for Fake {
        fn read_u8(&mut self, port: u16) -> u8 {
            let receive = !self.waiting.is_empty() && self.enabled & ENABLE_RECEIVE != 0;
            let transmit = !self.busy && self.enabled & ENABLE_TRANSMIT != 0;
            match port - 0x3f8 {
                INTERRUPT_IDENTITY => u8::from(!receive && !transmit),
                LINE_STATUS => u8::from(!self.waiting.is_empty()) | u8::from(!self.busy) << 5,
                _ => 0,
            }
        }
        fn read_u32(&mut self, _port: u16) -> u32 {
            u32::MAX
        }
        fn write_u8(&mut self, port: u16, value: u8) {
            if port == 0x3f8 + INTERRUPT_ENABLE {
                self.enabled = value;
            }
        }
        fn write_u32(&mut self, _port: u16, _value: u32) {}
        fn write_burst(&mut self, _port: u16, bytes: &[u8]) {
            assert!(bytes.len() <= FIFO_BYTES);
            self.sent.extend(bytes);
            self.bursts += 1;
        }
        fn read_burst_while(&mut self, _port: u16, _status: u16, _mask: u8, buffer: &mut [u8]) -> usize {
            let count = buffer.len().min(self.waiting.len());
            for (target, byte) in buffer.iter_mut().zip(self.waiting.drain(..count)) {
                *target = byte;
            }
            count
        }
    }

    #[test]
    fn output_goes_out_in_bursts_and_the_interrupt_goes_off_after() {
        let mut uart = Uart::new(Fake::default(), 0x3f8);
        assert_eq!(uart.write(&[7; 100]), 100);
        uart.on_interrupt();
        assert_eq!((uart.ports.sent.len(), uart.ports.bursts), (100, 7));
        assert_eq!(uart.ports.enabled, ENABLE_RECEIVE);
    }

    #[test]
    fn a_full_transmit_ring_takes_no_more() {
        let mut uart = Uart::new(Fake { busy: true, ..Fake::default() }, 0x3f8);
        assert_eq!(uart.write(&[1; RING_BYTES + 10]), RING_BYTES);
        assert_eq!((uart.write(&[1]), uart.room()), (0, 0));
        uart.ports.busy = false;
        uart.on_interrupt();
        assert!(uart.room() > 0);
    }

    #[test]
    fn receiving_stops_at_a_full_ring_and_goes_on_after_a_read() {
        let mut uart = Uart::new(Fake::default(), 0x3f8);
        let input: Vec<u8> = (0..=255).cycle().take(RING_BYTES + 40).collect();
        uart.ports.waiting.extend(&input);
        uart.on_interrupt();
        assert_eq!(uart.ports.enabled & ENABLE_RECEIVE, 0);
        let mut output = vec![0; RING_BYTES];
        assert_eq!(uart.read(&mut output), RING_BYTES);
        assert_ne!(uart.ports.enabled & ENABLE_RECEIVE, 0);
        uart.on_interrupt();
        let mut rest = [0; 64];
        assert_eq!(uart.read(&mut rest), 40);
        output.extend(&rest[..40]);
        assert_eq!(output, input);
    }
}

//! The two threads that move bytes between the buffers and the serial line.

use crate::buffers::Buffers;
use interfaces::SerialPort;

/// Bytes of one call to the driver: some screen lines, so that a key is not held up by much output before it.
const PIECE_BYTES: usize = 1024;

/// Send what clients write, until the line is gone.
pub fn pump_output<L: SerialPort>(buffers: &Buffers, line: &L) {
    while let Some(bytes) = buffers.take_output(PIECE_BYTES) {
        if let Err(error) = line.write(&bytes) {
            log::error!("console output is lost: {error}");
            return buffers.give_up();
        }
    }
}

/// Keep what comes in for clients, until the line is gone.
pub fn pump_input<L: SerialPort>(buffers: &Buffers, line: &L) {
    while buffers.wait_for_input_room() {
        match line.read(PIECE_BYTES as u32) {
            Ok(bytes) => buffers.put_input(&bytes),
            Err(error) => {
                log::error!("there is no more console input: {error}");
                return buffers.give_up();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::{BUFFER_BYTES, ConsoleServer};
    use alloc::sync::Arc;
    use alloc::vec;
    use alloc::vec::Vec;
    use interfaces::{Console, ConsoleClient, ConsoleDispatcher, ConsoleError, SerialError};
    use ipc::Loopback;
    use rt::sync::{Condvar, Mutex};

    /// A line that answers each byte with the same byte, and fails when told.
    #[derive(Default)]
    struct Echo {
        state: Mutex<(Vec<u8>, bool)>,
        changed: Condvar,
    }

    impl SerialPort for Echo {
        fn write(&self, bytes: &[u8]) -> Result<(), SerialError> {
            let mut state = self.state.lock();
            state.0.extend(bytes);
            self.changed.notify_all();
            if state.1 { Err(SerialError::Gone) } else { Ok(()) }
        }
        fn read(&self, max: u32) -> Result<Vec<u8>, SerialError> {
            let mut state = self.changed.wait_while(self.state.lock(), |state| state.0.is_empty() && !state.1);
            if state.1 {
                return Err(SerialError::Gone);
            }
            let count = state.0.len().min(max as usize);
            Ok(state.0.drain(..count).collect())
        }
    }

    fn console() -> (impl Console, Arc<Echo>) {
        let (line, buffers) = (Arc::new(Echo::default()), Arc::new(Buffers::default()));
        let server = ConsoleServer(buffers.clone());
        for pump in [pump_output::<Echo>, pump_input::<Echo>] {
            let (line, buffers) = (line.clone(), buffers.clone());
            rt::thread::spawn("pump", 64 << 10, move || pump(&buffers, &line)).expect("the host has threads");
        }
        (ConsoleClient::new(Loopback::new(ConsoleDispatcher(server), 1)), line)
    }

    fn read_exactly(console: &impl Console, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(console.read(count as u32).expect("the line is there"));
        }
        all
    }

    #[test]
    fn what_goes_out_comes_back_in_order() {
        let (console, _) = console();
        let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
        for _ in 0..20 {
            console.write(&bytes).expect("the line is there");
            assert_eq!(read_exactly(&console, bytes.len()), bytes);
        }
    }

    #[test]
    fn writers_wait_while_nobody_reads_and_nothing_is_lost() {
        let (console, _) = console();
        let console = Arc::new(console);
        let writer = console.clone();
        let total = 5 * BUFFER_BYTES;
        rt::thread::spawn("writer", 64 << 10, move || {
            for _ in 0..total / 1024 {
                writer.write(&[7; 1024]).expect("the line is there");
            }
        })
        .expect("the host has threads");
        assert_eq!(read_exactly(&*console, total), vec![7; total]);
    }

    #[test]
    fn a_lost_line_is_an_error_for_all() {
        let (console, line) = console();
        line.state.lock().1 = true;
        line.changed.notify_all();
        assert_eq!(console.read(1), Err(ConsoleError::Gone));
        assert_eq!(console.write(b"x"), Err(ConsoleError::Gone));
    }

    #[test]
    fn a_dead_clients_reads_take_nothing_from_the_next() {
        let (console, line) = console();
        let console = Arc::new(console);
        let dead = console.clone();
        let waiting = rt::thread::spawn("dead", 64 << 10, move || {
            assert!(matches!(dead.read(10), Err(ConsoleError::Call(_))), "whoever is forgotten gets no input");
        });
        rt::thread::sleep_until(rt::time::now_ns() + 20_000_000);
        console.begin().expect("the line is there");
        waiting.expect("the host has threads").join();
        line.write(b"typed").expect("the line is there");
        assert_eq!(read_exactly(&*console, 5), b"typed");
    }
}

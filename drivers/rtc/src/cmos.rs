//! The real-time clock in CMOS memory (Motorola MC146818A; the century register as ACPI names it on PCs).
//!
//! The clock's registers must not be read while it updates them, and it may begin to at any time: a reading counts
//! when no update was in progress and two readings agree.

use driver_lib::port_io::PortIo;

const INDEX_PORT: u16 = 0x70;
const DATA_PORT: u16 = 0x71;
const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const CENTURY: u8 = 0x32;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;

const UPDATE_IN_PROGRESS: u8 = 0x80;
const IS_BINARY: u8 = 4;
const IS_24_HOURS: u8 = 2;
const AFTERNOON: u8 = 0x80;

/// Readings before the clock counts as broken; an update takes 2 ms at most.
const MAX_READINGS: usize = 10_000;

/// Why there is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The clock never stops updating, or never reads the same twice.
    Unsteady,
    /// The registers hold no date.
    NoDate,
}

type Registers = [u8; 7];

/// Read the clock, in UTC, as seconds since 1970.
///
/// # Errors
/// [`Error::Unsteady`], [`Error::NoDate`].
pub fn read_unix_seconds(ports: &mut impl PortIo) -> Result<u64, Error> {
    let mut last = None;
    for _ in 0..MAX_READINGS {
        if read(ports, STATUS_A) & UPDATE_IN_PROGRESS != 0 {
            continue;
        }
        let registers = [SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR, CENTURY].map(|index| read(ports, index));
        if last.replace(registers) == Some(registers) {
            return decode(registers, read(ports, STATUS_B)).ok_or(Error::NoDate);
        }
    }
    Err(Error::Unsteady)
}

fn read(ports: &mut impl PortIo, index: u8) -> u8 {
    ports.write_u8(INDEX_PORT, index);
    ports.read_u8(DATA_PORT)
}

fn decode(registers: Registers, status: u8) -> Option<u64> {
    let number = |byte: u8| {
        let byte = u64::from(byte);
        let is_bcd = status & IS_BINARY == 0;
        if is_bcd { (byte >> 4) * 10 + (byte & 15) } else { byte }
    };
    let [seconds, minutes, hours, day, month, year, century] = registers;
    let mut hour = number(hours & !AFTERNOON);
    if status & IS_24_HOURS == 0 {
        hour = hour % 12 + if hours & AFTERNOON != 0 { 12 } else { 0 };
    }
    let century = Some(number(century)).filter(|century| (19..=22).contains(century)).unwrap_or(20);
    let (second, minute, day, month, year) =
        (number(seconds), number(minutes), number(day), number(month), number(year));
    let is_date = second < 61 && minute < 60 && hour < 24 && (1..=31).contains(&day) && (1..=12).contains(&month);
    let year = century * 100 + year;
    if !is_date || year < 1970 {
        return None;
    }
    Some(((days_before(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second)
}

/// Days from 1 January 1970 to the first of a month (the Gregorian calendar, months counted from March so that the leap
/// day comes last).
fn days_before(year: u64, month: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_to_march_1970 = 719_468;
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 - days_to_march_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that is updating itself the first few times it is asked.
    struct Fake {
        memory: [u8; 128],
        index: u8,
        updates: usize,
    }

    impl Fake {
        fn new(registers: Registers, status: u8) -> Self {
            let mut memory = [0; 128];
            for (index, value) in [SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR, CENTURY].into_iter().zip(registers) {
                memory[usize::from(index)] = value;
            }
            memory[usize::from(STATUS_B)] = status;
            Self { memory, index: 0, updates: 5 }
        }
    }

    impl PortIo for Fake {
        fn read_u8(&mut self, _port: u16) -> u8 {
            if self.index == STATUS_A && self.updates > 0 {
                self.updates -= 1;
                return UPDATE_IN_PROGRESS;
            }
            self.memory[usize::from(self.index)]
        }
        fn read_u32(&mut self, _port: u16) -> u32 {
            u32::MAX
        }
        fn write_u8(&mut self, port: u16, value: u8) {
            assert_eq!(port, INDEX_PORT, "only read");
            self.index = value;
        }
        fn write_u32(&mut self, _port: u16, _value: u32) {}
        fn write_burst(&mut self, _port: u16, _bytes: &[u8]) {}
        fn read_burst_while(&mut self, _port: u16, _status: u16, _mask: u8, _buffer: &mut [u8]) -> usize {
            0
        }
    }

    fn seconds(registers: Registers, status: u8) -> Result<u64, Error> {
        read_unix_seconds(&mut Fake::new(registers, status))
    }

    #[test]
    fn bcd_and_binary_clocks_give_the_same_time() {
        // 2024-02-29 23:59:58, the leap day.
        let expected = Ok(1_709_251_198);
        assert_eq!(seconds([0x58, 0x59, 0x23, 0x29, 0x02, 0x24, 0x20], IS_24_HOURS), expected);
        assert_eq!(seconds([58, 59, 23, 29, 2, 24, 20], IS_24_HOURS | IS_BINARY), expected);
        assert_eq!(seconds([0x58, 0x59, 0x91, 0x29, 0x02, 0x24, 0x20], 0), expected);
    }

    #[test]
    fn midnight_on_a_12_hour_clock_is_hour_zero() {
        assert_eq!(seconds([0, 0, 0x12, 1, 1, 0x70, 0x19], 0), Ok(0));
        assert_eq!(seconds([0, 0, 0x92, 1, 1, 0x70, 0x19], 0), Ok(12 * 3600));
    }

    #[test]
    fn a_clock_without_a_century_means_this_one() {
        assert_eq!(seconds([0, 0, 0, 1, 1, 0x26, 0xff], IS_24_HOURS), Ok(1_767_225_600));
    }

    #[test]
    fn broken_clocks_are_errors() {
        assert_eq!(seconds([0xff; 7], IS_24_HOURS), Err(Error::NoDate));
        assert_eq!(seconds([0; 7], IS_24_HOURS), Err(Error::NoDate));
        let mut stuck = Fake { updates: usize::MAX, ..Fake::new([0; 7], 0) };
        assert_eq!(read_unix_seconds(&mut stuck), Err(Error::Unsteady));
    }
}

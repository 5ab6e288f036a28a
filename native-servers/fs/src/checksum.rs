//! CRC-32C as ext4 and its journal use it (metadata checksums), and the CRC-16 of older group descriptors.
//!
//! Both without a final inversion: sums are chained, each the start value of the next.

/// The Castagnoli polynomial, bits reversed (RFC 3720, B.4).
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// One table for each byte of a word.
const SLICES: usize = 8;

static TABLES: [[u32; 256]; SLICES] = tables();

const fn tables() -> [[u32; 256]; SLICES] {
    let mut tables = [[0; 256]; SLICES];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut slice = 1;
    while slice < SLICES {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[slice - 1][byte];
            tables[slice][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
}

/// Continues `sum` over `bytes`, by the processor's own instruction where it has one.
pub(crate) fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    rt::cpu::crc32c(sum, bytes).unwrap_or_else(|| by_tables(sum, bytes))
}

/// The same without that instruction.
fn by_tables(sum: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<SLICES>();
    let sum = words.iter().fold(sum, |sum, word| {
        let start = sum.to_le_bytes();
        let mut next = 0;
        for (index, byte) in word.iter().enumerate() {
            let byte = byte ^ start.get(index).copied().unwrap_or(0);
            next ^= TABLES[SLICES - 1 - index][usize::from(byte)];
        }
        next
    });
    rest.iter().fold(sum, |sum, byte| sum >> 8 ^ TABLES[0][usize::from(sum as u8 ^ byte)])
}

/// Continues the CRC-16 (polynomial 0x8005, bits reversed) `sum` over `bytes`.
pub(crate) fn crc16(sum: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(sum, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xa001 } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_their_standards() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283, "RFC 3720");
        assert_eq!(!crc32c(!0, &[0; 32]), 0x8a91_36aa, "RFC 3720, B.4");
        assert_eq!(crc16(0, b"123456789"), 0xbb3d, "CRC-16/ARC");
    }

    #[test]
    fn the_processor_and_the_tables_agree() {
        let bytes: [u8; 100] = core::array::from_fn(|index| (index * 37) as u8);
        for (from, to) in (0..9).flat_map(|from| (from..100).map(move |to| (from, to))) {
            let by_processor = rt::cpu::crc32c(0x1234_5678, &bytes[from..to]);
            assert!(by_processor.is_none_or(|sum| sum == by_tables(0x1234_5678, &bytes[from..to])), "{from}..{to}");
        }
    }

    #[test]
    fn sums_are_chained() {
        let bytes: [u8; 100] = core::array::from_fn(|index| index as u8);
        for cut in 0..100 {
            assert_eq!(crc32c(crc32c(!0, &bytes[..cut]), &bytes[cut..]), crc32c(!0, &bytes));
        }
    }
}

//! Runs of clear bits in bitmaps whose bit 0 is the lowest of byte 0.

/// Whether a bit is set; bits beyond the end are.
pub(crate) fn is_set(bitmap: &[u8], bit: u32) -> bool {
    bitmap.get(bit as usize / 8).is_none_or(|byte| byte >> (bit % 8) & 1 == 1)
}

/// Sets a bit.
pub(crate) fn set(bitmap: &mut [u8], bit: u32) {
    bitmap.get_mut(bit as usize / 8).into_iter().for_each(|byte| *byte |= 1 << (bit % 8));
}

/// Clears a bit.
pub(crate) fn clear(bitmap: &mut [u8], bit: u32) {
    bitmap.get_mut(bit as usize / 8).into_iter().for_each(|byte| *byte &= !(1 << (bit % 8)));
}

/// A view of two bitmaps as one: a bit is set where it is in either.
#[derive(Clone, Copy)]
pub(crate) struct Either<'a> {
    pub(crate) first: &'a [u8],
    pub(crate) second: &'a [u8],
    /// Bits from here on are none.
    pub(crate) bits: u32,
}

impl Either<'_> {
    fn byte(&self, index: usize) -> u8 {
        self.first.get(index).copied().unwrap_or(0xff) | self.second.get(index).copied().unwrap_or(0)
    }

    fn is_set(&self, bit: u32) -> bool {
        self.byte(bit as usize / 8) >> (bit % 8) & 1 == 1
    }

    /// The first clear bit at or after `from`.
    pub(crate) fn next_clear(&self, from: u32) -> Option<u32> {
        self.next(from, 0xff, |either, bit| !either.is_set(bit))
    }

    /// How many bits are clear from `start` on, at most `most`.
    pub(crate) fn clear_run(&self, start: u32, most: u32) -> u32 {
        let end = self.bits.min(start.saturating_add(most));
        let stop = Either { bits: end, ..*self }.next(start, 0, Self::is_set).unwrap_or(end);
        stop.min(end).saturating_sub(start)
    }

    /// The first run of at least `least` clear bits at or after `from`, cut at `most`.
    pub(crate) fn find_run(&self, from: u32, least: u32, most: u32) -> Option<(u32, u32)> {
        let mut at = from;
        loop {
            let start = self.next_clear(at)?;
            let length = self.clear_run(start, most);
            if length >= least {
                return Some((start, length));
            }
            at = start + length + 1;
        }
    }

    /// The first bit that is `wanted`; whole bytes that are `boring` are skipped.
    fn next(&self, from: u32, boring: u8, wanted: impl Fn(&Self, u32) -> bool) -> Option<u32> {
        let mut bit = from;
        while bit < self.bits {
            if bit.is_multiple_of(8) && self.byte(bit as usize / 8) == boring {
                bit += 8;
            } else if wanted(self, bit) {
                return Some(bit);
            } else {
                bit += 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_in_both_bitmaps_together() {
        let (first, second) = ([0b0000_0111, 0xff, 0, 0], [0b1000_0000, 0, 0b0000_0001, 0]);
        let either = Either { first: &first, second: &second, bits: 30 };
        assert_eq!(either.next_clear(0), Some(3));
        assert_eq!(either.find_run(0, 1, 100), Some((3, 4)));
        assert_eq!(either.find_run(0, 5, 100), Some((17, 13)));
        assert_eq!(either.find_run(0, 5, 6), Some((17, 6)));
        assert_eq!(either.find_run(0, 14, 100), None);
        assert_eq!(either.clear_run(20, 4), 4);
        assert_eq!(either.next_clear(30), None);
    }

    #[test]
    fn single_bits_are_set_and_cleared_and_none_beyond_the_end() {
        let mut bitmap = [0; 2];
        set(&mut bitmap, 9);
        assert!(is_set(&bitmap, 9) && !is_set(&bitmap, 8) && is_set(&bitmap, 16));
        clear(&mut bitmap, 9);
        clear(&mut bitmap, 16);
        assert_eq!(bitmap, [0; 2]);
    }
}

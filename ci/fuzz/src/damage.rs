//! Damage to bytes: chosen by a seed, applied in order, and taken back one by one when a finding is made smaller.

use legacy_programs::random::Random;

/// Values at which arithmetic goes wrong.
const WORDS: [u64; 12] =
    [0, 1, 8, 0xfff, 0x1000, 0x7fff_ffff, 0xffff_ffff, 1 << 47, 1 << 63, u64::MAX - 7, u64::MAX - 0xfff, u64::MAX];
/// Most damages of an input.
const MOST: u64 = 6;

/// One damage, at a place that is taken modulo the length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A byte is another.
    Set(u64, u8),
    /// Eight bytes, aligned, are another number.
    Word(u64, u64),
    /// Four bytes, aligned, are another number.
    Half(u64, u32),
    /// A bit is turned over.
    Flip(u64, u8),
    /// All from here on is missing.
    Cut(u64),
    /// Something was put in.
    Insert(u64, Vec<u8>),
    /// So many bytes are there twice.
    Double(u64, u8),
    /// So many bytes are missing.
    Remove(u64, u8),
}

/// The damages of a seed.
#[must_use]
pub fn damages(seed: u64) -> Vec<Damage> {
    let mut random = Random::new(seed);
    let count = 1 + random.below(MOST);
    (0..count).map(|_| one(&mut random)).collect()
}

fn one(random: &mut Random) -> Damage {
    let (kind, at, any) = (random.below(16), random.next_u64(), random.next_u64());
    let word = if random.below(4) == 0 { any } else { WORDS[random.below(WORDS.len() as u64) as usize] };
    match kind {
        0..4 => Damage::Set(at, any as u8),
        4..7 => Damage::Word(at, word),
        7..10 => Damage::Half(at, word as u32),
        10..12 => Damage::Flip(at, any as u8),
        12 => Damage::Cut(at),
        13 => Damage::Insert(at, any.to_le_bytes()[..1 + (word % 8) as usize].to_vec()),
        14 => Damage::Double(at, any as u8),
        _ => Damage::Remove(at, any as u8),
    }
}

/// The damaged bytes. Places crowd into the first `head` bytes.
#[must_use]
pub fn apply(good: &[u8], head: usize, damages: &[Damage]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    damages.iter().for_each(|damage| apply_one(&mut bytes, head, damage));
    bytes
}

fn apply_one(bytes: &mut Vec<u8>, head: usize, damage: &Damage) {
    let length = bytes.len();
    let room = length.min(head).max(1) as u64;
    let place = |at: &u64| ((*at % room) as usize).min(length);
    let put = |bytes: &mut [u8], at: usize, new: &[u8]| {
        bytes.iter_mut().skip(at).zip(new).for_each(|(place, byte)| *place = *byte);
    };
    match damage {
        Damage::Set(at, byte) => put(bytes, place(at), &[*byte]),
        Damage::Word(at, word) => put(bytes, place(at) & !7, &word.to_le_bytes()),
        Damage::Half(at, word) => put(bytes, place(at) & !3, &word.to_le_bytes()),
        Damage::Flip(at, bit) => {
            let at = place(at);
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
        }
        Damage::Cut(at) => bytes.truncate(place(at)),
        Damage::Insert(at, more) => {
            let at = place(at);
            bytes.splice(at..at, more.iter().copied());
        }
        Damage::Double(at, length) => {
            let at = place(at);
            let part = bytes[at..(at + usize::from(*length)).min(bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
        Damage::Remove(at, length) => {
            let at = place(at);
            let end = (at + usize::from(*length)).min(bytes.len());
            bytes.drain(at..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_damage_and_any_input_takes_it() {
        assert_eq!(damages(7), damages(7));
        for seed in 0..2000 {
            let damages = damages(seed);
            assert!(!damages.is_empty() && damages.len() <= MOST as usize);
            for length in [0, 1, 7, 100] {
                let _ = apply(&vec![1; length], 64, &damages);
            }
        }
    }

    #[test]
    fn damage_is_as_it_says() {
        let good = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let damaged = |damage| apply(&good, 9, &[damage]);
        assert_eq!(damaged(Damage::Set(10, 0)), [1, 0, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(damaged(Damage::Half(5, 0)), [1, 2, 3, 4, 0, 0, 0, 0, 9]);
        assert_eq!(damaged(Damage::Flip(0, 9)), [3, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(damaged(Damage::Cut(2)), [1, 2]);
        assert_eq!(damaged(Damage::Insert(1, vec![0])), [1, 0, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(damaged(Damage::Double(7, 200)), [1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 9]);
        assert_eq!(damaged(Damage::Remove(1, 7)), [1, 9]);
    }
}

//! Values as message words.
//!
//! A scalar is one word. Bytes are their length and then eight to a word, at most [`MAX_BYTES`]. A [`List`] is its length
//! and its values. A `Result` is 0 and the value, or the error's number. A capability takes no word: capabilities are matched in order. A decoder believes
//! nothing: lengths, ranges, UTF-8, enum numbers are checked, and so is that nothing is left over.

use alloc::string::String;
use alloc::vec::Vec;

use ukernel_abi::message::{MAX_CAPS, MAX_WORDS};
use ukernel_user::words;

/// Most bytes of one argument or result.
pub const MAX_BYTES: usize = 3680;
const BYTES_WORDS: usize = 1 + MAX_BYTES / 8;

/// What arrived is not a value of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A value that can be put into a message.
pub trait Encode {
    /// Most words that it takes.
    const MAX_WORDS: usize;
    /// Capabilities that it takes.
    const CAPS: usize = 0;

    /// Puts it in.
    fn encode(&self, out: &mut Encoder<'_>);
}

/// A value that can be taken from a message.
pub trait Decode<'m>: Sized {
    /// Takes it out.
    ///
    /// # Errors
    /// [`Malformed`].
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed>;
}

/// A capability as argument or result: a slot of the task's own CapTable.
///
/// The receiver owns what it receives: it frees the slot (after deleting the capability) when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(pub u64);

/// Several values of one kind, at most `MOST`: their number, then one after the other.
///
/// A list that is longer than that cannot be sent ([`Encoder::finish`]) and is not taken from a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T, const MOST: usize>(pub Vec<T>);

/// Puts values into the words of a message.
pub struct Encoder<'b> {
    words: &'b mut [u64],
    used: usize,
    caps: [u64; MAX_CAPS],
    cap_count: usize,
    overflow: bool,
}

/// A message's size, once encoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoded {
    /// Words used.
    pub words: usize,
    /// Capabilities to send.
    pub caps: [u64; MAX_CAPS],
    /// How many.
    pub cap_count: usize,
}

impl<'b> Encoder<'b> {
    /// An encoder that fills `words` from the start.
    pub fn new(words: &'b mut [u64]) -> Self {
        Self { words, used: 0, caps: [0; MAX_CAPS], cap_count: 0, overflow: false }
    }

    /// Adds a word.
    pub fn word(&mut self, word: u64) {
        match self.words.get_mut(self.used) {
            Some(place) => *place = word,
            None => self.overflow = true,
        }
        self.used += 1;
    }

    /// What was encoded.
    ///
    /// # Errors
    /// [`Malformed`]: something was longer than a message allows.
    pub fn finish(self) -> Result<Encoded, Malformed> {
        // Where the buffer is larger than a message: the kernel would cut off the rest.
        if self.overflow || self.used > MAX_WORDS {
            return Err(Malformed);
        }
        Ok(Encoded { words: self.used, caps: self.caps, cap_count: self.cap_count })
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let words = bytes.len().div_ceil(8);
        let start = self.used + 1;
        self.word(bytes.len() as u64);
        let Some(place) = self.words.get_mut(start..start + words).filter(|_| bytes.len() <= MAX_BYTES) else {
            self.overflow = true;
            return;
        };
        // What fills the last word must not be left over from an earlier message.
        if let Some(last) = place.last_mut() {
            *last = 0;
        }
        words::as_bytes_mut(place)[..bytes.len()].copy_from_slice(bytes);
        self.used += words;
    }

    fn capability(&mut self, slot: u64) {
        match self.caps.get_mut(self.cap_count) {
            Some(place) => *place = slot,
            None => self.overflow = true,
        }
        self.cap_count += 1;
    }
}

/// Takes values from the words of a message.
pub struct Decoder<'m> {
    words: &'m [u64],
    caps: &'m [u64],
    caps_taken: usize,
}

impl<'m> Decoder<'m> {
    /// A decoder of `words` and of the capabilities that arrived in the slots `caps`.
    #[must_use]
    pub const fn new(words: &'m [u64], caps: &'m [u64]) -> Self {
        Self { words, caps, caps_taken: 0 }
    }

    /// Takes the next word.
    ///
    /// # Errors
    /// [`Malformed`]: there is none.
    pub fn word(&mut self) -> Result<u64, Malformed> {
        let (word, rest) = self.words.split_first().ok_or(Malformed)?;
        self.words = rest;
        Ok(*word)
    }

    /// Checks that nothing is left; how many capabilities were taken.
    ///
    /// # Errors
    /// [`Malformed`]: words are left over.
    pub fn finish(self) -> Result<usize, Malformed> {
        if self.words.is_empty() { Ok(self.caps_taken) } else { Err(Malformed) }
    }

    fn bytes(&mut self) -> Result<&'m [u8], Malformed> {
        let length = usize::try_from(self.word()?).map_err(|_| Malformed)?;
        if length > MAX_BYTES {
            return Err(Malformed);
        }
        let (words, rest) = self.words.split_at_checked(length.div_ceil(8)).ok_or(Malformed)?;
        self.words = rest;
        words::as_bytes(words).get(..length).ok_or(Malformed)
    }

    fn capability(&mut self) -> Result<u64, Malformed> {
        let slot = *self.caps.get(self.caps_taken).ok_or(Malformed)?;
        self.caps_taken += 1;
        Ok(slot)
    }
}

macro_rules! scalars {
    ($($scalar:ty),*) => {
        $(
            impl Encode for $scalar {
                const MAX_WORDS: usize = 1;
                fn encode(&self, out: &mut Encoder<'_>) {
                    out.word(u64::from(*self));
                }
            }

            impl<'m> Decode<'m> for $scalar {
                fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
                    Self::try_from(input.word()?).map_err(|_| Malformed)
                }
            }
        )*
    };
}

scalars!(u64, u32, u16, u8);

impl Encode for bool {
    const MAX_WORDS: usize = 1;
    fn encode(&self, out: &mut Encoder<'_>) {
        out.word(u64::from(*self));
    }
}

impl<'m> Decode<'m> for bool {
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
        match input.word()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
}

impl Encode for () {
    const MAX_WORDS: usize = 0;
    fn encode(&self, _: &mut Encoder<'_>) {}
}

impl<'m> Decode<'m> for () {
    fn decode(_: &mut Decoder<'m>) -> Result<Self, Malformed> {
        Ok(())
    }
}

impl Encode for &[u8] {
    const MAX_WORDS: usize = BYTES_WORDS;
    fn encode(&self, out: &mut Encoder<'_>) {
        out.bytes(self);
    }
}

impl<'m> Decode<'m> for &'m [u8] {
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
        input.bytes()
    }
}

impl Encode for &str {
    const MAX_WORDS: usize = BYTES_WORDS;
    fn encode(&self, out: &mut Encoder<'_>) {
        out.bytes(self.as_bytes());
    }
}

impl<'m> Decode<'m> for &'m str {
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
        core::str::from_utf8(input.bytes()?).map_err(|_| Malformed)
    }
}

impl Encode for Vec<u8> {
    const MAX_WORDS: usize = BYTES_WORDS;
    fn encode(&self, out: &mut Encoder<'_>) {
        out.bytes(self);
    }
}

impl<'m> Decode<'m> for Vec<u8> {
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
        input.bytes().map(<[u8]>::to_vec)
    }
}

impl Encode for String {
    const MAX_WORDS: usize = BYTES_WORDS;
    fn encode(&self, out: &mut Encoder<'_>) {
        out.bytes(self.as_bytes());
    }
}

impl<'m> Decode<'m> for String {
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
        <&str>::decode(input).map(Self::from)
    }
}

impl Encode for Capability {
    const MAX_WORDS: usize = 0;
    const CAPS: usize = 1;
    fn encode(&self, out: &mut Encoder<'_>) {
        out.capability(self.0);
    }
}

impl<'m> Decode<'m> for Capability {
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
        input.capability().map(Self)
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    const MAX_WORDS: usize = A::MAX_WORDS + B::MAX_WORDS;
    const CAPS: usize = A::CAPS + B::CAPS;
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<'m, A: Decode<'m>, B: Decode<'m>> Decode<'m> for (A, B) {
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
        Ok((A::decode(input)?, B::decode(input)?))
    }
}

impl<T: Encode, const MOST: usize> Encode for List<T, MOST> {
    const MAX_WORDS: usize = 1 + MOST * T::MAX_WORDS;
    const CAPS: usize = MOST * T::CAPS;
    fn encode(&self, out: &mut Encoder<'_>) {
        out.overflow |= self.0.len() > MOST;
        out.word(self.0.len() as u64);
        self.0.iter().take(MOST).for_each(|value| value.encode(out));
    }
}

impl<'m, T: Decode<'m>, const MOST: usize> Decode<'m> for List<T, MOST> {
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
        let count = usize::try_from(input.word()?).ok().filter(|&count| count <= MOST).ok_or(Malformed)?;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(T::decode(input)?);
        }
        Ok(Self(values))
    }
}

impl<T: Encode, E: Encode> Encode for Result<T, E> {
    const MAX_WORDS: usize = max(1 + T::MAX_WORDS, E::MAX_WORDS);
    const CAPS: usize = T::CAPS;
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Ok(value) => {
                out.word(0);
                value.encode(out);
            }
            Err(error) => error.encode(out),
        }
    }
}

impl<'m, T: Decode<'m>, E: Decode<'m>> Decode<'m> for Result<T, E> {
    fn decode(input: &mut Decoder<'m>) -> Result<Self, Malformed> {
        if input.words.first() == Some(&0) {
            input.word()?;
            return T::decode(input).map(Ok);
        }
        E::decode(input).map(Err)
    }
}

/// The larger one.
#[must_use]
pub const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

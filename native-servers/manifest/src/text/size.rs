//! Sizes in the text form.

use alloc::format;
use alloc::string::String;

use serde::Deserialize;

use crate::Problem;

/// `"64K"`, `"2M"`, `"1G"`, or a number of bytes.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Size {
    Number(u64),
    Text(String),
}

impl Size {
    /// So many bytes.
    pub(super) fn bytes(&self) -> Result<u64, Problem> {
        let text = match self {
            Self::Number(bytes) => return Ok(*bytes),
            Self::Text(text) => text,
        };
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'K') => (&text[..text.len() - 1], 10),
            Some(b'M') => (&text[..text.len() - 1], 20),
            Some(b'G') => (&text[..text.len() - 1], 30),
            _ => (text.as_str(), 0),
        };
        let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        number.ok_or_else(|| Problem(format!("\"{text}\" is not a size such as \"64K\", \"2M\" or \"1G\"")))
    }
}

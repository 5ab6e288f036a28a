//! A bug that can be switched on, so that the same driver can be seen to fail in either of its homes.

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injection {
    /// Panic at the request with this number, counted from 1 since the start, when the device has just been given it: so
    /// with this one under way, and all that others have asked for.
    pub panic_after_requests: Option<u64>,
}

impl Injection {
    /// None.
    pub const NONE: Self = Self { panic_after_requests: None };

    /// As an option of that name says; none, where there is no such option or it is no number.
    #[must_use]
    pub fn from_option(panic_after_requests: Option<&str>) -> Self {
        Self { panic_after_requests: panic_after_requests.and_then(|number| number.parse().ok()) }
    }

    /// Goes wrong, if it is time.
    ///
    /// # Panics
    /// That is what it is for.
    pub(crate) fn strike(self, requests: u64) {
        assert!(self.panic_after_requests != Some(requests), "injected bug: request number {requests}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_a_number_or_nothing() {
        assert_eq!(Injection::from_option(Some("12")).panic_after_requests, Some(12));
        for option in [None, Some(""), Some("x"), Some("-1")] {
            assert_eq!(Injection::from_option(option), Injection::NONE);
        }
        Injection::from_option(Some("12")).strike(11);
    }

    #[test]
    #[should_panic(expected = "injected bug")]
    fn it_strikes_at_its_number() {
        Injection::from_option(Some("12")).strike(12);
    }
}

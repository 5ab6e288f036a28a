//! Which function a driver is for: `1af4:1043` (vendor and device) or `class:0c0330` (class, subclass, interface; the
//! last two digits, or four, may be missing).

use driver_lib::pci::header::Identity;

/// What a function must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// This very device.
    Device {
        /// The vendor's number.
        vendor: u16,
        /// The device's number.
        device: u16,
    },
    /// Any device of a class.
    Class {
        /// The class, shifted down so that only the digits given are left.
        class: u32,
        /// Bits of the class that were not given.
        open_bits: u32,
    },
}

impl Matching {
    /// Read it from text; `None` where it is neither form.
    pub fn parse(text: &str) -> Option<Self> {
        let (left, right) = text.split_once(':')?;
        let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_hex(right) {
            return None;
        }
        if left == "class" {
            let open_bits = match right.len() {
                2 => 16,
                4 => 8,
                6 => 0,
                _ => return None,
            };
            return Some(Self::Class { class: u32::from_str_radix(right, 16).ok()?, open_bits });
        }
        if left.len() != 4 || right.len() != 4 || !is_hex(left) {
            return None;
        }
        let number = |digits| u16::from_str_radix(digits, 16).ok();
        Some(Self::Device { vendor: number(left)?, device: number(right)? })
    }

    /// Whether a function is one of these.
    pub fn fits(self, identity: &Identity) -> bool {
        match self {
            Self::Device { vendor, device } => (vendor, device) == (identity.vendor, identity.device),
            Self::Class { class, open_bits } => class == identity.class >> open_bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driver_lib::pci::header::Layout;

    #[test]
    fn devices_and_classes_are_matched() {
        let (layout, has_more_functions) = (Layout::Device, false);
        let xhci = Identity { vendor: 0x1b36, device: 0x000d, class: 0x0c0330, layout, has_more_functions };
        let fits = |text| Matching::parse(text).map(|matching| matching.fits(&xhci));
        assert_eq!([fits("1b36:000d"), fits("class:0c0330"), fits("class:0c03"), fits("class:0c")], [Some(true); 4]);
        assert_eq!([fits("1b36:000e"), fits("class:0c04")], [Some(false); 2]);
        assert_eq!([fits("1b36"), fits("+b36:000d"), fits("class:+c"), fits("class:0c033"), fits("")], [None; 5]);
    }
}

//! What a device can do, from its features and its configuration (virtio 1.2, 5.2.3 and 5.2.4).

use driver_lib::virtio::{Error, Transport};

/// `VIRTIO_BLK_F_SIZE_MAX`: segments have a largest size.
const FEATURE_SIZE_MAX: u64 = 1 << 1;
/// `VIRTIO_BLK_F_SEG_MAX`: requests have a largest number of segments.
const FEATURE_SEG_MAX: u64 = 1 << 2;
/// `VIRTIO_BLK_F_RO`: it cannot be written.
const FEATURE_READ_ONLY: u64 = 1 << 5;
/// `VIRTIO_BLK_F_FLUSH`: it has a cache, which can be flushed.
const FEATURE_FLUSH: u64 = 1 << 9;
/// The features that we use where a device has them.
pub(crate) const WANTED: u64 = FEATURE_SIZE_MAX | FEATURE_SEG_MAX | FEATURE_READ_ONLY | FEATURE_FLUSH;

const CAPACITY: usize = 0;
const SIZE_MAX: usize = 8;
const SEG_MAX: usize = 12;
/// Reads of the capacity until both halves are of one value: it may change in between.
const CAPACITY_READS: usize = 16;

/// Most bytes of a request, whatever the device allows.
const MOST_BYTES: u32 = 1 << 20;
/// Requests are offered in multiples of this.
const UNIT: u32 = 4096;
/// The most descriptors of our queue, and the fewest that it works with: header, one segment, status, rounded up.
const MOST_DESCRIPTORS: u16 = 128;
const FEWEST_DESCRIPTORS: u16 = 4;

/// What a device can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Size, in sectors.
    pub(crate) sectors: u64,
    /// Whether it refuses to be written.
    pub(crate) read_only: bool,
    /// Whether it must be told to make writes durable.
    pub(crate) has_cache: bool,
    /// Descriptors of the queue.
    pub(crate) descriptors: u16,
    /// Most bytes of a segment.
    pub(crate) segment_bytes: u32,
    /// Most bytes of a request.
    pub(crate) request_bytes: u32,
}

impl Limits {
    /// Reads them, with the features that were agreed on.
    ///
    /// # Errors
    /// [`Error::NoQueue`]: the queue is too small. [`Error::FeaturesRefused`]: the device takes less than a page at a time.
    pub(crate) fn read(transport: &mut impl Transport, features: u64) -> Result<Self, Error> {
        let descriptors = power_of_two(transport.read_queue_limit(0).min(MOST_DESCRIPTORS));
        if descriptors < FEWEST_DESCRIPTORS {
            return Err(Error::NoQueue(0));
        }
        let has = |feature: u64| features & feature != 0;
        let segment_bytes = if has(FEATURE_SIZE_MAX) { transport.read_config(SIZE_MAX) } else { MOST_BYTES };
        // A device that does not say how many segments it takes takes one for certain.
        let segments = if has(FEATURE_SEG_MAX) { transport.read_config(SEG_MAX) } else { 1 };
        let segments = segments.min(u32::from(descriptors) - 2);
        let bytes = segment_bytes.saturating_mul(segments).min(MOST_BYTES);
        if bytes < UNIT {
            return Err(Error::FeaturesRefused);
        }
        Ok(Self {
            sectors: read_capacity(transport),
            read_only: has(FEATURE_READ_ONLY),
            has_cache: has(FEATURE_FLUSH),
            descriptors,
            segment_bytes,
            request_bytes: bytes - bytes % UNIT,
        })
    }

    /// Most requests that the device can have at a time.
    pub(crate) const fn requests(&self) -> u16 {
        self.descriptors / 3
    }
}

/// The largest power of two that is not more; 0 of 0.
const fn power_of_two(number: u16) -> u16 {
    if number == 0 { 0 } else { 1 << number.ilog2() }
}

fn read_capacity(transport: &mut impl Transport) -> u64 {
    let mut high = transport.read_config(CAPACITY + 4);
    let mut low = 0;
    for _ in 0..CAPACITY_READS {
        low = transport.read_config(CAPACITY);
        let again = transport.read_config(CAPACITY + 4);
        if core::mem::replace(&mut high, again) == again {
            break;
        }
    }
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use driver_lib::virtio::fake::FakeTransport;

    fn limits(features: u64, config: &[u32]) -> Result<Limits, Error> {
        Limits::read(&mut FakeTransport::new(0, config), features)
    }

    #[test]
    fn a_device_without_limits_gets_ours() {
        let limits = limits(FEATURE_FLUSH, &[8, 1, 7, 7]).expect("it is usable");
        assert_eq!((limits.sectors, limits.has_cache, limits.read_only), (0x1_0000_0008, true, false));
        assert_eq!((limits.request_bytes, limits.descriptors, limits.requests()), (1 << 20, 128, 42));
    }

    #[test]
    fn segments_bound_requests() {
        let both = FEATURE_SEG_MAX | FEATURE_SIZE_MAX;
        assert_eq!(limits(both, &[8, 0, 3000, 4]).map(|limits| limits.request_bytes), Ok(8192));
        assert_eq!(limits(both, &[8, 0, 4096, u32::MAX]).map(|limits| limits.request_bytes), Ok(126 * 4096));
        assert_eq!(limits(both, &[8, 0, u32::MAX, u32::MAX]).map(|limits| limits.request_bytes), Ok(1 << 20));
        for useless in [[8, 0, 0, 4], [8, 0, 4096, 0], [8, 0, 1000, 4]] {
            assert_eq!(limits(both, &useless), Err(Error::FeaturesRefused));
        }
    }
}

//! The memory devices: null, zero, full, random, urandom (mem(4), null(4), full(4), random(4)).

use alloc::sync::Arc;

use guest_memory::{Frame, PageSource, Sink, Source};
use linux_abi::{Errno, Result};
use vfs::{CHAR_DEVICES, CharDevice, DeviceNumber, File, OpenFlags, Opened, Positioning};

use crate::random;

const MAJOR: u32 = 1;
/// Bytes of randomness made at a time, outside of the lock of the generator handed on.
const CHUNK_BYTES: usize = 256;

#[derive(Clone, Copy)]
enum Device {
    Null,
    Zero,
    Full,
    Random,
}

struct MemoryDevices;

/// Registers the memory devices.
pub fn register() {
    CHAR_DEVICES.register(MAJOR, 0, 16, Arc::new(MemoryDevices));
}

impl CharDevice for MemoryDevices {
    fn open(&self, device: DeviceNumber, _flags: OpenFlags) -> Result<Opened> {
        let device = match device.minor() {
            3 => Device::Null,
            5 => Device::Zero,
            7 => Device::Full,
            8 | 9 => Device::Random,
            _ => return Err(Errno::ENXIO),
        };
        Ok(Opened { file: Arc::new(device), path: None })
    }
}

impl File for Device {
    fn positioning(&self) -> Positioning {
        Positioning::Ignored
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink, _flags: OpenFlags) -> Result<usize> {
        match self {
            Device::Null => Ok(0),
            Device::Zero | Device::Full => sink.write_zeros(sink.remaining()),
            Device::Random => read_random(sink),
        }
    }

    fn write(&self, _offset: u64, source: &mut dyn Source, _flags: OpenFlags) -> Result<usize> {
        match self {
            Device::Null | Device::Zero => Ok(source.remaining()),
            Device::Full => Err(Errno::ENOSPC),
            Device::Random => stir_from(source),
        }
    }

    fn page_source(self: Arc<Self>) -> Result<Arc<dyn PageSource>> {
        match *self {
            Device::Zero => Ok(Arc::new(ZeroPages)),
            _ => Err(Errno::ENODEV),
        }
    }
}

fn read_random(sink: &mut dyn Sink) -> Result<usize> {
    let mut total = 0;
    while sink.remaining() > 0 {
        let mut bytes = [0; CHUNK_BYTES];
        let wanted = sink.remaining().min(CHUNK_BYTES);
        random::fill(&mut bytes);
        match sink.write(bytes.get(..wanted).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => total += count,
            Err(error) if total == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(total)
}

fn stir_from(source: &mut dyn Source) -> Result<usize> {
    let mut total = 0;
    while source.remaining() > 0 {
        let mut bytes = [0; CHUNK_BYTES];
        match source.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => total += count,
            Err(error) if total == 0 => return Err(error),
            Err(_) => break,
        }
        random::stir(&bytes);
    }
    Ok(total)
}

/// `/dev/zero` mapped privately. A shared mapping would need pages that last, which Linux takes from tmpfs.
struct ZeroPages;

impl PageSource for ZeroPages {
    fn page(&self, _index: u64, for_write: bool) -> Result<Frame> {
        if for_write { Err(Errno::EFAULT) } else { Ok(Frame::zero()) }
    }

    fn page_count(&self) -> u64 {
        u64::MAX >> 12
    }
}

//! A disk in memory behind the registers of a virtio device: one that keeps the rules, and one that does not.
//!
//! Its thread takes requests when it is notified, finishes them in any order, and interrupts.

extern crate std;

use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use driver_lib::dma::Dma;
use driver_lib::io_space::DmaSpace;
use driver_lib::virtio::fake::FakeQueue;
use driver_lib::virtio::queue::Access;
use driver_lib::virtio::{Buffer, FEATURE_VERSION_1, Queue, Transport};
use rt::memory::Window;

use super::Disk;
use crate::device::Device;
use crate::injection::Injection;

pub(super) const SECTORS: u64 = 2048;
pub(super) const READ_ONLY: u64 = 1 << 5;
pub(super) const FLUSH: u64 = 1 << 9;

/// How the device keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    Good,
    /// It says that it used what it was not given.
    WrongChain,
    /// It reports success without writing all that was to be read.
    Short,
    /// It never writes the status.
    NoStatus,
    /// It reports an error for every sector above this.
    BadSectors(u64),
    /// It answers nothing.
    Silent,
    /// It answers nothing, and does not finish its reset either.
    Dead,
}

/// What the device's thread and its registers share.
pub(super) struct State {
    status: u8,
    pub(super) bytes: Vec<u8>,
    pub(super) manners: Manners,
    pub(super) flushes: u32,
    pub(super) resets: u32,
    /// Requests that it has taken and not finished.
    pub(super) taken: usize,
    /// It holds all requests until this many are there.
    pub(super) hold: usize,
    queue: Option<FakeQueue>,
}

pub(super) type Shared = Arc<Mutex<State>>;

/// The device's registers.
pub(super) struct Registers {
    state: Shared,
    features: u64,
    config: [u32; 4],
    notify: Sender<()>,
}

impl Transport for Registers {
    fn read_features(&mut self) -> u64 {
        self.features
    }
    fn write_features(&mut self, features: u64) {
        assert_eq!(features & !self.features, 0, "a driver accepts what is offered");
    }
    fn read_status(&mut self) -> u8 {
        self.state.lock().expect("no panic").status
    }
    fn write_status(&mut self, status: u8) {
        let mut state = self.state.lock().expect("no panic");
        if status == 0 {
            if state.manners == Manners::Dead {
                return;
            }
            (state.queue, state.taken) = (None, 0);
            state.resets += 1;
        }
        state.status = status;
    }
    fn read_queue_limit(&mut self, queue: u16) -> u16 {
        if queue == 0 { 40 } else { 0 }
    }
    fn enable_queue(&mut self, queue: &Queue, _: u16) -> bool {
        let rings = Dma::at_physical(queue.addresses()[0], Queue::bytes(queue.size())).expect("shared memory");
        self.state.lock().expect("no panic").queue = Some(FakeQueue::new(queue.size().into(), rings));
        true
    }
    fn write_config_vector(&mut self, _: u16) -> bool {
        true
    }
    fn notify(&mut self, queue: u16) {
        assert_eq!(queue, 0);
        // The thread is gone where a test ends.
        let _ = self.notify.send(());
    }
    fn read_config(&mut self, offset: usize) -> u32 {
        self.config[offset / 4]
    }
}

/// A disk over such a device, and what the device is like.
pub(super) fn disk(features: u64, segments: [u32; 2], manners: Manners) -> (Arc<Disk<Registers>>, Shared) {
    let state = Arc::new(Mutex::new(State {
        status: 0xff,
        bytes: (0..SECTORS * 512).map(|index| (index / 512) as u8).collect(),
        manners: Manners::Good,
        flushes: 0,
        resets: 0,
        taken: 0,
        hold: 0,
        queue: None,
    }));
    let (notify, notified) = channel();
    let limits = if segments == [0, 0] { 0 } else { 0b110 };
    let features = FEATURE_VERSION_1 | features | limits;
    let config = [SECTORS as u32, 0, segments[0], segments[1]];
    let registers = Registers { state: state.clone(), features, config, notify };
    let device = Device::start(registers, 0, &DmaSpace::physical()).expect("the device is usable");
    state.lock().expect("no panic").manners = manners;
    let disk = Arc::new(Disk::new(device, DmaSpace::physical(), Injection::NONE));
    let (theirs, interrupted) = (state.clone(), Arc::downgrade(&disk));
    thread::spawn(move || run(&theirs, &notified, &interrupted));
    (disk, state)
}

fn run(state: &Shared, notified: &Receiver<()>, disk: &Weak<Disk<Registers>>) {
    let mut waiting: Vec<(u32, u16, Vec<Buffer>)> = Vec::new();
    while notified.recv().is_ok() {
        {
            let mut state = state.lock().expect("no panic");
            let resets = state.resets;
            waiting.retain(|(when, ..)| *when == resets);
            while let Some((id, chain)) = state.queue.as_mut().and_then(FakeQueue::take) {
                waiting.push((resets, id, chain));
            }
            state.taken = waiting.len();
            if waiting.len() < state.hold || matches!(state.manners, Manners::Silent | Manners::Dead) {
                continue;
            }
            // The last comes first.
            while let Some((_, id, chain)) = waiting.pop() {
                state.answer(id, &chain);
            }
            state.taken = 0;
        }
        let Some(disk) = disk.upgrade() else { return };
        disk.on_interrupt();
    }
}

impl State {
    fn answer(&mut self, id: u16, chain: &[Buffer]) {
        let [header, data @ .., status] = chain else { panic!("a chain has a header and a status") };
        assert_eq!((header.bytes, header.access, status.bytes, status.access), (16, Access::Read, 1, Access::Write));
        let mut words = [0; 16];
        memory(header).copy_out(0, &mut words).expect("inside");
        let kind = u32::from_le_bytes(words[..4].try_into().expect("four"));
        let sector = u64::from_le_bytes(words[8..].try_into().expect("eight"));
        let written = self.perform(kind, sector, data);
        let is_bad = matches!(self.manners, Manners::BadSectors(first) if kind != 4 && sector >= first);
        if self.manners != Manners::NoStatus {
            memory(status).copy_in(0, &[u8::from(is_bad)]).expect("inside");
        }
        let short = if self.manners == Manners::Short { 1 } else { 0 };
        let id = if self.manners == Manners::WrongChain { u32::from(id) + 1 } else { id.into() };
        if let Some(queue) = &mut self.queue {
            queue.give_back(id, written + 1 - short);
        }
    }

    /// Moves the bytes; how many were written to memory.
    fn perform(&mut self, kind: u32, sector: u64, data: &[Buffer]) -> u32 {
        let mut at = sector as usize * 512;
        let mut written = 0;
        for buffer in data {
            let length = buffer.bytes as usize;
            match (kind, buffer.access) {
                (0, Access::Write) => {
                    memory(buffer).copy_in(0, &self.bytes[at..at + length]).expect("inside");
                    written += buffer.bytes;
                }
                (1, Access::Read) => {
                    let mut bytes = vec![0; length];
                    memory(buffer).copy_out(0, &mut bytes).expect("inside");
                    self.bytes[at..at + length].copy_from_slice(&bytes);
                }
                other => panic!("{other:?} makes no sense"),
            }
            at += length;
        }
        self.flushes += u32::from(kind == 4);
        written
    }
}

fn memory(buffer: &Buffer) -> Window {
    Window::at_physical(buffer.physical, buffer.bytes as usize).expect("a device is given memory that is shared")
}

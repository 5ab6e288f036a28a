//! A disk on PCI: from the pci server's hands and back into them.
//!
//! Owns the interrupt and the thread that waits for it. Whoever has the [`Driver`] decides who calls the disk: threads of
//! the same task by [`Driver::client`], others through a pool that serves its contract.

use alloc::sync::Arc;

use driver_lib::io_space::DmaSpace;
use driver_lib::mmio::Mmio;
use driver_lib::virtio;
use driver_lib::virtio::pci::{self, PciTransport};
use interfaces::{PciBus, PciError};
use rt::thread::{self, JoinHandle};
use ukernel_user::{Cap, Error, Irq, Notification, Rights};

use crate::device::Device;
use crate::disk::{Disk, DiskClient};
use crate::injection::Injection;

/// The one interrupt vector.
const VECTOR: u16 = 0;
/// Badge of interrupts, and of the request to stop.
const INTERRUPT: u64 = 1;
const STOP: u64 = 2;
const STACK_BYTES: usize = 32 << 10;

/// The device's transport.
pub type Transport = PciTransport<Mmio>;

/// Why a disk cannot be opened, or not be closed as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The pci server's answer: there is no such device, or another driver has it.
    Bus(PciError),
    /// The device cannot be used.
    Device(virtio::Error),
    /// The kernel refused: no memory, or no slots.
    Kernel(Error),
}

/// A disk, and what it takes to drive it. Dropping it shuts it down.
#[derive(Debug)]
pub struct Driver<B: PciBus> {
    bus: B,
    disk: Arc<Disk<Transport>>,
    interrupts: Option<Interrupts>,
    is_open: bool,
}

impl<B: PciBus> Driver<B> {
    /// Takes the device from the pci server and starts it.
    ///
    /// # Errors
    /// As [`Failure`] says; then everything was given back.
    pub fn open(bus: B, injection: Injection) -> Result<Self, Failure> {
        match start(&bus, injection) {
            Ok((disk, interrupts)) => Ok(Self { bus, disk, interrupts: Some(interrupts), is_open: true }),
            // It never was ours.
            Err(Failure::Bus(PciError::Held)) => Err(Failure::Bus(PciError::Held)),
            Err(failure) => {
                if let Err(error) = bus.release() {
                    log::error!("a disk that was not opened is not given back: {error}");
                }
                Err(failure)
            }
        }
    }

    /// The disk as the client with this badge sees it, from any thread.
    #[must_use]
    pub fn client(&self, badge: u64) -> DiskClient<Transport> {
        self.disk.client(badge)
    }

    /// What makes a client's view of each badge: for [`ipc::PerCaller`].
    pub fn clients(&self) -> impl Fn(u64) -> DiskClient<Transport> + Clone + Send + use<B> {
        let disk = self.disk.clone();
        move |badge| disk.client(badge)
    }

    /// Whether no request is under way.
    pub fn is_idle(&self) -> bool {
        self.disk.is_idle()
    }

    /// Waits for a moment in which no request is under way, at most until the monotonic time `until_ns`.
    pub fn wait_idle(&self, until_ns: u64) {
        self.disk.wait_idle(until_ns);
    }

    /// Resets the device and gives everything back: afterwards another driver can open it. Requests that are under way, and new
    /// ones, end with `Stopped`.
    ///
    /// # Errors
    /// The device is not known to be quiet. The pci server cut it off from memory as far as it could.
    pub fn shut_down(mut self) -> Result<(), Failure> {
        self.close()
    }

    fn close(&mut self) -> Result<(), Failure> {
        if !core::mem::replace(&mut self.is_open, false) {
            return Ok(());
        }
        let quiet = self.disk.shut_down().map_err(Failure::Device);
        if let Some(interrupts) = self.interrupts.take() {
            interrupts.stop();
        }
        self.bus.release().map_err(Failure::Bus).and(quiet)
    }
}

impl<B: PciBus> Drop for Driver<B> {
    fn drop(&mut self) {
        if let Err(failure) = self.close() {
            log::error!("a disk was not shut down well: {failure:?}");
        }
    }
}

fn start(bus: &impl PciBus, injection: Injection) -> Result<(Arc<Disk<Transport>>, Interrupts), Failure> {
    // First, so that it is said why the device is not to be had.
    bus.enable().map_err(Failure::Bus)?;
    let transport = pci::open(bus).map_err(Failure::Device)?;
    let line = Line::bind(bus)?;
    let space = DmaSpace::of(bus).map_err(Failure::Bus)?;
    let device = Device::start(transport, VECTOR, &space).map_err(Failure::Device)?;
    let disk = Arc::new(Disk::new(device, space, injection));
    match Interrupts::start(line, disk.clone()) {
        Ok(interrupts) => Ok((disk, interrupts)),
        Err(error) => {
            disk.shut_down().map_err(Failure::Device)?;
            Err(Failure::Kernel(error))
        }
    }
}

/// The device's interrupt, bound to a notification of ours; both are given back when this is dropped.
#[derive(Debug)]
struct Line {
    irq: Cap<Irq>,
    notification: Cap<Notification>,
    /// Capabilities with the badges of the interrupt and of the request to stop.
    signals: [Option<Cap<Notification>>; 2],
}

impl Line {
    fn bind(bus: &impl PciBus) -> Result<Self, Failure> {
        let irq = Cap::new(bus.interrupt(VECTOR).map_err(Failure::Bus)?.0);
        let notification = rt::object::create::<Notification>(0).map_err(Failure::Kernel);
        let notification = notification.inspect_err(|_| rt::cap::delete(irq.slot()))?;
        let mut line = Self { irq, notification, signals: [None; 2] };
        for (signal, badge) in line.signals.iter_mut().zip([INTERRUPT, STOP]) {
            *signal = Some(rt::cap::mint(notification, Rights::SEND, badge).map_err(Failure::Kernel)?);
        }
        line.irq.bind(line.signal(0)).map_err(Failure::Kernel)?;
        Ok(line)
    }

    fn signal(&self, index: usize) -> Cap<Notification> {
        self.signals[index].unwrap_or(Cap::NULL)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Where the pci server has taken the interrupt back already, it has unbound it.
        let _ = self.irq.unbind();
        rt::cap::delete(self.irq.slot());
        self.signals.iter().flatten().for_each(|signal| rt::cap::delete(signal.slot()));
        let _ = self.notification.poll();
        rt::object::recycle(self.notification);
    }
}

/// The thread that waits for interrupts.
#[derive(Debug)]
struct Interrupts {
    line: Line,
    thread: JoinHandle,
}

impl Interrupts {
    fn start(line: Line, disk: Arc<Disk<Transport>>) -> Result<Self, Error> {
        let (irq, notification) = (line.irq, line.notification);
        // Whoever waits for the disk waits for this thread, and whoever shuts the disk down waits for its end.
        let thread = thread::spawn_raised("disk-interrupts", STACK_BYTES, move || {
            loop {
                let bits = notification.wait().expect("the notification is there until this thread has ended");
                if bits & STOP != 0 {
                    return;
                }
                // The next interrupt may come before the ring is looked at: then it is looked at once more.
                if irq.acknowledge().is_err() {
                    log::error!("the disk was taken away");
                    return disk.on_loss();
                }
                disk.on_interrupt();
            }
        })?;
        Ok(Self { line, thread })
    }

    fn stop(self) {
        self.line.signal(1).signal().expect("the notification is ours");
        self.thread.join();
        drop(self.line);
    }
}

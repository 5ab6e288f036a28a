//! The pool of seats: personality threads with a Vcpu each, which serve one task after the other.
//!
//! Seats are never given up, so that fork and exit make no kernel objects once enough of them are there.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::StatePage;
use linux_abi::{Errno, Result};
use rt::sync::{Condvar, Mutex, OnceCell};
use sync::Waiter;
use task::{Machine, Seat, Task, Workers};
use ukernel_user::{Cap, Thread, Vcpu};

use crate::puppet::Puppet;
use crate::{current, hardware, service};

/// Bytes of a seat's stack.
const STACK_BYTES: usize = 64 << 10;
/// `state` of a kernel thread that waits for something.
const BLOCKED: u64 = 2;

/// All seats.
pub(crate) struct Seats {
    idle: Mutex<Vec<Arc<Seat>>>,
    places: Mutex<BTreeMap<usize, Arc<Place>>>,
    /// Most seats.
    limit: usize,
}

/// A seat, as this module sees it.
pub(crate) struct Place {
    next: Mutex<Option<Arc<Task>>>,
    called: Condvar,
    thread: Cap<Thread>,
    /// For tasks that do not run by Vcpu; made when the first one comes.
    puppet: OnceCell<Puppet>,
}

/// The kernel objects of a seat.
struct Hardware {
    vcpu: Cap<Vcpu>,
    place: Arc<Place>,
}

impl Machine for Hardware {
    // Both are kicked, since the seat may just change from one to the other; one kick too many only makes it look up.
    fn kick(&self) {
        let kicked = self.vcpu.kick().and_then(|()| self.place.puppet.get().map_or(Ok(()), Puppet::kick));
        if let Err(error) = kicked {
            log::error!("a program cannot be kicked: {error:?}");
        }
    }

    fn enter_space(&self, slot: u64) -> Result<()> {
        self.place.enter_space(slot).map_err(|_| Errno::ENOMEM)
    }
}

impl Place {
    /// Switches the calling thread, the seat's, and its puppet to the address space with this slot.
    fn enter_space(&self, slot: u64) -> core::result::Result<(), rt::Error> {
        self.thread.set_vspace(Cap::new(slot))?;
        self.puppet.get().map_or(Ok(()), |puppet| puppet.enter_space(slot))
    }

    /// The seat's puppet, for the task that the calling thread serves here.
    ///
    /// # Errors
    /// `EAGAIN` where there is no kernel memory for one.
    pub(crate) fn puppet(&self, task: &Task) -> Result<&Puppet> {
        if let Some(puppet) = self.puppet.get() {
            return Ok(puppet);
        }
        if !has_kernel_memory() {
            return Err(Errno::EAGAIN);
        }
        let made = Puppet::new(task.address_space().page_tables().slot()).map_err(|_| Errno::EAGAIN)?;
        // Only the seat's own thread comes here.
        Ok(self.puppet.get_or_init(|| made))
    }
}

/// What a new seat's thread tells the one that made it.
#[derive(Default)]
struct Birth {
    result: Mutex<Option<Result<Arc<Seat>>>>,
    done: Condvar,
}

impl Birth {
    fn tell(&self, result: Result<Arc<Seat>>) {
        *self.result.lock() = Some(result);
        self.done.notify_all();
    }

    fn wait(&self) -> Result<Arc<Seat>> {
        let mut result = self.result.lock();
        loop {
            match result.take() {
                Some(result) => return result,
                None => result = self.done.wait(result),
            }
        }
    }
}

impl Seats {
    /// An empty pool of at most `limit` seats.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::new(Vec::new()), places: Mutex::new(BTreeMap::new()), limit })
    }

    /// Whether the thread that serves a task waits for something.
    pub(crate) fn is_waiting(&self, task: &Task) -> bool {
        let Some(place) = self.place(&task.seat) else { return true };
        let blocked = place.thread.read_registers().is_ok_and(|registers| registers.state == BLOCKED);
        blocked && !place.puppet.get().is_some_and(Puppet::is_running)
    }

    /// Number of seats.
    pub(crate) fn count(&self) -> usize {
        self.places.lock().len()
    }

    /// Makes sure that a task, which calls this itself, can run as a puppet.
    ///
    /// # Errors
    /// `EAGAIN` where there is no kernel memory for one.
    pub(crate) fn prepare_puppet(&self, task: &Task) -> Result<()> {
        self.place(&task.seat).ok_or(Errno::EAGAIN)?.puppet(task).map(drop)
    }

    fn place(&self, seat: &Arc<Seat>) -> Option<Arc<Place>> {
        self.places.lock().get(&key(seat)).cloned()
    }

    fn make(self: &Arc<Self>) -> Result<Arc<Seat>> {
        if self.places.lock().len() >= self.limit || !has_kernel_memory() {
            return Err(Errno::EAGAIN);
        }
        let birth = Arc::new(Birth::default());
        let (seats, told) = (self.clone(), birth.clone());
        rt::thread::spawn("seat", STACK_BYTES, move || live(&seats, &told)).map_err(|_| Errno::EAGAIN)?;
        birth.wait()
    }

    /// The calling thread becomes a seat.
    fn sit_down(&self) -> Result<(Arc<Seat>, Arc<Place>)> {
        let state = StatePage::new().map_err(|_| Errno::EAGAIN)?;
        let vcpu = hardware::make_vcpu(&state)?;
        let (waiter, index) = (Waiter::current(), Waiter::current_index());
        let thread = rt::thread::raw().thread;
        let puppet = OnceCell::new();
        let place = Arc::new(Place { next: Mutex::new(None), called: Condvar::new(), thread, puppet });
        let machine = Box::new(Hardware { vcpu, place: place.clone() });
        let seat = Arc::new(Seat { state, waiter, index, machine });
        self.places.lock().insert(key(&seat), place.clone());
        Ok((seat, place))
    }
}

/// Whether there is kernel memory for another seat: a quarter is kept for the page tables of the programs that run, which
/// could not go on otherwise.
fn has_kernel_memory() -> bool {
    rt::own::untyped().info().is_ok_and(|(left, total)| left > total / 4)
}

/// Seats are never dropped, so their addresses name them.
fn key(seat: &Arc<Seat>) -> usize {
    Arc::as_ptr(seat) as usize
}

/// A seat's thread.
fn live(seats: &Arc<Seats>, birth: &Birth) {
    let (seat, place) = match seats.sit_down() {
        Ok(made) => made,
        Err(error) => return birth.tell(Err(error)),
    };
    birth.tell(Ok(seat.clone()));
    loop {
        let task = place.wait();
        current::set(Some(task.clone()));
        service::serve(&task, &place);
        current::set(None);
        // The program's address space is somebody else's from now on.
        if let Err(error) = place.enter_space(rt::own::vspace().slot()) {
            log::error!("a seat cannot leave an address space: {error:?}");
        }
        drop(task);
        seat.waiter.clear_interrupt();
        seats.idle.lock().push(seat.clone());
    }
}

impl Place {
    fn wait(&self) -> Arc<Task> {
        let mut next = self.next.lock();
        loop {
            match next.take() {
                Some(task) => return task,
                None => next = self.called.wait(next),
            }
        }
    }
}

/// The pool, as the task crate wants it.
pub(crate) struct Pool(pub(crate) Arc<Seats>);

impl Workers for Pool {
    fn take(&self) -> Result<Arc<Seat>> {
        let idle = self.0.idle.lock().pop();
        idle.map_or_else(|| self.0.make(), Ok)
    }

    fn give_back(&self, seat: Arc<Seat>) {
        self.0.idle.lock().push(seat);
    }

    fn start(&self, task: Arc<Task>) {
        let place = self.0.place(&task.seat).expect("tasks sit on seats of this pool");
        *place.next.lock() = Some(task);
        place.called.notify_one();
    }
}

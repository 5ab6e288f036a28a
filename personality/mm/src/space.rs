//! The address space as a whole.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use guest_memory::PAGE_BYTES;
use linux_abi::raw::general::RLIM64_INFINITY;
use linux_abi::{Errno, Result};
use rt::sync::{Mutex, MutexGuard};

use crate::area::Area;
use crate::areas::Areas;
use crate::layout::Layout;
use crate::os;
use crate::page_map::PageMap;
use crate::page_tables::PageTables;
use crate::registry;

/// Resource limits that concern memory, in bytes (`RLIM64_INFINITY`: none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `RLIMIT_AS`.
    pub address_space: u64,
    /// `RLIMIT_DATA`.
    pub data: u64,
    /// `RLIMIT_STACK`.
    pub stack: u64,
    /// `RLIMIT_MEMLOCK`.
    pub locked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const NONE: u64 = RLIM64_INFINITY as u64;
        Self { address_space: NONE, data: NONE, stack: 8 << 20, locked: 8 << 20 }
    }
}

/// Where the parts of the program are, for `/proc/PID/stat`, `cmdline`, `environ`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regions {
    /// First byte of the code.
    pub code_start: u64,
    /// End of the code.
    pub code_end: u64,
    /// First byte of the data.
    pub data_start: u64,
    /// End of the data.
    pub data_end: u64,
    /// The stack pointer at the start.
    pub stack_start: u64,
    /// First byte of the arguments' strings.
    pub arg_start: u64,
    /// End of the arguments' strings.
    pub arg_end: u64,
    /// First byte of the environment's strings.
    pub env_start: u64,
    /// End of the environment's strings.
    pub env_end: u64,
}

/// The address space of one or several processes (`CLONE_VM`).
pub struct AddressSpace {
    /// Its place in the order of making.
    pub(crate) number: u64,
    pub(crate) tables: Box<dyn PageTables>,
    pub(crate) inner: Mutex<Inner>,
}

/// What the lock protects.
pub(crate) struct Inner {
    pub(crate) areas: Areas,
    pub(crate) pages: PageMap,
    pub(crate) limits: Limits,
    pub(crate) layout: Layout,
    pub(crate) regions: Regions,
    pub(crate) brk_start: u64,
    pub(crate) brk: u64,
    /// Pages of all areas.
    pub(crate) total_pages: u64,
    /// Pages of the areas that count as data.
    pub(crate) data_pages: u64,
    /// Most `total_pages` so far.
    pub(crate) peak_pages: u64,
    /// `mlockall(MCL_FUTURE)`.
    pub(crate) lock_future: bool,
}

impl AddressSpace {
    /// An empty one, as `execve` begins with.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(limits: Limits) -> Result<Arc<Self>> {
        Ok(Self::with_tables(os::new_tables()?, limits))
    }

    /// An empty one over the given (empty) page tables.
    #[must_use]
    pub fn with_tables(tables: Box<dyn PageTables>, limits: Limits) -> Arc<Self> {
        let inner = Inner {
            areas: Areas::default(),
            pages: PageMap::default(),
            limits,
            layout: Layout::for_stack_limit(limits.stack),
            regions: Regions::default(),
            brk_start: 0,
            brk: 0,
            total_pages: 0,
            data_pages: 0,
            peak_pages: 0,
            lock_future: false,
        };
        registry::enter(Arc::new(Self { number: registry::next_number(), tables, inner: Mutex::new(inner) }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// The page tables, for whoever switches a thread to them.
    #[must_use]
    pub fn page_tables(&self) -> &dyn PageTables {
        &*self.tables
    }

    /// Takes over new resource limits.
    pub fn set_limits(&self, limits: Limits) {
        self.lock().limits = limits;
    }

    /// Where the parts of the program are.
    #[must_use]
    pub fn regions(&self) -> Regions {
        self.lock().regions
    }

    /// Says where the parts of the program are.
    pub fn set_regions(&self, regions: Regions) {
        self.lock().regions = regions;
    }

    /// The fixed points.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.lock().layout
    }
}

impl Inner {
    /// Counts an area that was added.
    pub(crate) fn count(&mut self, area: &Area) {
        let pages = area.bytes() / PAGE_BYTES;
        self.total_pages += pages;
        self.peak_pages = self.peak_pages.max(self.total_pages);
        if area.is_data() {
            self.data_pages += pages;
        }
    }

    /// Counts an area that was taken out.
    pub(crate) fn uncount(&mut self, area: &Area) {
        let pages = area.bytes() / PAGE_BYTES;
        self.total_pages = self.total_pages.saturating_sub(pages);
        if area.is_data() {
            self.data_pages = self.data_pages.saturating_sub(pages);
        }
    }

    /// Adds an area where none is.
    pub(crate) fn add(&mut self, area: Area) {
        self.count(&area);
        self.areas.insert(area);
    }

    /// Whether `bytes` more may be mapped.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn check_limits(&self, bytes: u64, is_data: bool) -> Result<()> {
        let fits = |pages: u64, limit: u64| (pages * PAGE_BYTES).checked_add(bytes).is_some_and(|sum| sum <= limit);
        if !fits(self.total_pages, self.limits.address_space) || is_data && !fits(self.data_pages, self.limits.data) {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        registry::leave(self.number);
        // The frames go afterwards, with `inner`.
        self.tables.clear(&self.inner.get_mut().pages.runs());
    }
}

impl fmt::Debug for AddressSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner.try_lock() {
            Some(inner) => f.debug_list().entries(inner.areas.as_slice()).finish(),
            None => f.write_str("AddressSpace(<locked>)"),
        }
    }
}

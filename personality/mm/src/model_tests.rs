//! Random calls against a simple model: for each process a byte and a protection for each page.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;

use guest_memory::PAGE_BYTES;
use proptest::prelude::*;

use crate::*;

const P: u64 = PAGE_BYTES;
const BASE: u64 = 0x40_0000 - 32 * P;
/// Pages of the arena that the calls work in; it spans two chunks of the page map.
const PAGES: u64 = 64;

#[derive(Clone, Debug)]
enum Call {
    Map { page: u64, pages: u64, protection: Protection, shared: bool },
    Unmap { page: u64, pages: u64 },
    Protect { page: u64, pages: u64, protection: Protection },
    Move { page: u64, pages: u64, new_pages: u64, to: u64 },
    DontNeed { page: u64, pages: u64 },
    Write { page: u64, byte: u8 },
    Read { page: u64 },
    Fork,
    Exit,
    Switch { process: usize },
}

fn protection() -> impl Strategy<Value = Protection> {
    prop_oneof![
        1 => Just(Protection::NONE),
        2 => Just(Protection::READ),
        6 => Just(Protection::READ_WRITE),
        1 => Just(Protection::READ_EXECUTE),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let range = || (0..PAGES, 1..12u64).prop_map(|(page, pages)| (page, pages.min(PAGES - page)));
    prop_oneof![
        4 => (range(), protection(), prop::bool::weighted(0.3))
            .prop_map(|((page, pages), protection, shared)| Call::Map { page, pages, protection, shared }),
        2 => range().prop_map(|(page, pages)| Call::Unmap { page, pages }),
        3 => (range(), protection()).prop_map(|((page, pages), protection)| Call::Protect { page, pages, protection }),
        2 => (range(), range()).prop_map(|((page, pages), (to, new_pages))| Call::Move { page, pages, new_pages, to }),
        1 => range().prop_map(|(page, pages)| Call::DontNeed { page, pages }),
        10 => (0..PAGES, 1..255u8).prop_map(|(page, byte)| Call::Write { page, byte }),
        6 => (0..PAGES).prop_map(|page| Call::Read { page }),
        2 => Just(Call::Fork),
        1 => Just(Call::Exit),
        2 => (0..4usize).prop_map(|process| Call::Switch { process }),
    ]
}

/// A page of the model: shared pages have their byte in common.
#[derive(Clone)]
struct ModelPage {
    protection: Protection,
    shared: bool,
    byte: Rc<Cell<u8>>,
}

struct Process {
    space: Arc<AddressSpace>,
    tables: Arc<fake::FakeTables>,
    model: BTreeMap<u64, ModelPage>,
}

/// Page tables that the test can look into.
struct Peek(Arc<fake::FakeTables>);

std::thread_local! {
    static FRESH: core::cell::RefCell<Option<Arc<fake::FakeTables>>> = const { core::cell::RefCell::new(None) };
}

impl PageTables for Peek {
    fn map(&self, runs: &[MapRun]) -> linux_abi::Result<()> {
        self.0.map(runs)
    }
    fn protect(&self, runs: &[PageRun], rights: Rights) {
        self.0.protect(runs, rights);
    }
    fn unmap(&self, runs: &[PageRun]) {
        self.0.unmap(runs);
    }
    fn clear(&self, mapped: &[PageRun]) {
        self.0.clear(mapped);
    }
    fn fresh(&self) -> linux_abi::Result<alloc::boxed::Box<dyn PageTables>> {
        let tables = Arc::new(fake::FakeTables::default());
        FRESH.with(|fresh| *fresh.borrow_mut() = Some(tables.clone()));
        Ok(alloc::boxed::Box::new(Peek(tables)))
    }
    fn slot(&self) -> u64 {
        0
    }
}

fn addr(page: u64) -> u64 {
    BASE + page * P
}

impl Process {
    fn new() -> Self {
        let tables = Arc::new(fake::FakeTables::default());
        let space = AddressSpace::with_tables(alloc::boxed::Box::new(Peek(tables.clone())), Limits::default());
        Self { space, tables, model: BTreeMap::new() }
    }

    fn fork(&self) -> Self {
        let space = self.space.fork().expect("memory");
        let tables = FRESH.with(|fresh| fresh.borrow_mut().take()).expect("fork makes page tables");
        let copy = |page: &ModelPage| {
            let byte = if page.shared { page.byte.clone() } else { Rc::new(Cell::new(page.byte.get())) };
            ModelPage { byte, ..page.clone() }
        };
        let model = self.model.iter().map(|(&number, page)| (number, copy(page))).collect();
        Self { space, tables, model }
    }

    fn apply(&mut self, call: &Call) {
        match *call {
            Call::Map { page, pages, protection, shared } => self.map(page, pages, protection, shared),
            Call::Unmap { page, pages } => {
                assert_eq!(self.space.unmap(addr(page), pages * P), Ok(()));
                self.model.retain(|&number, _| number < page || number >= page + pages);
            }
            Call::Protect { page, pages, protection } => {
                let result = self.space.protect(addr(page), pages * P, protection);
                let hole = (page..page + pages).find(|number| !self.model.contains_key(number));
                assert_eq!(result.is_err(), hole.is_some());
                for (_, page) in self.model.range_mut(page..hole.unwrap_or(page + pages)) {
                    page.protection = protection;
                }
            }
            Call::Move { page, pages, new_pages, to } => self.move_pages(page, pages, new_pages, to),
            Call::DontNeed { page, pages } => {
                // Holes are an error, but the rest is done all the same.
                let _ = self.space.advise(addr(page), pages * P, Advice::DontNeed);
                for (_, page) in self.model.range_mut(page..page + pages) {
                    if !page.shared {
                        page.byte.set(0);
                    }
                }
            }
            Call::Write { page, byte } => {
                let done = self.space.write(addr(page) + 77, &[byte]) == 1;
                let model = self.model.get(&page).filter(|page| page.protection.contains(Protection::WRITE));
                assert_eq!(done, model.is_some());
                if let Some(page) = model {
                    page.byte.set(byte);
                }
            }
            Call::Read { page } => self.check_page(page),
            Call::Fork | Call::Exit | Call::Switch { .. } => {}
        }
    }

    fn map(&mut self, page: u64, pages: u64, protection: Protection, shared: bool) {
        let mut request = MapRequest::anonymous(Placement::Fixed(addr(page)), pages * P, protection);
        request.sharing = if shared { Sharing::Shared } else { Sharing::Private };
        assert_eq!(self.space.map(&request), Ok(addr(page)));
        for number in page..page + pages {
            let page = ModelPage { protection, shared, byte: Rc::default() };
            self.model.insert(number, page);
        }
    }

    fn move_pages(&mut self, page: u64, pages: u64, new_pages: u64, to: u64) {
        // Growing a shared mapping shows more of its object, or nothing past its end; the model knows no objects.
        if new_pages > pages && self.model.get(&page).is_some_and(|page| page.shared) {
            return;
        }
        let request = RemapRequest {
            addr: addr(page),
            old_bytes: pages * P,
            new_bytes: new_pages * P,
            placement: RemapPlacement::To(addr(to)),
            keep_old: false,
        };
        let Ok(result) = self.space.remap(&request) else { return };
        assert_eq!(result, addr(to));
        let kept = pages.min(new_pages);
        let moved: Vec<ModelPage> = (page..page + kept).map(|n| self.model.remove(&n).expect("was mapped")).collect();
        self.model.retain(|&n, _| (n < page || n >= page + pages) && (n < to || n >= to + new_pages));
        let first = moved.first().expect("not empty").clone();
        for n in 0..new_pages {
            let fresh = || ModelPage { byte: Rc::default(), ..first.clone() };
            self.model.insert(to + n, moved.get(n as usize).cloned().unwrap_or_else(fresh));
        }
    }

    fn check_page(&self, page: u64) {
        let mut byte = [0];
        let done = self.space.read(addr(page) + 77, &mut byte) == 1;
        let model = self.model.get(&page).filter(|page| page.protection.allows_access());
        assert_eq!(done, model.is_some(), "page {page}");
        if let Some(page_model) = model {
            assert_eq!(byte[0], page_model.byte.get(), "page {page}");
        }
    }

    /// The page tables agree with the page map and never grant too much.
    fn check_tables(&self) {
        let inner = self.space.lock();
        assert!(inner.areas.as_slice().windows(2).all(|pair| pair[0].end <= pair[1].start));
        let mapped = (0..PAGES).filter_map(|page| Some((page, self.tables.lookup(addr(page))?)));
        for (page, (frame, rights)) in mapped {
            let area = inner.areas.find(addr(page)).expect("mapped pages lie in areas");
            let resident = inner.pages.get(addr(page)).expect("mapped pages are resident");
            assert_eq!(resident.frame.number(), frame);
            assert!(area.protection.allows_access());
            assert!(!rights.execute || area.protection.contains(Protection::EXECUTE));
            assert!(!rights.write || area.protection.contains(Protection::WRITE));
            assert!(!rights.write || area.is_shared() || resident.frame.refcount() == 1);
        }
        assert_eq!(inner.total_pages as usize, self.model.len());
        let data = self.model.values().filter(|p| p.protection.contains(Protection::WRITE) && !p.shared).count();
        assert_eq!(inner.data_pages as usize, data);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn address_spaces_do_what_the_model_does(calls in prop::collection::vec(call(), 1..120)) {
        let mut processes = alloc::vec![Process::new()];
        let mut current = 0;
        for call in &calls {
            match call {
                Call::Fork if processes.len() < 4 => {
                    let child = processes[current].fork();
                    processes.push(child);
                }
                Call::Exit if processes.len() > 1 => {
                    processes.remove(current);
                    current = 0;
                }
                Call::Switch { process } => current = process % processes.len(),
                call => processes[current].apply(call),
            }
            processes[current].check_tables();
        }
        for process in &processes {
            (0..PAGES).for_each(|page| process.check_page(page));
            process.check_tables();
        }
    }
}

//! Tests of the calls one by one.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::{CutOff, Frame, Mappings, PAGE_BYTES, PageSource};
use linux_abi::{Errno, Result};
use rt::sync::Mutex;

use crate::*;

const P: u64 = PAGE_BYTES;
const BASE: u64 = 0x10_0000;

/// A file with a page for each frame.
pub(crate) struct File {
    pages: Mutex<Vec<Frame>>,
}

impl File {
    /// Page `n` is filled with `n + 1`.
    pub(crate) fn object(pages: u8) -> Arc<MappedObject> {
        let frame = |n: u8| {
            let frame = Frame::alloc_zeroed().expect("memory");
            frame.write(0, &[n + 1; 4096]);
            frame
        };
        let source = Arc::new(Self { pages: Mutex::new((0..pages).map(frame).collect()) });
        Arc::new(MappedObject { source, name: b"/file".to_vec(), device: 1, inode: 2, keep: None })
    }
}

impl PageSource for File {
    fn page(&self, index: u64, _for_write: bool) -> Result<Frame> {
        self.pages.lock().get(index as usize).cloned().ok_or(Errno::EFAULT)
    }

    fn cached_pages(&self, first: u64, out: &mut [Option<Frame>]) {
        let pages = self.pages.lock();
        for (n, slot) in out.iter_mut().enumerate() {
            *slot = pages.get(first as usize + n).cloned();
        }
    }

    fn page_count(&self) -> u64 {
        self.pages.lock().len() as u64
    }
}

fn space() -> Arc<AddressSpace> {
    AddressSpace::new(Limits::default()).expect("memory")
}

fn fixed(addr: u64, pages: u64) -> MapRequest {
    MapRequest::anonymous(Placement::Fixed(addr), pages * P, Protection::READ_WRITE)
}

fn byte(space: &AddressSpace, addr: u64) -> Option<u8> {
    let mut byte = [0];
    (space.read(addr, &mut byte) == 1).then_some(byte[0])
}

fn put(space: &AddressSpace, addr: u64, byte: u8) -> bool {
    space.write(addr, &[byte]) == 1
}

#[test]
fn fresh_memory_is_zero_and_keeps_what_is_written() {
    let space = space();
    assert_eq!(space.map(&fixed(BASE, 4)), Ok(BASE));
    assert_eq!(byte(&space, BASE + 5), Some(0));
    assert_eq!(space.resident_pages().0, 0, "the page of zeros does not count");
    assert!(put(&space, BASE + 5, 7));
    assert_eq!(byte(&space, BASE + 5), Some(7));
    assert_eq!(space.resident_pages().0, 1);
    assert_eq!(byte(&space, BASE - 1), None);
    assert_eq!(byte(&space, BASE + 4 * P), None);
}

#[test]
fn fork_shares_frames_until_somebody_writes() {
    let parent = space();
    parent.map(&fixed(BASE, 2)).expect("room");
    assert!(put(&parent, BASE, 1));
    let child = parent.fork().expect("memory");
    assert_eq!((byte(&parent, BASE), byte(&child, BASE)), (Some(1), Some(1)));
    assert!(put(&child, BASE, 2));
    assert_eq!((byte(&parent, BASE), byte(&child, BASE)), (Some(1), Some(2)));
    assert!(put(&parent, BASE, 3), "the last owner writes in place");
    assert_eq!((byte(&parent, BASE), byte(&child, BASE)), (Some(3), Some(2)));
    drop(parent);
    assert_eq!(byte(&child, BASE), Some(2));
}

#[test]
fn shared_memory_is_seen_by_the_child() {
    let parent = space();
    let mut request = fixed(BASE, 2);
    request.sharing = Sharing::Shared;
    parent.map(&request).expect("room");
    let child = parent.fork().expect("memory");
    assert!(put(&child, BASE + P, 9));
    assert_eq!(byte(&parent, BASE + P), Some(9));
}

#[test]
fn private_file_mappings_copy_and_shared_ones_do_not() {
    let file = File::object(20);
    let space = space();
    let request = MapRequest::private_object(Placement::Fixed(BASE), 20 * P, Protection::READ_WRITE, file.clone(), 0);
    space.map(&request).expect("room");
    assert_eq!(byte(&space, BASE + 3 * P), Some(4));
    assert_eq!(space.resident_pages().0, 16, "pages around the fault come along");
    assert!(put(&space, BASE + 3 * P, 99));
    let mut shared = request.clone();
    shared.placement = Placement::Fixed(BASE + 0x10_0000);
    shared.sharing = Sharing::Shared;
    shared.bytes = 21 * P;
    space.map(&shared).expect("room");
    let at = BASE + 0x10_0000;
    assert_eq!(byte(&space, at + 3 * P), Some(4));
    assert!(put(&space, at + 4 * P, 77));
    assert_eq!(byte(&space, BASE + 4 * P), Some(77), "not yet copied, so the file's");
    assert_eq!(space.handle_fault(at + 20 * P, Access::Read), Err(FaultError::Bus));
}

#[test]
fn unmapping_the_middle_splits_and_remapping_it_joins() {
    let space = space();
    space.map(&fixed(BASE, 9)).expect("room");
    assert!(put(&space, BASE + 8 * P, 8));
    space.unmap(BASE + 3 * P, 3 * P).expect("mapped");
    assert_eq!(space.report().len(), 2);
    assert_eq!(byte(&space, BASE + 4 * P), None);
    assert_eq!(byte(&space, BASE + 8 * P), Some(8));
    space.map(&fixed(BASE + 3 * P, 3)).expect("room");
    assert_eq!(space.report().len(), 1);
    assert_eq!(space.usage().total, 9);
    assert_eq!(space.unmap(BASE + 1, P), Err(Errno::EINVAL));
    assert_eq!(space.unmap(BASE, u64::MAX), Err(Errno::EINVAL));
    assert_eq!(space.unmap(BASE, 0), Err(Errno::EINVAL));
}

#[test]
fn protection_is_enforced_and_restored() {
    let space = space();
    space.map(&fixed(BASE, 3)).expect("room");
    assert!(put(&space, BASE + P, 5));
    space.protect(BASE + P, P, Protection::READ).expect("mapped");
    assert_eq!(space.handle_fault(BASE + P, Access::Write), Err(FaultError::NotAllowed));
    assert_eq!(byte(&space, BASE + P), Some(5));
    space.protect(BASE + P, P, Protection::NONE).expect("mapped");
    assert_eq!(byte(&space, BASE + P), None);
    assert_eq!(space.report().len(), 3);
    space.protect(BASE, 3 * P, Protection::READ_WRITE).expect("mapped");
    assert_eq!(space.report().len(), 1);
    assert_eq!(byte(&space, BASE + P), Some(5));
    assert!(put(&space, BASE + P, 6));
    assert_eq!(space.protect(BASE, 4 * P, Protection::READ), Err(Errno::ENOMEM));
    assert_eq!(space.handle_fault(BASE, Access::Execute), Err(FaultError::NotAllowed));
}

#[test]
fn mappings_go_top_down_and_hints_count() {
    let space = space();
    let near = |hint| MapRequest::anonymous(Placement::Near(hint), 2 * P, Protection::READ);
    let first = space.map(&near(0)).expect("room");
    let second = space.map(&near(0)).expect("room");
    assert_eq!((first, second), (space.layout().mmap_base - 2 * P, first - 2 * P));
    assert_eq!(space.map(&near(BASE + 7)), Ok(BASE));
    assert_eq!(space.map(&near(BASE)), Ok(second - 2 * P));
    let mut request = near(0);
    request.placement = Placement::FixedIfFree(BASE + P);
    assert_eq!(space.map(&request), Err(Errno::EEXIST));
    request.placement = Placement::Fixed(0);
    assert_eq!(space.map(&request), Err(Errno::EPERM));
    request.placement = Placement::Fixed(1 << 47);
    assert_eq!(space.map(&request), Err(Errno::ENOMEM));
    request.bytes = u64::MAX;
    assert_eq!(space.map(&request), Err(Errno::ENOMEM));
    request.bytes = 0;
    assert_eq!(space.map(&request), Err(Errno::EINVAL));
}

#[test]
fn stacks_grow_to_their_limit_and_no_further() {
    let limits = Limits { stack: 64 * P, ..Limits::default() };
    let space = AddressSpace::new(limits).expect("memory");
    let mut request = fixed(STACK_TOP - 4 * P, 4);
    request.grows_down = true;
    space.map(&request).expect("room");
    assert!(put(&space, STACK_TOP - 64 * P, 1));
    assert!(!put(&space, STACK_TOP - 64 * P - 1, 1));
    assert_eq!(space.usage().stack, 64);
    assert_eq!(space.usage().total, 64);
}

#[test]
fn the_heap_moves_both_ways() {
    let space = space();
    space.set_brk_start(BASE);
    assert_eq!(space.set_brk(0), BASE);
    assert_eq!(space.set_brk(BASE + 100), BASE + 100);
    assert!(put(&space, BASE + 4000, 1));
    assert_eq!(space.set_brk(BASE + 3 * P + 1), BASE + 3 * P + 1);
    assert_eq!(space.report().len(), 1);
    assert_eq!(space.report()[0].label, "[heap]");
    assert_eq!(space.set_brk(BASE + P), BASE + P);
    assert_eq!(byte(&space, BASE + P), None);
    space.map(&fixed(BASE + 8 * P, 1)).expect("room");
    assert_eq!(space.set_brk(BASE + 9 * P), BASE + P, "another mapping is in the way");
    assert_eq!(space.set_brk(u64::MAX), BASE + P);
}

#[test]
fn remap_grows_in_place_moves_and_shrinks() {
    let space = space();
    space.map(&fixed(BASE, 2)).expect("room");
    assert!(put(&space, BASE + P, 3));
    let mut request = RemapRequest {
        addr: BASE,
        old_bytes: 2 * P,
        new_bytes: 4 * P,
        placement: RemapPlacement::Stay,
        keep_old: false,
    };
    assert_eq!(space.remap(&request), Ok(BASE));
    space.map(&fixed(BASE + 4 * P, 1)).expect("room");
    space.protect(BASE + 4 * P, P, Protection::READ).expect("mapped");
    request.old_bytes = 4 * P;
    request.new_bytes = 8 * P;
    assert_eq!(space.remap(&request), Err(Errno::ENOMEM));
    request.placement = RemapPlacement::MayMove;
    let moved = space.remap(&request).expect("room");
    assert_eq!((byte(&space, BASE + P), byte(&space, moved + P)), (None, Some(3)));
    assert!(put(&space, moved + P, 4));
    let back = RemapRequest {
        addr: moved,
        old_bytes: 8 * P,
        new_bytes: 2 * P,
        placement: RemapPlacement::To(BASE),
        keep_old: false,
    };
    assert_eq!(space.remap(&back), Ok(BASE));
    assert_eq!((byte(&space, BASE + P), byte(&space, moved + P)), (Some(4), None));
    assert_eq!(space.usage().total, 3);
    assert_eq!(space.remap(&RemapRequest { addr: 0x5000_0000, ..back }), Err(Errno::EFAULT));
    assert_eq!(space.remap(&RemapRequest { new_bytes: 0, ..back }), Err(Errno::EINVAL));
}

#[test]
fn advice_drops_pages_and_steers_fork() {
    let space = space();
    space.map(&fixed(BASE, 3)).expect("room");
    for page in 0..3 {
        assert!(put(&space, BASE + page * P, 1));
    }
    space.advise(BASE, P, Advice::DontNeed).expect("mapped");
    space.advise(BASE + P, P, Advice::WipeOnFork(true)).expect("mapped");
    space.advise(BASE + 2 * P, P, Advice::DontFork(true)).expect("mapped");
    let child = space.fork().expect("memory");
    let seen = |space: &AddressSpace| [0, 1, 2].map(|page| byte(space, BASE + page * P));
    assert_eq!(seen(&space), [Some(0), Some(1), Some(1)]);
    assert_eq!(seen(&child), [Some(0), Some(0), None]);
    assert_eq!(space.advise(BASE, 4 * P, Advice::DontNeed), Err(Errno::ENOMEM));
    assert_eq!(space.residency(BASE, 3).map(|bytes| bytes.iter().sum::<u8>()), Ok(0));
    assert_eq!(space.residency(BASE, 4), Err(Errno::ENOMEM));
}

#[test]
fn limits_refuse_what_passes_them() {
    let space = AddressSpace::new(Limits { address_space: 10 * P, data: 5 * P, ..Limits::default() }).expect("memory");
    assert_eq!(space.map(&fixed(BASE, 6)), Err(Errno::ENOMEM));
    space.map(&fixed(BASE, 5)).expect("within limits");
    space.map(&fixed(BASE, 5)).expect("replacing counts once");
    let mut request = fixed(BASE + 0x10_0000, 6);
    request.protection = Protection::READ;
    assert_eq!(space.map(&request), Err(Errno::ENOMEM));
    request.bytes = 5 * P;
    space.map(&request).expect("within limits");
    assert_eq!(space.protect(BASE + 0x10_0000, P, Protection::READ_WRITE), Err(Errno::ENOMEM));
    let huge = MapRequest::anonymous(Placement::Near(0), 1 << 40, Protection::READ_WRITE);
    let space = self::space();
    assert_eq!(space.map(&huge), Err(Errno::ENOMEM), "obviously more than there is");
    let mut reserved = huge.clone();
    reserved.no_reserve = true;
    assert!(space.map(&reserved).is_ok());
}

#[test]
fn everything_comes_back_when_the_space_goes() {
    // Other tests use the pool at the same time, so this one looks at its own frame only.
    let file = File::object(1);
    let frame = file.source.page(0, false).expect("present");
    let space = space();
    let request = MapRequest::private_object(Placement::Fixed(BASE), P, Protection::READ, file.clone(), 0);
    space.map(&request).expect("room");
    assert_eq!(byte(&space, BASE), Some(1));
    let child = space.fork().expect("memory");
    assert_eq!(frame.refcount(), 4);
    drop((space, child));
    assert_eq!(frame.refcount(), 2);
}

#[test]
fn user_copies_fault_pages_in() {
    let space = space();
    space.map(&fixed(BASE, 3)).expect("room");
    fake::install(&space);
    std::thread_local! {
        static CURRENT: core::cell::RefCell<Option<Arc<AddressSpace>>> = const { core::cell::RefCell::new(None) };
    }
    CURRENT.with(|current| *current.borrow_mut() = Some(space));
    guest_memory::set_fault_handler(|addr, write| {
        CURRENT.with(|current| match &*current.borrow() {
            Some(space) => space.handle_copy_fault(addr.0, write),
            None => Err(Errno::EFAULT),
        })
    });
    let at = guest_memory::UserAddr(BASE + P - 3);
    guest_memory::write_value(at, &0x0102_0304_0506_0708u64).expect("faulted in");
    assert_eq!(guest_memory::read_value::<u64>(at), Ok(0x0102_0304_0506_0708));
    let end = guest_memory::UserAddr(BASE + 3 * P - 4);
    assert_eq!(guest_memory::write_value(end, &0u64), Err(Errno::EFAULT));
}

/// A file that notes which of its pages a process may write.
struct Tracked {
    page: Frame,
    told: Mutex<Vec<u64>>,
}

impl PageSource for Tracked {
    fn page(&self, index: u64, for_write: bool) -> Result<Frame> {
        if for_write {
            self.told.lock().push(index);
        }
        Ok(self.page.clone())
    }

    fn tracks_writes(&self) -> bool {
        true
    }

    fn cached_pages(&self, _first: u64, out: &mut [Option<Frame>]) {
        out.iter_mut().for_each(|slot| *slot = Some(self.page.clone()));
    }

    fn page_count(&self) -> u64 {
        8
    }
}

#[test]
fn a_source_that_tracks_writes_hears_of_each_page_once_before_it_is_written() {
    let source = Arc::new(Tracked { page: Frame::alloc_zeroed().expect("memory"), told: Mutex::new(Vec::new()) });
    let object =
        Arc::new(MappedObject { source: source.clone(), name: b"/file".to_vec(), device: 1, inode: 2, keep: None });
    let space = space();
    let request = MapRequest { object: Some((object, 0)), sharing: Sharing::Shared, ..fixed(BASE, 8) };
    assert_eq!(space.map(&request), Ok(BASE));
    assert_eq!(byte(&space, BASE), Some(0));
    assert!(source.told.lock().is_empty(), "it was only read");
    assert!(put(&space, BASE + P, 1) && put(&space, BASE + P, 2), "a neighbour, twice");
    assert!(put(&space, BASE + 5 * P, 1));
    assert_eq!(*source.told.lock(), [1, 5]);
    space.protect(BASE, 8 * P, Protection::READ).expect("protect");
    space.protect(BASE, 8 * P, Protection::READ_WRITE).expect("protect");
    assert!(put(&space, BASE + P, 3) && put(&space, BASE, 3));
    assert_eq!(*source.told.lock(), [1, 5, 1, 0]);
}

#[test]
fn a_source_can_take_write_access_and_pages_back() {
    let source = Arc::new(Tracked { page: Frame::alloc_zeroed().expect("memory"), told: Mutex::new(Vec::new()) });
    let object =
        Arc::new(MappedObject { source: source.clone(), name: b"/file".to_vec(), device: 1, inode: 2, keep: None });
    let space = space();
    let shared = MapRequest { object: Some((object.clone(), 2)), sharing: Sharing::Shared, ..fixed(BASE, 4) };
    let private = MapRequest { object: Some((object, 0)), ..fixed(BASE + 16 * P, 8) };
    assert_eq!((space.map(&shared), space.map(&private)), (Ok(BASE), Ok(BASE + 16 * P)));
    assert!(put(&space, BASE, 1) && put(&space, BASE + 19 * P, 7));
    let child = space.fork().expect("memory");
    assert!(put(&child, BASE, 2));
    assert_eq!(*source.told.lock(), [2], "the child has it writable as well");
    AllSpaces.write_protect(&*source);
    assert!(put(&child, BASE, 3) && put(&space, BASE, 4) && put(&space, BASE, 5));
    assert_eq!(*source.told.lock(), [2, 2, 2]);
    assert_eq!(byte(&space, BASE + 19 * P), Some(7), "a copy of its own");
    assert_eq!(byte(&space, BASE + 2 * P), Some(5));
    let before = space.usage().resident;
    AllSpaces.cut_off(&*source, 4..u64::MAX, CutOff::All);
    assert!(space.usage().resident < before);
    assert_eq!(byte(&space, BASE + 19 * P), Some(7), "page 3 is before the cut");
    AllSpaces.cut_off(&*source, 3..4, CutOff::Shared);
    assert_eq!(byte(&space, BASE + 19 * P), Some(7), "it is private");
    AllSpaces.cut_off(&*source, 3..u64::MAX, CutOff::All);
    assert_eq!(byte(&space, BASE + 19 * P), Some(5), "the source's own again");
}

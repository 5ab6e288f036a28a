//! Attachments: a Memory's presence in a VSpace, within a window, and the batched mapping through it.

use ukernel_abi::invoke::UNCACHED;
use ukernel_abi::{Error, MASTER_END, MASTER_START, PAGE_BYTES, Rights, USER_END};

use crate::mapping::Sweep;
use crate::preemption::Progress;
use crate::{Cap, Kernel, Machine, Object, PhysAddr, Ref, SlotRef, VSpace};

/// Where an attachment's slot is, in bytes from its start.
const SLOT_OFFSET: u64 = 64;

/// A Memory attached to a VSpace. Not attached: `vspace` is `None`.
#[derive(Clone, Debug)]
pub struct Attachment {
    pub(crate) caps: u32,
    pub(crate) number: u16,
    pub(crate) rights: Rights,
    pub(crate) vspace: Option<Ref<VSpace>>,
    pub(crate) base: PhysAddr,
    pub(crate) pages: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Links in the VSpace's list of attachments.
    pub(crate) next: Option<Ref<Attachment>>,
    pub(crate) previous: Option<Ref<Attachment>>,
}

impl Object for Attachment {}

const _: () = assert!(size_of::<Attachment>() <= SLOT_OFFSET as usize);

impl Attachment {
    pub(crate) fn new() -> Self {
        Self {
            caps: 0,
            number: 0,
            rights: Rights::NONE,
            vspace: None,
            base: PhysAddr(0),
            pages: 0,
            start: 0,
            end: 0,
            next: None,
            previous: None,
        }
    }
}

/// The slot that holds the Memory's capability.
pub(crate) fn slot_of(attachment: Ref<Attachment>) -> SlotRef {
    attachment.part(SLOT_OFFSET)
}

/// How many of a pair's pages are done; 0: all.
type PairResult = Result<u64, Error>;

/// An address-rights word, taken apart.
struct Place {
    address: u64,
    rights: Rights,
    uncached: bool,
}

impl Place {
    fn parse(word: u64) -> Result<Self, Error> {
        let low = word & (PAGE_BYTES - 1);
        let allowed = u64::from(Rights::READ.or(Rights::WRITE).or(Rights::EXECUTE).0) | UNCACHED;
        if low & !allowed != 0 {
            return Err(Error::InvalidArgument);
        }
        Ok(Self { address: word - low, rights: Rights::from_bits(low), uncached: low & UNCACHED != 0 })
    }
}

impl<M: Machine> Kernel<M> {
    /// Attach the Memory in `memory` to a VSpace for the addresses from `start` to `end`.
    pub(crate) fn attach(
        &mut self,
        memory: SlotRef,
        attachment: Ref<Attachment>,
        vspace: Ref<VSpace>,
        (start, end): (u64, u64),
        wanted: Rights,
    ) -> Result<(), Error> {
        let Cap::Memory { base, bytes, rights, .. } = self.cap(memory) else { return Err(Error::InvalidCapability) };
        if self.get(attachment).vspace.is_some() {
            return Err(Error::InvalidState);
        }
        // The last page below the hole stays free: a `syscall` there would return to a non-canonical address.
        let lower = end <= USER_END - PAGE_BYTES;
        let master = start >= MASTER_START && end <= MASTER_END && !self.get(vspace).is_legacy();
        if start >= end || (start | end) % PAGE_BYTES != 0 || !(lower || master) {
            return Err(Error::InvalidArgument);
        }
        let number = self.get_mut(vspace).take_number().ok_or(Error::AlreadyMapped)?;
        let next = self.get_mut(vspace).attachments.replace(attachment);
        if let Some(next) = next {
            self.get_mut(next).previous = Some(attachment);
        }
        let caps = self.get(attachment).caps;
        *self.get_mut(attachment) = Attachment {
            caps,
            number,
            rights: rights.and(wanted),
            vspace: Some(vspace),
            base,
            pages: bytes / PAGE_BYTES,
            start,
            end,
            next,
            previous: None,
        };
        self.insert_child(memory, slot_of(attachment), Cap::AttachedMemory(attachment));
        Ok(())
    }

    /// Remove what an attachment maps, from below; so far its window closes behind it, and nothing is mapped there again.
    #[inline]
    pub(crate) fn close_window(&mut self, attachment: Ref<Attachment>) -> Progress {
        let a = self.get(attachment);
        let Some(vspace) = a.vspace else { return Progress::Done };
        let (start, end, number) = (a.start, a.end, a.number);
        if start == end {
            return Progress::Done;
        }
        let reached = self.sweep(vspace, start, end, number, Sweep::Remove);
        let reached = reached.expect("the window holds all its mappings whole");
        self.get_mut(attachment).start = reached;
        if reached < end { Progress::Preempted } else { Progress::Done }
    }

    /// Remove an attachment's mappings, where the window is not closed yet, and its place in the VSpace; its slot has been emptied.
    pub(crate) fn detach(&mut self, attachment: Ref<Attachment>) {
        while self.close_window(attachment) == Progress::Preempted {}
        let a = self.get(attachment);
        let Some(vspace) = a.vspace else { return };
        let (number, next, previous) = (a.number, a.next, a.previous);
        match previous {
            Some(previous) => self.get_mut(previous).next = next,
            None => self.get_mut(vspace).attachments = next,
        }
        if let Some(next) = next {
            self.get_mut(next).previous = previous;
        }
        self.get_mut(vspace).free_number(number);
        let a = self.get_mut(attachment);
        (a.vspace, a.next, a.previous) = (None, None, None);
    }

    pub(crate) fn destroy_attachment(&mut self, attachment: Ref<Attachment>) {
        self.clear(slot_of(attachment));
    }

    /// The range of addresses of `pages` pages from `address`, if the window holds it.
    fn range(&self, attachment: Ref<Attachment>, address: u64, pages: u64) -> Result<(u64, u64), Error> {
        let a = self.get(attachment);
        let bytes = pages.checked_mul(PAGE_BYTES).ok_or(Error::InvalidArgument)?;
        let end = address.checked_add(bytes).ok_or(Error::InvalidArgument)?;
        if address < a.start || end > a.end || pages == 0 {
            return Err(Error::InvalidArgument);
        }
        Ok((address, end))
    }

    /// The VSpace of an attachment that is attached.
    fn attached(&self, attachment: Ref<Attachment>) -> Result<Ref<VSpace>, Error> {
        self.get(attachment).vspace.ok_or(Error::InvalidState)
    }

    /// One pair of `attachment::MAP`, of which the first `done` pages are mapped already.
    pub(crate) fn map_pair(&mut self, attachment: Ref<Attachment>, pair: (u64, u64), done: u64) -> PairResult {
        let vspace = self.attached(attachment)?;
        let place = Place::parse(pair.0)?;
        let (first, pages) = (pair.1 & ((1 << 40) - 1), (pair.1 >> 40) + 1);
        let done = if done < pages { done } else { 0 };
        self.range(attachment, place.address, pages)?;
        let a = self.get(attachment);
        if first + pages > a.pages {
            return Err(Error::InvalidArgument);
        }
        let rights = self.rights_of(a, place.rights)?;
        let (to, number) = (a.base.offset((first + done) * PAGE_BYTES), a.number);
        let address = place.address + done * PAGE_BYTES;
        let mapped = self.map_run(vspace, address, to, pages - done, (rights, place.uncached, number))?;
        Ok(if mapped < pages - done { done + mapped } else { 0 })
    }

    /// One pair of `attachment::PROTECT`, likewise.
    pub(crate) fn protect_pair(&mut self, attachment: Ref<Attachment>, pair: (u64, u64), done: u64) -> PairResult {
        let place = Place::parse(pair.0)?;
        let rights = self.rights_of(self.get(attachment), place.rights);
        self.sweep_pair(attachment, (place.address, pair.1), done, rights.map(Sweep::Protect))
    }

    /// One pair of `attachment::UNMAP`, likewise.
    pub(crate) fn unmap_pair(&mut self, attachment: Ref<Attachment>, pair: (u64, u64), done: u64) -> PairResult {
        if !pair.0.is_multiple_of(PAGE_BYTES) {
            return Err(Error::InvalidArgument);
        }
        self.sweep_pair(attachment, pair, done, Ok(Sweep::Remove))
    }

    #[inline(always)]
    fn sweep_pair(
        &mut self,
        attachment: Ref<Attachment>,
        (address, pages): (u64, u64),
        done: u64,
        what: Result<Sweep, Error>,
    ) -> PairResult {
        let vspace = self.attached(attachment)?;
        let (start, end) = self.range(attachment, address, pages)?;
        let done = if done < pages { done } else { 0 };
        let number = self.get(attachment).number;
        let reached = self.sweep(vspace, start + done * PAGE_BYTES, end, number, what?)?;
        Ok(if reached < end { (reached - start) / PAGE_BYTES } else { 0 })
    }

    /// `attachment::UNMAP_ALL`, from `done` on; where it has come to, and `None` when it is complete.
    pub(crate) fn unmap_all(&mut self, attachment: Ref<Attachment>, done: u64) -> Result<Option<u64>, Error> {
        let vspace = self.attached(attachment)?;
        let a = self.get(attachment);
        let (start, end, number) = (a.start.max(done), a.end, a.number);
        let reached = self.sweep(vspace, start, end, number, Sweep::Remove)?;
        Ok((reached < end).then_some(reached))
    }

    /// A mapping's rights: what is wanted must be there, and must be something; never write and execute together.
    fn rights_of(&self, attachment: &Attachment, wanted: Rights) -> Result<Rights, Error> {
        if wanted == Rights::NONE || wanted.contains(Rights::WRITE.or(Rights::EXECUTE)) && !self.legacy(attachment) {
            return Err(Error::InvalidArgument);
        }
        if attachment.rights.contains(wanted) { Ok(wanted) } else { Err(Error::InsufficientRights) }
    }

    /// Linux programs may map memory writable and executable; native ones may not.
    fn legacy(&self, attachment: &Attachment) -> bool {
        attachment.vspace.is_some_and(|vspace| self.get(vspace).is_legacy())
    }
}

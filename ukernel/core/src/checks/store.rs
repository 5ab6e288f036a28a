//! Objects of one type by address, and words of pages that are not zero.

use core::num::NonZeroU64;
use std::vec::Vec;

use ukernel_abi::PAGE_BYTES;

use crate::Ref;

/// Objects of one type, in ascending order of address.
#[derive(Clone, Debug)]
pub(super) struct Store<T> {
    addresses: Vec<u64>,
    objects: Vec<T>,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { addresses: Vec::new(), objects: Vec::new() }
    }
}

impl<T> Store<T> {
    pub(super) fn get(&self, address: u64) -> Option<&T> {
        self.objects.get(self.addresses.binary_search(&address).ok()?)
    }

    pub(super) fn get_mut(&mut self, address: u64) -> Option<&mut T> {
        self.objects.get_mut(self.addresses.binary_search(&address).ok()?)
    }

    pub(super) fn insert(&mut self, address: u64, object: T) {
        match self.addresses.binary_search(&address) {
            Ok(index) => self.objects[index] = object,
            Err(index) => {
                self.addresses.insert(index, address);
                self.objects.insert(index, object);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ref<T>, &T)> {
        let address = |address: &u64| NonZeroU64::new(*address).expect("no object is at zero");
        self.addresses.iter().zip(&self.objects).map(move |(at, object)| (Ref::from_address(address(at)), object))
    }

    /// Keep the objects for which `keep` holds.
    pub(super) fn retain(&mut self, keep: impl Fn(u64, &T) -> bool) {
        for index in (0..self.addresses.len()).rev() {
            if !keep(self.addresses[index], &self.objects[index]) {
                self.addresses.remove(index);
                self.objects.remove(index);
            }
        }
    }
}

impl<T: Clone> Store<T> {
    /// Become a copy, in the memory that is there.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.addresses.clone_from(&other.addresses);
        self.objects.clone_from(&other.objects);
    }
}

/// The words of all pages that are not zero, in ascending order of address.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(Vec<(u64, u64)>);

impl Words {
    pub(super) fn get(&self, address: u64) -> u64 {
        self.0.binary_search_by_key(&address, |word| word.0).map_or(0, |index| self.0[index].1)
    }

    pub(super) fn set(&mut self, address: u64, value: u64) {
        match (self.0.binary_search_by_key(&address, |word| word.0), value) {
            (Ok(index), 0) => drop(self.0.remove(index)),
            (Ok(index), _) => self.0[index].1 = value,
            (Err(_), 0) => {}
            (Err(index), _) => self.0.insert(index, (address, value)),
        }
    }

    pub(super) fn zero(&mut self, start: u64, bytes: u64) {
        let range =
            self.0.partition_point(|word| word.0 < start)..self.0.partition_point(|word| word.0 < start + bytes);
        self.0.drain(range);
    }

    pub(super) fn all(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Address and value of the words of a page that are not zero.
    pub(super) fn of_page(&self, page: u64) -> &[(u64, u64)] {
        let end = self.0.partition_point(|word| word.0 < page + PAGE_BYTES);
        &self.0[self.0.partition_point(|word| word.0 < page)..end]
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

//! A simulated IOMMU: what it was told of each device.

use std::vec::Vec;

use crate::{IoFault, IoTables, IoView, PhysAddr, Source};

/// What the kernel told it.
#[derive(Clone, Debug, Default)]
pub struct Iommu {
    /// The tables that it walks; `None`: there is no IOMMU.
    pub tables: Option<IoTables>,
    /// Devices that reach something, or whose faults are not told.
    pub views: Vec<(Source, IoView)>,
    /// The domain that was flushed last.
    pub flushed: Option<u16>,
    /// A fault to be taken.
    pub fault: Option<IoFault>,
}

impl Iommu {
    /// Take note; buses from 128 on have no room.
    pub(super) fn set_view(&mut self, source: Source, view: IoView) -> bool {
        if source.0 >= 0x8000 {
            return false;
        }
        self.views.retain(|(other, _)| *other != source);
        self.views.push((source, view));
        self.flushed = Some(view.domain);
        true
    }

    /// The root of the tables by which a device reaches memory.
    #[must_use]
    pub fn root(&self, source: Source) -> Option<PhysAddr> {
        let found = self.views.iter().find(|(other, _)| *other == source);
        found.map(|(_, view)| view.root).filter(|root| *root != PhysAddr(0))
    }
}

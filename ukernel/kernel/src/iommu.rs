//! Taking the IOMMU into use, where the machine has one: before any device may be told to do something.

use ukernel::acpi::Platform;
use ukernel::memory_plan;
use ukernel_abi::boot::{MAX_RANGES, PhysicalRange};
use ukernel_core::{PhysAddr, Source};
use ukernel_hal::apic::MAX_IO_APICS;
use ukernel_hal::vtd::{self, Iommu};
use ukernel_hal::{Hardware, log_line};

/// What the machine is to be given.
pub struct Found {
    iommu: Iommu,
    io_apics: [Source; MAX_IO_APICS],
}

/// Start the IOMMU, with memory from `free`. Says what came of it.
pub fn start(platform: &Platform, free: &mut [PhysicalRange; MAX_RANGES], processor: u32) -> Option<Found> {
    match try_start(platform, free, processor) {
        Ok(found) => {
            log_line!("IOMMU: devices reach what their IoSpaces map");
            Some(found)
        }
        Err(why) => {
            log_line!("{why}: a device reaches all memory");
            None
        }
    }
}

fn try_start(
    platform: &Platform,
    free: &mut [PhysicalRange; MAX_RANGES],
    processor: u32,
) -> Result<Found, &'static str> {
    let dmar = platform.dmar.ok_or("no IOMMU")?;
    // One that is not described could raise no interrupt.
    let mut io_apics = [Source(0); MAX_IO_APICS];
    for (place, apic) in io_apics.iter_mut().zip(platform.io_apics.iter().flatten()) {
        *place = Source(dmar.io_apic(apic.id).ok_or("the IOMMU does not know the I/O APIC")?);
    }
    let pages = memory_plan::take(free, vtd::PAGES).ok_or("no memory for the IOMMU's tables")?;
    let iommu = Iommu::start(&dmar.units, PhysAddr(pages), processor).map_err(|why| match why {
        vtd::Unusable::Lacks => "the IOMMU lacks what is needed",
        vtd::Unusable::Silent => "the IOMMU does not answer",
    })?;
    Ok(Found { iommu, io_apics })
}

impl Found {
    /// Let the machine use it.
    pub fn install(self, machine: &mut Hardware) {
        machine.set_iommu(self.iommu, self.io_apics);
    }
}

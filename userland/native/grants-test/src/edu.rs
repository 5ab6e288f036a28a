//! Drivers of QEMU's `edu` devices (its `docs/specs/edu.rst`), which have the device reach for what is not theirs.

use alloc::format;

use driver_lib::mmio::{Mmio, Register};
use interfaces::{PciBus, PciBusClient};
use rt::time::now_ns;
use ukernel_user::object::{IoMapping, IoSpace};
use ukernel_user::{Cap, Memory, Rights};

use crate::{Outcome, ensure, refused, report};

/// Registers of its DMA unit, and its buffer's address in its own view.
const SOURCE: Register<u32> = Register::at(0x80);
const DESTINATION: Register<u32> = Register::at(0x88);
const COUNT: Register<u32> = Register::at(0x90);
const COMMAND: Register<u32> = Register::at(0x98);
const BUFFER: u32 = 0x4_0000;
const RUN: u32 = 1;
const TO_MEMORY: u32 = 2;
const BYTES: u32 = 64;
/// Where its page is for the device, and where it has none.
const PAGE_AT: u32 = 0x10_0000;
const NOTHING_AT: u32 = 0x20_0000;
/// A transfer takes a tenth of a second, and the supervisor no longer than that.
const WAIT_NS: u64 = 400_000_000;

/// The device, and a page that it may write to.
struct Edu {
    registers: Mmio,
    page: Cap<Memory>,
}

/// With `device_fault = "end"`: nothing of it is left to report a success, so only the supervisor's log shows that.
pub fn run_culprit(env: &rt::Env) {
    report("a_device_writes_where_it_may", &Edu::open(env).and_then(|edu| edu.write_where_it_may()));
    let outcome = Edu::open(env).and_then(|edu| {
        edu.write(NOTHING_AT);
        Err("its driver goes on".into())
    });
    report("a_driver_ends_with_its_device", &outcome);
}

/// With `device_fault = "note"`: it goes on, and so does its device.
pub fn run_careless(env: &rt::Env) {
    let outcome = Edu::open(env).and_then(|edu| {
        edu.write(NOTHING_AT);
        edu.write_where_it_may()
    });
    report("a_driver_goes_on_where_faults_are_noted", &outcome);
}

impl Edu {
    fn open(env: &rt::Env) -> Result<Self, alloc::string::String> {
        let bus = PciBusClient::new(env.endpoint("pci").map_err(|error| format!("{error:?}"))?);
        let failed = |what: &'static str| move |error: interfaces::PciError| format!("{what}: {error}");
        let bar = bus.bar(0).map_err(failed("its registers"))?;
        let registers = Mmio::map(Cap::new(bar.memory.0), 0, bar.bytes as usize).map_err(refused("mapping"))?;
        let space = Cap::<IoSpace>::new(bus.io_space().map_err(failed("its IoSpace"))?.0);
        let page = rt::object::create::<Memory>(4096).map_err(refused("memory"))?;
        let mapping = rt::object::create::<IoMapping>(0).map_err(refused("a mapping"))?;
        let rights = Rights::READ.or(Rights::WRITE);
        if space.pool().map_err(refused("its tables"))?.0 < 4 {
            space.donate(rt::own::untyped(), 8).map_err(refused("donating tables"))?;
        }
        // Opened twice, it has its page from the first time.
        let mapped = space.map(page, PAGE_AT.into(), rights, mapping);
        ensure(mapped.is_ok() || mapped == Err(ukernel_user::Error::AlreadyMapped), || format!("mapping: {mapped:?}"))?;
        bus.enable().map_err(failed("enabling it"))?;
        Ok(Self { registers, page })
    }

    /// Has it write its buffer to an address of its own view, and waits.
    fn write(&self, to: u32) {
        for (register, value) in [(SOURCE, BUFFER), (DESTINATION, to), (COUNT, BYTES), (COMMAND, RUN | TO_MEMORY)] {
            register.write(&self.registers, value);
        }
        rt::thread::sleep_until(now_ns() + WAIT_NS);
    }

    fn write_where_it_may(&self) -> Outcome {
        rt::memory::write(self.page, 0, &[0xa5; BYTES as usize]).map_err(refused("its page"))?;
        self.write(PAGE_AT);
        let mut bytes = [0; BYTES as usize];
        rt::memory::read(self.page, 0, &mut bytes).map_err(refused("its page"))?;
        // Its buffer is full of zeros.
        ensure(bytes == [0; BYTES as usize], || format!("{bytes:x?}"))
    }
}

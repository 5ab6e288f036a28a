//! What the tests work with: the personality's grants.

use alloc::format;
use alloc::string::String;

use interfaces::{BlockDevice, BlockDeviceClient, PciBusClient, SupervisorClient};
use ipc::Capability;
use rt::memory::Shared;
use ukernel_user::{Cap, Endpoint, Memory};

use crate::held::Held;
use crate::probe::Probe;

/// A test's result.
pub type Outcome = Result<(), String>;

/// The personality's grants, and what it once had.
pub struct World {
    pub pci: PciBusClient,
    pub supervisor: SupervisorClient,
    pub block: BlockDeviceClient,
    /// Capabilities to call, as any server would pass for memory.
    pub endpoint: Cap<Endpoint>,
    /// An entry of the archive, which nobody may write.
    pub read_only: Cap<Memory>,
    pub probe: Probe,
    /// The device, since it was first taken.
    pub held: Option<Held>,
}

impl World {
    pub fn new(env: &rt::Env) -> Result<Self, String> {
        let endpoint = |name| env.endpoint(name).map_err(|error| format!("{error}"));
        Ok(Self {
            pci: PciBusClient::new(endpoint("pci")?),
            supervisor: SupervisorClient::new(endpoint("supervisor")?),
            block: BlockDeviceClient::new(endpoint("block")?),
            endpoint: endpoint("console")?,
            read_only: env.data("root.cpio").map_err(|error| format!("{error}"))?.memory,
            probe: Probe::new().map_err(|error| format!("a thread to touch memory: {error:?}"))?,
            held: None,
        })
    }

    /// What was taken of the device.
    pub fn held(&self) -> Result<&Held, String> {
        self.held.as_ref().ok_or_else(|| "the device was never held".into())
    }

    /// Reads from the disk, by the service, what lies there: zeros over other bytes.
    pub fn read_by_service(&self) -> Outcome {
        read_page(&self.block)
    }
}

/// Reads the disk's first page and looks at it.
pub fn read_page(device: &impl BlockDevice) -> Outcome {
    let memory = Shared::allocate(4096).map_err(|error| format!("memory: {error:?}"))?;
    memory.window().copy_in(0, &[0xa5; 4096]).map_err(|error| format!("filling: {error:?}"))?;
    let region = device.attach(Capability(memory.memory().slot()), 4096);
    let region = region.map_err(|error| format!("attaching: {error:?}"))?;
    device.read(region, 0, 0, 4096).map_err(|error| format!("reading: {error:?}"))?;
    device.detach(region).map_err(|error| format!("detaching: {error:?}"))?;
    let mut found = [0xff; 4096];
    memory.window().copy_out(0, &mut found).map_err(|error| format!("looking: {error:?}"))?;
    if found == [0; 4096] { Ok(()) } else { Err("the disk's bytes are not there".into()) }
}

/// Says what must be.
pub fn expect(holds: Option<()>, otherwise: impl FnOnce() -> String) -> Outcome {
    holds.ok_or_else(otherwise)
}

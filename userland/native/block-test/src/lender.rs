//! A task has one capability to an endpoint; the test wants several to the pci server. So there are tasks that do nothing
//! but lend theirs.

use alloc::sync::Arc;

use interfaces::PciBusClient;
use ipc::{Capability, Server, Shared};
use ukernel_user::Cap;

ipc::errors! {
    /// There is none.
    pub enum LenderError {
        /// The kernel refused.
        Failed = 1,
    }
}

ipc::interface! {
    /// Lends what it has.
    pub trait Lender(client LenderClient, handler LenderHandler, dispatcher LenderDispatcher) = 0x7f10 {
        /// Its capability to the pci server.
        1 => fn lend(&self) -> Result<Capability, LenderError>;
    }
}

struct Own(u64);

impl Lender for Own {
    fn lend(&self) -> Result<Capability, LenderError> {
        Ok(Capability(self.0))
    }
}

/// What such a task does.
pub fn run(env: &rt::Env) {
    let pci = env.endpoint("pci").expect("the manifest grants a capability to lend");
    let endpoint = env.start_info().grants().iter().find(|grant| grant.kind == rt::start_info::kind::SERVED);
    let endpoint = Cap::new(endpoint.expect("the manifest grants an endpoint to serve").slot);
    let server = Server::new(endpoint, 0).expect("the manifest grants memory for the server's objects");
    let error = server.run(&mut LenderDispatcher(Shared(Arc::new(Own(pci.slot())))));
    log::error!("no longer served: {error:?}");
}

/// What the task behind endpoint `name` lends.
pub fn borrow(env: &rt::Env, name: &'static str) -> PciBusClient {
    let lender = LenderClient::new(env.endpoint(name).expect("the manifest grants the lender"));
    PciBusClient::new(Cap::new(lender.lend().expect("a lender has one").0))
}

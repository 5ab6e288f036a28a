//! Client and dispatcher joined without a kernel, so that contracts and servers are tested on the host.

use alloc::boxed::Box;
use alloc::sync::Arc;

use rt::sync::Mutex;
use ukernel_abi::message::MAX_CAPS;

use crate::answer::{Mailbox, Origin};
use crate::client::{Failure, Returned, Transport};
use crate::server::{Dispatch, Request, Response};
use crate::wire::Encoded;

/// A server in the same address space: calls run the dispatcher under a lock, deferred answers are waited for.
pub struct Loopback<D> {
    service: Arc<Mutex<D>>,
    badge: u64,
}

impl<D: Dispatch> Loopback<D> {
    /// A loopback whose client has badge `badge`.
    pub fn new(service: D, badge: u64) -> Self {
        Self { service: Arc::new(Mutex::new(service)), badge }
    }

    /// Another client of the same server.
    #[must_use]
    pub fn with_badge(&self, badge: u64) -> Self {
        Self { service: self.service.clone(), badge }
    }

    /// Delivers an event.
    pub fn notify(&self, bits: u64) {
        self.service.lock().notified(bits);
    }

    /// The service, to look at.
    #[must_use]
    pub fn service(&self) -> &Mutex<D> {
        &self.service
    }
}

impl<D: Dispatch> Transport for Loopback<D> {
    fn exchange(&self, label: u32, words: &mut [u64], request: &Encoded, _: usize) -> Result<Returned, Failure> {
        let mailbox = Arc::new(Mailbox::new());
        let mut origin = Origin::Loopback(mailbox.clone());
        let mut response = Box::new(Response::new());
        let outcome = {
            let request = Request {
                badge: self.badge,
                label,
                words: &words[..request.words],
                caps: &request.caps[..request.cap_count],
                origin: &mut origin,
            };
            self.service.lock().dispatch(request, &mut response)
        };
        if outcome.answered {
            let answer = &response.words[..response.length];
            return fill(words, response.label, answer, response.caps, response.cap_count);
        }
        let late = mailbox.wait();
        fill(words, late.label, &late.words, late.caps, late.cap_count)
    }
}

fn fill(
    words: &mut [u64],
    label: u32,
    answer: &[u64],
    caps: [u64; MAX_CAPS],
    cap_count: usize,
) -> Result<Returned, Failure> {
    words.get_mut(..answer.len()).ok_or(Failure::BadAnswer)?.copy_from_slice(answer);
    Ok(Returned { label, words: answer.len(), caps, cap_count })
}

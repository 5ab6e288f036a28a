//! Messages to the dispatcher of every contract: what is well formed goes through a client to a transport that answers
//! with the next bytes, so that readers of answers are tried as well.

use std::sync::{Arc, Mutex};

use interfaces::*;
use ipc::wire::Encoded;
use ipc::{Failure, Loopback, Returned, Shared, Transport};

use crate::targets::script;
use crate::{Answer, Target};

/// All contracts.
pub const CONTRACTS: Target = Target { name: "messages", good, head: 1 << 16, inputs: 1000, run };

/// Most messages of an input.
const MOST: usize = 400;
/// Words of an answer.
const ANSWER_WORDS: usize = 9;

/// Answers each message with what comes next in the input.
#[derive(Clone)]
struct Echo(Arc<Mutex<Vec<u8>>>);

impl Transport for Echo {
    fn exchange(&self, _: u32, words: &mut [u64], _: &Encoded, _: usize) -> Result<Returned, Failure> {
        let mut rest = self.0.lock().map_err(|_| Failure::Abandoned)?;
        let bytes: Vec<u8> = rest.iter().copied().cycle().take((1 + ANSWER_WORDS) * 8).collect();
        rest.rotate_left(ANSWER_WORDS.min(bytes.len()));
        let mut answer = bytes.chunks_exact(8).map(word);
        let count = answer.next().unwrap_or(0) % (ANSWER_WORDS as u64 + 1);
        words.iter_mut().zip(answer).for_each(|(place, word)| *place = word);
        // Often a success.
        words.iter_mut().take(1).filter(|word| word.is_multiple_of(3)).for_each(|word| *word = 0);
        Ok(Returned::new(ipc::status::OK, words.len().min(count as usize)))
    }
}

/// A word of an answer.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// One relay for each contract.
fn relays(bytes: &[u8]) -> Vec<(u16, Box<dyn Transport>)> {
    let echo = Echo(Arc::new(Mutex::new(bytes.to_vec())));
    macro_rules! relays {
        ($($client:ident $dispatcher:ident)*) => {
            vec![$({
                let served = $dispatcher(Shared(Arc::new($client::new(echo.clone()))));
                ($client::DESCRIPTION.number, Box::new(Loopback::new(served, 1)) as Box<dyn Transport>)
            }),*]
        };
    }
    relays! {
        SystemClient SystemDispatcher
        ConsoleClient ConsoleDispatcher
        SerialPortClient SerialPortDispatcher
        ClockClient ClockDispatcher
        HostLinkClient HostLinkDispatcher
        HostChannelClient HostChannelDispatcher
        PciBusClient PciBusDispatcher
        BlockDeviceClient BlockDeviceDispatcher
        FileSystemClient FileSystemDispatcher
        SupervisorClient SupervisorDispatcher
    }
}

/// Each method with from none to eight words: whichever number of them it takes, one of these is right.
fn good() -> Vec<u8> {
    let mut bytes = Vec::new();
    for contract in interfaces::ALL {
        for (method, _) in contract.methods {
            for count in 0..9 {
                let words: Vec<u64> = [3, 1, 0, 2, 8, 4096, 1, 5][..count].to_vec();
                script::append(&mut bytes, ipc::label(contract.number, *method), usize::from(count % 2 == 1), &words);
            }
        }
    }
    bytes
}

fn run(bytes: &[u8]) -> Answer {
    let relays = relays(bytes);
    assert_eq!(relays.len(), interfaces::ALL.len(), "a contract has no relay");
    // Damage at the front moves all that follows; so that none is always last, each starts elsewhere.
    let start = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % bytes.len().max(1) / 16 * 16;
    for (_, relay) in &relays {
        script::play(&bytes[start.min(bytes.len())..], relay.as_ref(), 0, MOST / relays.len());
    }
    Answer::Understood
}

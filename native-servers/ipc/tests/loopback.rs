//! Contracts over a loopback: what client and server see, and what a hostile peer can do.

use ipc::wire::{Decoder, Encoded, Encoder};
use ipc::{Answer, Caller, Capability, Decode, Encode, Failure, List, Loopback, PendingReply, Transport};

ipc::errors! {
    /// Errors of the test's service.
    pub enum StoreError {
        /// Nothing is stored.
        Empty = 1,
        /// No more room.
        Full = 7,
    }
}

ipc::record! {
    /// Something with fields.
    pub struct Pair {
        /// First.
        pub first: u32,
        /// Second.
        pub second: String,
    }
}

ipc::interface! {
    /// A test's service.
    pub trait Store(client StoreClient, handler StoreHandler, dispatcher StoreDispatcher) = 0x7001 {
        /// Stores bytes.
        1 => fn put(&self, key: u32, bytes: &[u8]) -> Result<u64, StoreError>;
        /// Takes what is stored, waiting for it.
        2 => fn take(&self) -> Result<Vec<u8>, StoreError>;
        /// Whose capability this is.
        4 => fn pass(&self, cap: Capability, pair: Pair) -> Result<(Capability, Pair), StoreError>;
        /// How many bytes both have.
        5 => fn join(&self, first: &[u8], second: &[u8]) -> Result<u64, StoreError>;
        /// Drops the request.
        9 => fn forget(&self) -> Result<(), StoreError>;
    }
}

type Taken = Result<Vec<u8>, StoreError>;

#[derive(Default)]
struct Server {
    stored: Option<Vec<u8>>,
    waiting: Vec<PendingReply<Taken>>,
    events: u64,
}

impl StoreHandler for Server {
    fn put(
        &mut self,
        caller: Caller<'_, Result<u64, StoreError>>,
        key: u32,
        bytes: &[u8],
    ) -> Answer<Result<u64, StoreError>> {
        if key == 99 {
            return Answer::Now(Err(StoreError::Full));
        }
        match self.waiting.pop() {
            Some(waiting) => waiting.complete(Ok(bytes.to_vec())),
            None => self.stored = Some(bytes.to_vec()),
        }
        Answer::Now(Ok(caller.badge()))
    }

    fn take(&mut self, caller: Caller<'_, Taken>) -> Answer<Taken> {
        if let Some(stored) = self.stored.take() {
            return Answer::Now(Ok(stored));
        }
        match caller.defer() {
            Some(pending) => {
                self.waiting.push(pending);
                Answer::Later
            }
            None => Answer::Now(Err(StoreError::Empty)),
        }
    }

    fn pass(
        &mut self,
        _: Caller<'_, Result<(Capability, Pair), StoreError>>,
        cap: Capability,
        pair: Pair,
    ) -> Answer<Result<(Capability, Pair), StoreError>> {
        Answer::Now(Ok((cap, pair)))
    }

    fn join(
        &mut self,
        _: Caller<'_, Result<u64, StoreError>>,
        first: &[u8],
        second: &[u8],
    ) -> Answer<Result<u64, StoreError>> {
        Answer::Now(Ok((first.len() + second.len()) as u64))
    }

    fn forget(&mut self, caller: Caller<'_, Result<(), StoreError>>) -> Answer<Result<(), StoreError>> {
        drop(caller.defer());
        Answer::Later
    }

    fn notified(&mut self, bits: u64) {
        self.events |= bits;
    }
}

fn store() -> StoreClient<Loopback<StoreDispatcher<Server>>> {
    StoreClient::new(Loopback::new(StoreDispatcher(Server::default()), 42))
}

#[test]
fn values_of_every_length_pass_both_ways() {
    let store = store();
    for length in [0, 1, 7, 8, 9, 100, ipc::MAX_BYTES] {
        let bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
        assert_eq!(store.put(1, &bytes), Ok(42), "the badge is the sender's name");
        assert_eq!(store.take(), Ok(bytes));
    }
    let pair = Pair { first: 5, second: "five".into() };
    assert_eq!(store.pass(Capability(17), pair.clone()), Ok((Capability(17), pair)));
}

#[test]
fn errors_keep_their_numbers() {
    assert_eq!(store().put(99, b""), Err(StoreError::Full));
    assert_eq!(StoreClient::DESCRIPTION.method_name(ipc::label(0x7001, 4)), Some("pass"));
    assert_eq!(StoreClient::DESCRIPTION.method_name(ipc::label(0x7001, 3)), None);
}

#[test]
fn an_argument_that_is_too_long_is_an_error_before_it_is_sent() {
    assert_eq!(store().put(1, &[0; ipc::MAX_BYTES + 1]), Err(StoreError::Call(Failure::TooLong)));
}

#[test]
fn a_request_longer_than_a_message_is_an_error_not_cut_off() {
    // 480 words: two lengths, and 478 words of bytes.
    let bytes = [7; 8 * 240];
    assert_eq!(store().join(&bytes[..8 * 238], &bytes), Ok(8 * 478));
    assert_eq!(store().join(&bytes[..8 * 238 + 1], &bytes), Err(StoreError::Call(Failure::TooLong)));
    assert_eq!(store().join(&[7; ipc::MAX_BYTES], &[7; ipc::MAX_BYTES]), Err(StoreError::Call(Failure::TooLong)));
}

#[test]
fn an_answer_may_come_later_and_a_dropped_request_fails() {
    let store = std::sync::Arc::new(store());
    let reader = store.clone();
    let thread = std::thread::spawn(move || reader.take());
    while store.transport().service().lock().0.waiting.is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(store.put(1, b"late"), Ok(42));
    assert_eq!(thread.join().expect("no panic"), Ok(b"late".to_vec()));
    assert_eq!(store.forget(), Err(StoreError::Call(Failure::Abandoned)));
}

#[test]
fn events_reach_the_handler() {
    let store = store();
    store.transport().notify(0b101);
    assert_eq!(store.transport().service().lock().0.events, 0b101);
}

/// Sends raw words as a hostile client would; the label of the answer.
fn hostile(label: u32, words: &[u64], caps: usize) -> Result<(), String> {
    let store = store();
    let mut buffer = [0; 480];
    buffer[..words.len()].copy_from_slice(words);
    let request = Encoded { words: words.len(), caps: [1; 4], cap_count: caps };
    let answer = store.transport().exchange(label, &mut buffer, &request, 4).map_err(|failure| failure.to_string())?;
    Err(format!("{answer:?}"))
}

#[test]
fn hostile_requests_are_refused() {
    let put = ipc::label(0x7001, 1);
    for words in [
        &[][..],
        &[1],
        &[1, 1],
        &[1, u64::MAX],
        &[1, ipc::MAX_BYTES as u64],
        &[1, (ipc::MAX_BYTES + 1) as u64, 0],
        &[1 << 32, 0],
        &[1, 0, 0],
    ] {
        let answer = hostile(put, words, 0).expect_err("always describes the answer");
        assert!(answer.contains("label: 1,"), "{words:?}: {answer}");
    }
    for label in [0, put + 2, ipc::label(0x7002, 1), u32::MAX] {
        let answer = hostile(label, &[], 0).expect_err("always describes the answer");
        assert!(answer.contains("label: 2,"), "{label:#x}: {answer}");
    }
    let without_capability = hostile(ipc::label(0x7001, 4), &[1, 0], 0).expect_err("always describes the answer");
    assert!(without_capability.contains("label: 1,"));
    let bad_text = hostile(ipc::label(0x7001, 4), &[1, 1, 0xff], 1).expect_err("always describes the answer");
    assert!(bad_text.contains("label: 1,"));
}

#[test]
fn hostile_answers_are_refused() {
    let mut decoder = Decoder::new(&[3], &[]);
    assert!(<Result<u64, StoreError>>::decode(&mut decoder).is_err(), "no such error");
    let mut decoder = Decoder::new(&[0, 2], &[]);
    assert!(<Result<bool, StoreError>>::decode(&mut decoder).is_err(), "not a boolean");
    for words in [&[][..], &[1], &[2, 7], &[4, 1, 2, 3, 4], &[u64::MAX, 1]] {
        assert!(List::<u64, 3>::decode(&mut Decoder::new(words, &[])).is_err(), "{words:?}");
    }
}

#[test]
fn lists_pass_up_to_their_length() {
    let mut words = [0; 480];
    for length in 0..=3 {
        let list = List::<u64, 3>((0..length).collect());
        let mut encoder = Encoder::new(&mut words);
        list.encode(&mut encoder);
        let encoded = encoder.finish().expect("it fits");
        assert_eq!(encoded.words as u64, 1 + length);
        assert_eq!(List::decode(&mut Decoder::new(&words[..encoded.words], &[])), Ok(list));
    }
    let mut encoder = Encoder::new(&mut words);
    List::<u64, 3>(vec![0; 4]).encode(&mut encoder);
    assert!(encoder.finish().is_err(), "longer than it may be");
}

/// A library: the contract's trait, for any number of threads.
#[derive(Default)]
struct Library(std::sync::Mutex<Vec<(u64, Vec<u8>)>>);

/// The library as one caller sees it.
struct Session(std::sync::Arc<Library>, u64);

impl Store for Session {
    fn put(&self, _: u32, bytes: &[u8]) -> Result<u64, StoreError> {
        self.0.0.lock().expect("no panic").push((self.1, bytes.to_vec()));
        Ok(self.1)
    }

    fn take(&self) -> Result<Vec<u8>, StoreError> {
        let mut stored = self.0.0.lock().expect("no panic");
        let mine = stored.iter().position(|(badge, _)| *badge == self.1).ok_or(StoreError::Empty)?;
        Ok(stored.remove(mine).1)
    }

    fn pass(&self, cap: Capability, pair: Pair) -> Result<(Capability, Pair), StoreError> {
        Ok((cap, pair))
    }

    fn join(&self, first: &[u8], second: &[u8]) -> Result<u64, StoreError> {
        Ok((first.len() * second.len()) as u64)
    }

    fn forget(&self) -> Result<(), StoreError> {
        Err(StoreError::Full)
    }
}

#[test]
fn a_library_is_served_to_each_caller_by_its_badge() {
    let library = std::sync::Arc::new(Library::default());
    let served = StoreDispatcher(ipc::PerCaller(move |badge| Session(library.clone(), badge)));
    let one = Loopback::new(served, 1);
    let (one, two) = (StoreClient::new(one.with_badge(1)), StoreClient::new(one.with_badge(2)));
    assert_eq!((one.put(0, b"of one"), two.take()), (Ok(1), Err(StoreError::Empty)));
    assert_eq!(two.put(0, b"of two"), Ok(2));
    assert_eq!((one.take(), two.take()), (Ok(b"of one".to_vec()), Ok(b"of two".to_vec())));
}

#[test]
fn a_library_is_served_to_all_callers_alike() {
    let library = std::sync::Arc::new(Session(std::sync::Arc::default(), 7));
    let all = StoreClient::new(Loopback::new(StoreDispatcher(ipc::Shared(library.clone())), 1));
    assert_eq!(all.put(0, b"x"), Ok(7));
    assert_eq!((library.take(), all.forget()), (Ok(b"x".to_vec()), Err(StoreError::Full)));
    let pair = Pair { first: 1, second: String::new() };
    assert_eq!(all.pass(Capability(3), pair.clone()), Ok((Capability(3), pair)));
}

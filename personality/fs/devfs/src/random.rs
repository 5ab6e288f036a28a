//! Random numbers: ChaCha20, seeded at start-up and stirred by whatever is random enough.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rt::sync::Mutex;

static GENERATOR: Mutex<Option<ChaCha20Rng>> = Mutex::new(None);

/// Seeds the generator, or mixes more into it: the new key depends on the old state and every byte given.
pub fn stir(bytes: &[u8]) {
    let mut slot = GENERATOR.lock();
    for chunk in bytes.chunks(32) {
        let mut seed = slot.as_mut().map_or([0; 32], next_seed);
        for (place, byte) in seed.iter_mut().zip(chunk) {
            *place ^= byte;
        }
        *slot = Some(ChaCha20Rng::from_seed(seed));
    }
}

fn next_seed(generator: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    generator.fill_bytes(&mut seed);
    seed
}

/// Fills a buffer.
pub fn fill(bytes: &mut [u8]) {
    let mut slot = GENERATOR.lock();
    let generator = slot.get_or_insert_with(|| {
        // Nobody seeded us: the clocks are all there is.
        let mut seed = [0; 32];
        let words = [rt::time::now_ns(), rt::time::tsc_hz(), vfs::clock::realtime_ns()];
        for (place, word) in seed.chunks_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha20Rng::from_seed(seed)
    });
    generator.fill_bytes(bytes);
    // Forget the key with which these were made (fast key erasure).
    let next = next_seed(generator);
    *generator = ChaCha20Rng::from_seed(next);
}

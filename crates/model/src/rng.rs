//! Randomness as an argument, so that tests can repeat a run. The system's source lives in `seal`.

/// A source of random bytes, fit for keys.
pub trait Rng: Send + Sync + 'static {
    /// Fills `dest`. A system without randomness cannot run this service at all, so there is no error to handle.
    fn fill(&self, dest: &mut [u8]);
}

/// A repeatable source for tests (SplitMix64); never for keys that matter.
#[cfg(feature = "test-util")]
#[derive(Debug)]
pub struct SeededRng(std::sync::Mutex<u64>);

#[cfg(feature = "test-util")]
impl SeededRng {
    /// The source with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(std::sync::Mutex::new(seed))
    }

    /// A number below `end`.
    #[must_use]
    pub fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end
    }
}

#[cfg(feature = "test-util")]
impl Rng for SeededRng {
    fn fill(&self, dest: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in dest.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

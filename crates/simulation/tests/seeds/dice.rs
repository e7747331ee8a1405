//! Every choice of a run, out of its seed.

use model::rng::SeededRng;

/// The dice of a run. They are thrown in the order of the run, which is the same for the same seed.
pub(crate) struct Dice(SeededRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededRng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5157_0d1c_e000_0001))
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        usize::try_from(self.0.below(end as u64)).expect("below a usize")
    }

    /// True in one of so many throws.
    pub(crate) fn one_in(&self, throws: usize) -> bool {
        self.below(throws) == 0
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

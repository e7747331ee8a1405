//! Where a test may stop the vault half way, as a `kill -9` or a power cut would.

use crate::error::VaultError;

/// A step of an operation after which a test can stop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `prepare`: the sector is written, not synced.
    Prepared,
    /// `put`: the data key is in its slot, durable; the content is not begun.
    KeyDurable,
    /// `put`: half of the temporary file is written.
    TemporaryHalf,
    /// `put`: the temporary file is written and synced.
    TemporaryDurable,
    /// `put`: the file has its name; its folder is not synced.
    Renamed,
    /// `put`: the content is durable and not read back.
    ContentDurable,
    /// `make_live`: the sector is written, not synced.
    Live,
    /// `burn`: the sector is written, not synced.
    Burnt,
    /// `destroy_content`: the content is overwritten and still has its name.
    Overwritten,
    /// Growth: some of the new sectors are written, and the header does not know them.
    Growth,
}

/// Every step, for tests that go through all of them.
#[cfg(any(test, feature = "test-util"))]
pub const STEPS: [Step; 10] = [
    Step::Prepared,
    Step::KeyDurable,
    Step::TemporaryHalf,
    Step::TemporaryDurable,
    Step::Renamed,
    Step::ContentDurable,
    Step::Live,
    Step::Burnt,
    Step::Overwritten,
    Step::Growth,
];

/// The seam. Without tests it is empty and does nothing.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    #[cfg(any(test, feature = "test-util"))]
    stop: std::sync::Mutex<Option<Step>>,
}

#[cfg(any(test, feature = "test-util"))]
impl Faults {
    pub(crate) fn fail_at(&self, step: Option<Step>) {
        *self.stop.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = step;
    }

    pub(crate) fn reach(&self, step: Step) -> Result<(), VaultError> {
        if *self.stop.lock().unwrap_or_else(std::sync::PoisonError::into_inner) == Some(step) {
            return Err(VaultError::Injected(step));
        }
        Ok(())
    }
}

#[cfg(not(any(test, feature = "test-util")))]
impl Faults {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same call as in tests, where it can fail")]
    #[inline]
    pub(crate) fn reach(&self, _step: Step) -> Result<(), VaultError> {
        Ok(())
    }
}

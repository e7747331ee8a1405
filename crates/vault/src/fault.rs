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
    /// `rewrap`: the sector is written, not synced.
    Rewrapped,
    /// `copy_slots`: all sectors are copied once; what changed meanwhile is not copied again.
    Copied,
    /// Growth: some of the new sectors are written, and the header does not know them.
    Growth,
}

/// Every step that leaves something on the vault's own disks, for tests that go through all of them.
#[cfg(any(test, feature = "test-util"))]
pub const STEPS: [Step; 11] = [
    Step::Prepared,
    Step::KeyDurable,
    Step::TemporaryHalf,
    Step::TemporaryDurable,
    Step::Renamed,
    Step::ContentDurable,
    Step::Live,
    Step::Burnt,
    Step::Overwritten,
    Step::Rewrapped,
    Step::Growth,
];

/// What a test does at a step.
#[cfg(any(test, feature = "test-util"))]
enum Plan {
    Stop(Step),
    Do(Step, Box<dyn Fn() + Send>),
    /// The system refuses what comes next, with this error number.
    Refuse(Step, i32),
}

/// The seam. Without tests it is empty and does nothing.
#[derive(Default)]
pub(crate) struct Faults {
    #[cfg(any(test, feature = "test-util"))]
    plan: std::sync::Mutex<Option<Plan>>,
}

#[cfg(any(test, feature = "test-util"))]
impl Faults {
    pub(crate) fn fail_at(&self, step: Option<Step>) {
        *self.lock() = step.map(Plan::Stop);
    }

    pub(crate) fn at(&self, step: Step, act: Box<dyn Fn() + Send>) {
        *self.lock() = Some(Plan::Do(step, act));
    }

    pub(crate) fn refuse_at(&self, step: Step, errno: i32) {
        *self.lock() = Some(Plan::Refuse(step, errno));
    }

    pub(crate) fn reach(&self, step: Step) -> Result<(), VaultError> {
        self.refused(step).map_err(VaultError::io("do what a test does not allow"))?;
        match &*self.lock() {
            Some(Plan::Stop(at)) if *at == step => return Err(VaultError::Injected(step)),
            Some(Plan::Do(at, act)) if *at == step => act(),
            _ => {}
        }
        Ok(())
    }

    /// As [`Faults::reach`], where the system's own error is looked at; nothing is stopped here.
    pub(crate) fn refused(&self, step: Step) -> std::io::Result<()> {
        match &*self.lock() {
            Some(Plan::Refuse(at, errno)) if *at == step => Err(std::io::Error::from_raw_os_error(*errno)),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Plan>> {
        self.plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(not(any(test, feature = "test-util")))]
impl Faults {
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the same call as in tests, where it can fail"
    )]
    #[inline]
    pub(crate) fn reach(&self, _step: Step) -> Result<(), VaultError> {
        Ok(())
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the same call as in tests, where it can fail"
    )]
    #[inline]
    pub(crate) fn refused(&self, _step: Step) -> std::io::Result<()> {
        Ok(())
    }
}

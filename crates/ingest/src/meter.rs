//! Who counts what happens here. Nothing depends on it.

use crate::{CallbackOutcome, Ingest};
use records::Commit;
use register::EnrollmentRow;
use std::{sync::Arc, time::Duration};

/// Told of what is durable, once. It must not block.
pub trait Meter: Send + Sync + 'static {
    /// A callback was judged.
    fn callback(&self, outcome: CallbackOutcome);
    /// A facemap came to rest here, so long after the first sign that the person had finished.
    fn vaulted(&self, after: Duration);
    /// An enrollment became usable, so long after the first sign that the person had finished; where the company
    /// released it later than that, counted from the release.
    fn ready(&self, after: Duration);
}

/// Counts nothing.
pub(crate) struct Nobody;

impl Meter for Nobody {
    fn callback(&self, _: CallbackOutcome) {}
    fn vaulted(&self, _: Duration) {}
    fn ready(&self, _: Duration) {}
}

impl Ingest {
    /// The same room, with somebody who counts.
    #[must_use]
    pub fn metered(self, meter: Arc<dyn Meter>) -> Self {
        Self { meter, ..self }
    }

    pub(crate) fn count_callback(&self, commit: &mut Commit, outcome: CallbackOutcome) {
        let meter = Arc::clone(&self.meter);
        commit.after_durable(move || meter.callback(outcome));
    }

    pub(crate) fn count_vaulted(&self, commit: &mut Commit, row: &EnrollmentRow) {
        let Some(received) = row.received_at else { return };
        let (meter, after) = (Arc::clone(&self.meter), self.since(received));
        commit.after_durable(move || meter.vaulted(after));
    }

    pub(crate) fn count_ready(&self, commit: &mut Commit, row: &EnrollmentRow) {
        let Some(received) = row.received_at else { return };
        let from = row.released_at.map_or(received, |released| released.max(received));
        let (meter, after) = (Arc::clone(&self.meter), self.since(from));
        commit.after_durable(move || meter.ready(after));
    }

    /// A clock that was put back shows no time that has passed.
    fn since(&self, then: model::Timestamp) -> Duration {
        Duration::try_from(self.clock.now().duration_since(then)).unwrap_or_default()
    }
}

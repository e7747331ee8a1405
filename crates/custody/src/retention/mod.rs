//! What is destroyed by itself because its time is over, within bounds that stop a mistake.

mod clock;
mod due;
mod housekeeping;
mod row;
mod slots;
mod status;
mod sweep;

/// How the sweep's row looks, for a walk over the whole store.
pub(crate) fn shape() -> records::Shape {
    records::Shape::table(&row::SWEEP, |_, _| records::Ties::none())
}

pub use due::{DueEnrollment, RetentionPage, WhyDue};
pub use status::{RetentionState, RetentionStatus};

use model::Timestamp;
use std::{sync::Mutex as StdMutex, time::Duration};
use tokio::sync::Mutex;

/// The operator's settings for what is destroyed by itself (contract §2, `[retention]`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetentionConfig {
    /// Days since the onboarding, or since the vaulting where nobody said when that was; 0: for ever.
    pub max_age_days: u32,
    /// Days since the last use, or since the vaulting where there was none; 0: for ever.
    pub max_idle_days: u32,
    /// Between two sweeps.
    pub sweep_interval: Duration,
    /// The part of all enrollments with a facemap that is destroyed within 24 hours without asking, above 0 up to 1.
    pub max_fraction_per_day: f64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            max_age_days: 0,
            max_idle_days: 1095,
            sweep_interval: Duration::from_hours(1),
            max_fraction_per_day: 0.01,
        }
    }
}

impl RetentionConfig {
    /// Whether nothing is destroyed by itself.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.max_age_days == 0 && self.max_idle_days == 0
    }
}

/// What holds and retention remember while the process lives.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Held while a hold is set or ended: row and slot change one after the other.
    pub(crate) holds: Mutex<()>,
    /// What the clocks showed when the sweep, and the housekeeping, last looked: wall clock and uptime.
    looked: StdMutex<[Option<(Timestamp, Duration)>; 2]>,
}

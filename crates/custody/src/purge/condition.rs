//! What must be true of an enrollment in the moment in which its erasure begins: the commit is conditional on the row that
//! was judged, so who was used a moment ago is not destroyed.

use crate::Custody;
use model::Timestamp;
use register::EnrollmentRow;

/// A condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// None: it was named.
    Always,
    /// For the retention sweep: its time is over.
    Due,
    /// For an order by time: it was vaulted, and used last where that counts, before this time.
    Before {
        /// The time of the criterion.
        time: Timestamp,
        /// Whether the last use counts.
        by_use: bool,
    },
}

impl Custody {
    /// Whether the condition holds now. A hold is not looked at.
    pub(crate) fn holds_of(&self, condition: Condition, row: &EnrollmentRow) -> bool {
        match condition {
            Condition::Always => true,
            Condition::Due => self.is_due(row, self.now()),
            Condition::Before { time, by_use } => is_before(row, time, by_use),
        }
    }
}

/// Whether an enrollment was vaulted, and last used where that counts, before this time.
pub(crate) fn is_before(row: &EnrollmentRow, time: Timestamp, by_use: bool) -> bool {
    let used = row.last_used_at.filter(|_| by_use);
    row.vaulted_at.is_some_and(|vaulted| used.unwrap_or(vaulted).max(vaulted) < time)
}

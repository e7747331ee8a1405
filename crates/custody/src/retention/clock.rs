//! Whether the clock can be believed: what is destroyed because of it does not come back.
//!
//! Two things are looked at. The wall clock must agree with the `Date` of Jumio's last answer, which came within a day; if
//! none did, one cheap question is asked. And it must not have jumped since a job last looked: within the process it is
//! held against the uptime, across a restart against the time that was noted. After a jump one whole round is left out,
//! so that somebody, or the next look, can notice.

use crate::{Custody, CustodyError, retention::RetentionState};
use jumio::DateSeen;
use model::Timestamp;
use queue::{Lane, Lease, QueueError};
use records::Commit;
use serde::{Deserialize, Serialize};
use std::{sync::PoisonError, time::Duration};

/// By how much our clock and Jumio's may differ.
const MOST_DIFFERENCE: Duration = Duration::from_hours(1);
/// How old a `Date` of Jumio's may be.
const LAST_DATE: Duration = Duration::from_hours(24);
/// By how much the wall clock may run away from the uptime between two looks: more than any correction of a sound clock.
const LARGEST_CORRECTION: Duration = Duration::from_mins(5);
/// A process that was down for longer, and for longer than a few sweeps, cannot tell its absence from a jump.
const LONGEST_ABSENCE: Duration = Duration::from_hours(24);
const SWEEPS: u32 = 3;
/// How long the question to Jumio may wait for the budget.
const ASK_WITHIN: Duration = Duration::from_secs(30);

/// What a job that runs for ever carries: when it last looked at the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Looked {
    looked_at: Timestamp,
}

/// Who looks: each job is held against its own last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looker {
    Sweep,
    Housekeeping,
}

/// What is found about the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clockwork {
    /// It can be believed.
    Sound,
    /// It jumped since the last look.
    Jumped,
    /// It differs from Jumio's.
    Differs,
    /// Nobody knows: Jumio's is not known.
    Unknown,
}

impl Clockwork {
    /// The state of a job that does not run because of it.
    pub(super) const fn state(self) -> Option<RetentionState> {
        match self {
            Self::Sound => None,
            Self::Jumped => Some(RetentionState::ClockJumped),
            Self::Differs => Some(RetentionState::ClockDiffers),
            Self::Unknown => Some(RetentionState::ClockUnknown),
        }
    }
}

impl Custody {
    /// Looks at the clock. A jump is told once: the next look is held against this one. The job notes it when it gives its
    /// lease back with [`Custody::again`].
    pub(super) async fn look_at_clock(
        &self,
        looker: Looker,
        lease: &Lease,
    ) -> Result<Clockwork, CustodyError> {
        let noted = lease.payload::<Option<Looked>>()?.map(|noted| noted.looked_at);
        if self.has_jumped(looker, noted) { Ok(Clockwork::Jumped) } else { self.compare_with_jumio().await }
    }

    /// Whether the clock can be believed now, for whoever is no job: it has not moved otherwise than time passed since any
    /// job last looked, and agrees with Jumio's. The looks of the jobs stay what they were.
    pub(crate) async fn is_clock_sound(&self) -> Result<bool, CustodyError> {
        let (now, uptime) = (self.now(), self.parts.clock.uptime());
        let is_sound = {
            let looks = self.watch.looked.lock().unwrap_or_else(PoisonError::into_inner);
            looks.iter().flatten().all(|look| !ran_away(*look, now, uptime))
        };
        Ok(is_sound && self.compare_with_jumio().await? == Clockwork::Sound)
    }

    /// Gives the lease of a job back that runs for ever: again at `due`.
    pub(super) async fn again(
        &self,
        lease: &Lease,
        commit: &mut Commit,
        due: Timestamp,
    ) -> Result<(), CustodyError> {
        let looked = serde_json::to_value(Looked { looked_at: self.now() });
        let looked = looked.map_err(|_| QueueError::Unreadable { kind: lease.kind() })?;
        Ok(lease.again_with(commit, due, looked).await?)
    }

    /// Whether the wall clock moved otherwise than time passed since the last look.
    fn has_jumped(&self, looker: Looker, noted: Option<Timestamp>) -> bool {
        let (now, uptime) = (self.now(), self.parts.clock.uptime());
        let longest = LONGEST_ABSENCE.max(SWEEPS * self.parts.config.retention.sweep_interval);
        let before = {
            let mut looks = self.watch.looked.lock().unwrap_or_else(PoisonError::into_inner);
            let place = &mut looks[usize::from(looker == Looker::Housekeeping)];
            place.replace((now, uptime))
        };
        match (before, noted) {
            (Some(before), _) => ran_away(before, now, uptime),
            // The first look of this process.
            (None, Some(noted)) => {
                let passed = now.duration_since(noted);
                if passed.is_negative() {
                    passed.unsigned_abs() > LARGEST_CORRECTION
                } else {
                    passed.unsigned_abs() > longest
                }
            }
            (None, None) => false,
        }
    }

    async fn compare_with_jumio(&self) -> Result<Clockwork, CustodyError> {
        let clock = self.parts.clock.as_ref();
        let is_fresh = |seen: &DateSeen| seen.age(clock) <= LAST_DATE;
        let mut seen = self.parts.jumio.last_date().filter(is_fresh);
        if seen.is_none() {
            self.ask_jumio().await?;
            seen = self.parts.jumio.last_date().filter(is_fresh);
        }
        Ok(match seen {
            None => Clockwork::Unknown,
            Some(seen) if seen.difference(clock) > MOST_DIFFERENCE => Clockwork::Differs,
            Some(_) => Clockwork::Sound,
        })
    }

    /// Asks Jumio for the status of one of our scans: whatever it answers, the answer has a `Date`.
    async fn ask_jumio(&self) -> Result<(), CustodyError> {
        let Some(reference) = self.anybody().await? else { return Ok(()) };
        match self.parts.retrievals.acquire(Lane::Batch, ASK_WITHIN).await {
            Ok(permit) => drop(permit),
            Err(queue::BudgetError::Spent { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        match self.parts.jumio.scan_status(reference).await {
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "Jumio was asked for the time"),
        }
        Ok(())
    }
}

/// Whether the wall clock moved otherwise than the uptime since this look.
fn ran_away((then, uptime_then): (Timestamp, Duration), now: Timestamp, uptime: Duration) -> bool {
    let expected = then.checked_add(uptime.saturating_sub(uptime_then)).unwrap_or(Timestamp::MAX);
    now.duration_since(expected).unsigned_abs() > LARGEST_CORRECTION
}

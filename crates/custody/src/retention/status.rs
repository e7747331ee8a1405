//! Where the sweep stands, and an admin's word that lets it go on.

use super::row::{SWEEP, SWEEP_KEY, SweepRow};
use crate::{Custody, CustodyError};
use audit::{Action, Actor, Note};
use jumio::DateSeen;
use model::Timestamp;
use queue::{JobKey, Kind};
use serde::{Deserialize, Serialize};

/// Where the sweep stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetentionState {
    /// Both `max_age_days` and `max_idle_days` are 0: nothing is destroyed by itself.
    Off,
    /// The next round has not begun.
    Waiting,
    /// It counts whose time is over.
    Counting,
    /// It destroys them.
    Destroying,
    /// More are due than may be destroyed within a day: an admin has to allow it.
    Stopped,
    /// The clock jumped since the last run: one round is left out.
    ClockJumped,
    /// The clock differs from Jumio's by more than an hour.
    ClockDiffers,
    /// Jumio's clock was not seen for a day.
    ClockUnknown,
    /// A rebuild or restore is not acknowledged yet.
    Recovering,
}

impl RetentionState {
    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Waiting => "waiting",
            Self::Counting => "counting",
            Self::Destroying => "destroying",
            Self::Stopped => "stopped",
            Self::ClockJumped => "clock-jumped",
            Self::ClockDiffers => "clock-differs",
            Self::ClockUnknown => "clock-unknown",
            Self::Recovering => "recovering",
        }
    }
}

/// The sweep as `/v1/status` and `/v1/retention` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionStatus {
    /// Where it stands.
    pub state: RetentionState,
    /// Since when; `None` before the first round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Enrollments with a facemap, at the last count.
    pub total: u64,
    /// Those whose time was over, without a hold.
    pub due: u64,
    /// Those whose time was over, and that a hold keeps.
    pub held: u64,
    /// Destroyed by itself within the last 24 hours.
    pub destroyed_lately: u64,
    /// How many that may be without asking.
    pub limit: u64,
    /// How many more an admin has allowed.
    pub allowed: u64,
    /// Those that could not be destroyed in this round, or the last one. The log tells why.
    pub failed: u64,
    /// When a round last came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// By how many seconds the clock differs from Jumio's; `None` where Jumio's is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_differs_seconds: Option<u64>,
}

impl Custody {
    /// Where the sweep stands.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub async fn retention_status(&self) -> Result<RetentionStatus, CustodyError> {
        let now = self.now();
        let read = SWEEP.get(self.records(), &SWEEP_KEY).await?;
        let row = read.map_or_else(|| SweepRow::new(now), |read| read.value);
        let config = &self.parts.config.retention;
        let clock = self.parts.clock.as_ref();
        let difference = |seen: DateSeen| seen.difference(clock).as_secs();
        Ok(RetentionStatus {
            state: if config.is_off() { RetentionState::Off } else { row.state },
            since: Some(row.since).filter(|since| *since < now),
            total: row.counted.total,
            due: row.counted.due,
            held: row.counted.held,
            destroyed_lately: row.destroyed_lately(now),
            limit: row.limit(now, config.max_fraction_per_day),
            allowed: row.allowed(now),
            failed: row.failed,
            finished_at: row.finished_at,
            clock_differs_seconds: self.parts.jumio.last_date().map(difference),
        })
    }

    /// Lets a sweep that has stopped itself destroy as many as it has counted, within a day; where `expect_total` is given
    /// (the number that the admin has seen), only if it is that many.
    ///
    /// # Errors
    /// [`CustodyError::NothingToAllow`], [`CustodyError::TotalDiffers`]: nothing was changed.
    pub async fn allow_retention(
        &self,
        actor: Actor,
        expect_total: Option<u64>,
    ) -> Result<RetentionStatus, CustodyError> {
        let now = self.now();
        let read = SWEEP.get(self.records(), &SWEEP_KEY).await?.ok_or(CustodyError::NothingToAllow)?;
        let mut row = read.value.clone();
        if row.state != RetentionState::Stopped {
            return Err(CustodyError::NothingToAllow);
        }
        let is = row.counted.due;
        if let Some(expected) = expect_total.filter(|expected| *expected != is) {
            return Err(CustodyError::TotalDiffers { expected, is });
        }
        row.allow(now, actor.clone());
        let note = Note::general(Action::RetentionSweep, actor).with("what", "allowed").with("count", is);
        let mut commit = self.records().commit();
        commit.update(&SWEEP, &SWEEP_KEY, &read, &row);
        self.parts.audit.note(&mut commit, note);
        self.parts.queue.nudge(&mut commit, &JobKey::new(Kind::Retention, &SWEEP_KEY.0)).await?;
        commit.submit().await?;
        self.retention_status().await
    }
}

//! The sweep: a job that counts whose time is over, then destroys them, a bounded piece at a time. Its place is durable,
//! so that it goes on after a restart.
//!
//! It counts first, all of it, and destroys nobody if more are due than may be destroyed within 24 hours: that many at
//! once is a mistake until an admin says that it is none. The number that is destroyed is written down before the deed:
//! a crash makes the bound stricter, never wider.

use super::{
    clock::Looker,
    due::{ROWS, due, has_facemap},
    row::{Counted, SWEEP, SWEEP_KEY, SweepRow},
    status::RetentionState,
};
use crate::{
    Custody, CustodyError, Order, PurgeReason,
    purge::{Beginning, Condition},
    tell::TooMany,
};
use audit::{Action, Actor, Note, Outcome};
use model::Timestamp;
use queue::{JobKey, Kind, Lease};
use records::{Commit, EnrollmentKey, Record};
use register::EnrollmentRow;
use serde_json::Value;
use tokio::task::JoinSet;

/// Rows looked at in one piece.
const PIECE: usize = 16 * ROWS;

/// Where a piece ended.
enum Piece {
    /// Somewhere on the way.
    More,
    /// Behind the last enrollment.
    End,
    /// Where nobody more may be destroyed.
    Full,
}

/// What became of those that a piece was to destroy.
#[derive(Default)]
struct Fates {
    done: u64,
    failed: u64,
}

impl Custody {
    /// Lays down the jobs that run for ever: the retention sweep and the housekeeping. Run it at start, after
    /// [`Custody::start`]: it also puts right what a crash left of a hold.
    ///
    /// # Errors
    /// When a record or a slot cannot be read or written.
    pub async fn start_upkeep(&self) -> Result<(), CustodyError> {
        let marked = self.mark_held_slots().await?;
        if marked > 0 {
            tracing::warn!(
                marked,
                "slots of held enrollments were marked, which an earlier process did not come to"
            );
        }
        for kind in [Kind::Retention, Kind::Housekeeping] {
            let job = JobKey::new(kind, &SWEEP_KEY.0);
            let mut commit = self.records().commit();
            // At once: a clock that was turned back meanwhile would keep a job resting that was due in an hour.
            if !self.parts.queue.nudge(&mut commit, &job).await? {
                self.parts.queue.schedule(&mut commit, &job, self.now(), Value::Null).await?;
            }
            commit.submit().await?;
        }
        Ok(())
    }

    pub(crate) async fn handle_retention(&self, lease: &Lease) -> Result<(), CustodyError> {
        let now = self.now();
        let read = SWEEP.get(self.records(), &SWEEP_KEY).await?;
        let mut row = read.as_ref().map_or_else(|| SweepRow::new(now), |read| read.value.clone());
        if let Some(obstacle) = self.obstacle(lease).await? {
            return self.left_out(lease, read.as_ref(), row, obstacle).await;
        }
        match row.state {
            RetentionState::Destroying => self.destroy_piece(lease, read, row).await,
            RetentionState::Counting => self.count_piece(lease, read, row).await,
            _ => {
                (row.after, row.counting, row.done, row.failed) = (None, Counted::default(), 0, 0);
                row.enter(RetentionState::Counting, now);
                self.count_piece(lease, read, row).await
            }
        }
    }

    /// Why nothing may be destroyed by itself now.
    async fn obstacle(&self, lease: &Lease) -> Result<Option<RetentionState>, CustodyError> {
        if self.parts.config.retention.is_off() {
            return Ok(Some(RetentionState::Off));
        }
        match self.refuse_while_recovering().await {
            Err(CustodyError::RecoveryNotAcknowledged) => return Ok(Some(RetentionState::Recovering)),
            other => other?,
        }
        Ok(self.look_at_clock(Looker::Sweep, lease).await?.state())
    }

    /// Leaves the round out; the next one begins from the start.
    async fn left_out(
        &self,
        lease: &Lease,
        read: Option<&Record<SweepRow>>,
        mut row: SweepRow,
        obstacle: RetentionState,
    ) -> Result<(), CustodyError> {
        let now = self.now();
        let mut commit = self.records().commit();
        if row.state != obstacle && obstacle != RetentionState::Off {
            tracing::warn!(why = obstacle.as_str(), "the retention sweep does not run");
            let note = Note::general(Action::RetentionSweep, Actor::System).ended(Outcome::Refused);
            self.parts.audit.note(&mut commit, note.with("why", obstacle.as_str()));
        }
        row.enter(obstacle, now);
        row.after = None;
        self.rest(lease, commit, read, &row).await
    }

    /// Puts the row into the commit and lets the job rest until the next round.
    async fn rest(
        &self,
        lease: &Lease,
        mut commit: Commit,
        read: Option<&Record<SweepRow>>,
        row: &SweepRow,
    ) -> Result<(), CustodyError> {
        commit.upsert(&SWEEP, &SWEEP_KEY, read, row);
        self.again(lease, &mut commit, self.now() + self.parts.config.retention.sweep_interval).await?;
        Ok(commit.submit().await?)
    }

    async fn count_piece(
        &self,
        lease: &Lease,
        read: Option<Record<SweepRow>>,
        mut row: SweepRow,
    ) -> Result<(), CustodyError> {
        let now = self.now();
        let mut looked_at = 0;
        while looked_at < PIECE {
            let keys = self.enrollment_keys(row.after).await?;
            let is_end = keys.len() < ROWS;
            looked_at += keys.len();
            for key in keys {
                row.after = Some(key);
                if let Some(enrollment) = self.readable_row(key).await? {
                    count(&mut row.counting, &enrollment, self.is_due(&enrollment, now));
                }
            }
            if is_end {
                return self.decide(lease, read.as_ref(), row).await;
            }
        }
        let mut commit = self.records().commit();
        commit.upsert(&SWEEP, &SWEEP_KEY, read.as_ref(), &row);
        self.again(lease, &mut commit, now).await?;
        Ok(commit.submit().await?)
    }

    /// All are counted: whether they are destroyed, or somebody is asked first.
    async fn decide(
        &self,
        lease: &Lease,
        read: Option<&Record<SweepRow>>,
        mut row: SweepRow,
    ) -> Result<(), CustodyError> {
        let now = self.now();
        row.counted = row.counting;
        row.after = None;
        let mut commit = self.records().commit();
        if row.counted.due == 0 {
            row.finished_at = Some(now);
            row.enter(RetentionState::Waiting, now);
            return self.rest(lease, commit, read, &row).await;
        }
        if row.counted.due > row.room(now, self.parts.config.retention.max_fraction_per_day) {
            self.stop(&mut commit, read, &mut row).await?;
            return self.rest(lease, commit, read, &row).await;
        }
        row.enter(RetentionState::Destroying, now);
        commit.upsert(&SWEEP, &SWEEP_KEY, read, &row);
        self.again(lease, &mut commit, now).await?;
        Ok(commit.submit().await?)
    }

    /// Stops, and asks. Told once, and again when it is another number.
    async fn stop(
        &self,
        commit: &mut Commit,
        read: Option<&Record<SweepRow>>,
        row: &mut SweepRow,
    ) -> Result<(), CustodyError> {
        let now = self.now();
        let limit = row.limit(now, self.parts.config.retention.max_fraction_per_day);
        let is_news = read.is_none_or(|read| {
            read.value.counted != row.counted || read.value.state == RetentionState::Destroying
        });
        if is_news {
            let due = row.counted.due;
            tracing::warn!(
                due,
                limit,
                "the retention sweep has stopped: more are due than may be destroyed within a day; look at them with GET \
                 /v1/retention and allow it, or change max_age_days and max_idle_days"
            );
            let note = Note::general(Action::RetentionSweep, Actor::System).ended(Outcome::Refused);
            let note = note.with("why", "stopped").with("due", due).with("limit", limit);
            self.parts.audit.note(commit, note);
            let Counted { total, due, held } = row.counted;
            self.tell_too_many(commit, &TooMany { due, held, total, limit }).await?;
        }
        row.enter(RetentionState::Stopped, now);
        Ok(())
    }

    /// Destroys a piece: chooses, writes the number down, destroys, goes on behind them.
    async fn destroy_piece(
        &self,
        lease: &Lease,
        read: Option<Record<SweepRow>>,
        mut row: SweepRow,
    ) -> Result<(), CustodyError> {
        let now = self.now();
        let room = row.room(now, self.parts.config.retention.max_fraction_per_day);
        let (chosen, piece) = self.choose(&mut row, room).await?;
        row.reserve(now, chosen.len() as u64);
        // Before the deed, and only while the job is ours: two workers must not count twice the same room.
        let mut commit = self.records().commit();
        commit.upsert(&SWEEP, &SWEEP_KEY, read.as_ref(), &row);
        lease.hold(&mut commit).await?;
        commit.submit().await?;
        let fates = self.destroy(chosen).await?;
        (row.done, row.failed) = (row.done + fates.done, row.failed + fates.failed);
        let read = SWEEP.get(self.records(), &SWEEP_KEY).await?;
        // An admin may have spoken meanwhile.
        row.allowance = read.as_ref().and_then(|read| read.value.allowance.clone());
        let mut commit = self.records().commit();
        match piece {
            Piece::More => {
                commit.upsert(&SWEEP, &SWEEP_KEY, read.as_ref(), &row);
                self.again(lease, &mut commit, now).await?;
                Ok(commit.submit().await?)
            }
            Piece::End => {
                self.finish_round(&mut commit, &mut row);
                self.rest(lease, commit, read.as_ref(), &row).await
            }
            Piece::Full => {
                self.stop(&mut commit, read.as_ref(), &mut row).await?;
                self.rest(lease, commit, read.as_ref(), &row).await
            }
        }
    }

    fn finish_round(&self, commit: &mut Commit, row: &mut SweepRow) {
        let now = self.now();
        let note = Note::general(Action::RetentionSweep, Actor::System);
        self.parts.audit.note(commit, note.with("destroyed", row.done).with("failed", row.failed));
        tracing::info!(destroyed = row.done, failed = row.failed, "the retention sweep has come to its end");
        row.after = None;
        row.finished_at = Some(now);
        row.enter(RetentionState::Waiting, now);
    }

    /// The next ones to destroy, as many as fit into `room` and are destroyed at the same time.
    async fn choose(
        &self,
        row: &mut SweepRow,
        room: u64,
    ) -> Result<(Vec<EnrollmentKey>, Piece), CustodyError> {
        let now = self.now();
        let (mut chosen, mut looked_at) = (Vec::new(), 0);
        loop {
            let keys = self.enrollment_keys(row.after).await?;
            let is_end = keys.len() < ROWS;
            for key in keys {
                if chosen.len() >= self.parts.config.erasures_at_once.max(1) || looked_at >= PIECE {
                    return Ok((chosen, Piece::More));
                }
                let is_due = match self.readable_row(key).await? {
                    Some(enrollment) => !enrollment.hold && self.is_due(&enrollment, now),
                    None => false,
                };
                if is_due && chosen.len() as u64 >= room {
                    return Ok((chosen, Piece::Full));
                }
                if is_due {
                    chosen.push(key);
                }
                row.after = Some(key);
                looked_at += 1;
            }
            if is_end {
                return Ok((chosen, Piece::End));
            }
        }
    }

    async fn destroy(&self, chosen: Vec<EnrollmentKey>) -> Result<Fates, CustodyError> {
        let mut under_way = JoinSet::new();
        for key in chosen {
            let custody = self.clone();
            under_way.spawn(async move { custody.destroy_due(key).await });
        }
        let mut fates = Fates::default();
        while let Some(ended) = under_way.join_next().await {
            match ended.map_err(|_| CustodyError::Stopping)? {
                Ok(true) => fates.done += 1,
                Ok(false) => {}
                Err(CustodyError::Stopping) => return Err(CustodyError::Stopping),
                Err(error @ CustodyError::RecoveryNotAcknowledged) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "retention could not destroy an enrollment; the next round tries again");
                    fates.failed += 1;
                }
            }
        }
        Ok(fates)
    }

    /// Destroys one. False: it is not due any more, or a hold came first.
    async fn destroy_due(&self, key: EnrollmentKey) -> Result<bool, CustodyError> {
        let order = Order { reason: PurgeReason::Retention, case_reference: None, actor: Actor::System };
        let beginning = Beginning { order, purge: None, waits_for_jumio: false, only_if: Condition::Due };
        match self.carry_out(key, Some(beginning)).await {
            Ok(()) => Ok(true),
            Err(CustodyError::Held | CustodyError::NotDue) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether an enrollment's time is over now. A hold is not looked at.
    pub(crate) fn is_due(&self, row: &EnrollmentRow, now: Timestamp) -> bool {
        due(row, &self.parts.config.retention).is_some_and(|(at, _)| at <= now)
    }
}

fn count(counting: &mut Counted, row: &EnrollmentRow, is_due: bool) {
    counting.total += u64::from(has_facemap(row));
    counting.due += u64::from(is_due && !row.hold);
    counting.held += u64::from(is_due && row.hold);
}

//! The job that goes through a batch. It runs in turns, so that several batches share the hands that there are, and a
//! stopping service waits for none of them.

use super::control::note;
use crate::{Reauth, error::ReauthError, service::until_no_conflict};
use audit::Actor;
use jiff::{SignedDuration, Timestamp};
use model::BatchId;
use notify::{Event, EventKind, Field};
use queue::Lease;
use register::{BatchRow, BatchState, BatchTrouble, Delivery, ItemState};
use std::time::Duration;

/// How long one turn lasts. With what is then still in hand it stays within the lease.
const TURN: SignedDuration = SignedDuration::from_secs(45);

/// How often outcomes are looked at that are still open: often while they change, seldom while nothing happens. Whoever asks
/// for a batch has them looked at as well.
const LOOK_EVERY: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(15), SignedDuration::from_mins(5));

/// When a batch is looked at again that a stopping service has laid down.
const STOPPED: SignedDuration = SignedDuration::from_secs(2);

/// How a turn went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// There is more to do.
    On,
    /// Not before then.
    Later(Timestamp),
    /// Nothing goes at the moment; again then.
    Trouble(Timestamp),
    /// There is nothing to take, or nothing may be taken.
    Over,
}

impl Went {
    /// The first thing that was in the way.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Trouble(at), _) | (_, Self::Trouble(at)) => Self::Trouble(at),
            (Self::On, other) => other,
            (this, _) => this,
        }
    }

    pub(super) const fn next(self) -> Option<Timestamp> {
        match self {
            Self::Later(at) => Some(at),
            _ => None,
        }
    }
}

impl Reauth {
    /// One turn of a batch.
    pub(crate) async fn run_batch(&self, id: BatchId, lease: &Lease) -> Result<(), ReauthError> {
        let end = self.now() + TURN;
        let mut went = Went::On;
        while went == Went::On && self.now() < end && !self.is_stopping() {
            while until_no_conflict!(self.tally(id, Some(lease)))? {}
            let Some(read) = self.parts.register.batch(id).await? else { break };
            went = match (read.value.state, read.value.terms.delivery) {
                (BatchState::Running, Delivery::Link) => self.issue_links(id, lease).await?,
                (BatchState::Running, Delivery::Transaction) => self.post_items(id, lease, end).await?,
                (BatchState::Cancelling, _) => {
                    let more = until_no_conflict!(self.cancel_page(id, lease))?;
                    if more { Went::On } else { Went::Over }
                }
                _ => Went::Over,
            };
        }
        while until_no_conflict!(self.tally(id, Some(lease)))? {}
        until_no_conflict!(self.end_turn(id, lease, went))
    }

    /// Says when the next turn is, or that there is none; and what has come to its end.
    async fn end_turn(&self, id: BatchId, lease: &Lease, went: Went) -> Result<(), ReauthError> {
        let (register, now) = (&self.parts.register, self.now());
        let mut commit = register.records().commit();
        let Some(read) = register.batch(id).await? else {
            lease.complete(&mut commit).await?;
            return Ok(commit.submit().await?);
        };
        let mut row = read.value.clone();
        if row.state == BatchState::Running && row.counts.of(ItemState::Queued) == 0 {
            row.enter(BatchState::Issued, now);
        }
        let is_through = matches!(row.state, BatchState::Issued | BatchState::Cancelled);
        if is_through && row.counts.open == 0 && row.completed_at.is_none() {
            self.complete_batch(&mut commit, id, &mut row).await?;
        }
        // Whoever goes on after a stop is the next process.
        let earliest = if self.is_stopping() { now + STOPPED } else { now };
        match next_turn(&row, went, now).map(|at| at.max(earliest)) {
            Some(at) => lease.again_at(&mut commit, at).await?,
            None => lease.complete(&mut commit).await?,
        }
        if row != read.value {
            register.put_batch(&mut commit, id, Some(&read), &row);
        }
        commit.submit().await?;
        Ok(())
    }

    async fn complete_batch(
        &self,
        commit: &mut records::Commit,
        id: BatchId,
        row: &mut BatchRow,
    ) -> Result<(), ReauthError> {
        let now = self.now();
        row.completed_at = Some(now);
        if row.state == BatchState::Issued {
            row.enter(BatchState::Completed, now);
        }
        let event = Event::about_nobody(EventKind::BatchCompleted)
            .with(Field::BatchId, id)
            .with(Field::State, row.state)
            .with(Field::Total, row.total)
            .with(
                Field::Counts,
                serde_json::json!({ "states": row.counts.states, "outcomes": row.counts.outcomes }),
            )
            .with(Field::CompletedAt, now);
        self.parts.outbox.put(commit, event).await?;
        let note = note(id, "completed", Actor::System).with("total", row.total).with("state", row.state);
        self.parts.audit.note(commit, note);
        Ok(())
    }

    /// Writes down what is in the way of all items, and says when to try again.
    pub(super) fn in_trouble(&self, row: &mut BatchRow, code: &'static str, asked: Option<Duration>) -> Went {
        let now = self.now();
        let trouble = match row.trouble.take() {
            Some(before) if before.code == code => {
                BatchTrouble { times: before.times.saturating_add(1), ..before }
            }
            _ => BatchTrouble { code: code.to_owned(), since: now, times: 1 },
        };
        let wait = super::judge::wait(asked, trouble.times);
        row.trouble = Some(trouble);
        Went::Trouble(now + wait)
    }
}

/// When there is something to do again.
fn next_turn(row: &BatchRow, went: Went, now: Timestamp) -> Option<Timestamp> {
    match (row.state, went) {
        // A moment later: the desk knows no smaller times, and would hand it out a moment too early.
        (BatchState::Running, Went::Later(at) | Went::Trouble(at)) => {
            Some(at + SignedDuration::from_millis(1))
        }
        (BatchState::Running | BatchState::Cancelling, _) => Some(now),
        // Nothing changes by itself any more.
        _ if row.counts.open == 0 => None,
        _ => {
            let quiet = now.duration_since(row.changed_at.map_or(row.since, |at| at.max(row.since)));
            Some(now + (quiet / 8).clamp(LOOK_EVERY.0, LOOK_EVERY.1))
        }
    }
}

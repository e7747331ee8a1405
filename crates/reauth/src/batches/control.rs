//! Pausing, resuming and cancelling.

use crate::{Reauth, error::ReauthError, service::until_no_conflict};
use audit::{Action, Actor, Note};
use model::{BatchId, LinkState};
use queue::{JobKey, Kind, Lease};
use records::Record;
use register::{BatchRow, BatchState, ItemState};
use seal::Pseudonym;
use serde_json::Value;

/// Items that are cancelled together.
const PAGE: usize = 64;

/// What is asked of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Pause,
    Resume,
    Cancel,
}

impl Act {
    /// The state that it leads to from this one; `None`: it is so already.
    fn leads_to(self, from: BatchState) -> Result<Option<BatchState>, ReauthError> {
        use BatchState as S;
        match (self, from) {
            (_, S::Preparing) => Err(ReauthError::UnknownBatch),
            (Self::Pause, S::Running) => Ok(Some(S::Paused)),
            (Self::Resume, S::Paused) => Ok(Some(S::Running)),
            (Self::Cancel, S::Running | S::Paused | S::Issued) => Ok(Some(S::Cancelling)),
            (Self::Pause, S::Paused)
            | (Self::Resume, S::Running)
            | (Self::Cancel, S::Cancelling | S::Cancelled) => Ok(None),
            (Self::Pause | Self::Resume, S::Issued | S::Cancelling | S::Cancelled | S::Completed)
            | (Self::Cancel, S::Completed) => Err(ReauthError::BatchOver(from)),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
        }
    }
}

/// An entry of the book about a batch: nobody is its subject.
pub(super) fn note(id: BatchId, what: &'static str, actor: Actor) -> Note {
    let mut subject = [0; 32];
    subject[..16].copy_from_slice(id.as_bytes());
    Note::about(Action::Batch, Pseudonym::from_bytes(subject), actor).with("batch", id).with("act", what)
}

impl Reauth {
    /// Takes no further item until the batch is resumed. What is in hand is finished.
    ///
    /// # Errors
    /// [`ReauthError::UnknownBatch`], [`ReauthError::BatchOver`].
    pub async fn pause_batch(&self, id: BatchId, actor: Actor) -> Result<(), ReauthError> {
        until_no_conflict!(self.act(id, Act::Pause, &actor))
    }

    /// Goes on with a paused batch.
    ///
    /// # Errors
    /// [`ReauthError::UnknownBatch`], [`ReauthError::BatchOver`].
    pub async fn resume_batch(&self, id: BatchId, actor: Actor) -> Result<(), ReauthError> {
        until_no_conflict!(self.act(id, Act::Resume, &actor))
    }

    /// Takes no further item, and withdraws the links that nobody has pressed. What is open at Jumio stays open.
    ///
    /// # Errors
    /// [`ReauthError::UnknownBatch`]; [`ReauthError::BatchOver`] when there is nothing left to cancel.
    pub async fn cancel_batch(&self, id: BatchId, actor: Actor) -> Result<(), ReauthError> {
        until_no_conflict!(self.act(id, Act::Cancel, &actor))
    }

    async fn act(&self, id: BatchId, act: Act, actor: &Actor) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        let read = register.batch(id).await?.ok_or(ReauthError::UnknownBatch)?;
        let Some(state) = act.leads_to(read.value.state)? else { return Ok(()) };
        let mut row = read.value.clone();
        row.enter(state, self.now());
        row.trouble = None;
        let mut commit = register.records().commit();
        register.put_batch(&mut commit, id, Some(&read), &row);
        let job = JobKey::new(Kind::Batch, &id);
        self.parts.queue.schedule(&mut commit, &job, self.now(), Value::Null).await?;
        self.parts.audit.note(&mut commit, note(id, act.name(), actor.clone()));
        commit.submit().await?;
        Ok(())
    }

    /// One page of a cancellation. Whether there is more.
    pub(super) async fn cancel_page(&self, id: BatchId, lease: &Lease) -> Result<bool, ReauthError> {
        let register = &self.parts.register;
        let read = register.batch(id).await?.ok_or(ReauthError::UnknownBatch)?;
        if read.value.state != BatchState::Cancelling {
            return Ok(false);
        }
        let waiting = register.items(id, Some(ItemState::Queued), None, PAGE).await?;
        if waiting.is_empty() {
            self.withdraw_page(id, read, lease).await
        } else {
            self.cancel_waiting(id, read, waiting, lease).await
        }
    }

    async fn cancel_waiting(
        &self,
        id: BatchId,
        read: Record<BatchRow>,
        waiting: Vec<register::Item>,
        lease: &Lease,
    ) -> Result<bool, ReauthError> {
        let (register, now) = (&self.parts.register, self.now());
        let mut row = read.value.clone();
        let mut commit = register.records().commit();
        for mut item in waiting {
            item.row.stop(ItemState::Cancelled, None, now);
            row.counts.take(item.before());
            row.counts.add(&item.row);
            register.update_item(&mut commit, &item);
        }
        row.progress_at = Some(now);
        register.put_batch(&mut commit, id, Some(&read), &row);
        lease.hold(&mut commit).await?;
        commit.submit().await?;
        Ok(true)
    }

    /// Withdraws links that nobody has pressed. Each says so to its item, which is counted like any other change.
    async fn withdraw_page(
        &self,
        id: BatchId,
        read: Record<BatchRow>,
        lease: &Lease,
    ) -> Result<bool, ReauthError> {
        let (register, now) = (&self.parts.register, self.now());
        let mut row = read.value.clone();
        let linked = register.items(id, Some(ItemState::Linked), row.cancelled_to, PAGE).await?;
        let mut commit = register.records().commit();
        for item in &linked {
            let Some(link) = item.row.link else { continue };
            let found = register.link(link).await?;
            let Some(mut link) = found.filter(|link| link.row.state == LinkState::Open) else { continue };
            link.row.enter(LinkState::Withdrawn, now);
            register.update_link(&mut commit, &link);
            self.parts.queue.cancel(&mut commit, &Self::expiry_job(link.id)).await?;
            let by = serde_json::from_value(row.actor.clone()).unwrap_or(Actor::System);
            let note = Note::about(Action::LinkWithdrawn, link.row.enrollment.0, by).of_user(link.row.user.0);
            self.parts.audit.note(&mut commit, note.with("link", link.id).with("batch", id));
        }
        match linked.last() {
            Some(last) => row.cancelled_to = Some(last.place.number),
            None => row.enter(BatchState::Cancelled, now),
        }
        row.progress_at = Some(now);
        register.put_batch(&mut commit, id, Some(&read), &row);
        lease.hold(&mut commit).await?;
        commit.submit().await?;
        Ok(!linked.is_empty())
    }
}

//! Judging callbacks once more: those that were given up, and those that wait.

use crate::{
    ATTEMPTS, CallbackCursor, CallbackState, CallbackView, Ingest, IngestError,
    inbox::{BY_STATE, INBOX},
};
use audit::{Action, Actor, Note};
use model::CallbackId;
use queue::{JobKey, Kind};
use records::Key as _;
use serde_json::Value;

/// Callbacks that one order lays out at most.
const MOST: usize = 1000;
/// Callbacks that one order looks at for that: some have no body any more.
const LOOKED_AT: usize = 100_000;
/// Rows read at once.
const ROWS: usize = 256;

/// What came of an order to judge many once more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayedMany {
    /// Those that are judged once more.
    pub replayed: usize,
    /// Those whose body is gone: they stay as they are.
    pub gone: usize,
    /// Whether there may be more: give the order again.
    pub more: bool,
}

impl Ingest {
    /// Lays a callback out again: one that was given up becomes pending, one that is pending is judged now.
    ///
    /// # Errors
    /// [`IngestError::UnknownCallback`]; [`IngestError::BodyGone`] when it was judged, or kept for too long: there is
    /// nothing left to judge.
    pub async fn replay(&self, id: CallbackId, actor: Actor) -> Result<CallbackView, IngestError> {
        for _ in 0..ATTEMPTS {
            match self.replay_once(id, actor.clone()).await {
                // It was judged, moved to another epoch, or replayed by somebody else.
                Err(error) if error.is_conflict() => {}
                done => return done,
            }
        }
        Err(IngestError::Busy)
    }

    async fn replay_once(&self, id: CallbackId, actor: Actor) -> Result<CallbackView, IngestError> {
        let read = INBOX.get(self.records(), &(id,)).await?.ok_or(IngestError::UnknownCallback)?;
        if read.value.body.is_none() {
            return Err(IngestError::BodyGone);
        }
        let mut row = read.value.clone();
        row.state = CallbackState::Pending;
        let mut commit = self.records().commit();
        commit.unindex(&BY_STATE, &(read.value.state.number(), row.received_at, id));
        commit.index(&BY_STATE, &(row.state.number(), row.received_at, id));
        // Written even where nothing changes: whoever judges it at the same time must see that this was asked for.
        commit.update(&INBOX, &(id,), &read, &row);
        let job = JobKey::new(Kind::Callback, &id);
        let is_laid_down = match read.value.state {
            CallbackState::Dead => self.queue.revive(&mut commit, &job).await?,
            _ => self.queue.nudge(&mut commit, &job).await?,
        };
        if !is_laid_down {
            self.queue.schedule(&mut commit, &job, self.clock.now(), Value::Null).await?;
        }
        let note = Note::general(Action::CallbackReplayed, actor).with("was", read.value.state.as_str());
        self.audit.note(&mut commit, note.with("callback", id));
        commit.submit().await?;
        self.callback_view(id, &row).await
    }

    /// Lays all out again that were given up, or all that are pending; a thousand at most in one order, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read or written; those before it are laid out.
    pub async fn replay_all(&self, state: CallbackState, actor: &Actor) -> Result<ReplayedMany, IngestError> {
        let mut done = ReplayedMany::default();
        let (mut after, mut looked_at) = (None::<CallbackCursor>, 0);
        while looked_at < LOOKED_AT {
            let prefix = (state.number(),).encode();
            let from = after.map(|after| after.0);
            let keys = BY_STATE.keys(self.records(), prefix, from.as_ref(), ROWS).await?;
            let Some(last) = keys.last() else { return Ok(done) };
            after = Some(CallbackCursor(*last));
            for (_, _, id) in keys {
                if done.replayed == MOST {
                    return Ok(ReplayedMany { more: true, ..done });
                }
                looked_at += 1;
                match self.replay(id, actor.clone()).await {
                    Ok(_) => done.replayed += 1,
                    Err(IngestError::BodyGone) => done.gone += 1,
                    // Removed since: it is too old.
                    Err(IngestError::UnknownCallback) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(ReplayedMany { more: true, ..done })
    }
}

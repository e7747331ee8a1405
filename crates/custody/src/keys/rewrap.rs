//! Everything under the active key: a durable job that goes through the slots page by page.

use super::{
    Keys, RewrapState, RewrapView,
    row::{REWRAP, RewrapRow, THE_ONE},
};
use crate::CustodyError;
use async_trait::async_trait;
use audit::{Action, Actor, Note, Outcome};
use queue::{Failure, Handler, HandlerError, JobKey, Kind, Lease};
use records::{Commit, Record};
use seal::KeyId;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use vault::Rewrapped;

const KINDS: [Kind; 1] = [Kind::Rewrap];
/// Tries to be first with a commit that others make at the same time.
const TRIES: usize = 16;

impl Keys {
    /// Brings all slots and the held keys under the active key. It goes on in the background, also after a restart; ordered
    /// while it runs, it is the same one, and it follows a key that is rotated meanwhile.
    ///
    /// # Errors
    /// [`CustodyError::Vault`], [`CustodyError::Records`], [`CustodyError::Queue`], [`CustodyError::Busy`].
    pub async fn rewrap(&self, actor: Actor) -> Result<RewrapView, CustodyError> {
        let parts = self.parts();
        for _ in 0..TRIES {
            let read = REWRAP.get(&parts.records, &THE_ONE).await?;
            let mut commit = parts.records.commit();
            let view = if let Some(running) = read.as_ref().filter(|row| row.value.is_running()) {
                commit.require(&REWRAP, &THE_ONE, read.as_ref());
                // It may be waiting, after a failure that is over.
                parts.queue.nudge(&mut commit, &job()).await?;
                running.value.view()
            } else {
                let row = self.new_row(actor.clone()).await?;
                commit.upsert(&REWRAP, &THE_ONE, read.as_ref(), &row);
                let note = Note::general(Action::KeysRewrapped, actor.clone());
                let note = note.with("step", "ordered").with("key", row.key).with("slots", row.total);
                parts.audit.note(&mut commit, note);
                parts.queue.schedule(&mut commit, &job(), self.now(), Value::Null).await?;
                row.view()
            };
            match commit.submit().await {
                Ok(()) => return Ok(view),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CustodyError::Busy)
    }

    /// How the last rewrap stands; none if there was none.
    ///
    /// # Errors
    /// [`CustodyError::Records`].
    pub async fn rewrap_state(&self) -> Result<Option<RewrapView>, CustodyError> {
        Ok(REWRAP.get(&self.parts().records, &THE_ONE).await?.map(|row| row.value.view()))
    }

    async fn new_row(&self, by: Actor) -> Result<RewrapRow, CustodyError> {
        let parts = self.parts();
        let key = parts.provider.active();
        Ok(RewrapRow {
            state: RewrapState::Running,
            key,
            next: 0,
            done: 0,
            total: under_others(&parts.vault.wrapping_keys().await?, key),
            damaged: 0,
            by,
            started_at: self.now(),
            finished_at: None,
        })
    }

    /// One page, and what comes of it, in one commit with the lease.
    async fn one_page(&self, lease: &Lease) -> Result<(), CustodyError> {
        let parts = self.parts();
        let read = REWRAP.get(&parts.records, &THE_ONE).await?;
        let Some(read) = read.filter(|row| row.value.is_running()) else {
            let mut commit = parts.records.commit();
            lease.complete(&mut commit).await?;
            return Ok(commit.submit().await?);
        };
        let mut row = read.value.clone();
        self.follow_rotation(&mut row).await?;
        let page = parts.vault.rewrap(row.next).await?;
        count(&mut row, &page);
        match page.next {
            Some(next) => row.next = next,
            None => self.end(&mut row).await?,
        }
        self.put(lease, &read, &row).await
    }

    /// A key that was made meanwhile is the one under which everything is to lie: from the first slot on.
    async fn follow_rotation(&self, row: &mut RewrapRow) -> Result<(), CustodyError> {
        let active = self.parts().provider.active();
        if row.key != active {
            let left = under_others(&self.parts().vault.wrapping_keys().await?, active);
            (row.key, row.next, row.damaged) = (active, 0, 0);
            row.total = row.done + left;
        }
        Ok(())
    }

    /// Every slot was looked at. What was being put when the key was made active was waited for before the first page: no
    /// slot can have come under another key behind our back.
    async fn end(&self, row: &mut RewrapRow) -> Result<(), CustodyError> {
        let _alone = self.0.acts.lock().await;
        if self.parts().provider.active() != row.key {
            // The next run follows it.
            return Ok(());
        }
        self.rewrap_held_keys().await?;
        let left = under_others(&self.parts().vault.wrapping_keys().await?, row.key);
        row.total = row.done + left;
        row.state = if left == 0 { RewrapState::Done } else { RewrapState::Incomplete };
        row.finished_at = Some(self.now());
        Ok(())
    }

    async fn put(
        &self,
        lease: &Lease,
        read: &Record<RewrapRow>,
        row: &RewrapRow,
    ) -> Result<(), CustodyError> {
        let parts = self.parts();
        let mut commit = parts.records.commit();
        commit.update(&REWRAP, &THE_ONE, read, row);
        if row.is_running() {
            lease.again_at(&mut commit, self.now()).await?;
        } else {
            self.note_end(&mut commit, row);
            lease.complete(&mut commit).await?;
        }
        Ok(commit.submit().await?)
    }

    fn note_end(&self, commit: &mut Commit, row: &RewrapRow) {
        let outcome = match row.state {
            RewrapState::Running | RewrapState::Done => Outcome::Done,
            RewrapState::Incomplete | RewrapState::Failed => Outcome::Failed,
        };
        let note = Note::general(Action::KeysRewrapped, row.by.clone()).ended(outcome);
        let note = note.with("step", "ended").with("key", row.key).with("done", row.done);
        let note = note.with("left", row.total.saturating_sub(row.done)).with("damaged", row.damaged);
        self.parts().audit.note(commit, note);
    }
}

/// The job goes on by itself, and says so when it is given up.
#[async_trait]
impl Handler for Keys {
    fn kinds(&self) -> &[Kind] {
        &KINDS
    }

    /// A page of a thousand slots, with a provider that takes its time.
    fn lease_for(&self) -> Duration {
        Duration::from_mins(10)
    }

    async fn handle(&self, lease: &Lease) -> Result<(), HandlerError> {
        self.one_page(lease).await.map_err(|error| failure(&error))
    }

    async fn given_up(&self, _lease: &Lease, commit: &mut Commit) -> Result<(), HandlerError> {
        let Some(read) = REWRAP.get(&self.parts().records, &THE_ONE).await? else { return Ok(()) };
        let row =
            RewrapRow { state: RewrapState::Failed, finished_at: Some(self.now()), ..read.value.clone() };
        commit.update(&REWRAP, &THE_ONE, &read, &row);
        self.note_end(commit, &row);
        Ok(())
    }
}

fn job() -> JobKey {
    JobKey::new(Kind::Rewrap, &THE_ONE.0)
}

fn under_others(keys: &BTreeMap<KeyId, u64>, active: KeyId) -> u64 {
    keys.iter().filter(|(id, _)| **id != active).map(|(_, slots)| slots).sum()
}

fn count(row: &mut RewrapRow, page: &Rewrapped) {
    row.done += u64::from(page.slots);
    row.damaged += page.damaged.len() as u64;
    // Slots that were put since the order, or brought over by a page whose count was lost with a crash.
    row.total = row.total.max(row.done);
}

fn failure(error: &CustodyError) -> HandlerError {
    match error {
        error if error.is_conflict() => HandlerError::Conflict,
        CustodyError::Records(error) => error.clone().into(),
        CustodyError::Queue(error) => error.clone().into(),
        error => {
            tracing::warn!(%error, "a page of slots was not rewrapped; it is tried again");
            HandlerError::Failed(if error.is_retryable() {
                Failure::here("keys-unavailable")
            } else {
                Failure::item("not-rewrapped")
            })
        }
    }
}

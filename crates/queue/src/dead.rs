//! Dead letters: jobs that were given up, until somebody looks at them.

use crate::{
    JobKey, Kind, Queue, QueueError,
    job::{self, JOBS, Job},
};
use model::Timestamp;
use records::{Commit, Index, Key as _, KeyPart as _, Record, Table, tables};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::Range;

/// Their keys alone: counting opens none.
static DEAD_KEYS: Index<JobKey> = Index::new(tables::DEAD_LETTERS);

pub(crate) const DEAD: Table<JobKey, DeadRow> = Table::new(tables::DEAD_LETTERS, "dead-letters");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeadRow {
    payload: Value,
    first_due: Timestamp,
    given_up: Timestamp,
    attempts: u32,
    reason: String,
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// What it was about.
    pub key: JobKey,
    /// What it carried.
    pub payload: Value,
    /// When it was first due, or first due again after it had last made progress.
    pub first_due: Timestamp,
    /// When it was given up.
    pub given_up: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last try failed.
    pub reason: String,
}

impl DeadLetter {
    fn new(key: JobKey, row: DeadRow) -> Self {
        let DeadRow { payload, first_due, given_up, attempts, reason } = row;
        Self { key, payload, first_due, given_up, attempts, reason }
    }
}

/// Moves a job from the desk to the dead letters.
pub(crate) async fn bury(
    commit: &mut Commit,
    key: &JobKey,
    read: &Record<Job>,
    job: &Job,
    now: Timestamp,
) -> Result<(), QueueError> {
    let row = DeadRow {
        payload: job.payload.clone(),
        first_due: job.first_due,
        given_up: now,
        attempts: job.attempts,
        reason: job.trouble.reason.clone().unwrap_or_default(),
    };
    let earlier = DEAD.get(commit.records(), key).await?;
    job::remove(commit, key, read);
    commit.upsert(&DEAD, key, earlier.as_ref(), &row);
    Ok(())
}

impl Queue {
    /// At most `limit` dead letters, after that of `after`, in the order of their keys.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn dead_letters(
        &self,
        after: Option<&JobKey>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let range = Range { after: after.map(JobKey::encode), ..Range::default() };
        let rows = DEAD.scan(&self.inner.records, &range, limit).await?;
        Ok(rows.into_iter().map(|(key, row)| DeadLetter::new(key, row.value)).collect())
    }

    /// The dead letter of one job.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn dead_letter(&self, key: &JobKey) -> Result<Option<DeadLetter>, QueueError> {
        let read = DEAD.get(&self.inner.records, key).await?;
        Ok(read.map(|read| DeadLetter::new(key.clone(), read.value)))
    }

    /// How many dead letters of this kind there are, counted up to `at_most`.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn count_dead(&self, kind: Kind, at_most: usize) -> Result<usize, QueueError> {
        let mut prefix = Vec::new();
        kind.put(&mut prefix);
        Ok(DEAD_KEYS.keys(&self.inner.records, prefix, None, at_most).await?.len())
    }

    /// Lays a dead letter down again as a new job, due now. If there is such a job again already, the dead letter just
    /// goes. Returns whether there was one.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn revive(&self, commit: &mut Commit, key: &JobKey) -> Result<bool, QueueError> {
        let Some(dead) = DEAD.get(&self.inner.records, key).await? else { return Ok(false) };
        commit.remove(&DEAD, key, &dead);
        let job = JOBS.get(&self.inner.records, key).await?;
        if job.is_none() {
            let now = job::whole(self.inner.clock.now());
            job::put(commit, key, None, &Job::new(now, dead.value.payload));
            self.wake_after(commit, key.kind());
        }
        Ok(true)
    }

    /// Strikes a dead letter off the list. Returns whether there was one.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn forget(&self, commit: &mut Commit, key: &JobKey) -> Result<bool, QueueError> {
        let Some(dead) = DEAD.get(&self.inner.records, key).await? else { return Ok(false) };
        commit.remove(&DEAD, key, &dead);
        Ok(true)
    }
}

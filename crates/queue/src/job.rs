//! A job as it rests.

use crate::{JobKey, QueueError, key::DueKey};
use model::Timestamp;
use records::{Commit, Index, Record, Table, tables};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a payload, as JSON, at most.
pub const PAYLOAD_BYTES: usize = 4096;

pub(crate) const JOBS: Table<JobKey, Job> = Table::new(tables::JOBS, "jobs");
pub(crate) const DUE: Index<DueKey> = Index::new(tables::JOBS_DUE);

/// The row of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) payload: Value,
    pub(crate) due: Timestamp,
    pub(crate) first_due: Timestamp,
    /// Times it was leased since it last made progress.
    pub(crate) attempts: u32,
    pub(crate) trouble: Trouble,
    pub(crate) lease: Option<LeaseRow>,
    /// What was asked for while a worker had it: it must run again after that worker.
    pub(crate) rerun: Option<Rerun>,
}

/// What has failed since the job last made progress.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) failures: u32,
    pub(crate) last: Option<Timestamp>,
    /// Milliseconds that it was made to wait after the last failure.
    pub(crate) waits: u64,
    /// Milliseconds of waiting that count against it.
    pub(crate) counted: u64,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseRow {
    pub(crate) token: u64,
    pub(crate) until: Timestamp,
    pub(crate) process: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rerun {
    pub(crate) due: Timestamp,
    pub(crate) payload: Option<Value>,
}

impl Job {
    pub(crate) fn new(due: Timestamp, payload: Value) -> Self {
        Self {
            payload,
            due,
            first_due: due,
            attempts: 0,
            trouble: Trouble::default(),
            lease: None,
            rerun: None,
        }
    }

    /// From when on it may be taken: when it is due, or when the lease on it runs out.
    pub(crate) fn takeable_at(&self) -> Timestamp {
        self.lease.map_or(self.due, |lease| lease.until)
    }

    /// Frees it from its worker; what was asked for meanwhile counts now. Returns whether anything was. The time is cut as
    /// the index holds it: a row that differs from its index row would never be found again.
    pub(crate) fn free(&mut self, due: Timestamp) -> bool {
        self.lease = None;
        self.due = whole(due);
        let Some(rerun) = self.rerun.take() else { return false };
        self.due = self.due.min(rerun.due);
        if let Some(payload) = rerun.payload {
            self.payload = payload;
        }
        true
    }
}

/// Times as keys hold them: whole microseconds. The last second of the calendar cannot be read back from those; it is
/// cut to whole seconds.
pub(crate) fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond())
        .or_else(|_| Timestamp::from_second(time.as_second()))
        .unwrap_or(time)
}

pub(crate) fn check_payload(key: &JobKey, payload: &Value) -> Result<(), QueueError> {
    if payload.to_string().len() > PAYLOAD_BYTES {
        return Err(QueueError::PayloadTooLarge { kind: key.kind(), limit: PAYLOAD_BYTES });
    }
    Ok(())
}

/// Writes the job and moves its row in the index. A commit may name a row once, so a row that stays is left alone.
pub(crate) fn put(commit: &mut Commit, key: &JobKey, read: Option<&Record<Job>>, job: &Job) {
    let old = read.map(|read| DueKey::new(key, read.value.takeable_at()));
    let new = DueKey::new(key, job.takeable_at());
    if old.as_ref() != Some(&new) {
        if let Some(old) = &old {
            commit.unindex(&DUE, old);
        }
        commit.index(&DUE, &new);
    }
    commit.upsert(&JOBS, key, read, job);
}

/// Removes the job and its row in the index.
pub(crate) fn remove(commit: &mut Commit, key: &JobKey, read: &Record<Job>) {
    commit.unindex(&DUE, &DueKey::new(key, read.value.takeable_at()));
    commit.remove(&JOBS, key, read);
}

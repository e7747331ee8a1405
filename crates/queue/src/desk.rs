//! The desk: where jobs are laid down and picked up.

use crate::{
    JobKey, Kind, Lease, QueueError, RetryPolicy,
    job::{self, DUE, JOBS, Job, LeaseRow, Rerun},
    key::DueKey,
    wake::{Wake, Woken},
};
use model::{Clock, Timestamp};
use records::{Commit, Key as _, KeyPart as _, Record, Records, RecordsError};
use serde_json::Value;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use store::Range;

/// Due jobs of each kind that are looked at for one lease. More workers than this in one process would not all find
/// one.
const CANDIDATES: usize = 64;

/// Jobs that are read at once at the start.
const ROWS: usize = 256;

/// How the queue behaves.
#[derive(Debug, Clone, Copy)]
pub struct QueueConfig {
    /// Whether no other process can have this store open (sled): then leases of an earlier process are void at once.
    pub exclusive: bool,
    /// When a failed job is tried again, and when it is given up.
    pub retry: RetryPolicy,
}

pub(crate) struct Inner {
    pub(crate) records: Records,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: QueueConfig,
    process: u64,
    wake: Wake,
    /// Jobs that a worker of this process is about to lease, so that the others go for the next; and damaged ones.
    claimed: Mutex<HashSet<JobKey>>,
}

/// Durable jobs. Clones are the same queue.
#[derive(Clone)]
pub struct Queue {
    pub(crate) inner: Arc<Inner>,
}

/// How much waits of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Jobs that could be taken now.
    pub due: usize,
    /// Jobs in all, leased ones included.
    pub all: usize,
    /// Since when the longest-waiting one could be taken.
    pub oldest: Option<Timestamp>,
}

struct Claim<'a> {
    inner: &'a Inner,
    key: &'a JobKey,
    keep: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.keep {
            self.inner.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(self.key);
        }
    }
}

impl Queue {
    /// Opens the queue. On an exclusive store, what an earlier process had leased can be taken at once.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn open(
        records: Records,
        clock: Arc<dyn Clock>,
        config: QueueConfig,
    ) -> Result<Self, QueueError> {
        let process = random(&records);
        let inner =
            Inner { records, clock, config, process, wake: Wake::default(), claimed: Mutex::default() };
        let queue = Self { inner: Arc::new(inner) };
        if config.exclusive {
            queue.void_earlier_leases().await?;
        }
        Ok(queue)
    }

    async fn void_earlier_leases(&self) -> Result<(), QueueError> {
        let records = &self.inner.records;
        let mut after = None;
        loop {
            let rows = JOBS.scan(records, &Range { after, ..Range::default() }, ROWS).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = Some(last.encode());
            let mut commit = records.commit();
            for (key, record) in &rows {
                if record.value.lease.is_some_and(|lease| lease.process != self.inner.process) {
                    let mut job = record.value.clone();
                    job.free(job.due);
                    job::put(&mut commit, key, Some(record), &job);
                }
            }
            commit.submit().await?;
        }
    }

    /// Lays a job down, or moves the one there is: it gets this due time and payload. What a worker has in hand runs
    /// once more at that time after it.
    ///
    /// # Errors
    /// [`QueueError::Records`], [`QueueError::PayloadTooLarge`].
    pub async fn schedule(
        &self,
        commit: &mut Commit,
        key: &JobKey,
        due: Timestamp,
        payload: Value,
    ) -> Result<(), QueueError> {
        job::check_payload(key, &payload)?;
        let due = job::whole(due);
        let read = JOBS.get(&self.inner.records, key).await?;
        let job = match &read {
            None => Job::new(due, payload),
            Some(read) if read.value.lease.is_some() => {
                // What was asked for earlier is not put off by it.
                let due = read.value.rerun.as_ref().map_or(due, |rerun| rerun.due.min(due));
                Job { rerun: Some(Rerun { due, payload: Some(payload) }), ..read.value.clone() }
            }
            Some(read) => Job { payload, due, ..read.value.clone() },
        };
        job::put(commit, key, read.as_ref(), &job);
        self.wake_after(commit, key.kind());
        Ok(())
    }

    /// Brings a job forward to now: something has happened that it should see. If a worker has it in hand, it runs once
    /// more after that worker, because nobody knows whether that one has seen it. Returns whether there is such a job.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn nudge(&self, commit: &mut Commit, key: &JobKey) -> Result<bool, QueueError> {
        let Some(read) = JOBS.get(&self.inner.records, key).await? else { return Ok(false) };
        let now = job::whole(self.inner.clock.now());
        let mut job = read.value.clone();
        if job.lease.is_some() {
            let rerun = job.rerun.get_or_insert(Rerun { due: now, payload: None });
            rerun.due = rerun.due.min(now);
        } else {
            job.due = job.due.min(now);
        }
        job::put(commit, key, Some(&read), &job);
        self.wake_after(commit, key.kind());
        Ok(true)
    }

    /// Takes a job off the desk, whoever has it in hand. Returns whether there was one.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn cancel(&self, commit: &mut Commit, key: &JobKey) -> Result<bool, QueueError> {
        let Some(read) = JOBS.get(&self.inner.records, key).await? else { return Ok(false) };
        job::remove(commit, key, &read);
        Ok(true)
    }

    /// Picks up the job of these kinds that has been due for longest, for `lease_for`. The lease is durable before
    /// anybody works on it. `None`: nothing is due.
    ///
    /// # Errors
    /// [`QueueError::Records`]. A job whose own row is damaged is logged and passed over.
    pub async fn lease_due(&self, kinds: &[Kind], lease_for: Duration) -> Result<Option<Lease>, QueueError> {
        let now = self.inner.clock.now();
        let mut candidates = Vec::new();
        for kind in kinds {
            candidates.extend(self.takeable(*kind, now, CANDIDATES).await?);
        }
        candidates.sort_by_key(|row| row.at);
        for row in candidates {
            let key = row.job();
            let Some(mut claim) = self.claim(&key) else { continue };
            match self.try_lease(&row, &key, now, lease_for).await {
                Ok(Some(lease)) => return Ok(Some(lease)),
                Ok(None) => {}
                Err(error) if error.is_conflict() => {}
                Err(QueueError::Records(error @ RecordsError::Damaged { .. })) => {
                    tracing::error!(job = %key, %error, "a job is passed over until the next start");
                    claim.keep = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn claim<'a>(&'a self, key: &'a JobKey) -> Option<Claim<'a>> {
        let mut claimed = self.inner.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        // Made only when the claim is won: dropping one gives the claim up.
        claimed.insert(key.clone()).then(|| Claim { inner: &self.inner, key, keep: false })
    }

    async fn try_lease(
        &self,
        row: &DueKey,
        key: &JobKey,
        now: Timestamp,
        lease_for: Duration,
    ) -> Result<Option<Lease>, QueueError> {
        let records = &self.inner.records;
        let read = JOBS.get(records, key).await?;
        let mut commit = records.commit();
        let Some(read) = read.filter(|read| read.value.takeable_at() == row.at) else {
            // Somebody was faster, or the row is a stray one. The job is read again: a row that has become right in
            // the meantime must stay.
            let read = JOBS.get(records, key).await?;
            if read.as_ref().is_none_or(|read| read.value.takeable_at() != row.at) {
                commit.require(&JOBS, key, read.as_ref());
                commit.unindex(&DUE, row);
                commit.submit().await?;
            }
            return Ok(None);
        };
        let mut job = read.value.clone();
        // A worker whose lease ran out will not come back to hand over what was asked for meanwhile.
        job.free(job.due);
        let lease = LeaseRow {
            token: random(records),
            until: job::whole(now + lease_for),
            process: self.inner.process,
        };
        job.attempts = job.attempts.saturating_add(1);
        job.lease = Some(lease);
        job::put(&mut commit, key, Some(&read), &job);
        commit.submit().await?;
        Ok(Some(Lease::new(self.clone(), key.clone(), job, lease)))
    }

    /// When the next job of these kinds can be taken: when it is due, or when the lease on it runs out.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn next_due(&self, kinds: &[Kind]) -> Result<Option<Timestamp>, QueueError> {
        let mut next = None;
        for kind in kinds {
            let first = DUE.scan(&self.inner.records, &of_kind(*kind), 1).await?.pop().map(|row| row.at);
            next = [next, first].into_iter().flatten().min();
        }
        Ok(next)
    }

    /// Tells whenever a job of these kinds was laid down, brought forward or freed: a worker who sleeps until the next
    /// due time looks again then.
    #[must_use]
    pub fn woken(&self, kinds: &[Kind]) -> Woken {
        self.inner.wake.of(kinds)
    }

    /// How much waits of this kind, counted up to `at_most`.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn depth(&self, kind: Kind, at_most: usize) -> Result<Depth, QueueError> {
        let now = self.inner.clock.now();
        let due = self.takeable(kind, now, at_most).await?;
        let all = DUE.scan(&self.inner.records, &of_kind(kind), at_most).await?.len();
        Ok(Depth { due: due.len(), all, oldest: due.first().map(|row| row.at) })
    }

    async fn takeable(&self, kind: Kind, now: Timestamp, limit: usize) -> Result<Vec<DueKey>, QueueError> {
        let mut before = Vec::new();
        kind.put(&mut before);
        (job::whole(now) + Duration::from_micros(1)).put(&mut before);
        let range = Range { before: Some(before), ..of_kind(kind) };
        Ok(DUE.scan(&self.inner.records, &range, limit).await?)
    }

    pub(crate) fn wake_after(&self, commit: &mut Commit, kind: Kind) {
        let inner = Arc::clone(&self.inner);
        commit.after_durable(move || inner.wake.ring(kind));
    }

    pub(crate) async fn job(&self, key: &JobKey) -> Result<Option<Record<Job>>, QueueError> {
        Ok(JOBS.get(&self.inner.records, key).await?)
    }
}

fn of_kind(kind: Kind) -> Range {
    let mut prefix = Vec::new();
    kind.put(&mut prefix);
    Range { prefix, ..Range::default() }
}

pub(crate) fn random(records: &Records) -> u64 {
    let mut bytes = [0; 8];
    records.rng().fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

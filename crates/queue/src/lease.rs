//! A job in a worker's hand, and the ways to give it back.

use crate::{
    Failure, JobKey, Kind, Queue, QueueError, Retried, dead,
    desk::random,
    job::{self, JOBS, Job, LeaseRow},
    retry,
};
use model::Timestamp;
use records::{Commit, KeyPart, Record};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{fmt, time::Duration};

/// A job that this worker has for a while.
///
/// Every way to give it back joins the worker's commit and makes it conditional on the lease: if it ran out and
/// somebody else has the job now, the answer is [`QueueError::LeaseLost`], or the commit conflicts, and nothing of it
/// is written. A commit that conflicts is built again from the start, with the same lease.
#[must_use = "a lease that is not given back keeps its job from running until it runs out"]
pub struct Lease {
    queue: Queue,
    key: JobKey,
    payload: Value,
    attempts: u32,
    row: LeaseRow,
}

impl Lease {
    pub(crate) fn new(queue: Queue, key: JobKey, job: Job, row: LeaseRow) -> Self {
        Self { queue, key, payload: job.payload, attempts: job.attempts, row }
    }

    /// The job's id.
    #[must_use]
    pub const fn key(&self) -> &JobKey {
        &self.key
    }

    /// The job's kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.key.kind()
    }

    /// What the job is about.
    ///
    /// # Errors
    /// [`QueueError::Unreadable`] when its subject is of another type.
    pub fn subject<S: KeyPart>(&self) -> Result<S, QueueError> {
        self.key.subject().ok_or(QueueError::Unreadable { kind: self.kind() })
    }

    /// What the job carries.
    ///
    /// # Errors
    /// [`QueueError::Unreadable`] when its payload is of another type.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, QueueError> {
        T::deserialize(&self.payload).map_err(|_| QueueError::Unreadable { kind: self.kind() })
    }

    /// How often it was leased since it last made progress, this time included.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When the lease runs out.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.row.until
    }

    /// Makes a commit conditional on the lease, without giving the job back. Not together with another way in the same
    /// commit.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::Records`].
    pub async fn hold(&self, commit: &mut Commit) -> Result<(), QueueError> {
        let read = self.read().await?;
        commit.require(&JOBS, &self.key, Some(&read));
        Ok(())
    }

    /// The job is done. If it was nudged or scheduled meanwhile, it runs once more instead of going.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::Records`].
    pub async fn complete(&self, commit: &mut Commit) -> Result<(), QueueError> {
        let read = self.read().await?;
        if read.value.rerun.is_none() {
            job::remove(commit, &self.key, &read);
            return Ok(());
        }
        self.progress(commit, &read, Timestamp::MAX, None);
        Ok(())
    }

    /// The job made progress and goes on at `due`; its failures are forgotten.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::Records`].
    pub async fn again_at(&self, commit: &mut Commit, due: Timestamp) -> Result<(), QueueError> {
        let read = self.read().await?;
        self.progress(commit, &read, job::whole(due), None);
        Ok(())
    }

    /// As [`Lease::again_at`], with another payload. A payload that was scheduled meanwhile is newer and counts.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::Records`], [`QueueError::PayloadTooLarge`].
    pub async fn again_with(
        &self,
        commit: &mut Commit,
        due: Timestamp,
        payload: Value,
    ) -> Result<(), QueueError> {
        job::check_payload(&self.key, &payload)?;
        let read = self.read().await?;
        self.progress(commit, &read, job::whole(due), Some(payload));
        Ok(())
    }

    fn progress(&self, commit: &mut Commit, read: &Record<Job>, due: Timestamp, payload: Option<Value>) {
        let mut job = read.value.clone();
        if let Some(payload) = payload {
            job.payload = payload;
        }
        job.free(due);
        (job.first_due, job.attempts, job.trouble) = (job.due, 0, job::Trouble::default());
        job::put(commit, &self.key, Some(read), &job);
        self.queue.wake_after(commit, self.kind());
    }

    /// The try failed: the job runs again later, or becomes a dead letter once it has failed for as long as the policy
    /// says. Which of the two is known before the commit, so that the flow's record can say so too.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::Records`].
    pub async fn retry(&self, commit: &mut Commit, failure: &Failure) -> Result<Retried, QueueError> {
        let read = self.read().await?;
        let inner = &self.queue.inner;
        let now = job::whole(inner.clock.now());
        let policy = &inner.config.retry;
        let mut job = read.value.clone();
        let delay = retry::fail(&mut job.trouble, failure, now, policy, random(&inner.records));
        let given_up = Duration::from_millis(job.trouble.counted) >= policy.retry_for;
        let due = now + delay;
        let asked_for = job.free(due);
        if given_up && !asked_for {
            dead::bury(commit, &self.key, &read, &job, now).await?;
            return Ok(Retried::DeadLetter);
        }
        let due = job.due;
        job::put(commit, &self.key, Some(&read), &job);
        self.queue.wake_after(commit, self.kind());
        Ok(Retried::At(due))
    }

    /// Gives up on the job now: it becomes a dead letter.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::Records`].
    pub async fn give_up(&self, commit: &mut Commit, reason: &'static str) -> Result<(), QueueError> {
        let read = self.read().await?;
        let now = job::whole(self.queue.inner.clock.now());
        let mut job = read.value.clone();
        job.trouble.reason = Some(reason.to_owned());
        dead::bury(commit, &self.key, &read, &job, now).await
    }

    /// Gives the job back as if it had not been taken, in a commit of its own: it can be taken at once.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::Records`].
    pub async fn release(&self) -> Result<(), QueueError> {
        loop {
            let read = self.read().await?;
            let mut job = read.value.clone();
            job.free(job.due);
            job.attempts = job.attempts.saturating_sub(1);
            let mut commit = self.queue.inner.records.commit();
            job::put(&mut commit, &self.key, Some(&read), &job);
            self.queue.wake_after(&mut commit, self.kind());
            match commit.submit().await {
                Err(error) if error.is_conflict() => {}
                done => return Ok(done?),
            }
        }
    }

    /// Makes the lease last for `lease_for` from now, in a commit of its own.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::Records`].
    pub async fn extend(&mut self, lease_for: Duration) -> Result<(), QueueError> {
        let inner = &self.queue.inner;
        let row = LeaseRow { until: job::whole(inner.clock.now() + lease_for), ..self.row };
        loop {
            let read = self.read().await?;
            let job = Job { lease: Some(row), ..read.value.clone() };
            let mut commit = inner.records.commit();
            job::put(&mut commit, &self.key, Some(&read), &job);
            match commit.submit().await {
                Err(error) if error.is_conflict() => {}
                done => {
                    done?;
                    self.row = row;
                    return Ok(());
                }
            }
        }
    }

    /// The queue that the job came from.
    #[must_use]
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Whether this worker still has the job.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn is_held(&self) -> Result<bool, QueueError> {
        match self.read().await {
            Ok(_) => Ok(true),
            Err(QueueError::LeaseLost { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The job's row, if this lease is still the one in it.
    async fn read(&self) -> Result<Record<Job>, QueueError> {
        let read = self.queue.job(&self.key).await?;
        let mine = |read: &Record<Job>| {
            read.value
                .lease
                .is_some_and(|lease| (lease.token, lease.process) == (self.row.token, self.row.process))
        };
        read.filter(mine).ok_or(QueueError::LeaseLost { kind: self.kind() })
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({}, until {})", self.key, self.row.until)
    }
}

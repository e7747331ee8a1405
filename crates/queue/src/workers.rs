//! Workers: lease, call, commit, over and over.

use crate::{Failure, Kind, Lease, Queue, QueueError, Retried};
use async_trait::async_trait;
use records::{Commit, RecordsError};
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio::{sync::watch, task::JoinSet};

/// The shortest sleep of a worker who found nothing although something is due: others are just taking it.
const SHORTEST_SLEEP: Duration = Duration::from_millis(100);

/// How long a worker waits after an error that may pass, such as a full disk.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Does the jobs of some kinds.
///
/// A handler calls whom it must, then submits a commit that gives the lease back in one of its ways. No store
/// transaction is open during the call.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The kinds that it does.
    fn kinds(&self) -> &[Kind];

    /// How long a lease should last: longer than any one run takes.
    fn lease_for(&self) -> Duration {
        Duration::from_mins(2)
    }

    /// Does one job and gives the lease back.
    ///
    /// # Errors
    /// [`HandlerError`] says what the worker does with the lease instead.
    async fn handle(&self, lease: &Lease) -> Result<(), HandlerError>;

    /// The worker gives the lease back for a handler that failed, and the job has failed for too long: it becomes a
    /// dead letter in this commit. Whatever the job was about can say so in the same commit.
    ///
    /// # Errors
    /// [`HandlerError`]: it is not given up now; it is tried again when the lease has run out.
    async fn given_up(&self, lease: &Lease, commit: &mut Commit) -> Result<(), HandlerError> {
        let _nothing_to_say = (lease, commit);
        Ok(())
    }
}

/// A handler that does some of another one's kinds only, so that they can have workers of their own.
pub struct Only {
    kinds: Vec<Kind>,
    handler: Arc<dyn Handler>,
}

impl Only {
    /// Those of `handler`'s kinds that are `wanted`.
    #[must_use]
    pub fn new(handler: Arc<dyn Handler>, wanted: impl Fn(Kind) -> bool) -> Self {
        Self { kinds: handler.kinds().iter().copied().filter(|kind| wanted(*kind)).collect(), handler }
    }
}

#[async_trait]
impl Handler for Only {
    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn lease_for(&self) -> Duration {
        self.handler.lease_for()
    }

    async fn handle(&self, lease: &Lease) -> Result<(), HandlerError> {
        self.handler.handle(lease).await
    }

    async fn given_up(&self, lease: &Lease, commit: &mut Commit) -> Result<(), HandlerError> {
        self.handler.given_up(lease, commit).await
    }
}

/// Why a handler did not give its lease back, and what happens with it.
#[derive(Debug, Clone, Error)]
pub enum HandlerError {
    /// Somebody else changed a record in the meantime: the job runs again at once.
    #[error("a record was changed by somebody else in the meantime")]
    Conflict,
    /// The job is somebody else's now: nothing more to do here.
    #[error("the lease is no longer this worker's")]
    LeaseLost,
    /// The try failed: as [`Lease::retry`].
    #[error("the try failed: {}", .0.reason())]
    Failed(Failure),
}

impl From<RecordsError> for HandlerError {
    fn from(error: RecordsError) -> Self {
        if error.is_conflict() { Self::Conflict } else { Self::Failed(Failure::here("store-unavailable")) }
    }
}

impl From<QueueError> for HandlerError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::LeaseLost { .. } => Self::LeaseLost,
            QueueError::Records(error) => error.into(),
            QueueError::Unreadable { .. } | QueueError::PayloadTooLarge { .. } | QueueError::WorkerDied => {
                Self::Failed(Failure::item("unreadable-job"))
            }
        }
    }
}

/// What became of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// The handler gave it back, or lost it.
    Settled,
    /// The worker gave it back for a handler that failed.
    GivenBack,
    /// The handler said that all is well and still has it: a mistake in the handler.
    Forgotten,
}

/// Lets the handler for it do a job, and gives the lease back if the handler did not.
pub(crate) async fn run(handlers: &[&dyn Handler], lease: &Lease) -> Result<Ran, QueueError> {
    let Some(handler) = handlers.iter().find(|handler| handler.kinds().contains(&lease.kind())) else {
        return Err(QueueError::Unreadable { kind: lease.kind() });
    };
    let error = match handler.handle(lease).await {
        Ok(()) if lease.is_held().await? => {
            tracing::error!(job = %lease.key(), "a handler kept its lease; the job is tried again later");
            give_back(*handler, lease, &Failure::item("lease-kept")).await?;
            return Ok(Ran::Forgotten);
        }
        Ok(()) | Err(HandlerError::LeaseLost) => return Ok(Ran::Settled),
        Err(error) => error,
    };
    let given_back = match error {
        HandlerError::Failed(failure) => {
            tracing::info!(job = %lease.key(), reason = failure.reason(), "a job failed and is tried again later");
            give_back(*handler, lease, &failure).await
        }
        HandlerError::Conflict | HandlerError::LeaseLost => lease.release().await,
    };
    match given_back {
        Ok(()) | Err(QueueError::LeaseLost { .. }) => Ok(Ran::GivenBack),
        Err(error) => Err(error),
    }
}

async fn give_back(handler: &dyn Handler, lease: &Lease, failure: &Failure) -> Result<(), QueueError> {
    loop {
        let mut commit = lease.queue().inner.records.commit();
        if lease.retry(&mut commit, failure).await? == Retried::DeadLetter {
            tracing::error!(job = %lease.key(), reason = failure.reason(), "a job was given up");
            match handler.given_up(lease, &mut commit).await {
                Ok(()) => {}
                Err(HandlerError::Conflict) => continue,
                Err(error) => {
                    tracing::error!(job = %lease.key(), %error, "a job could not be given up; it is tried again later");
                    return Ok(());
                }
            }
        }
        match commit.submit().await {
            Err(error) if error.is_conflict() => {}
            done => return Ok(done?),
        }
    }
}

/// Runs `workers` workers until `shutdown` says true (or its sender is gone): they finish what they have in hand and take
/// nothing more. Dropping the future stops them at once; what they had is leased until its lease runs out, or until the
/// next start.
///
/// # Errors
/// The first error that no waiting will cure, or [`QueueError::WorkerDied`] when a handler panicked: the process must
/// end.
pub async fn run_workers(
    queue: Queue,
    handlers: Vec<Arc<dyn Handler>>,
    workers: usize,
    shutdown: watch::Receiver<bool>,
) -> Result<(), QueueError> {
    let handlers: Arc<[Arc<dyn Handler>]> = handlers.into();
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        tasks.spawn(worker(queue.clone(), Arc::clone(&handlers), shutdown.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        // Dropping the set stops the others.
        ended.map_err(|_| QueueError::WorkerDied)??;
    }
    Ok(())
}

/// Does one job. If there is none to do: how long there will be none.
async fn one_job(
    queue: &Queue,
    handlers: &[&dyn Handler],
    kinds: &[Kind],
    lease_for: Duration,
) -> Result<Option<Duration>, QueueError> {
    if let Some(lease) = queue.lease_due(kinds, lease_for).await? {
        run(handlers, &lease).await?;
        return Ok(None);
    }
    let Some(next) = queue.next_due(kinds).await? else { return Ok(Some(Duration::from_hours(1))) };
    let wait = Duration::try_from(next.duration_since(queue.inner.clock.now()));
    Ok(Some(wait.unwrap_or_default().max(SHORTEST_SLEEP)))
}

async fn worker(
    queue: Queue,
    handlers: Arc<[Arc<dyn Handler>]>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), QueueError> {
    let handlers: Vec<&dyn Handler> = handlers.iter().map(AsRef::as_ref).collect();
    let kinds: Vec<Kind> = handlers.iter().flat_map(|handler| handler.kinds().iter().copied()).collect();
    let lease_for = handlers.iter().map(|handler| handler.lease_for()).max().unwrap_or_default();
    let mut woken = queue.woken(&kinds);
    while !*shutdown.borrow_and_update() {
        woken.mark_unchanged();
        let sleep = match one_job(&queue, &handlers, &kinds, lease_for).await {
            Ok(None) => continue,
            Ok(Some(sleep)) => sleep,
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the queue could not be used; trying again");
                PAUSE_AFTER_ERROR
            }
            Err(error) => return Err(error),
        };
        tokio::select! {
            () = woken.changed() => {}
            () = queue.inner.clock.sleep(sleep) => {}
            ended = shutdown.changed() => if ended.is_err() { return Ok(()) },
        }
    }
    Ok(())
}

//! The book as the flows see it: begin, finish, note.

use crate::{
    AuditError, Begin, Details, Entry, Head, Note, Outcome, anchor,
    chain::{HEAD, HEAD_KEY, OPEN},
    sink::Progress,
};
use model::{Clock, Timestamp};
use records::{Commit, Record, Records, Table, tables};
use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, Notify, oneshot, watch},
};

/// How often the anchor follows the chain at most.
pub const ANCHOR_EVERY: Duration = Duration::from_secs(1);

/// How long the background waits after an error that may pass, such as a full disk.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Entries that have no position yet, in the order in which they were handed in.
pub(crate) const PENDING: Table<(Timestamp, u64, u64), Entry> =
    Table::new(tables::AUDIT_PENDING, "audit-pending");

/// An act that was written down before it is done, and must be finished.
///
/// Dropped unfinished, its begin stays open, and the next start closes it as interrupted. It can be finished in one
/// durable commit only: a commit that did not go through may be built again with the same stroke.
#[must_use = "the act was written down as begun: finish the stroke in the commit that ends the act"]
pub struct Stroke {
    pub(crate) position: u64,
    pub(crate) open: Record<Entry>,
}

impl Stroke {
    /// The begin's position in the chain.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }
}

impl fmt::Debug for Stroke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stroke({:?} at {})", self.open.value.action, self.position)
    }
}

/// A begin that waits for its position.
pub(crate) struct Waiting {
    pub(crate) entry: Entry,
    pub(crate) answer: oneshot::Sender<Result<Stroke, AuditError>>,
}

pub(crate) struct Inner {
    pub(crate) records: Records,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) anchor_path: PathBuf,
    pub(crate) waiting: Mutex<Vec<Waiting>>,
    /// Held by whoever appends: there is one appender at a time.
    pub(crate) appender: AsyncMutex<()>,
    pub(crate) wake: Notify,
    /// What the anchor remembers, and since when. Held while the file is written.
    pub(crate) anchored: AsyncMutex<(Head, Timestamp)>,
    /// Appends run here and not in the caller's future, which may be dropped half way.
    pub(crate) runtime: Handle,
    pub(crate) sequence: AtomicU64,
    /// The last position, for the sinks.
    pub(crate) grown: watch::Sender<u64>,
    /// How far each sink is.
    pub(crate) sinks: Mutex<Vec<Arc<Progress>>>,
}

/// The book. Clones are the same book.
#[derive(Clone)]
pub struct Audit {
    pub(crate) inner: Arc<Inner>,
}

impl Audit {
    /// Writes down that an act is about to be done. Once this has answered, the entry is durable and has its place in
    /// the chain. Begins at the same time share one commit.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`], [`AuditError::Stopped`]: the act must not happen. If the entry was made durable all
    /// the same, the next start closes it as interrupted.
    pub async fn begin(&self, begin: Begin) -> Result<Stroke, AuditError> {
        let entry = Entry::begin(self.inner.clock.now(), begin);
        let (answer, answered) = oneshot::channel();
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { entry, answer });
        let book = self.clone();
        self.inner.runtime.spawn(async move { book.append_group().await });
        answered.await.unwrap_or(Err(AuditError::Stopped))
    }

    /// Writes down how the act ended, in the flow's own commit. Of several commits with the same stroke only one can
    /// be durable; the others conflict.
    pub fn finish(&self, commit: &mut Commit, stroke: &Stroke, outcome: Outcome) {
        self.finish_with(commit, stroke, outcome, Details::new());
    }

    /// As [`Audit::finish`], with a few words more.
    pub fn finish_with(&self, commit: &mut Commit, stroke: &Stroke, outcome: Outcome, details: Details) {
        let entry = stroke.open.value.finish(self.inner.clock.now(), stroke.position, outcome, details);
        commit.remove(&OPEN, &(stroke.position,), &stroke.open);
        self.pend(commit, &entry);
    }

    /// Writes down how the act ended, where there is nothing else to commit.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`]: the begin stays open.
    pub async fn finish_alone(
        &self,
        stroke: &Stroke,
        outcome: Outcome,
        details: Details,
    ) -> Result<(), AuditError> {
        let mut commit = self.inner.records.commit();
        self.finish_with(&mut commit, stroke, outcome, details);
        commit.submit().await.map_err(AuditError::Unavailable)
    }

    /// Writes down an act that needs no begin, in the flow's own commit.
    pub fn note(&self, commit: &mut Commit, note: Note) {
        let entry = Entry::note(self.inner.clock.now(), note);
        self.pend(commit, &entry);
    }

    fn pend(&self, commit: &mut Commit, entry: &Entry) {
        let sequence = self.inner.sequence.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 8];
        self.inner.records.rng().fill(&mut random);
        commit.insert(&PENDING, &(entry.at, sequence, u64::from_be_bytes(random)), entry);
        let inner = Arc::clone(&self.inner);
        commit.after_durable(move || inner.wake.notify_one());
    }

    /// Where the chain ends now.
    ///
    /// # Errors
    /// [`AuditError::Read`].
    pub async fn head(&self) -> Result<Head, AuditError> {
        let records = &self.inner.records;
        Ok(HEAD.get(records, &HEAD_KEY).await?.map_or_else(|| Head::genesis(records), |head| head.value))
    }

    /// Gives pending entries their positions and lets the anchor follow, for as long as the process lives. Returns only
    /// when the book can no longer be kept: the process must end then. May be dropped at any time.
    pub async fn run(&self) -> AuditError {
        loop {
            match self.round().await {
                Ok(Some(pause)) => {
                    tokio::select! {
                        () = self.inner.wake.notified() => {}
                        () = self.inner.clock.sleep(pause) => {}
                    }
                }
                Ok(None) => self.inner.wake.notified().await,
                Err(error) if error.is_retryable() || matches!(error, AuditError::AnchorIo(_)) => {
                    tracing::warn!(%error, "the audit log could not be brought up to date; trying again");
                    self.inner.clock.sleep(PAUSE_AFTER_ERROR).await;
                }
                Err(error) => return error,
            }
        }
    }

    /// One round of [`Audit::run`]: how long until the anchor may follow, if it is behind.
    pub(crate) async fn round(&self) -> Result<Option<Duration>, AuditError> {
        self.append_pending().await?;
        let (anchored, since) = *self.inner.anchored.lock().await;
        if self.head().await? == anchored {
            return Ok(None);
        }
        let age = self.inner.clock.now().duration_since(since).unsigned_abs();
        if let Some(pause) = ANCHOR_EVERY.checked_sub(age).filter(|pause| !pause.is_zero()) {
            return Ok(Some(pause));
        }
        self.anchor().await?;
        Ok(None)
    }

    /// Lets the anchor follow now.
    ///
    /// # Errors
    /// [`AuditError::AnchorIo`], [`AuditError::Read`].
    pub async fn anchor(&self) -> Result<(), AuditError> {
        let mut anchored = self.inner.anchored.lock().await;
        let head = self.head().await?;
        let (records, path) = (self.inner.records.clone(), self.inner.anchor_path.clone());
        let written = self.inner.runtime.spawn_blocking(move || anchor::write(&records, &path, &head)).await;
        written.unwrap_or(Err(AuditError::Stopped))?;
        *anchored = (head, self.inner.clock.now());
        Ok(())
    }

    /// The last thing in an orderly shutdown: everything pending gets its position, and the anchor follows.
    ///
    /// # Errors
    /// As [`Audit::append_pending`] and [`Audit::anchor`]. The next start catches up.
    pub async fn close(&self) -> Result<(), AuditError> {
        self.append_pending().await?;
        self.anchor().await
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit(..)")
    }
}

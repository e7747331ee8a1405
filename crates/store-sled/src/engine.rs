//! The store as its users see it.

use crate::{
    SledConfig,
    committer::{Alone, Committer, Message, Request},
    disk::{Disk, RealDisk},
    open::{self, Opened, unusable},
    reserve,
    shared::Shared,
    transfer::{Export, Import},
};
use async_trait::async_trait;
use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use store::{
    Batch, ExportSink, ImportSource, Limits, RESERVED_TABLE, Range, Row, Store, StoreError, TableId,
    Transferred, Version, Versioned,
};
use tokio::sync::{mpsc, oneshot};

/// Commits that wait at most; who comes then waits to be let in.
const WAITING: usize = 1024;

/// A [`Store`] in a folder.
///
/// Dropping it finishes what was accepted and closes the database; [`SledStore::close`] does so without blocking.
pub struct SledStore {
    shared: Arc<Shared>,
    limits: Limits,
    folder: PathBuf,
    min_free_bytes: u64,
    stalled_after: Duration,
    disk: Arc<dyn Disk>,
    messages: Option<mpsc::Sender<Message>>,
    committer: Option<JoinHandle<()>>,
}

impl SledStore {
    /// Opens the store, or makes a new one. It blocks: as long as it takes to read the database's files, and then for
    /// [`SledConfig::open_timeout`] or four times that, whichever is longer.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], which says why and what to do: in use by another process, of a newer version,
    /// damaged, not writable, or something in `blobs/`. When sled hangs, a thread is left behind that keeps the
    /// database's lock and cannot be ended: the process has to end before anybody can open it again.
    pub fn open(config: SledConfig) -> Result<Self, StoreError> {
        Self::open_on(config, |disk| Arc::new(disk))
    }

    /// The same, with something between the committer and the disk.
    pub(crate) fn open_on(
        config: SledConfig,
        between: impl FnOnce(RealDisk) -> Arc<dyn Disk>,
    ) -> Result<Self, StoreError> {
        let Opened { db, disk: real, sequence } = open::open(&config)?;
        if real.free_bytes().is_ok_and(|free| free >= reserve::needed(&config.path, config.min_free_bytes)) {
            // Without it the first commit tries again, and is refused if there is no room.
            let _no_room = reserve::take(&config.path);
        }
        let disk = between(real);
        let shared = Arc::new(Shared::new(db));
        let (messages, receiver) = mpsc::channel(WAITING);
        let SledConfig { path: folder, limits, min_free_bytes, stalled_after, .. } = config.clone();
        let committer = Committer {
            shared: Arc::clone(&shared),
            config,
            disk: Arc::clone(&disk),
            sequence,
            messages: receiver,
        };
        let committer = spawn("store-commit", move || committer.run())?;
        Ok(Self {
            shared,
            folder,
            limits,
            min_free_bytes,
            stalled_after,
            disk,
            messages: Some(messages),
            committer: Some(committer),
        })
    }

    /// Finishes what was accepted, closes the database and gives up its lock. Every later call fails.
    pub async fn close(&self) {
        let (closed, answer) = oneshot::channel();
        if let Some(messages) = &self.messages
            && messages.send(Message::Alone(Alone::Close(closed))).await.is_ok()
        {
            // No answer means that the committer has ended, which is what was asked for.
            let _ended = answer.await;
        }
    }

    /// Messages that the committer has not taken yet.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.messages.as_ref().map_or(0, |messages| messages.max_capacity() - messages.capacity())
    }

    async fn ask(&self, message: Message) -> Result<(), StoreError> {
        if let Some(failure) = self.shared.failure() {
            return Err(failure);
        }
        let messages = self.messages.as_ref().ok_or_else(|| self.ended())?;
        messages.send(message).await.map_err(|_| self.ended())
    }

    fn ended(&self) -> StoreError {
        self.shared.failure().unwrap_or_else(|| StoreError::Poisoned("it was closed".into()))
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("failure", &self.shared.failure()).finish_non_exhaustive()
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| unusable(format!("no thread to work in: {error}")))
}

#[async_trait]
impl Store for SledStore {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        if table == RESERVED_TABLE {
            return Err(StoreError::ReservedTable);
        }
        self.shared.get(table, key)
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        if table == RESERVED_TABLE {
            return Err(StoreError::ReservedTable);
        }
        let (shared, range) = (Arc::clone(&self.shared), range.clone());
        tokio::task::spawn_blocking(move || shared.scan(table, &range, limit))
            .await
            .unwrap_or_else(|_| Err(StoreError::Io("the scan did not finish".into())))
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        self.limits.check(&batch)?;
        let (answer, outcome) = oneshot::channel();
        self.ask(Message::Commit(Request { batch, answer })).await?;
        outcome.await.unwrap_or_else(|_| Err(StoreError::Ambiguous("the committer has ended".into())))
    }

    async fn export(&self, sink: Box<dyn ExportSink>) -> Result<Transferred, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.ask(Message::Alone(Alone::Export(Export { sink, answer }))).await?;
        outcome.await.unwrap_or_else(|_| Err(self.ended()))
    }

    async fn import(&self, last: Version, source: Box<dyn ImportSource>) -> Result<Transferred, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.ask(Message::Alone(Alone::Import(Import { last, source, answer }))).await?;
        outcome.await.unwrap_or_else(|_| Err(self.ended()))
    }

    fn trouble(&self) -> Option<StoreError> {
        if let Some(failure) = self.shared.failure() {
            return Some(failure);
        }
        if let Some(busy) = self.shared.busy_for().filter(|busy| *busy > self.stalled_after) {
            let seconds = busy.as_secs();
            return Some(StoreError::Io(format!(
                "its disk, or whoever takes an export, has not answered for {seconds} s"
            )));
        }
        let needed = reserve::needed(&self.folder, self.min_free_bytes);
        (self.disk.free_bytes().unwrap_or(0) < needed).then_some(StoreError::NoSpace)
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // The committer ends when nobody can ask it for anything any more.
        self.messages = None;
        if let Some(committer) = self.committer.take() {
            // It catches panics itself; there is nobody left to tell.
            let _panicked = committer.join();
        }
    }
}

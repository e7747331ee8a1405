//! The store, behind gates: every commit waits before it is done and, sometimes, after it.

use crate::stage::Gates;
use async_trait::async_trait;
use records::tables;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use store::{
    Batch, ExportSink, ImportSource, Range, Row, Store, StoreError, TableId, Transferred, Version, Versioned,
    faulty::FaultyStore, memory::MemoryStore,
};

/// What stays when a process ends, and the gates in front of it.
pub(crate) struct GatedStore {
    pub(crate) inner: FaultyStore<MemoryStore>,
    gates: Arc<Gates>,
    has_refused: AtomicBool,
    has_failed: AtomicBool,
}

/// One read in so many waits, so that commits of others come between it and what it leads to.
const READS_THAT_WAIT: usize = 12;
/// One commit in so many waits once more when it is durable and nobody knows it yet.
const COMMITS_THAT_WAIT_AFTER: usize = 3;

impl GatedStore {
    pub(crate) fn new(gates: Arc<Gates>) -> Self {
        Self {
            inner: FaultyStore::new(MemoryStore::new()),
            gates,
            has_refused: AtomicBool::default(),
            has_failed: AtomicBool::default(),
        }
    }

    /// A new process: what has failed is over.
    pub(crate) fn restart(&self) {
        self.inner.restart();
        self.has_refused.store(false, Ordering::SeqCst);
        self.has_failed.store(false, Ordering::SeqCst);
    }

    /// Whether anything at all did not work since the process began.
    pub(crate) fn has_refused(&self) -> bool {
        self.has_refused.load(Ordering::SeqCst)
    }

    /// Whether the store failed since the process began.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::SeqCst)
    }

    /// Whether it will not work again before the next start.
    pub(crate) fn is_poisoned(&self) -> bool {
        matches!(self.inner.trouble(), Some(StoreError::Poisoned(_)))
    }

    /// Entries in the book, past the gates.
    pub(crate) async fn book(&self) -> u64 {
        let rows = self.inner.inner().scan(tables::AUDIT, &Range::default(), usize::MAX).await;
        rows.map_or(0, |rows| rows.len() as u64)
    }

    fn seen<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &done {
            self.has_refused.store(true, Ordering::SeqCst);
            if *error != StoreError::Conflict {
                self.has_failed.store(true, Ordering::SeqCst);
            }
        }
        done
    }

    async fn before_read(&self, what: &'static str) {
        self.gates.pass(READS_THAT_WAIT, || what.to_owned()).await;
    }
}

#[async_trait]
impl Store for GatedStore {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        self.before_read("get").await;
        self.seen(self.inner.get(table, key).await)
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.before_read("scan").await;
        self.seen(self.inner.scan(table, range, limit).await)
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        self.gates.pass(1, || "commit".to_owned()).await;
        let done = self.seen(self.inner.commit(batch).await);
        self.gates.pass(COMMITS_THAT_WAIT_AFTER, || format!("committed {}", self.inner.commits())).await;
        done
    }

    async fn export(&self, sink: Box<dyn ExportSink>) -> Result<Transferred, StoreError> {
        self.inner.export(sink).await
    }

    async fn import(&self, last: Version, source: Box<dyn ImportSource>) -> Result<Transferred, StoreError> {
        self.inner.import(last, source).await
    }

    fn trouble(&self) -> Option<StoreError> {
        self.inner.trouble()
    }
}

//! The store, with a watch on its commits.

use super::Meters;
use async_trait::async_trait;
use model::Clock;
use std::sync::Arc;
use store::{
    Batch, ExportSink, ImportSource, Range, Row, Store, StoreError, TableId, Transferred, Version, Versioned,
};

/// Passes every call on, and measures how long a commit takes until it is durable: what callers wait, queue included.
pub(crate) struct MeteredStore {
    inner: Arc<dyn Store>,
    meters: Meters,
    clock: Arc<dyn Clock>,
}

impl MeteredStore {
    pub(crate) fn new(inner: Arc<dyn Store>, meters: Meters, clock: Arc<dyn Clock>) -> Self {
        Self { inner, meters, clock }
    }
}

#[async_trait]
impl Store for MeteredStore {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        self.inner.get(table, key).await
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.inner.scan(table, range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        let began = self.clock.uptime();
        let done = self.inner.commit(batch).await;
        let took = self.clock.uptime().saturating_sub(began);
        match &done {
            // A failed condition is answered after an fsync too.
            Ok(_) | Err(StoreError::Conflict) => self.meters.commits.observe(took.as_secs_f64()),
            Err(error) => {
                self.meters.commit_failures.get_or_create(&[("reason", reason(error))]).inc();
            }
        }
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

const fn reason(error: &StoreError) -> &'static str {
    match error {
        StoreError::NoSpace => "no-space",
        StoreError::Ambiguous(_) => "ambiguous",
        StoreError::Poisoned(_) => "poisoned",
        _ => "other",
    }
}

//! A store that lets something happen between a decision and its commit.

use async_trait::async_trait;
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};
use store::{
    Batch, ExportSink, ImportSource, Range, Row, Store, StoreError, TableId, Transferred, Version, Versioned,
    faulty::FaultyStore, memory::MemoryStore,
};
use tokio::sync::watch;

type Happening = Pin<Box<dyn Future<Output = ()> + Send>>;
type Hook = (Box<dyn Fn(&Batch) -> bool + Send>, Happening);

pub(crate) struct Hooked {
    pub(crate) faulty: Arc<FaultyStore<MemoryStore>>,
    hook: Mutex<Option<Hook>>,
    /// Commits that have gone through.
    pub(crate) committed: watch::Sender<u64>,
}

impl Hooked {
    pub(crate) fn new(faulty: Arc<FaultyStore<MemoryStore>>) -> Self {
        Self { faulty, hook: Mutex::default(), committed: watch::Sender::new(0) }
    }

    /// Lets `happening` take place before the next commit that `wanted` is about.
    pub(crate) fn before(
        &self,
        wanted: impl Fn(&Batch) -> bool + Send + 'static,
        happening: impl Future<Output = ()> + Send + 'static,
    ) {
        *self.hook.lock().unwrap() = Some((Box::new(wanted), Box::pin(happening)));
    }

    fn take(&self, batch: &Batch) -> Option<Happening> {
        let mut hook = self.hook.lock().unwrap();
        let is_it = hook.as_ref().is_some_and(|(wanted, _)| wanted(batch));
        hook.take_if(|_| is_it).map(|(_, happening)| happening)
    }
}

#[async_trait]
impl Store for Hooked {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        self.faulty.get(table, key).await
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.faulty.scan(table, range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        if let Some(happening) = self.take(&batch) {
            happening.await;
        }
        let done = self.faulty.commit(batch).await;
        if done.is_ok() {
            self.committed.send_modify(|count| *count += 1);
        }
        done
    }

    async fn export(&self, sink: Box<dyn ExportSink>) -> Result<Transferred, StoreError> {
        self.faulty.export(sink).await
    }

    async fn import(&self, last: Version, source: Box<dyn ImportSource>) -> Result<Transferred, StoreError> {
        self.faulty.import(last, source).await
    }
}

//! Stores opened and closed by folder: for the commands that work on a house at rest.

use async_trait::async_trait;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use store::{Store, StoreError};
use store_sled::{SledConfig, SledStore};

/// sled's stores that are open.
pub(crate) struct Engine {
    min_free_bytes: u64,
    open: Mutex<HashMap<PathBuf, Arc<SledStore>>>,
}

impl Engine {
    /// Demands so many free bytes of the disk, as the service does.
    pub(crate) fn new(min_free_bytes: u64) -> Self {
        Self { min_free_bytes, open: Mutex::default() }
    }
}

#[async_trait]
impl repair::Engine for Engine {
    async fn open(&self, folder: &Path) -> Result<Arc<dyn Store>, StoreError> {
        let mut settings = SledConfig::new(folder);
        settings.min_free_bytes = self.min_free_bytes;
        let opening = tokio::task::spawn_blocking(move || SledStore::open(settings)).await;
        let store = opening.map_err(|_| StoreError::Io("the opening did not finish".into()))??;
        let store = Arc::new(store);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(folder.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    async fn close(&self, folder: &Path) {
        let store = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(folder);
        if let Some(store) = store {
            store.close().await;
        }
    }
}

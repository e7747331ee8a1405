//! A commit in the making: what must become durable together.

use crate::{Index, Key, Record, Records, RecordsError, Table};
use serde::{Serialize, de::DeserializeOwned};
use store::{Batch, Condition};

type AfterDurable = Box<dyn FnOnce() + Send>;

/// Collects the writes of one step of a flow: record, job, index rows, audit entry. Only the flows submit it. Dropping
/// it writes nothing.
#[must_use = "a commit that is not submitted changes nothing"]
pub struct Commit {
    records: Records,
    batch: Batch,
    error: Option<RecordsError>,
    after: Vec<AfterDurable>,
}

impl Commit {
    pub(crate) fn new(records: Records) -> Self {
        Self { records, batch: Batch::new(), error: None, after: Vec::new() }
    }

    /// The records that this commit is about.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Adds a record that must not exist yet.
    pub fn insert<K: Key, V: Serialize + DeserializeOwned>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        value: &V,
    ) {
        self.put(table, key, 1, Condition::Absent, value);
    }

    /// Replaces a record, provided that it is still the one that was read.
    pub fn update<K: Key, V: Serialize + DeserializeOwned>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        read: &Record<V>,
        value: &V,
    ) {
        self.put(table, key, read.revision + 1, Condition::Version(read.version), value);
    }

    /// Inserts, or replaces what was read.
    pub fn upsert<K: Key, V: Serialize + DeserializeOwned>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        read: Option<&Record<V>>,
        value: &V,
    ) {
        match read {
            Some(read) => self.update(table, key, read, value),
            None => self.insert(table, key, value),
        }
    }

    /// Removes a record, provided that it is still the one that was read.
    pub fn remove<K: Key, V>(&mut self, table: &Table<K, V>, key: &K, read: &Record<V>) {
        self.batch.delete(table.id, key.encode(), Condition::Version(read.version));
    }

    /// Demands that a record is still as it was read, or still absent, without changing it.
    pub fn require<K: Key, V>(&mut self, table: &Table<K, V>, key: &K, read: Option<&Record<V>>) {
        let condition = read.map_or(Condition::Absent, |read| Condition::Version(read.version));
        self.batch.require(table.id, key.encode(), condition);
    }

    /// Adds a row to an index. The caller also writes the record that the row points to, under its condition.
    pub fn index<K: Key>(&mut self, index: &Index<K>, key: &K) {
        self.batch.put(index.id, key.encode(), Condition::Any, Vec::new());
    }

    /// Takes a row out of an index.
    pub fn unindex<K: Key>(&mut self, index: &Index<K>, key: &K) {
        self.batch.delete(index.id, key.encode(), Condition::Any);
    }

    /// Runs `wake` once everything is durable: to wake whoever waits for such a row.
    pub fn after_durable(&mut self, wake: impl FnOnce() + Send + 'static) {
        self.after.push(Box::new(wake));
    }

    /// Makes all of it durable, or nothing.
    ///
    /// # Errors
    /// [`RecordsError::Store`] with [`store::StoreError::Conflict`] when a record was changed by somebody else: read
    /// again and decide again.
    pub async fn submit(self) -> Result<(), RecordsError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.records.store.commit(self.batch).await?;
        for wake in self.after {
            wake();
        }
        Ok(())
    }

    fn put<K: Key, V: Serialize + DeserializeOwned>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        revision: u64,
        condition: Condition,
        value: &V,
    ) {
        let key = key.encode();
        match table.sealed(&self.records, &key, revision, value) {
            Ok(sealed) => self.batch.put(table.id, key, condition, sealed),
            Err(error) => self.error = Some(error),
        }
    }
}

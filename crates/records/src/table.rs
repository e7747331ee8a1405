//! A table of sealed records, and an index beside it.

use crate::{Key, Records, RecordsError};
use seal::{Place, Purpose};
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;
use store::{Range, TableId, Version, Versioned};

/// A table with keys `K` and values `V`.
///
/// What is stored under a key is the record's revision (8 bytes) and an envelope under the held record key, whose
/// associated data are the table's name, the key, and that revision.
pub struct Table<K, V> {
    pub(crate) id: TableId,
    pub(crate) name: &'static str,
    marker: PhantomData<fn(K) -> V>,
}

/// A value as it was read, with what a change to it is conditional on.
#[derive(Debug, Clone)]
pub struct Record<V> {
    /// The value.
    pub value: V,
    pub(crate) version: Version,
    pub(crate) revision: u64,
}

/// An index: keys alone. A row of it is a hint; whoever follows it compares what the record itself says.
pub struct Index<K> {
    pub(crate) id: TableId,
    marker: PhantomData<fn(K)>,
}

const REVISION_BYTES: usize = 8;

impl<K: Key, V: Serialize + DeserializeOwned> Table<K, V> {
    /// The table with this number. The name is part of what binds a record to its place.
    #[must_use]
    pub const fn new(id: TableId, name: &'static str) -> Self {
        Self { id, name, marker: PhantomData }
    }

    /// The record under `key`.
    ///
    /// # Errors
    /// [`RecordsError::Damaged`] when what is stored there does not open there.
    pub async fn get(&self, records: &Records, key: &K) -> Result<Option<Record<V>>, RecordsError> {
        let key = key.encode();
        match records.store.get(self.id, &key).await? {
            Some(stored) => self.open(records, &key, &stored).map(Some),
            None => Ok(None),
        }
    }

    /// At most `limit` records in ascending order of their keys.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub async fn scan(
        &self,
        records: &Records,
        range: &Range,
        limit: usize,
    ) -> Result<Vec<(K, Record<V>)>, RecordsError> {
        let rows = records.store.scan(self.id, range, limit).await?;
        rows.into_iter()
            .map(|row| {
                let key = K::decode(&row.key).ok_or(RecordsError::Damaged { table: self.name })?;
                Ok((key, self.open(records, &row.key, &row.value)?))
            })
            .collect()
    }

    /// What was read elsewhere, opened in its place: for whoever goes through raw rows and must get past those that do
    /// not open.
    ///
    /// # Errors
    /// [`RecordsError::Damaged`] when it does not open there.
    pub fn opened(
        &self,
        records: &Records,
        key: &[u8],
        stored: &Versioned,
    ) -> Result<(K, Record<V>), RecordsError> {
        let decoded = K::decode(key).ok_or(RecordsError::Damaged { table: self.name })?;
        Ok((decoded, self.open(records, key, stored)?))
    }

    fn open(&self, records: &Records, key: &[u8], stored: &Versioned) -> Result<Record<V>, RecordsError> {
        let damaged = RecordsError::Damaged { table: self.name };
        let Some((revision, envelope)) = stored.value.split_first_chunk::<REVISION_BYTES>() else {
            return Err(damaged);
        };
        let revision = u64::from_be_bytes(*revision);
        let place = self.place(key, revision);
        let json =
            records.keys.records().open(Purpose::Record, &place, envelope).map_err(|_| damaged.clone())?;
        let value = serde_json::from_slice(&json).map_err(|_| damaged)?;
        Ok(Record { value, version: stored.version, revision })
    }

    pub(crate) fn sealed(
        &self,
        records: &Records,
        key: &[u8],
        revision: u64,
        value: &V,
    ) -> Result<Vec<u8>, RecordsError> {
        // Wiped on drop: a row may hold what is sealed a second time under a slot's key, but need not.
        let json = zeroize::Zeroizing::new(
            serde_json::to_vec(value).map_err(|_| RecordsError::Encoding { table: self.name })?,
        );
        let envelope = records.keys.records().seal(
            records.rng.as_ref(),
            Purpose::Record,
            &self.place(key, revision),
            &json,
        );
        Ok([&revision.to_be_bytes()[..], &envelope].concat())
    }

    fn place<'a>(&'a self, key: &'a [u8], revision: u64) -> Place<'a> {
        Place { table: self.name, record: key, field: "record", generation: revision }
    }
}

impl<K: Key> Index<K> {
    /// The index with this number.
    #[must_use]
    pub const fn new(id: TableId) -> Self {
        Self { id, marker: PhantomData }
    }

    /// At most `limit` keys that begin with `prefix`, in ascending order, after `after` if given.
    ///
    /// # Errors
    /// [`RecordsError::Damaged`] when a row is not a key of this index.
    pub async fn keys(
        &self,
        records: &Records,
        prefix: Vec<u8>,
        after: Option<&K>,
        limit: usize,
    ) -> Result<Vec<K>, RecordsError> {
        let range = Range { prefix, after: after.map(Key::encode), before: None };
        self.scan(records, &range, limit).await
    }

    /// At most `limit` keys within `range`, in ascending order.
    ///
    /// # Errors
    /// As [`Index::keys`].
    pub async fn scan(&self, records: &Records, range: &Range, limit: usize) -> Result<Vec<K>, RecordsError> {
        let rows = records.store.scan(self.id, range, limit).await?;
        rows.into_iter()
            .map(|row| K::decode(&row.key).ok_or(RecordsError::Damaged { table: "index" }))
            .collect()
    }
}

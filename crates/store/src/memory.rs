//! The store in memory: the reference that engines are compared with, and what the flows are tested on.

use crate::{
    Batch, Change, Condition, ExportSink, ImportSource, Limits, Pages, RESERVED_TABLE, Range, Row, Store,
    StoreError, TableId, TableRow, Transferred, Version, Versioned,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

type FullKey = (TableId, Vec<u8>);

#[derive(Debug, Clone, Default)]
struct State {
    rows: BTreeMap<FullKey, Versioned>,
    version: u64,
}

/// A store that lives as long as the process, with the default [`Limits`] of an engine on disk.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of what is stored now: what a crash at this moment would leave.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self(Mutex::new(self.state().clone()))
    }

    /// All rows, for tests that look at raw bytes.
    #[must_use]
    pub fn dump(&self) -> Vec<(TableId, Vec<u8>, Versioned)> {
        self.state().rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect()
    }

    /// Changes a stored value behind the store's back, as somebody with access to the disk would.
    pub fn tamper(&self, table: TableId, key: &[u8], value: Versioned) {
        self.state().rows.insert((table, key.to_vec()), value);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn holds(condition: Condition, current: Option<&Versioned>) -> bool {
    match condition {
        Condition::Any => true,
        Condition::Absent => current.is_none(),
        Condition::Version(version) => current.is_some_and(|row| row.version == version),
    }
}

fn open_to_callers(table: TableId) -> Result<(), StoreError> {
    (table != RESERVED_TABLE).then_some(()).ok_or(StoreError::ReservedTable)
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        open_to_callers(table)?;
        Ok(self.state().rows.get(&(table, key.to_vec())).cloned())
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        open_to_callers(table)?;
        let start =
            range.after.clone().map_or_else(|| range.prefix.clone(), |after| after.max(range.prefix.clone()));
        let state = self.state();
        let rows = state
            .rows
            .range((table, start)..)
            .take_while(|((t, key), _)| {
                *t == table
                    && key.starts_with(&range.prefix)
                    && range.before.as_ref().is_none_or(|before| key < before)
            })
            .filter(|((_, key), _)| range.after.as_ref().is_none_or(|after| key > after))
            .take(limit)
            .map(|((_, key), value)| Row { key: Bytes::copy_from_slice(key), value: value.clone() })
            .collect();
        Ok(rows)
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        Limits::default().check(&batch)?;
        let mut state = self.state();
        let all_hold = batch
            .writes
            .iter()
            .all(|write| holds(write.condition, state.rows.get(&(write.table, write.key.clone()))));
        if !all_hold {
            return Err(StoreError::Conflict);
        }
        state.version += 1;
        let version = Version(state.version);
        for write in batch.writes {
            let key = (write.table, write.key);
            match write.change {
                Change::Put(value) => drop(state.rows.insert(key, Versioned { version, value })),
                Change::Delete => drop(state.rows.remove(&key)),
                Change::Nothing => {}
            }
        }
        Ok(version)
    }

    /// The lock is held from the first row to the last.
    async fn export(&self, mut sink: Box<dyn ExportSink>) -> Result<Transferred, StoreError> {
        let state = self.state();
        let last = Version(state.version);
        let (mut pages, mut done) = (Pages::default(), Transferred::none(last));
        sink.begin(last).map_err(StoreError::Stopped)?;
        let mut hand_out = |page: Vec<TableRow>| {
            done.add(&page);
            sink.rows(page).map_err(StoreError::Stopped)
        };
        for ((table, key), value) in &state.rows {
            let row = TableRow { table: *table, key: Bytes::copy_from_slice(key), value: value.clone() };
            pages.push(row).map_or(Ok(()), &mut hand_out)?;
        }
        pages.finish().map_or(Ok(()), hand_out)?;
        Ok(done)
    }

    /// Unlike an engine on disk it stays empty and usable when the import is given up.
    async fn import(
        &self,
        last: Version,
        mut source: Box<dyn ImportSource>,
    ) -> Result<Transferred, StoreError> {
        let mut state = self.state();
        if !state.rows.is_empty() {
            return Err(StoreError::NotEmpty);
        }
        let (mut rows, mut done) = (BTreeMap::new(), Transferred::none(last));
        while let Some(page) = source.rows().map_err(StoreError::Stopped)? {
            done.add(&page);
            for row in page {
                Limits::default().check_row(last, &row)?;
                let key = (row.table, row.key.to_vec());
                if rows.last_key_value().is_some_and(|(before, _)| *before >= key) {
                    return Err(StoreError::NotAnExport("its records are not in their order"));
                }
                rows.insert(key, row.value);
            }
        }
        *state = State { rows, version: state.version.max(last.0) };
        Ok(done)
    }
}

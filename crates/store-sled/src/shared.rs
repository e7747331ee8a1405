//! What readers and the committer share: the database, and the rows as they were before the group under way.

use crate::layout::{behind, full_key, read, unreadable};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, btree_map},
    iter::Peekable,
    ops::Bound,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};
use store::{Range, Row, StoreError, TableId, Versioned};

/// Rows as they were when they were last durable; `None` where there was none.
pub(crate) type Before = BTreeMap<Vec<u8>, Option<Versioned>>;

/// What a reader looks at. Whoever reads holds the lock from the first look to the last: the committer can put a group's
/// `before` here only when nobody is half way through the rows that it is about to change.
#[derive(Debug, Default)]
struct View {
    db: Option<sled::Db>,
    before: Before,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    view: RwLock<View>,
    failed: OnceLock<String>,
    busy_since: Mutex<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(db: sled::Db) -> Self {
        Self { view: RwLock::new(View { db: Some(db), before: Before::new() }), ..Self::default() }
    }

    /// Ends the engine: from now on nothing is read or written.
    pub(crate) fn fail(&self, why: &str) {
        // The first reason is the one that matters.
        drop(self.failed.set(why.to_owned()));
    }

    pub(crate) fn failure(&self) -> Option<StoreError> {
        self.failed.get().cloned().map(StoreError::Poisoned)
    }

    /// From here on readers see these rows as they are given, whatever the database holds.
    pub(crate) fn show_before(&self, before: Before) {
        self.write().before = before;
    }

    /// The group is durable: readers see the database as it is.
    pub(crate) fn show_now(&self) {
        self.write().before.clear();
    }

    pub(crate) fn db(&self) -> Option<sled::Db> {
        self.read().db.clone()
    }

    pub(crate) fn take_db(&self) -> Option<sled::Db> {
        self.write().db.take()
    }

    pub(crate) fn set_db(&self, db: sled::Db) {
        self.write().db = Some(db);
    }

    /// Notes when a group went to the disk, and when it came back.
    pub(crate) fn set_busy(&self, busy: bool) {
        *self.busy() = busy.then(Instant::now);
    }

    /// How long the group under way has been so.
    pub(crate) fn busy_for(&self) -> Option<Duration> {
        self.busy().map(|since| since.elapsed())
    }

    pub(crate) fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        self.ended_by(self.look(&full_key(table, key)))
    }

    pub(crate) fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.ended_by(self.walk(table, range, limit))
    }

    /// Ends the engine if its disk could not be read: what is there is found out by the next process.
    pub(crate) fn ended_by<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Poisoned(why)) = &outcome {
            self.fail(why);
        }
        outcome
    }

    fn look(&self, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        let view = self.read();
        let db = self.usable(&view)?;
        if let Some(before) = view.before.get(key) {
            return Ok(before.clone());
        }
        db.get(key).map_err(|error| unreadable(&error))?.map(|raw| read(db, &raw)).transpose()
    }

    fn walk(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        let (lower, upper) = bounds(table, range);
        let view = self.read();
        let db = self.usable(&view)?;
        if is_empty(&lower, &upper) {
            return Ok(Vec::new());
        }
        let mut merged = Merged {
            db,
            stored: db.range((lower.clone(), upper.clone())).peekable(),
            before: view.before.range((lower, upper)).peekable(),
        };
        let mut rows = Vec::new();
        while rows.len() < limit {
            let Some((key, value)) = merged.next()? else { break };
            rows.extend(value.map(|value| Row { key: Bytes::copy_from_slice(&key[1..]), value }));
        }
        Ok(rows)
    }

    fn usable<'a>(&self, view: &'a View) -> Result<&'a sled::Db, StoreError> {
        match self.failure() {
            Some(failure) => Err(failure),
            None => view.db.as_ref().ok_or_else(|| {
                StoreError::Io("it is being opened again, after its disk had run full; try again".into())
            }),
        }
    }

    // Nothing panics while it holds one of these locks, and a half-made change would be a whole one anyway.
    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self) -> MutexGuard<'_, Option<Instant>> {
        self.busy_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bounds(table: TableId, range: &Range) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let prefix = full_key(table, &range.prefix);
    let after = range.after.as_ref().map(|after| full_key(table, after));
    let lower = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix.clone()),
    };
    let before = range.before.as_ref().map(|before| full_key(table, before));
    let upper = match (behind(&prefix), before) {
        (Some(end), Some(before)) => Bound::Excluded(end.min(before)),
        (Some(end), None) | (None, Some(end)) => Bound::Excluded(end),
        (None, None) => Bound::Unbounded,
    };
    (lower, upper)
}

/// Whether no key can lie between the two: sled and `BTreeMap` do not take such bounds.
fn is_empty(lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>) -> bool {
    match (lower, upper) {
        (Bound::Included(lower) | Bound::Excluded(lower), Bound::Excluded(upper)) => lower >= upper,
        _ => false,
    }
}

/// A row's key in the tree, and its value if the row is there.
type Entry = (Vec<u8>, Option<Versioned>);

/// The rows of the database and those from before the group under way, in one order; the latter win.
struct Merged<'a> {
    db: &'a sled::Db,
    stored: Peekable<sled::Iter>,
    before: Peekable<btree_map::Range<'a, Vec<u8>, Option<Versioned>>>,
}

impl Merged<'_> {
    fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        if let Some(Err(error)) = self.stored.peek() {
            return Err(unreadable(error));
        }
        let stored_key =
            self.stored.peek().and_then(|entry| entry.as_ref().ok()).map(|(key, _)| key.as_ref());
        let from_before = match (stored_key, self.before.peek()) {
            (Some(stored), Some((before, _))) => before.as_slice() <= stored,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if from_before {
            let same = self.before.peek().map(|(key, _)| key.as_slice()) == stored_key;
            if same {
                self.stored.next();
            }
            return Ok(self.before.next().map(|(key, value)| (key.clone(), value.clone())));
        }
        match self.stored.next() {
            Some(Ok((key, raw))) => Ok(Some((key.to_vec(), Some(read(self.db, &raw)?)))),
            Some(Err(error)) => Err(unreadable(&error)),
            None => Ok(None),
        }
    }
}

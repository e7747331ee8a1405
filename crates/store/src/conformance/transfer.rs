//! Export and import.

use super::{ABOVE, BELOW, Subject, TABLE, commit, put, value};
use crate::{
    Batch, Condition, ExportSink, ImportSource, PAGE_BYTES, PAGE_ROWS, RESERVED_TABLE, Range, Store,
    StoreError, TableId, TableRow, Transferred, Version, Versioned, memory::MemoryStore,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// What a sink was given.
#[derive(Debug, Default)]
struct Taken {
    last: Option<Version>,
    pages: Vec<Vec<TableRow>>,
}

impl Taken {
    fn rows(&self) -> Vec<TableRow> {
        self.pages.concat()
    }
}

/// A sink that keeps everything, and fails after some pages if it is told to.
struct Keeper {
    taken: Arc<Mutex<Taken>>,
    fails_after: usize,
}

impl Keeper {
    fn new() -> (Self, Arc<Mutex<Taken>>) {
        let taken = Arc::new(Mutex::new(Taken::default()));
        (Self { taken: Arc::clone(&taken), fails_after: usize::MAX }, taken)
    }
}

impl ExportSink for Keeper {
    fn begin(&mut self, last: Version) -> Result<(), String> {
        self.taken.lock().unwrap().last = Some(last);
        Ok(())
    }

    fn rows(&mut self, rows: Vec<TableRow>) -> Result<(), String> {
        let mut taken = self.taken.lock().unwrap();
        if taken.pages.len() == self.fails_after {
            return Err("the tape is full".into());
        }
        taken.pages.push(rows);
        Ok(())
    }
}

/// A source of these pages, which fails in the end if it is told to.
struct Given {
    pages: VecDeque<Vec<TableRow>>,
    torn: bool,
}

impl ImportSource for Given {
    fn rows(&mut self) -> Result<Option<Vec<TableRow>>, String> {
        match self.pages.pop_front() {
            None if self.torn => Err("the tape is torn".into()),
            page => Ok(page),
        }
    }
}

fn given(pages: Vec<Vec<TableRow>>) -> Box<dyn ImportSource> {
    Box::new(Given { pages: pages.into(), torn: false })
}

async fn exported(store: &impl Store) -> (Transferred, Taken) {
    let (sink, taken) = Keeper::new();
    let done = store.export(Box::new(sink)).await.expect("this export must go through");
    (done, std::mem::take(&mut *taken.lock().unwrap()))
}

/// Rows of several tables, of all sizes, some deleted again.
async fn fill(store: &impl Store, limit: usize) {
    for n in 0..(2 * PAGE_ROWS) / 16 {
        let mut batch = Batch::new();
        for m in 0..16_usize {
            let key = [n.to_be_bytes(), m.to_be_bytes()].concat();
            batch.put([BELOW, TABLE, ABOVE][(n + m) % 3], key, Condition::Absent, vec![1; n + m]);
        }
        commit(store, batch).await;
    }
    // Of the same version, as large as may be, and of several parts where an engine has such.
    let mut large = Batch::new();
    for n in 0..8_u8 {
        large.put(TABLE, vec![n; 3], Condition::Absent, vec![n; limit - usize::from(n)]);
    }
    commit(store, large).await;
    let mut ends = Batch::new();
    for table in [TableId(1), TableId(255)] {
        ends.put(table, vec![], Condition::Absent, "first");
        ends.put(table, vec![0xff; 40], Condition::Absent, "last");
        ends.put(table, b"gone".to_vec(), Condition::Absent, "v");
    }
    commit(store, ends).await;
    for table in [TableId(1), TableId(255)] {
        let mut gone = Batch::new();
        gone.delete(table, b"gone".to_vec(), Condition::Any);
        commit(store, gone).await;
    }
}

/// Every row of every table once, with its version, in order; nothing that was deleted, and nothing of the engine's own.
pub async fn an_export_has_every_row_once_in_order_and_in_bounded_pages(subject: &mut impl Subject) {
    let store = subject.open().await;
    let limit = subject.limits().value_bytes;
    fill(&store, limit).await;
    let last = commit(&store, Batch::new()).await;
    let (done, taken) = exported(&store).await;
    assert_eq!((taken.last, done.last), (Some(last), last));
    let mut expected = Vec::new();
    for table in 1..=255 {
        for row in store.scan(TableId(table), &Range::default(), usize::MAX).await.unwrap() {
            expected.push(TableRow { table: TableId(table), key: row.key, value: row.value });
        }
    }
    let rows = taken.rows();
    assert!(rows == expected, "{} rows instead of {}", rows.len(), expected.len());
    assert_eq!(done.rows, rows.len() as u64);
    assert_eq!(done.bytes, rows.iter().map(|row| row.bytes() as u64).sum::<u64>());
    assert!(taken.pages.len() > 3, "{} pages", taken.pages.len());
    for page in &taken.pages {
        let bytes: usize = page.iter().map(TableRow::bytes).sum();
        assert!(!page.is_empty() && page.len() <= PAGE_ROWS && bytes < PAGE_BYTES + limit + 512);
    }
}

/// Two rows that are always changed together are never seen apart, though they lie at both ends of the walk.
pub async fn no_commit_lies_within_an_export(subject: &mut impl Subject) {
    let store = subject.open().await;
    fill(&store, 1000).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (first, last) = (TableId(1), TableId(255));
    let both = move |n: u64| {
        let mut batch = Batch::new();
        for table in [first, last] {
            batch.put(table, b"pair".to_vec(), Condition::Any, n.to_be_bytes().to_vec());
        }
        batch
    };
    commit(&store, both(0)).await;
    let writer = tokio::spawn({
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            let mut n = 1_u64;
            while !stop.load(Ordering::SeqCst) {
                store.commit(both(n)).await.unwrap();
                n += 1;
            }
            n
        }
    });
    let mut seen = Vec::new();
    for _ in 0..20 {
        let rows = exported(&store).await.1.rows();
        let pair: Vec<_> = rows.iter().filter(|row| row.key[..] == b"pair"[..]).collect();
        assert_eq!(pair.len(), 2);
        assert_eq!(pair[0].value, pair[1].value);
        seen.push(pair[0].value.version);
    }
    stop.store(true, Ordering::SeqCst);
    assert!(writer.await.unwrap() > 1);
    assert!(seen.is_sorted() && seen[0] < seen[seen.len() - 1], "commits go on between exports: {seen:?}");
}

/// The sink's own words come back, nothing more is handed to it, and the store goes on.
pub async fn an_export_ends_when_its_sink_fails(subject: &mut impl Subject) {
    let store = subject.open().await;
    fill(&store, 1000).await;
    let (sink, taken) = Keeper::new();
    let outcome = store.export(Box::new(Keeper { fails_after: 1, ..sink })).await;
    assert_eq!(outcome, Err(StoreError::Stopped("the tape is full".into())));
    assert_eq!(taken.lock().unwrap().pages.len(), 1);
    commit(&store, put(TABLE, b"after", Condition::Absent, "v")).await;
    assert!(exported(&store).await.0.rows > 0);
}

/// The versions are those of the exported rows, the next commit's is greater than all of the exported store's, and all
/// of it is there after reopening.
pub async fn an_import_brings_back_rows_versions_and_their_order(subject: &mut impl Subject) {
    let origin = MemoryStore::new();
    fill(&origin, subject.limits().value_bytes).await;
    let last = commit(&origin, Batch::new()).await;
    let (before, taken) = exported(&origin).await;
    let store = subject.open().await;
    let (rows, done) = (taken.rows(), store.import(last, given(taken.pages)).await.unwrap());
    assert_eq!(done, before);
    assert!(exported(&store).await.1.rows() == rows);
    assert!(commit(&store, Batch::new()).await > last);
    subject.close(store).await;
    let store = subject.open().await;
    let (reopened, taken) = exported(&store).await;
    assert!(taken.rows() == rows && reopened.last > before.last);
    let sample = &rows[rows.len() / 2];
    let change = |value| put(sample.table, &sample.key, Condition::Version(sample.value.version), value);
    assert!(commit(&store, change("new")).await > last);
    assert_eq!(store.commit(change("late")).await, Err(StoreError::Conflict));
    // Large values consist of parts in some engines: none is left behind, and none is another row's.
    for n in 0..8_u8 {
        commit(&store, put(TABLE, &[n; 3], Condition::Any, vec![!n; 5000 + usize::from(n)])).await;
    }
    for n in 0..8_u8 {
        assert_eq!(value(&store, &[n; 3]).await.unwrap(), vec![!n; 5000 + usize::from(n)]);
    }
}

/// Nothing is changed, and the store goes on.
pub async fn an_import_into_a_store_with_rows_is_refused(subject: &mut impl Subject) {
    let store = subject.open().await;
    let version = commit(&store, put(TABLE, b"k", Condition::Absent, "mine")).await;
    let outcome = store.import(Version(9), given(vec![vec![row(ABOVE, b"k", 1, 1)]])).await;
    assert_eq!(outcome, Err(StoreError::NotEmpty));
    let (done, taken) = exported(&store).await;
    assert_eq!((done.rows, &taken.rows()[0].value.value[..]), (1, b"mine".as_ref()));
    commit(&store, put(TABLE, b"k", Condition::Version(version), "still mine")).await;
}

fn row(table: TableId, key: &[u8], version: u64, bytes: usize) -> TableRow {
    let value = Versioned { version: Version(version), value: vec![0; bytes].into() };
    TableRow { table, key: Bytes::copy_from_slice(key), value }
}

/// Some engines are as empty as before, others of no more use: never is a part of it shown as a store.
async fn refused(subject: &mut impl Subject, bad: Option<TableRow>) -> StoreError {
    let store = subject.open().await;
    let torn = bad.is_none();
    let pages = VecDeque::from([vec![row(TABLE, b"k", 1, 10)], bad.into_iter().collect()]);
    let error = store.import(Version(2), Box::new(Given { pages, torn })).await.unwrap_err();
    let rows = store.scan(TABLE, &Range::default(), 9).await;
    assert!(rows.as_ref().map_or(true, Vec::is_empty), "{rows:?}");
    error
}

/// Somebody could make a store believe anything of itself.
pub async fn an_import_of_the_engines_own_rows_is_given_up(subject: &mut impl Subject) {
    let error = refused(subject, Some(row(RESERVED_TABLE, b"z", 1, 1))).await;
    assert!(matches!(error, StoreError::NotAnExport(_)), "{error}");
}

/// The later one would win without anybody's notice.
pub async fn an_import_with_the_same_row_twice_is_given_up(subject: &mut impl Subject) {
    let error = refused(subject, Some(row(TABLE, b"k", 2, 1))).await;
    assert!(matches!(error, StoreError::NotAnExport(_)), "{error}");
}

/// An export is in order, so these rows are of something else or were changed.
pub async fn an_import_out_of_order_is_given_up(subject: &mut impl Subject) {
    let error = refused(subject, Some(row(TABLE, b"a", 1, 1))).await;
    assert!(matches!(error, StoreError::NotAnExport(_)), "{error}");
}

/// A later commit would get the same version.
pub async fn an_import_with_a_row_of_the_future_is_given_up(subject: &mut impl Subject) {
    let error = refused(subject, Some(row(TABLE, b"z", 3, 1))).await;
    assert!(matches!(error, StoreError::NotAnExport(_)), "{error}");
}

/// As a commit of it would be.
pub async fn an_import_with_a_row_above_the_limits_is_given_up(subject: &mut impl Subject) {
    let bytes = subject.limits().value_bytes + 1;
    let error = refused(subject, Some(row(TABLE, b"z", 1, bytes))).await;
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
}

/// With the source's own words.
pub async fn an_import_ends_when_its_source_fails(subject: &mut impl Subject) {
    assert_eq!(refused(subject, None).await, StoreError::Stopped("the tape is torn".into()));
}

//! Export and import, where sled and the committer have a say in it.

use super::{TABLE, config, gate::Gate, put};
use crate::SledStore;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};
use store::{
    Condition, ExportSink, ImportSource, PAGE_ROWS, Range, Store, StoreError, TableRow, Version, Versioned,
};

const BOUND: Duration = Duration::from_secs(20);
const PAGES: usize = 3;

/// A sink that says when it has been given a page, and waits until it may take it.
struct Slow {
    given: SyncSender<usize>,
    go_on: Receiver<()>,
}

impl Slow {
    fn new() -> (Box<Self>, Receiver<usize>, SyncSender<()>) {
        let ((given, seen), (permits, go_on)) = (sync_channel(99), sync_channel(99));
        (Box::new(Self { given, go_on }), seen, permits)
    }
}

impl ExportSink for Slow {
    fn begin(&mut self, _: Version) -> Result<(), String> {
        Ok(())
    }

    fn rows(&mut self, rows: Vec<TableRow>) -> Result<(), String> {
        self.given.send(rows.len()).map_err(|error| error.to_string())?;
        self.go_on.recv_timeout(BOUND).map_err(|error| error.to_string())
    }
}

struct Given(VecDeque<Result<Vec<TableRow>, String>>);

impl ImportSource for Given {
    fn rows(&mut self) -> Result<Option<Vec<TableRow>>, String> {
        self.0.pop_front().transpose()
    }
}

fn row(n: u32) -> TableRow {
    let value = Versioned { version: Version(u64::from(n)), value: vec![7; 1000].into() };
    TableRow { table: TABLE, key: Bytes::copy_from_slice(&n.to_be_bytes()), value }
}

/// So many pages of rows.
async fn filled(store: &SledStore) {
    let mut all = Vec::new();
    for n in 0..u32::try_from(PAGES * PAGE_ROWS).unwrap() {
        let mut row = row(n);
        row.value.value = Bytes::from_static(b"v");
        all.push(row);
    }
    let done = store.import(Version(u64::from(u32::MAX)), Box::new(Given(VecDeque::from([Ok(all)]))));
    assert_eq!(done.await.unwrap().rows, (PAGES * PAGE_ROWS) as u64);
}

fn refusal(folder: &Path) -> String {
    match SledStore::open(config(folder)) {
        Err(StoreError::Unusable(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Whether the source broke off or the process did: enough rows have been written to fill several batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_import_is_never_opened_as_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(config(folder.path())).unwrap();
    let pages = [Ok((0..2000).map(row).collect()), Err("the tape is torn".to_owned())];
    let outcome = store.import(Version(2000), Box::new(Given(VecDeque::from(pages)))).await;
    assert_eq!(outcome, Err(StoreError::Stopped("the tape is torn".into())));
    assert!(matches!(store.scan(TABLE, &Range::default(), 1).await, Err(StoreError::Poisoned(_))));
    assert!(matches!(store.commit(put("k", Condition::Absent, "v")).await, Err(StoreError::Poisoned(_))));
    store.close().await;
    // A store that has failed keeps its lock until the process ends; the next process sees these files.
    let next = tempfile::tempdir().unwrap();
    copy(&folder.path().join("db"), &next.path().join("db"));
    let why = refusal(next.path());
    assert!(why.contains("not finished") && why.contains("remove its folder"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_needs_as_much_space_as_commits_do() {
    let folder = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open_with(folder.path(), |config| config.min_free_bytes = 1000);
    gate.set_free(999);
    let source = Box::new(Given(VecDeque::from([Ok(vec![row(1)])])));
    assert_eq!(store.import(Version(1), source).await, Err(StoreError::NoSpace));
    gate.set_free(1000);
    store.commit(put("k", Condition::Absent, "nothing was begun")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_wait_for_the_end_of_an_export_and_reads_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SledStore::open(config(folder.path())).unwrap());
    filled(&store).await;
    let (sink, seen, permits) = Slow::new();
    let export = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.export(sink).await }
    });
    assert_eq!(seen.recv_timeout(BOUND).unwrap(), PAGE_ROWS);
    let commit = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(put("late", Condition::Absent, "v")).await }
    });
    while store.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.scan(TABLE, &Range::default(), usize::MAX).await.unwrap().len(), PAGES * PAGE_ROWS);
    assert_eq!(store.get(TABLE, b"late").await.unwrap(), None);
    assert!(!commit.is_finished());
    for _ in 0..PAGES {
        permits.send(()).unwrap();
    }
    let done = export.await.unwrap().unwrap();
    assert_eq!((done.rows, done.last), ((PAGES * PAGE_ROWS) as u64, Version(u64::from(u32::MAX))));
    assert!(commit.await.unwrap().unwrap() > done.last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_nobody_waits_for_any_more_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SledStore::open(config(folder.path())).unwrap());
    filled(&store).await;
    let (sink, seen, permits) = Slow::new();
    let export = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.export(sink).await }
    });
    seen.recv_timeout(BOUND).unwrap();
    export.abort();
    assert!(export.await.unwrap_err().is_cancelled());
    permits.send(()).unwrap();
    store.commit(put("after", Condition::Absent, "v")).await.unwrap();
    assert!(seen.try_recv().is_err(), "no second page was handed out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_stuck_is_reported_as_trouble_until_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _gate) = Gate::open_with(folder.path(), |config| config.stalled_after = Duration::ZERO);
    filled(&store).await;
    let (sink, seen, permits) = Slow::new();
    let export = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.export(sink).await }
    });
    seen.recv_timeout(BOUND).unwrap();
    assert!(matches!(store.trouble(), Some(StoreError::Io(_))));
    for _ in 0..PAGES {
        permits.send(()).unwrap();
    }
    export.await.unwrap().unwrap();
    assert_eq!(store.trouble(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_panics_ends_the_export_and_nothing_else() {
    struct Panics;
    impl ExportSink for Panics {
        fn begin(&mut self, _: Version) -> Result<(), String> {
            panic!("as a mistake would")
        }
        fn rows(&mut self, _: Vec<TableRow>) -> Result<(), String> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(config(folder.path())).unwrap();
    let began = Instant::now();
    assert!(matches!(store.export(Box::new(Panics)).await, Err(StoreError::Io(_))));
    assert!(began.elapsed() < BOUND);
    store.commit(put("after", Condition::Absent, "v")).await.unwrap();
}

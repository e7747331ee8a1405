//! What follows a failed sync, and a disk with too little space.

use super::{
    TABLE,
    gate::{Gate, until},
    put,
};
use std::{sync::Arc, time::Duration};
use store::{Condition, Range, Store, StoreError};

fn is_ambiguous<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Ambiguous(_)))
}

fn is_poisoned<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Poisoned(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_is_ambiguous_for_all_who_wait_and_is_never_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open(folder.path());
    store.commit(put("before", Condition::Absent, "v")).await.unwrap();
    gate.hold();
    let commit = |key: &'static str| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(put(key, Condition::Absent, "v")).await })
    };
    let in_the_group = commit("a");
    gate.wait_for_a_sync();
    let waiting = [commit("b"), commit("before")];
    until("queueing", || store.waiting() == 2).await;
    gate.fail();
    let syncs = gate.syncs();
    gate.release();
    assert!(is_ambiguous(&in_the_group.await.unwrap()));
    for commit in waiting {
        assert!(is_ambiguous(&commit.await.unwrap()));
    }
    assert!(is_poisoned(&store.commit(put("later", Condition::Absent, "v")).await));
    assert!(is_poisoned(&store.get(TABLE, b"before").await));
    assert!(is_poisoned(&store.scan(TABLE, &Range::default(), 9).await));
    assert!(matches!(store.trouble(), Some(StoreError::Poisoned(_))));
    store.close().await;
    assert_eq!(gate.syncs(), syncs, "nobody tried the sync again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_little_space_is_refused_before_anything_is_written_and_passes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open_with(folder.path(), |config| config.min_free_bytes = 1000);
    gate.set_free(1000);
    store.commit(put("before", Condition::Absent, "v")).await.unwrap();
    assert_eq!(store.trouble(), None);
    gate.set_free(999);
    let syncs = gate.syncs();
    assert_eq!(store.commit(put("refused", Condition::Absent, "v")).await, Err(StoreError::NoSpace));
    assert_eq!(store.trouble(), Some(StoreError::NoSpace));
    assert_eq!(gate.syncs(), syncs);
    assert_eq!(store.get(TABLE, b"before").await.unwrap().unwrap().value, "v");
    assert_eq!(store.get(TABLE, b"refused").await.unwrap(), None);
    gate.set_free(1000);
    assert_eq!(store.trouble(), None);
    store.commit(put("refused", Condition::Absent, "v")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_file_that_appears_behind_our_back_stops_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _gate) = Gate::open(folder.path());
    std::fs::write(folder.path().join("db/blobs/1"), "what sled never syncs").unwrap();
    assert!(is_ambiguous(&store.commit(put("k", Condition::Absent, "v")).await));
    assert!(is_poisoned(&store.commit(put("k", Condition::Absent, "v")).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_does_not_come_back_is_reported_and_no_trouble_once_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open_with(folder.path(), |config| config.stalled_after = Duration::ZERO);
    assert_eq!(store.trouble(), None);
    gate.hold();
    let commit = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(put("k", Condition::Absent, "v")).await }
    });
    gate.wait_for_a_sync();
    assert!(matches!(store.trouble(), Some(StoreError::Io(_))));
    gate.release();
    commit.await.unwrap().unwrap();
    assert_eq!(store.trouble(), None);
}

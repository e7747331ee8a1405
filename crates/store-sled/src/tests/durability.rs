//! Nobody learns of anything before it is durable.

use super::{
    TABLE, config,
    gate::{Gate, until},
    put,
};
use crate::SledStore;
use std::sync::Arc;
use store::{Batch, Condition, Range, Store, StoreError, Version};
use tokio::task::JoinHandle;

fn spawn(store: &Arc<SledStore>, batch: Batch) -> JoinHandle<Result<Version, StoreError>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.commit(batch).await })
}

async fn values(store: &SledStore) -> Vec<(String, String)> {
    let rows = store.scan(TABLE, &Range::default(), 99).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    rows.iter().map(|row| (text(&row.key), text(&row.value.value))).collect()
}

fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_see_the_rows_of_before_until_the_sync_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open(folder.path());
    for key in ["changed", "deleted", "kept"] {
        store.commit(put(key, Condition::Absent, "old")).await.unwrap();
    }
    let before = pairs(&[("changed", "old"), ("deleted", "old"), ("kept", "old")]);
    gate.hold();
    let mut batch = put("changed", Condition::Any, "new");
    batch.put(TABLE, b"added".to_vec(), Condition::Absent, "new");
    batch.put(TABLE, b"zzz".to_vec(), Condition::Absent, "new");
    batch.delete(TABLE, b"deleted".to_vec(), Condition::Any);
    let commit = spawn(&store, batch);
    gate.wait_for_a_sync();
    assert_eq!(values(&store).await, before);
    assert_eq!(store.get(TABLE, b"changed").await.unwrap().unwrap().value, "old");
    assert_eq!(store.get(TABLE, b"deleted").await.unwrap().unwrap().value, "old");
    assert_eq!(store.get(TABLE, b"added").await.unwrap(), None);
    // A page that ends among the rows shown from before, and one that begins behind a row not there yet.
    assert_eq!(store.scan(TABLE, &Range::default(), 2).await.unwrap().len(), 2);
    let after = Range { after: Some(b"added".to_vec()), before: Some(b"kept".to_vec()), ..Range::default() };
    assert_eq!(store.scan(TABLE, &after, 9).await.unwrap().len(), 2);
    assert!(!commit.is_finished());
    gate.release();
    commit.await.unwrap().unwrap();
    assert_eq!(
        values(&store).await,
        pairs(&[("added", "new"), ("changed", "new"), ("kept", "old"), ("zzz", "new")])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_of_one_group_see_each_other_and_the_loser_is_answered_after_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open(folder.path());
    gate.hold();
    let first = spawn(&store, put("first", Condition::Absent, "v"));
    gate.wait_for_a_sync();
    let before = gate.syncs();
    // These four wait for the first one's sync, and so come to be one group.
    let winner = spawn(&store, put("contested", Condition::Absent, "winner"));
    until("queueing", || store.waiting() == 1).await;
    let loser = spawn(&store, put("contested", Condition::Absent, "loser"));
    until("queueing", || store.waiting() == 2).await;
    let mut both = put("contested", Condition::Absent, "half");
    both.put(TABLE, b"other".to_vec(), Condition::Any, "half");
    let half = spawn(&store, both);
    until("queueing", || store.waiting() == 3).await;
    let any = spawn(&store, put("other", Condition::Absent, "whole"));
    until("queueing", || store.waiting() == 4).await;
    // The first group goes; the sync of the second one is held.
    gate.hold_the_next();
    first.await.unwrap().unwrap();
    gate.wait_for_a_sync();
    assert!(!winner.is_finished() && !loser.is_finished() && !half.is_finished() && !any.is_finished());
    assert_eq!(values(&store).await, pairs(&[("first", "v")]));
    gate.release();
    let won = winner.await.unwrap().unwrap();
    assert_eq!(loser.await.unwrap(), Err(StoreError::Conflict));
    assert_eq!(half.await.unwrap(), Err(StoreError::Conflict));
    assert!(any.await.unwrap().unwrap() > won);
    assert_eq!(gate.syncs(), before + 1, "it was one group");
    assert_eq!(values(&store).await, pairs(&[("contested", "winner"), ("first", "v"), ("other", "whole")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_commit_lies_behind_a_sync_of_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open(folder.path());
    for n in 0..20 {
        let before = gate.syncs();
        store.commit(put("k", Condition::Any, "v")).await.unwrap();
        assert_eq!(gate.syncs(), before + 1, "commit {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_its_commit_to_be_finished() {
    let folder = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open(folder.path());
    gate.hold();
    let commit = spawn(&store, put("k", Condition::Absent, "v"));
    gate.wait_for_a_sync();
    commit.abort();
    assert!(commit.await.unwrap_err().is_cancelled());
    gate.release();
    assert_eq!(store.commit(put("k", Condition::Absent, "w")).await, Err(StoreError::Conflict));
    assert_eq!(values(&store).await, pairs(&[("k", "v")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_store_finishes_what_was_accepted_and_gives_up_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SledStore::open(config(folder.path())).unwrap());
    let commits: Vec<_> = (0..50_u8)
        .map(|n| {
            let mut batch = Batch::new();
            batch.put(TABLE, vec![n], Condition::Absent, "v");
            spawn(&store, batch)
        })
        .collect();
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    drop(Arc::into_inner(store).unwrap());
    let store = SledStore::open(config(folder.path())).unwrap();
    assert_eq!(store.scan(TABLE, &Range::default(), 99).await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_answers_what_came_before_and_refuses_what_comes_after() {
    let folder = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open(folder.path());
    gate.hold();
    let accepted = spawn(&store, put("accepted", Condition::Absent, "v"));
    gate.wait_for_a_sync();
    let closing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.close().await }
    });
    until("queueing", || store.waiting() == 1).await;
    gate.release();
    accepted.await.unwrap().unwrap();
    closing.await.unwrap();
    let closed = Err(StoreError::Poisoned("it was closed".into()));
    assert_eq!(store.commit(put("late", Condition::Absent, "v")).await, closed);
    assert!(store.get(TABLE, b"accepted").await.is_err());
    store.close().await;
    let again = SledStore::open(config(folder.path())).unwrap();
    assert_eq!(values(&again).await, pairs(&[("accepted", "v")]));
}

//! Versions, and what a reopened store holds.

use super::{Subject, TABLE, commit, put, value};
use crate::{Batch, Condition, Range, Store, StoreError, Version};

fn delete(key: &[u8], condition: Condition) -> Batch {
    let mut batch = Batch::new();
    batch.delete(TABLE, key.to_vec(), condition);
    batch
}

/// Also those that write nothing, and those that only delete.
pub async fn every_commit_has_a_greater_version(subject: &mut impl Subject) {
    let store = subject.open().await;
    let mut versions = vec![commit(&store, Batch::new()).await];
    versions.push(commit(&store, put(TABLE, b"k", Condition::Absent, "1")).await);
    versions.push(commit(&store, put(TABLE, b"k", Condition::Any, "1")).await);
    versions.push(commit(&store, delete(b"k", Condition::Any)).await);
    versions.push(commit(&store, Batch::new()).await);
    let mut required = Batch::new();
    required.require(TABLE, b"k".to_vec(), Condition::Absent);
    versions.push(commit(&store, required).await);
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
}

/// Whoever read a row before it was deleted and made anew does not overwrite the new one.
pub async fn a_version_never_returns_with_a_row_made_anew(subject: &mut impl Subject) {
    let store = subject.open().await;
    let first = commit(&store, put(TABLE, b"k", Condition::Absent, "same")).await;
    commit(&store, delete(b"k", Condition::Version(first))).await;
    let store = {
        subject.close(store).await;
        subject.open().await
    };
    let second = commit(&store, put(TABLE, b"k", Condition::Absent, "same")).await;
    assert_ne!(first, second);
    let late = put(TABLE, b"k", Condition::Version(first), "late");
    assert_eq!(store.commit(late).await, Err(StoreError::Conflict));
    assert_eq!(value(&store, b"k").await.as_deref(), Some(b"same".as_ref()));
}

/// Also if the last commits before the stop left no row behind that carries their version.
pub async fn versions_go_on_growing_after_reopening(subject: &mut impl Subject) {
    let mut last = Version(0);
    for round in 0..3 {
        let store = subject.open().await;
        let put = commit(&store, put(TABLE, b"k", Condition::Absent, "v")).await;
        assert!(put > last, "round {round}");
        let deleted = commit(&store, delete(b"k", Condition::Version(put))).await;
        assert!(deleted > put, "round {round}");
        last = commit(&store, Batch::new()).await;
        assert!(last > deleted, "round {round}");
        subject.close(store).await;
    }
}

/// Rows, their values and their versions, and no row that was deleted.
pub async fn what_was_committed_is_there_after_reopening(subject: &mut impl Subject) {
    let store = subject.open().await;
    for n in 0..60_u8 {
        commit(&store, put(TABLE, &[n], Condition::Absent, vec![n; 400])).await;
    }
    for n in (0..60).step_by(3) {
        commit(&store, delete(&[n], Condition::Any)).await;
    }
    for n in (1..60_u8).step_by(3) {
        commit(&store, put(TABLE, &[n], Condition::Any, vec![!n; 4])).await;
    }
    let before = store.scan(TABLE, &Range::default(), 100).await.unwrap();
    assert_eq!(before.len(), 40);
    subject.close(store).await;
    let store = subject.open().await;
    assert_eq!(store.scan(TABLE, &Range::default(), 100).await.unwrap(), before);
    for row in before {
        assert_eq!(store.get(TABLE, &row.key).await.unwrap(), Some(row.value));
    }
}

//! What a commit does, and when it does nothing.

use super::{ABOVE, Subject, TABLE, commit, keys, put, value};
use crate::{Batch, Condition, Range, Store, StoreError, Version};

/// Every condition against a row that is absent, present in the version meant, and present in another one.
pub async fn a_commit_goes_through_if_and_only_if_its_condition_holds(subject: &mut impl Subject) {
    let store = subject.open().await;
    let current = commit(&store, put(TABLE, b"here", Condition::Absent, "old")).await;
    let other = Version(current.0 + 1000);
    let cases: [(&[u8], Condition, bool); 8] = [
        (b"here", Condition::Absent, false),
        (b"gone", Condition::Version(current), false),
        (b"here", Condition::Version(other), false),
        (b"here", Condition::Version(Version(0)), false),
        (b"gone", Condition::Absent, true),
        (b"gone too", Condition::Any, true),
        (b"here", Condition::Version(current), true),
        (b"here", Condition::Any, true),
    ];
    for (key, condition, holds) in cases {
        let before = value(&store, key).await;
        let outcome = store.commit(put(TABLE, key, condition, "new")).await;
        if holds {
            let version = outcome.expect("the condition holds");
            let row = store.get(TABLE, key).await.unwrap().unwrap();
            assert_eq!(
                (row.version, row.value.as_ref()),
                (version, b"new".as_ref()),
                "{key:?} {condition:?}"
            );
        } else {
            assert_eq!(outcome, Err(StoreError::Conflict), "{key:?} {condition:?}");
            assert_eq!(value(&store, key).await, before);
        }
    }
}

/// Puts, deletions and requirements stand or fall together, wherever the failing one stands.
pub async fn one_failed_condition_stops_the_whole_commit(subject: &mut impl Subject) {
    let store = subject.open().await;
    let version = commit(&store, put(TABLE, b"kept", Condition::Absent, "old")).await;
    for at in 0..3 {
        let mut batch = Batch::new();
        batch.put(TABLE, b"new".to_vec(), Condition::Absent, "v");
        batch.put(ABOVE, b"new".to_vec(), Condition::Any, "v");
        batch.delete(TABLE, b"kept".to_vec(), Condition::Version(version));
        batch.writes[at].condition = Condition::Version(Version(u64::MAX));
        assert_eq!(store.commit(batch).await, Err(StoreError::Conflict));
        assert_eq!(value(&store, b"new").await, None);
        assert_eq!(value(&store, b"kept").await.as_deref(), Some(b"old".as_ref()));
        assert!(keys(&store, ABOVE, &Range::default(), 9).await.is_empty());
    }
}

/// [`Batch::require`] stops the commit if it does not hold, and leaves row and version alone if it does.
pub async fn a_requirement_is_checked_and_writes_nothing(subject: &mut impl Subject) {
    let store = subject.open().await;
    let version = commit(&store, put(TABLE, b"read", Condition::Absent, "v")).await;
    let with = |key: &[u8], condition| {
        let mut batch = put(TABLE, b"written", Condition::Any, "w");
        batch.require(TABLE, key.to_vec(), condition);
        batch
    };
    assert_eq!(store.commit(with(b"read", Condition::Absent)).await, Err(StoreError::Conflict));
    assert_eq!(store.commit(with(b"none", Condition::Version(version))).await, Err(StoreError::Conflict));
    assert_eq!(value(&store, b"written").await, None);
    commit(&store, with(b"read", Condition::Version(version))).await;
    commit(&store, with(b"none", Condition::Absent)).await;
    assert_eq!(value(&store, b"written").await.as_deref(), Some(b"w".as_ref()));
    assert_eq!(store.get(TABLE, b"read").await.unwrap().unwrap().version, version);
    assert_eq!(value(&store, b"none").await, None);
    let mut alone = Batch::new();
    alone.require(TABLE, b"read".to_vec(), Condition::Version(Version(version.0 + 1)));
    assert_eq!(store.commit(alone).await, Err(StoreError::Conflict));
}

/// A deletion under [`Condition::Any`] or [`Condition::Absent`] of a row that is not there goes through.
pub async fn deleting_what_is_not_there_is_no_error(subject: &mut impl Subject) {
    let store = subject.open().await;
    for condition in [Condition::Any, Condition::Absent] {
        let mut batch = Batch::new();
        batch.delete(TABLE, b"none".to_vec(), condition);
        commit(&store, batch).await;
        assert_eq!(value(&store, b"none").await, None);
    }
}

/// One commit puts, replaces and deletes, and all its rows carry its version.
pub async fn a_commit_replaces_and_deletes_rows_of_several_tables(subject: &mut impl Subject) {
    let store = subject.open().await;
    let mut first = Batch::new();
    for key in ["a", "b", "c"] {
        first.put(TABLE, key.into(), Condition::Absent, "old");
    }
    let first = commit(&store, first).await;
    let mut second = Batch::new();
    second.put(TABLE, b"a".to_vec(), Condition::Version(first), "new");
    second.delete(TABLE, b"b".to_vec(), Condition::Version(first));
    second.put(ABOVE, b"a".to_vec(), Condition::Absent, "other table");
    let second = commit(&store, second).await;
    let rows = store.scan(TABLE, &Range::default(), 9).await.unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.key.as_ref(), row.value.version)).collect();
    assert_eq!(seen, [(b"a".as_ref(), second), (b"c".as_ref(), first)]);
    assert_eq!(store.get(ABOVE, b"a").await.unwrap().unwrap().version, second);
}

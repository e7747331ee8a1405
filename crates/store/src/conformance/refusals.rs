//! What an engine does not take.

use super::{Subject, TABLE, commit, put, value};
use crate::{Batch, Condition, RESERVED_TABLE, Range, Store, StoreError};

/// A row may stand in a commit once, whatever is to happen to it.
pub async fn a_repeated_key_is_refused_and_nothing_is_written(subject: &mut impl Subject) {
    let store = subject.open().await;
    let mut twice = put(TABLE, b"k", Condition::Absent, "v");
    twice.put(TABLE, b"other".to_vec(), Condition::Any, "v");
    twice.delete(TABLE, b"k".to_vec(), Condition::Any);
    assert_eq!(store.commit(twice).await, Err(StoreError::RepeatedKey));
    let mut required = put(TABLE, b"k", Condition::Absent, "v");
    required.require(TABLE, b"k".to_vec(), Condition::Absent);
    assert_eq!(store.commit(required).await, Err(StoreError::RepeatedKey));
    assert!(store.scan(TABLE, &Range::default(), 9).await.unwrap().is_empty());
}

/// A key, a value or a whole commit one byte over its limit.
pub async fn a_record_over_a_limit_is_refused_and_nothing_is_written(subject: &mut impl Subject) {
    let store = subject.open().await;
    let limits = subject.limits();
    let mut too_large = vec![
        (put(TABLE, b"k", Condition::Any, vec![1; limits.value_bytes + 1]), limits.value_bytes),
        (put(TABLE, &vec![1; limits.key_bytes + 1], Condition::Any, "v"), limits.key_bytes),
    ];
    let mut whole = Batch::new();
    let count = limits.commit_bytes / limits.value_bytes + 1;
    for n in 0..count {
        whole.put(TABLE, n.to_be_bytes().to_vec(), Condition::Any, vec![1; limits.value_bytes]);
    }
    too_large.push((whole, limits.commit_bytes));
    for (mut batch, limit) in too_large {
        batch.put(TABLE, b"small".to_vec(), Condition::Any, "v");
        match store.commit(batch).await {
            Err(StoreError::TooLarge { bytes, limit: said }) => assert!(said == limit && bytes > limit),
            other => panic!("expected a refusal at {limit} bytes, got {other:?}"),
        }
    }
    assert!(store.scan(TABLE, &Range::default(), 9).await.unwrap().is_empty());
    assert_eq!(store.trouble(), None);
}

/// Values from nothing to the limit under keys as long as is allowed: put, scanned, replaced, reopened, deleted.
pub async fn records_of_every_size_up_to_the_limit_are_kept(subject: &mut impl Subject) {
    let limits = subject.limits();
    let sizes: Vec<usize> =
        [0, 1, 255, 4095, 4096, 4097, 8192, 8193, 30_000, limits.value_bytes - 1, limits.value_bytes]
            .into_iter()
            .filter(|size| *size <= limits.value_bytes)
            .collect();
    let key = |size: usize| {
        let mut key = vec![0xab; limits.key_bytes];
        key[..8].copy_from_slice(&size.to_be_bytes());
        key
    };
    let store = subject.open().await;
    for size in &sizes {
        commit(&store, put(TABLE, &key(*size), Condition::Absent, vec![7; *size])).await;
        assert_eq!(value(&store, &key(*size)).await, Some(vec![7; *size]), "{size}");
    }
    let rows = store.scan(TABLE, &Range::default(), 100).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.value.value.len()).collect::<Vec<_>>(), sizes);
    // Each takes over the size of another one: large ones become small and the reverse.
    for (size, new) in sizes.iter().zip(sizes.iter().rev()) {
        commit(&store, put(TABLE, &key(*size), Condition::Any, vec![9; *new])).await;
    }
    subject.close(store).await;
    let store = subject.open().await;
    for (size, new) in sizes.iter().zip(sizes.iter().rev()) {
        assert_eq!(value(&store, &key(*size)).await, Some(vec![9; *new]), "{size}");
        let mut batch = Batch::new();
        batch.delete(TABLE, key(*size), Condition::Any);
        commit(&store, batch).await;
        assert_eq!(value(&store, &key(*size)).await, None);
    }
}

/// Neither written nor read.
pub async fn the_engines_own_table_is_refused(subject: &mut impl Subject) {
    let store = subject.open().await;
    let batch = put(RESERVED_TABLE, b"k", Condition::Any, "v");
    assert_eq!(store.commit(batch).await, Err(StoreError::ReservedTable));
    assert_eq!(store.get(RESERVED_TABLE, b"k").await, Err(StoreError::ReservedTable));
    assert_eq!(store.scan(RESERVED_TABLE, &Range::default(), 1).await, Err(StoreError::ReservedTable));
}

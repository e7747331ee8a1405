//! What holds when many commit at once, and so land in one group of an engine that groups.

use super::{Subject, TABLE, commit, put, value};
use crate::{Batch, Condition, Range, Store, StoreError, Version};
use std::sync::Arc;
use tokio::task::JoinSet;

const CALLERS: u64 = 32;

async fn all_at_once<S: Store>(
    store: &Arc<S>,
    batch: impl Fn(u64) -> Batch,
) -> Vec<Result<Version, StoreError>> {
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let (store, batch) = (Arc::clone(store), batch(caller));
        tasks.spawn(async move { store.commit(batch).await });
    }
    tasks.join_all().await
}

fn assert_one_won(outcomes: &[Result<Version, StoreError>]) {
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let lost = outcomes.iter().filter(|outcome| **outcome == Err(StoreError::Conflict)).count();
    assert_eq!((won, lost), (1, outcomes.len() - 1), "{outcomes:?}");
}

/// Also within one group: a condition sees what earlier commits of the same group have done.
pub async fn of_many_that_put_an_absent_row_one_wins(subject: &mut impl Subject) {
    let store = subject.open().await;
    for round in 0..10_u8 {
        let outcomes =
            all_at_once(&store, |n| put(TABLE, &[round], Condition::Absent, n.to_be_bytes().to_vec())).await;
        assert_one_won(&outcomes);
    }
}

/// The same for replacing, deleting, and both against each other.
pub async fn of_many_that_change_the_same_version_one_wins(subject: &mut impl Subject) {
    let store = subject.open().await;
    for round in 0..10_u8 {
        let version = commit(&store, put(TABLE, &[round], Condition::Absent, "old")).await;
        let outcomes = all_at_once(&store, |n| {
            let mut batch = Batch::new();
            if n.is_multiple_of(2) {
                batch.put(TABLE, vec![round], Condition::Version(version), n.to_be_bytes().to_vec());
            } else {
                batch.delete(TABLE, vec![round], Condition::Version(version));
            }
            batch
        })
        .await;
        assert_one_won(&outcomes);
        assert_ne!(value(&store, &[round]).await.as_deref(), Some(b"old".as_ref()));
    }
}

/// Read, add one, write on condition, again if somebody was faster: the sum is right.
pub async fn concurrent_increments_lose_none(subject: &mut impl Subject) {
    const EACH: u64 = 8;
    let store = subject.open().await;
    commit(&store, put(TABLE, b"counter", Condition::Absent, 0_u64.to_be_bytes().to_vec())).await;
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS / 2 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..EACH {
                increment(&*store).await;
            }
        });
    }
    tasks.join_all().await;
    let sum = value(&store, b"counter").await.unwrap();
    assert_eq!(sum, (CALLERS / 2 * EACH).to_be_bytes());
}

async fn increment(store: &impl Store) {
    loop {
        let row = store.get(TABLE, b"counter").await.unwrap().unwrap();
        let next = u64::from_be_bytes(row.value[..].try_into().unwrap()) + 1;
        let batch = put(TABLE, b"counter", Condition::Version(row.version), next.to_be_bytes().to_vec());
        match store.commit(batch).await {
            Ok(_) => return,
            Err(StoreError::Conflict) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// Of commits that require a row to be as it was, none goes through behind the one that changed it.
pub async fn a_requirement_fences_concurrent_writers(subject: &mut impl Subject) {
    let store = subject.open().await;
    let lease = commit(&store, put(TABLE, b"lease", Condition::Absent, "mine")).await;
    let outcomes = all_at_once(&store, |n| {
        let mut batch = Batch::new();
        if n == CALLERS / 2 {
            batch.put(TABLE, b"lease".to_vec(), Condition::Version(lease), "taken over");
        } else {
            batch.require(TABLE, b"lease".to_vec(), Condition::Version(lease));
            batch.put(TABLE, format!("work {n}").into(), Condition::Absent, "done");
        }
        batch
    })
    .await;
    let taken_over = store.get(TABLE, b"lease").await.unwrap().unwrap().version;
    let work = store.scan(TABLE, &Range { prefix: b"work".to_vec(), ..Range::default() }, 100).await.unwrap();
    assert!(work.iter().all(|row| row.value.version < taken_over));
    assert_eq!(work.len() + 1, outcomes.iter().filter(|outcome| outcome.is_ok()).count());
}

/// Two rows that are always written together are never seen apart, by a scan or by a get behind a get.
pub async fn nobody_sees_half_a_commit(subject: &mut impl Subject) {
    const ROUNDS: u64 = 60;
    let store = subject.open().await;
    let pair = |n: u64| {
        let mut batch = Batch::new();
        for key in ["a", "z"] {
            batch.put(TABLE, key.into(), Condition::Any, n.to_be_bytes().to_vec());
        }
        // One more row comes and goes, so that a scan meets rows that are not there before or afterwards.
        if n.is_multiple_of(2) {
            batch.put(TABLE, b"m".to_vec(), Condition::Any, n.to_be_bytes().to_vec());
        } else {
            batch.delete(TABLE, b"m".to_vec(), Condition::Any);
        }
        batch
    };
    commit(&store, pair(0)).await;
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for n in 1..=ROUNDS {
                commit(&store, pair(n)).await;
            }
        }
    });
    let mut last = 0;
    while last < ROUNDS {
        let finished = writer.is_finished();
        let rows = store.scan(TABLE, &Range::default(), 10).await.unwrap();
        let numbers: Vec<_> =
            rows.iter().map(|r| u64::from_be_bytes(r.value.value[..].try_into().unwrap())).collect();
        assert!(numbers.iter().all(|n| *n == numbers[0]), "{numbers:?}");
        assert_eq!(rows.len(), if numbers[0].is_multiple_of(2) { 3 } else { 2 });
        assert!(numbers[0] >= last, "a read went back from {last} to {}", numbers[0]);
        last = numbers[0];
        let z = u64::from_be_bytes(value(&store, b"z").await.unwrap()[..].try_into().unwrap());
        assert!(z >= last);
        tokio::task::yield_now().await;
        assert!(last == ROUNDS || !finished, "what was acknowledged cannot be read");
    }
    writer.await.unwrap();
}

/// A conflict is answered from what is durable, so the row that it lost against is readable by then.
pub async fn whoever_lost_a_race_finds_the_winners_row(subject: &mut impl Subject) {
    let store = subject.open().await;
    for round in 0..10_u8 {
        let mut tasks = JoinSet::new();
        for caller in 0..CALLERS {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let outcome = store
                    .commit(put(TABLE, &[round], Condition::Absent, caller.to_be_bytes().to_vec()))
                    .await;
                let row = store.get(TABLE, &[round]).await.unwrap().expect("the winner's row is durable");
                match outcome {
                    Ok(version) => assert_eq!(row.version, version),
                    Err(error) => assert_eq!(error, StoreError::Conflict),
                }
            });
        }
        tasks.join_all().await;
    }
}

//! sled must never get a reason to make a blob file.

use super::{TABLE, config};
use crate::{SledStore, layout};
use std::fs;
use store::{Batch, Condition, Limits, Range, Store};

const ROWS: u32 = 600;

/// A key as long as is allowed. Even ones differ in the first bytes, odd ones in the last, so that sled can neither
/// shorten all of them nor keep them apart by little.
fn key(n: u32) -> Vec<u8> {
    let mut key = vec![b'k'; Limits::default().key_bytes];
    let spread = n.wrapping_mul(0x9e37_79b9).to_be_bytes();
    let at = if n.is_multiple_of(2) { 0 } else { key.len() - 4 };
    key[at..at + 4].copy_from_slice(&spread);
    key
}

/// The largest value that lies in one entry of the tree, and now and then the largest that is allowed.
fn value(n: u32) -> Vec<u8> {
    let size = if n.is_multiple_of(50) { Limits::default().value_bytes } else { layout::PART_BYTES as usize };
    vec![n.to_be_bytes()[3]; size]
}

async fn commit(store: &SledStore, numbers: impl Iterator<Item = u32>, put: bool) {
    let mut batch = Batch::new();
    for n in numbers {
        if put {
            batch.put(TABLE, key(n), Condition::Any, value(n));
        } else {
            batch.delete(TABLE, key(n), Condition::Any);
        }
    }
    store.commit(batch).await.unwrap();
}

fn blobs(folder: &std::path::Path) -> usize {
    fs::read_dir(folder.join("db/blobs")).unwrap().count()
}

/// The engine would poison itself at the first blob file; this fills, thins out in the order of the keys (which merges
/// leaves), fills again, and looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_rows_under_the_longest_keys_make_no_blob_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(config(folder.path())).unwrap();
    for round in 0..2 {
        for first in (0..ROWS).step_by(20) {
            commit(&store, first..first + 20, true).await;
        }
        let rows = store.scan(TABLE, &Range::default(), usize::MAX).await.unwrap();
        assert_eq!(rows.len(), ROWS as usize);
        let mut sorted: Vec<u32> = (0..ROWS).collect();
        sorted.sort_by_key(|n| key(*n));
        let doomed: Vec<u32> = sorted.chunks(5).flat_map(|five| five[1..].to_vec()).collect();
        for few in doomed.chunks(4) {
            commit(&store, few.iter().copied(), false).await;
        }
        assert_eq!(store.scan(TABLE, &Range::default(), usize::MAX).await.unwrap().len(), ROWS as usize / 5);
        assert_eq!(blobs(folder.path()), 0, "round {round}");
    }
    store.close().await;
    let store = SledStore::open(config(folder.path())).unwrap();
    for n in (0..ROWS).filter(|n| n % 100 == 0) {
        if let Some(row) = store.get(TABLE, &key(n)).await.unwrap() {
            assert_eq!(row.value, value(n));
        }
    }
}

/// Replacing and deleting large values leaves none of their parts behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_part_of_a_large_value_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(config(folder.path())).unwrap();
    for size in [50_000_usize, 10, 90_000, 4097, 20_000] {
        let mut batch = Batch::new();
        for key in ["a", "b"] {
            batch.put(TABLE, key.into(), Condition::Any, vec![1; size]);
        }
        store.commit(batch).await.unwrap();
    }
    let mut batch = Batch::new();
    batch.delete(TABLE, b"a".to_vec(), Condition::Any);
    batch.put(TABLE, b"b".to_vec(), Condition::Any, "small");
    store.commit(batch).await.unwrap();
    store.close().await;
    let db = sled::Config::new().path(folder.path().join("db")).flush_every_ms(None).open().unwrap();
    let keys: Vec<_> = db.iter().keys().map(|key| key.unwrap().to_vec()).collect();
    assert_eq!(
        keys,
        [layout::FORMAT_KEY.to_vec(), layout::SEQUENCE_KEY.to_vec(), layout::full_key(TABLE, b"b")]
    );
}

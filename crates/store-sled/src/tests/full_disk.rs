//! A disk that runs full during a write.

use super::{TABLE, config};
use crate::SledStore;
use powercut::Disk;
use std::{fs::File, io::Write, path::Path};
use store::{Batch, Condition, Range, Store, StoreError};

const SIZE: u64 = 32 * 1024 * 1024;
/// More than the disk has room for.
const COMMITS: u32 = 2000;

fn batch(n: u32) -> Batch {
    let mut batch = Batch::new();
    for half in 0..2_u8 {
        let key = [n.to_be_bytes().as_slice(), &[half]].concat();
        batch.put(TABLE, key, Condition::Absent, vec![half; 12_000]);
    }
    batch
}

/// All acknowledged commits are there, as a whole; and none of those that were refused for want of space.
async fn check(store: &SledStore, acknowledged: &[u32]) {
    let rows = store.scan(TABLE, &Range::default(), usize::MAX).await.unwrap();
    let halves: Vec<u32> =
        rows.iter().map(|row| u32::from_be_bytes(row.key[..4].try_into().unwrap())).collect();
    assert!(rows.iter().all(|row| row.value.value.len() == 12_000));
    let (whole, rest) = halves.as_chunks::<2>();
    assert!(rest.is_empty() && whole.iter().all(|[a, b]| a == b), "half a commit is there");
    let there: Vec<u32> = whole.iter().map(|[n, _]| *n).collect();
    assert_eq!(there, acknowledged);
}

fn fill(folder: &Path) {
    let mut file = File::create(folder.join("filler")).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_runs_full_refuses_loses_nothing_and_goes_on_once_there_is_room() {
    let Some(disk) = Disk::new_or_explain(SIZE) else { return };
    let store = SledStore::open(config(&disk.path())).unwrap();
    let mut acknowledged = Vec::new();
    for n in 0..COMMITS {
        if n == 100 {
            fill(&disk.path());
        }
        match store.commit(batch(n)).await {
            Ok(_) => acknowledged.push(n),
            Err(StoreError::NoSpace) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(acknowledged.len() >= 100 && acknowledged.len() < COMMITS as usize, "the disk did not run full");
    check(&store, &acknowledged).await;
    assert_eq!(store.commit(batch(COMMITS)).await, Err(StoreError::NoSpace));
    assert_eq!(store.trouble(), Some(StoreError::NoSpace));
    std::fs::remove_file(disk.path().join("filler")).unwrap();
    store.commit(batch(COMMITS)).await.unwrap();
    acknowledged.push(COMMITS);
    check(&store, &acknowledged).await;
    assert_eq!(store.trouble(), None);
    store.close().await;
    let store = SledStore::open(config(&disk.path())).unwrap();
    check(&store, &acknowledged).await;
    store.close().await;
}

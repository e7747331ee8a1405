//! A disk that runs full during a write.

use super::{TABLE, config};
use crate::SledStore;
use powercut::Disk;
use std::{fs::File, io::Write, path::Path, time::Duration};
use store::{Batch, Condition, Range, Store, StoreError};

const SIZE: u64 = 32 * 1024 * 1024;
/// More than the disk has room for.
const COMMITS: u32 = 2000;

/// What each commit is like, and after how many of them somebody else fills the disk.
struct Load {
    rows: u8,
    bytes: usize,
    room_for: u32,
}

impl Load {
    fn batch(&self, n: u32) -> Batch {
        let mut batch = Batch::new();
        for row in 0..self.rows {
            let key = [n.to_be_bytes().as_slice(), &[row]].concat();
            batch.put(TABLE, key, Condition::Absent, vec![row; self.bytes]);
        }
        batch
    }

    /// All acknowledged commits are there as a whole, and none of those that were refused for want of space.
    async fn check(&self, store: &SledStore, acknowledged: &[u32]) {
        let rows = store.scan(TABLE, &Range::default(), usize::MAX).await.unwrap();
        let there: Vec<Vec<u8>> = rows.iter().map(|row| row.key.to_vec()).collect();
        let expected: Vec<Vec<u8>> = acknowledged
            .iter()
            .flat_map(|n| (0..self.rows).map(|row| [n.to_be_bytes().as_slice(), &[row]].concat()))
            .collect();
        assert_eq!(there, expected);
        assert!(rows.iter().all(|row| row.value.value == vec![row.key[4]; self.bytes]));
    }
}

fn fill(folder: &Path) {
    let mut file = File::create(folder.join("filler")).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_runs_full_refuses_loses_nothing_and_goes_on_once_there_is_room() {
    run_full(Load { rows: 2, bytes: 12_000, room_for: 100 }).await;
}

/// Each of these goes through several of sled's buffers, so that some of them are written and others are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_for_commits_of_a_megabyte() {
    let load = Load { rows: 12, bytes: 90_000, room_for: 3 };
    tokio::time::timeout(Duration::from_mins(1), run_full(load)).await.expect("the commit must be answered");
}

async fn run_full(load: Load) {
    let Some(disk) = Disk::new_or_explain(SIZE) else { return };
    let store = SledStore::open(config(&disk.path())).unwrap();
    let mut acknowledged = Vec::new();
    for n in 0..COMMITS {
        if n == load.room_for {
            fill(&disk.path());
        }
        match store.commit(load.batch(n)).await {
            Ok(_) => acknowledged.push(n),
            Err(StoreError::NoSpace) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(
        (load.room_for as usize..COMMITS as usize).contains(&acknowledged.len()),
        "the disk did not run full"
    );
    load.check(&store, &acknowledged).await;
    assert_eq!(store.commit(load.batch(COMMITS)).await, Err(StoreError::NoSpace));
    assert_eq!(store.trouble(), Some(StoreError::NoSpace));
    std::fs::remove_file(disk.path().join("filler")).unwrap();
    store.commit(load.batch(COMMITS)).await.unwrap();
    acknowledged.push(COMMITS);
    load.check(&store, &acknowledged).await;
    assert_eq!(store.trouble(), None);
    store.close().await;
    let store = SledStore::open(config(&disk.path())).unwrap();
    load.check(&store, &acknowledged).await;
    store.close().await;
}

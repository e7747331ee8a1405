//! One flipped bit anywhere in the database's files.

use super::{config, put};
use crate::SledStore;
use proptest::{
    prelude::RngExt as _,
    test_runner::{RngAlgorithm, TestRng},
};
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use store::{Condition, Store, StoreError};

const FLIPS: usize = 60;
/// As the contract says it to the operator.
const BOUND: Duration = Duration::from_secs(10);

/// A database with some history: rows changed and deleted, reopened, closed as a stop closes it.
async fn lived_in(folder: &Path) {
    for round in 0..3 {
        let store = SledStore::open(config(folder)).unwrap();
        for n in 0..400 {
            let mut batch = put(&format!("row {round} {n}"), Condition::Absent, "v");
            batch.put(super::TABLE, format!("changed {n}").into(), Condition::Any, vec![round; 1500]);
            if n % 3 == 0 {
                batch.delete(super::TABLE, format!("row {} {n}", round.max(1) - 1).into(), Condition::Any);
            }
            if n % 100 == 0 {
                batch.put(super::TABLE, format!("large {n}").into(), Condition::Any, vec![round; 40_000]);
            }
            let mut batch = batch;
            batch.writes.sort_by(|a, b| a.key.cmp(&b.key));
            batch.writes.dedup_by(|a, b| a.key == b.key);
            store.commit(batch).await.unwrap();
        }
        store.close().await;
    }
}

fn copy(from: &Path, to: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(to).unwrap();
    let files = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let copied = files.map(|path| {
        let copy = to.join(path.file_name().unwrap());
        fs::copy(path, &copy).unwrap();
        copy
    });
    let mut copied: Vec<_> = copied.filter(|path| path.file_name().unwrap() != "reserve").collect();
    copied.sort();
    copied
}

/// Opens it on a thread of its own, so that whatever happens the test goes on.
fn opened(folder: PathBuf) -> (Duration, Result<(), StoreError>) {
    let (send, receive) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let began = Instant::now();
        let outcome = SledStore::open(config(&folder));
        let took = began.elapsed();
        drop(send.send((took, outcome.as_ref().map(|_| ()).map_err(Clone::clone))));
    });
    receive.recv_timeout(2 * BOUND).expect("opening answers, and panics no further than its own thread")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flipped_bit_anywhere_is_answered_within_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    lived_in(folder.path()).await;
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let (mut fine, mut refused, mut slow) = (0, 0, Vec::new());
    for flip in 0..FLIPS {
        let place = folder.path().join(format!("flip-{flip}"));
        let files = copy(&folder.path().join("db"), &place.join("db"));
        // Half of them in the log, the others in any file.
        let log = files.iter().find(|path| path.file_name().unwrap() == "db").unwrap();
        let path = if flip % 2 == 0 { log } else { &files[rng.random_range(0..files.len())] };
        let mut bytes = fs::read(path).unwrap();
        // The log's last segments may not be full.
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let at = rng.random_range(0..end);
        bytes[at] ^= 1 << rng.random_range(0..8);
        fs::write(path, bytes).unwrap();
        let name = path.file_name().unwrap().to_owned();
        let (took, outcome) = opened(place);
        assert!(took < BOUND, "byte {at} of {name:?}: {took:?}");
        match outcome {
            Ok(()) => fine += 1,
            Err(StoreError::Unusable(why)) => {
                assert!(why.contains("rebuild-index"), "byte {at} of {name:?}: {why}");
                refused += 1;
                if took > BOUND / 2 {
                    slow.push((name, at));
                }
            }
            Err(error) => panic!("byte {at} of {name:?}: {error}"),
        }
    }
    println!("{fine} opened, {refused} refused, of those {} by the limit: {slow:?}", slow.len());
    assert!(fine > 0 && refused > 0, "{fine} opened, {refused} refused");
}

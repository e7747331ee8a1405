//! How many durable commits a second this disk and this engine give, for a commit of a given shape: the peer that
//! `scripts/bench` holds the service's own rate against.
//!
//! `commit_rate FOLDER CALLERS SECONDS WRITES BYTES`: commits of `WRITES` rows, of which the first has `BYTES` bytes and
//! the others 200, by `CALLERS` callers at the same time. Prints commits a second.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot run has nothing better to say")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use store::{Batch, Condition, Store, TableId};
use store_sled::{SledConfig, SledStore};

fn batch(caller: u64, n: u64, writes: u8, bytes: usize) -> Batch {
    let mut batch = Batch::new();
    for table in 1..=writes {
        // Keys lie as random ids do, not in the order of arrival.
        let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ caller;
        let key = [spread.to_be_bytes(), caller.to_be_bytes(), n.to_be_bytes()].concat();
        let size = if table == 1 { bytes } else { 200 };
        batch.put(TableId(table), key, Condition::Absent, vec![7; size]);
    }
    batch
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, callers, seconds, writes, bytes] = args.as_slice() else {
        eprintln!("usage: commit_rate FOLDER CALLERS SECONDS WRITES BYTES");
        std::process::exit(64);
    };
    let (callers, seconds): (u64, u64) = (callers.parse().unwrap(), seconds.parse().unwrap());
    let (writes, bytes): (u8, usize) = (writes.parse().unwrap(), bytes.parse().unwrap());
    let mut config = SledConfig::new(folder);
    config.min_free_bytes = 0;
    let store = Arc::new(SledStore::open(config).unwrap());
    let done = Arc::new(AtomicU64::new(0));
    let (began, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tasks.spawn(async move {
            let mut n = 0;
            while began.elapsed() < length {
                store.commit(batch(caller, n, writes, bytes)).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
                n += 1;
            }
        });
    }
    tasks.join_all().await;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0}");
}

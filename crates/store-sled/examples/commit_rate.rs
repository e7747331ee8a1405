//! How many durable commits a second this disk and this engine give, for a commit of a given shape: the peer that
//! `scripts/bench` holds the service's own rate against.
//!
//! `commit_rate FOLDER CALLERS SECONDS BYTES,BYTES,…`: commits of as many rows as there are sizes, each of that many
//! bytes, by `CALLERS` callers at the same time. Prints commits a second.
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

fn batch(caller: u64, n: u64, sizes: &[usize]) -> Batch {
    let mut batch = Batch::new();
    for (table, size) in (1..).zip(sizes) {
        // Keys lie as random ids do, not in the order of arrival.
        let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ caller;
        let key = [spread.to_be_bytes(), caller.to_be_bytes(), n.to_be_bytes()].concat();
        batch.put(TableId(table), key, Condition::Absent, vec![7; *size]);
    }
    batch
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, callers, seconds, sizes] = args.as_slice() else {
        eprintln!("usage: commit_rate FOLDER CALLERS SECONDS BYTES,BYTES,…");
        std::process::exit(64);
    };
    let (callers, seconds): (u64, u64) = (callers.parse().unwrap(), seconds.parse().unwrap());
    let sizes: Arc<[usize]> = sizes.split(',').map(|size| size.parse().unwrap()).collect();
    let mut config = SledConfig::new(folder);
    config.min_free_bytes = 0;
    let store = Arc::new(SledStore::open(config).unwrap());
    let done = Arc::new(AtomicU64::new(0));
    let (began, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (store, done, sizes) = (Arc::clone(&store), Arc::clone(&done), Arc::clone(&sizes));
        tasks.spawn(async move {
            let mut n = 0;
            while began.elapsed() < length {
                store.commit(batch(caller, n, &sizes)).await.unwrap();
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

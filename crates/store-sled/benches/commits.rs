//! Durable commits of 300-byte records, beside a bare loop of write and `fsync` on the same disk.
#![expect(clippy::unwrap_used, reason = "a bench that cannot run has nothing better to say")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::{
    fs::File,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Batch, Condition, Store, TableId};
use store_sled::{SledConfig, SledStore};
use tokio::{runtime::Runtime, task::JoinSet};

const RECORD: [u8; 300] = [7; 300];

/// On the build's own disk: a folder in memory would know nothing of `fsync`.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn bare(count: u64) -> Duration {
    let folder = folder();
    let mut file = File::create(folder.path().join("file")).unwrap();
    let began = Instant::now();
    for _ in 0..count {
        file.write_all(&RECORD).unwrap();
        file.sync_all().unwrap();
    }
    began.elapsed()
}

fn record(caller: u64, n: u64) -> Batch {
    let mut batch = Batch::new();
    let key = [caller.to_be_bytes(), n.to_be_bytes()].concat();
    batch.put(TableId(1), key, Condition::Absent, RECORD.to_vec());
    batch
}

fn commits(runtime: &Runtime, callers: u64, count: u64) -> Duration {
    let folder = folder();
    let mut config = SledConfig::new(folder.path().join("db"));
    config.min_free_bytes = 0;
    let store = Arc::new(SledStore::open(config).unwrap());
    let began = Instant::now();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            let store = Arc::clone(&store);
            // Each takes its share; the first ones take what is left over.
            let share = count / callers + u64::from(caller < count % callers);
            tasks.spawn(async move {
                for n in 0..share {
                    store.commit(record(caller, n)).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
    });
    began.elapsed()
}

fn durable(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("durable");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    group.bench_function("bare write and fsync", |bench| bench.iter_custom(bare));
    for callers in [1, 32] {
        group.bench_function(format!("commits, callers: {callers}"), |bench| {
            bench.iter_custom(|count| commits(&runtime, callers, count));
        });
    }
    group.finish();
}

criterion_group!(benches, durable);
criterion_main!(benches);

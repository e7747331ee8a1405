//! Putting and opening 200 KB, by 1 and by 16 callers, beside what the disk itself takes for the same bytes: write,
//! fsync, rename, fsync of the folder. And taking a slot.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model::{EnrollmentRef, FacemapBytes, Rng as _, SystemClock, Timestamp, rng::SeededRng};
use seal::{HeldKeys, MemoryProvider, Pseudonym};
use std::{
    fs,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::JoinSet};
use vault::{Contents, Mode, SlotKind, SlotRef, Vault, VaultPaths};

const BYTES: usize = 200_000;

fn enrollment() -> EnrollmentRef {
    "00000000-0000-4000-8000-000000000001".parse().unwrap()
}

async fn open(folder: &Path) -> Vault {
    let paths = VaultPaths { slots_dir: folder.join("slots"), content_dir: folder.join("content") };
    let rng = Arc::new(seal::SystemRng::new());
    Vault::create(&paths, Mode::Simulated, &*rng).unwrap();
    let (provider, keys) = (Arc::new(MemoryProvider::new(1)), Arc::new(HeldKeys::for_tests(2)));
    Vault::open(paths, Mode::Simulated, provider, keys, rng, Arc::new(SystemClock)).await.unwrap().0
}

fn facemap() -> Vec<u8> {
    let mut bytes = vec![0; BYTES];
    SeededRng::new(9).fill(&mut bytes);
    bytes
}

async fn prepared(vault: &Vault, count: u64) -> Vec<SlotRef> {
    let mut slots = Vec::new();
    for _ in 0..count {
        slots.push(vault.prepare(SlotKind::Facemap, Pseudonym::from_bytes([1; 32])).await.unwrap());
    }
    slots
}

/// So that the disk does not fill up.
async fn destroyed(vault: &Vault, slots: &[SlotRef]) {
    for slot in slots {
        vault.burn(*slot).await.unwrap();
        vault.destroy_content(*slot).await.unwrap();
    }
}

async fn put(vault: &Vault, callers: usize, count: u64) -> Duration {
    let slots = prepared(vault, count).await;
    let facemaps: Vec<_> = slots.iter().map(|slot| (*slot, FacemapBytes::new(facemap()))).collect();
    let mut shares: Vec<Vec<_>> = (0..callers).map(|_| Vec::new()).collect();
    for (place, one) in facemaps.into_iter().enumerate() {
        shares[place % callers].push(one);
    }
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for share in shares {
        let vault = vault.clone();
        tasks.spawn(async move {
            for (slot, facemap) in share {
                vault.put(slot, &enrollment(), b"", facemap).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let took = begin.elapsed();
    destroyed(vault, &slots).await;
    took
}

async fn opened(vault: &Vault, callers: u64, count: u64, slot: SlotRef, contents: Contents) -> Duration {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let vault = vault.clone();
        tasks.spawn(async move {
            for _ in (caller..count).step_by(usize::try_from(callers).unwrap()) {
                vault.open_facemap(slot, &enrollment(), &contents).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    begin.elapsed()
}

/// The same bytes made durable without a vault around them.
async fn bare(folder: &Path, callers: u64, count: u64) -> Duration {
    let bytes = Arc::new(facemap());
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let (folder, bytes) = (folder.to_owned(), Arc::clone(&bytes));
        tasks.spawn_blocking(move || {
            for number in (caller..count).step_by(usize::try_from(callers).unwrap()) {
                let (temporary, name) =
                    (folder.join(format!("{number}.new")), folder.join(number.to_string()));
                let mut file = fs::File::create_new(&temporary).unwrap();
                file.write_all(&bytes).unwrap();
                file.sync_all().unwrap();
                fs::rename(temporary, name).unwrap();
                fs::File::open(&folder).unwrap().sync_all().unwrap();
            }
        });
    }
    tasks.join_all().await;
    let took = begin.elapsed();
    for number in 0..count {
        fs::remove_file(folder.join(number.to_string())).unwrap();
    }
    took
}

fn facemaps(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let vault = runtime.block_on(open(folder.path()));
    let mut group = criterion.benchmark_group("200 KB");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(5));
    for callers in [1_u64, 16] {
        let bare_folder = folder.path().join("bare");
        fs::create_dir_all(&bare_folder).unwrap();
        group.bench_function(format!("bare write, fsync, rename, fsync: {callers} callers"), |bench| {
            bench.iter_custom(|count| runtime.block_on(bare(&bare_folder, callers, count)));
        });
        group.bench_function(format!("put: {callers} callers"), |bench| {
            bench
                .iter_custom(|count| runtime.block_on(put(&vault, usize::try_from(callers).unwrap(), count)));
        });
        let (slot, contents) = runtime.block_on(async {
            let slot = prepared(&vault, 1).await[0];
            let contents = vault.put(slot, &enrollment(), b"", FacemapBytes::new(facemap())).await.unwrap();
            vault.make_live(slot).await.unwrap();
            (slot, contents)
        });
        group.bench_function(format!("open: {callers} callers"), |bench| {
            bench.iter_custom(|count| runtime.block_on(opened(&vault, callers, count, slot, contents)));
        });
    }
    group.finish();
}

/// A slot taken is one write and one fsync, and callers at the same time share the fsync.
async fn taken(vault: &Vault, callers: u64, count: u64) -> Duration {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let vault = vault.clone();
        let share = (caller..count).step_by(usize::try_from(callers).unwrap()).count() as u64;
        tasks.spawn(async move { prepared(&vault, share).await });
    }
    let slots = tasks.join_all().await.concat();
    let took = begin.elapsed();
    for slot in &slots {
        vault.burn(*slot).await.unwrap();
    }
    vault.release_burnt(0, Timestamp::MAX).await.unwrap();
    took
}

fn slots(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let vault = runtime.block_on(open(folder.path()));
    let mut group = criterion.benchmark_group("slot");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(5));
    for callers in [1_u64, 16] {
        group.bench_function(format!("prepare: {callers} callers"), |bench| {
            bench.iter_custom(|count| runtime.block_on(taken(&vault, callers, count)));
        });
    }
    group.finish();
}

criterion_group!(benches, facemaps, slots);
criterion_main!(benches);

//! How many slots a minute come under a new wrapping key, beside what the disk itself takes: plain writes of 512 bytes, each
//! synced before the next, in a file of the slot file's size on the same disk.
//!
//! `cargo run --release -p custody --example rewrap_rate -- FOLDER [SLOTS]` makes a vault with key files in FOLDER (which
//! must be empty), fills it, rotates, and runs the job through the queue, page by page. It ends with 1 below the limit
//! of 50 000 slots a minute.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on stops")]

use async_trait::async_trait;
use audit::{Actor, Audit};
use custody::{HeldKeysShelf, Keys, KeysParts, RewrapState, ShelfError};
use keys_file::{FileProvider, create_held_keys, load_held_keys_file, store_held_keys};
use model::{EnrollmentRef, FacemapBytes, SystemClock};
use queue::{Handler, Kind, Queue, QueueConfig, RetryPolicy};
use records::Records;
use seal::{HeldKeysFile, Pseudonym, SystemRng};
use std::{
    env,
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use store::memory::MemoryStore;
use tokio::task::JoinSet;
use vault::{Mode, SlotKind, Vault, VaultPaths};

const LIMIT: f64 = 50_000.0;
const SECTOR: usize = 512;
const PLAIN_WRITES: usize = 3000;
const PUTTERS: usize = 64;

struct Files(PathBuf);

#[async_trait]
impl HeldKeysShelf for Files {
    async fn load(&self) -> Result<HeldKeysFile, ShelfError> {
        Ok(load_held_keys_file(&self.0).unwrap())
    }

    async fn store(&self, file: HeldKeysFile) -> Result<(), ShelfError> {
        store_held_keys(&self.0, &file).unwrap();
        Ok(())
    }
}

async fn fill(vault: &Vault, slots: usize) {
    let mut tasks = JoinSet::new();
    for putter in 0..PUTTERS {
        let vault = vault.clone();
        tasks.spawn(async move {
            for number in (putter..slots).step_by(PUTTERS) {
                let enrollment: EnrollmentRef =
                    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap();
                let subject = Pseudonym::from_bytes([1; 32]);
                let slot = vault.prepare(SlotKind::Facemap, subject).await.unwrap();
                vault.put(slot, &enrollment, b"", FacemapBytes::new(vec![7; 256])).await.unwrap();
                vault.make_live(slot).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

/// Writes a minute of 512 bytes each, at random sectors, each synced before the next.
fn plain(folder: &Path, slots: usize) -> f64 {
    let path = folder.join("plain");
    let file = File::create(&path).unwrap();
    file.write_all_at(&vec![0; slots * SECTOR], 0).unwrap();
    file.sync_all().unwrap();
    let began = Instant::now();
    for write in 0..PLAIN_WRITES {
        let sector = write.wrapping_mul(7919) % slots;
        file.write_all_at(&[1; SECTOR], (sector * SECTOR) as u64).unwrap();
        file.sync_data().unwrap();
    }
    let rate = per_minute(PLAIN_WRITES, began);
    std::fs::remove_file(path).unwrap();
    rate
}

#[expect(clippy::cast_precision_loss, reason = "a rate that is printed")]
fn per_minute(count: usize, began: Instant) -> f64 {
    count as f64 * 60.0 / began.elapsed().as_secs_f64()
}

async fn keys_over(folder: &Path) -> (Keys, Arc<Vault>, Queue) {
    let (rng, clock) = (Arc::new(SystemRng::new()), Arc::new(SystemClock));
    let path = folder.join("keys");
    let provider = Arc::new(FileProvider::create(&path, rng.clone()).unwrap());
    let held = Arc::new(create_held_keys(&path, &*provider, &*rng).await.unwrap());
    let paths = VaultPaths { slots_dir: folder.join("slots"), content_dir: folder.join("content") };
    Vault::create(&paths, Mode::Simulated, &*rng).unwrap();
    let opened =
        Vault::open(paths, Mode::Simulated, provider.clone(), held.clone(), rng.clone(), clock.clone());
    let vault = Arc::new(opened.await.unwrap().0);
    let records = Records::new(Arc::new(MemoryStore::new()), held, rng);
    let audit = Audit::open(records.clone(), folder.join("anchor"), clock.clone()).await.unwrap();
    let config = QueueConfig { exclusive: true, retry: RetryPolicy::default() };
    let queue = Queue::open(records.clone(), clock.clone(), config).await.unwrap();
    let shelf = Arc::new(Files(path));
    let keys = Keys::new(KeysParts {
        records,
        vault: vault.clone(),
        audit,
        queue: queue.clone(),
        provider,
        shelf,
        clock,
    });
    (keys, vault, queue)
}

/// From the order to the end, in slots a minute.
async fn rewrap(keys: &Keys, queue: &Queue, slots: usize) -> f64 {
    let old = keys.rotate(Actor::Operator).await.unwrap().previous;
    let began = Instant::now();
    keys.rewrap(Actor::Operator).await.unwrap();
    while let Some(lease) = queue.lease_due(&[Kind::Rewrap], Duration::from_mins(10)).await.unwrap() {
        keys.handle(&lease).await.unwrap();
    }
    let rate = per_minute(slots, began);
    let state = keys.rewrap_state().await.unwrap().unwrap();
    assert_eq!((state.state, state.done), (RewrapState::Done, slots as u64));
    keys.remove(old, Actor::Operator).await.unwrap();
    rate
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: rewrap_rate FOLDER [SLOTS]");
        return ExitCode::FAILURE;
    };
    let slots = arguments.next().map_or(10_000, |slots| slots.parse().unwrap());
    let (keys, vault, queue) = keys_over(&folder).await;
    fill(&vault, slots).await;
    let mut worst = f64::INFINITY;
    for round in 1..=3 {
        let (peer, rate) = (plain(&folder, slots), rewrap(&keys, &queue, slots).await);
        println!(
            "round {round}: {rate:.0} slots a minute; plain synced writes of 512 bytes: {peer:.0} a minute; {:.1} times",
            rate / peer
        );
        worst = worst.min(rate);
    }
    println!("the slowest round: {worst:.0} slots a minute, limit {LIMIT:.0}");
    if worst >= LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

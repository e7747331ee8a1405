//! How fast facemaps are checked, beside `cat` over the same files in the same run, from memory and from the disk; and
//! how fast slots are rewrapped. `FACEMAPS` says how many there are (200 KB each).

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use model::{EnrollmentRef, FacemapBytes, Rng as _, SystemClock, rng::SeededRng};
use rustix::fs::{Advice, fadvise};
use seal::{HeldKeys, KeyProvider as _, MemoryProvider, Pseudonym};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::JoinSet};
use vault::{Mode, SlotKind, SlotRef, Vault, VaultPaths};

const BYTES: usize = 200_000;
const CALLERS: usize = 16;
const ROUNDS: u32 = 5;

fn main() {
    // As `cargo test --benches` calls it: nothing is measured then.
    if env::args().any(|argument| argument == "--test") {
        return;
    }
    let facemaps = env::var("FACEMAPS").ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    Runtime::new().unwrap().block_on(measure(facemaps));
}

async fn measure(facemaps: usize) {
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(MemoryProvider::new(1));
    let (vault, content) = open(folder.path(), provider.clone()).await;
    let slots = filled(&vault, facemaps).await;
    let files = files(&content);
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    println!("{facemaps} facemaps, {} MB", bytes / 1_000_000);
    for is_cold in [false, true] {
        let (mut cats, mut checks) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            cats.push(timed(&files, is_cold, async || cat(&files)).await);
            checks.push(timed(&files, is_cold, async || check(&vault, &slots).await).await);
        }
        let (cat, check) = (rate(bytes, &mut cats), rate(bytes, &mut checks));
        let from = if is_cold { "from the disk" } else { "from memory" };
        println!("{from}: cat {cat:.0} MB/s, check {check:.0} MB/s, {:.2} of cat", check / cat);
    }
    provider.rotate().await.unwrap();
    let (begin, mut from, mut rewrapped) = (Instant::now(), Some(0), 0);
    while let Some(start) = from {
        let page = vault.rewrap(start).await.unwrap();
        (from, rewrapped) = (page.next, rewrapped + page.slots);
    }
    let took = begin.elapsed();
    println!("rewrap: {rewrapped} slots, {:.0} a minute", f64::from(rewrapped) * 60.0 / took.as_secs_f64());
}

/// The median, in megabytes a second.
fn rate(bytes: u64, times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let megabytes = u32::try_from(bytes / 1000).map(f64::from).unwrap() / 1000.0;
    megabytes / times[times.len() / 2].as_secs_f64()
}

async fn timed(files: &[PathBuf], is_cold: bool, work: impl AsyncFnOnce()) -> Duration {
    for file in files.iter().filter(|_| is_cold) {
        fadvise(fs::File::open(file).unwrap(), 0, None, Advice::DontNeed).unwrap();
    }
    let begin = Instant::now();
    work().await;
    begin.elapsed()
}

fn cat(files: &[PathBuf]) {
    let status = Command::new("cat").args(files).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
}

async fn check(vault: &Vault, slots: &[SlotRef]) {
    for page in slots.chunks(256) {
        for found in vault.check_many(page.to_vec()).await {
            found.unwrap();
        }
    }
}

async fn open(folder: &Path, provider: Arc<MemoryProvider>) -> (Vault, PathBuf) {
    let paths = VaultPaths { slots_dir: folder.join("slots"), content_dir: folder.join("content") };
    let (content, rng) = (paths.content_dir.clone(), Arc::new(seal::SystemRng::new()));
    Vault::create(&paths, Mode::Simulated, &*rng).unwrap();
    let keys = Arc::new(HeldKeys::for_tests(2));
    let opened = Vault::open(paths, Mode::Simulated, provider, keys, rng, Arc::new(SystemClock)).await;
    (opened.unwrap().0, content)
}

async fn filled(vault: &Vault, facemaps: usize) -> Vec<SlotRef> {
    let mut bytes = vec![0; BYTES];
    SeededRng::new(9).fill(&mut bytes);
    let bytes = Arc::new(bytes);
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let (vault, bytes) = (vault.clone(), Arc::clone(&bytes));
        tasks.spawn(async move {
            let mut slots = Vec::new();
            for _ in (caller..facemaps).step_by(CALLERS) {
                let slot = vault.prepare(SlotKind::Facemap, Pseudonym::from_bytes([1; 32])).await.unwrap();
                let enrollment = EnrollmentRef::from_bytes([7; 16]);
                vault.put(slot, &enrollment, b"note", FacemapBytes::new(bytes.to_vec())).await.unwrap();
                vault.make_live(slot).await.unwrap();
                slots.push(slot);
            }
            slots
        });
    }
    let mut slots = tasks.join_all().await.concat();
    slots.sort_unstable_by_key(|slot| slot.index);
    slots
}

/// In the order in which a walk over the folder finds them, as whoever calls `cat` over it has them.
fn files(content: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in fs::read_dir(content).unwrap() {
        files.extend(fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    files
}

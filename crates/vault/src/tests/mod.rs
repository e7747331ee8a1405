//! What the vault promises, in the order of the README.

mod burning;
mod check;
mod copies;
mod crashes;
mod entries;
mod exchange;
mod facemaps;
mod flips;
mod inspect;
mod mend;
mod own_slots;
mod people;
mod power_cuts;
mod rewrap;
mod slots;
mod sweep;
mod trouble;

use crate::{
    Contents, Mode, SlotKind, SlotRef, Survey, Vault, VaultError, VaultPaths,
    sector::{CHECKSUM_AT, SECTOR, checksum},
    slot_file::position,
};
use model::{EnrollmentRef, FacemapBytes, clock::MockClock, rng::SeededRng};
use seal::{HeldKeys, KeyProvider, MemoryProvider, Pseudonym};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

/// Folders, keys and a clock that outlive an opened vault, as they outlive a process.
struct Home {
    folder: PathBuf,
    /// Removes the folder, where nobody else does.
    _temporary: Option<TempDir>,
    provider: Arc<MemoryProvider>,
    keys: Arc<HeldKeys>,
    rng: Arc<SeededRng>,
    clock: MockClock,
}

/// A facemap that is live.
struct Person {
    enrollment: EnrollmentRef,
    slot: SlotRef,
    contents: Contents,
    facemap: Vec<u8>,
}

impl Home {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let home = Self::on(folder.path());
        Self { _temporary: Some(folder), ..home }
    }

    /// A new vault in a folder that belongs to somebody else.
    fn on(folder: &Path) -> Self {
        let home = Self {
            folder: folder.to_owned(),
            _temporary: None,
            provider: Arc::new(MemoryProvider::new(1)),
            keys: Arc::new(HeldKeys::for_tests(2)),
            rng: Arc::new(SeededRng::new(3)),
            clock: MockClock::at("2026-11-21T12:00:00Z"),
        };
        Vault::create(&home.paths(), Mode::Simulated, &*home.rng).unwrap();
        home
    }

    fn paths(&self) -> VaultPaths {
        VaultPaths { slots_dir: self.folder.join("slots"), content_dir: self.folder.join("content") }
    }

    fn slot_file(&self) -> PathBuf {
        self.folder.join("slots/slots")
    }

    async fn try_open(&self) -> Result<(Vault, Survey), VaultError> {
        self.try_open_with(self.provider.clone()).await
    }

    async fn try_open_with(&self, provider: Arc<dyn KeyProvider>) -> Result<(Vault, Survey), VaultError> {
        let (clock, keys, rng) = (Arc::new(self.clock.clone()), self.keys.clone(), self.rng.clone());
        Vault::open(self.paths(), Mode::Simulated, provider, keys, rng, clock).await
    }

    /// A task of the vault before may still hold the slot file for a moment.
    async fn open_with(&self, provider: Arc<dyn KeyProvider>) -> Vault {
        let opening = async {
            loop {
                match self.try_open_with(provider.clone()).await {
                    Err(VaultError::InUse { .. }) => tokio::task::yield_now().await,
                    opened => return opened.unwrap().0,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), opening).await.expect("the vault before lets go")
    }

    async fn open(&self) -> Vault {
        self.open_with(self.provider.clone()).await
    }

    /// Everything on the disk: what a refusal must leave as it was.
    fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        collect(&self.folder, &mut all);
        all
    }

    /// Whether these bytes lie anywhere on the disk.
    fn has_on_disk(&self, needle: &[u8]) -> bool {
        self.bytes().values().any(|bytes| contains(bytes, needle))
    }

    fn content_file(&self, slot: SlotRef) -> PathBuf {
        let id = slot.facemap.to_string();
        self.folder.join("content").join(&id[..2]).join(id)
    }

    fn sector(&self, slot: SlotRef) -> [u8; SECTOR] {
        let mut bytes = [0; SECTOR];
        fs::File::open(self.slot_file()).unwrap().read_exact_at(&mut bytes, position(slot.index)).unwrap();
        bytes
    }

    fn write_sector(&self, index: u32, bytes: &[u8; SECTOR]) {
        let file = fs::OpenOptions::new().write(true).open(self.slot_file()).unwrap();
        file.write_all_at(bytes, position(index)).unwrap();
    }
}

fn collect(folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, all);
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

/// Writes over a file of the same length. Cutting it off first, as `fs::write` does, makes ext4 wait for the disk.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, 0).unwrap();
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Makes the checksum right again, as somebody would who knows the format.
fn recompute(vault: &Vault, bytes: &mut [u8; SECTOR]) {
    let sum = checksum(vault.id(), bytes);
    bytes[CHECKSUM_AT..].copy_from_slice(&sum);
}

fn enrollment(number: u32) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

fn subject(number: u8) -> Pseudonym {
    Pseudonym::from_bytes([number; 32])
}

fn facemap(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    // Far from the seeds of keys and salts, which do lie on the disk.
    model::Rng::fill(&SeededRng::new(seed + 1_000_000), &mut out);
    out
}

/// Prepared, put and live.
async fn vaulted(vault: &Vault, number: u8, bytes: usize) -> Person {
    let (enrollment, facemap) = (enrollment(number.into()), facemap(number.into(), bytes));
    let slot = vault.prepare(SlotKind::Facemap, subject(number)).await.unwrap();
    let contents = vault.put(slot, &enrollment, b"", FacemapBytes::new(facemap.clone())).await.unwrap();
    vault.make_live(slot).await.unwrap();
    Person { enrollment, slot, contents, facemap }
}

async fn opens(vault: &Vault, person: &Person) -> Result<bool, VaultError> {
    let opened = vault.open_facemap(person.slot, &person.enrollment, &person.contents).await?;
    Ok(opened.expose() == person.facemap)
}

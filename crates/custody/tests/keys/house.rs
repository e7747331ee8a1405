//! A house whose process can end at any moment, with the keys at hand.

use async_trait::async_trait;
use audit::{Action, Actor, Audit, Filter, Outcome, Part};
use custody::{HeldKeysShelf, KeyView, Keys, KeysParts, ShelfError};
use model::{EnrollmentRef, FacemapBytes, Rng, Timestamp, clock::MockClock, rng::SeededRng};
use queue::{Kind, Queue, QueueConfig, RetryPolicy, testing};
use records::Records;
use seal::{HeldKeys, HeldKeysFile, KeyId, KeyProvider, MemoryProvider, Place, ProviderError, Pseudonym};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{Store, faulty::FaultyStore, memory::MemoryStore};
use tempfile::TempDir;
use tokio::sync::watch;
use vault::{Contents, Mode, SlotKind, SlotRef, Vault, VaultPaths};
use zeroize::Zeroizing;

/// The held keys' file in memory.
#[derive(Default)]
pub(crate) struct Shelf {
    file: Mutex<Option<HeldKeysFile>>,
    stuck: Mutex<bool>,
}

impl Shelf {
    /// From now on (or no longer) nothing can be stored.
    pub(crate) fn stick(&self, stuck: bool) {
        *self.stuck.lock().unwrap() = stuck;
    }

    pub(crate) fn file(&self) -> HeldKeysFile {
        self.file.lock().unwrap().clone().unwrap()
    }
}

#[async_trait]
impl HeldKeysShelf for Shelf {
    async fn load(&self) -> Result<HeldKeysFile, ShelfError> {
        Ok(self.file())
    }

    async fn store(&self, file: HeldKeysFile) -> Result<(), ShelfError> {
        if *self.stuck.lock().unwrap() {
            return Err(ShelfError { what: "told to be stuck".to_owned(), retryable: false });
        }
        *self.file.lock().unwrap() = Some(file);
        Ok(())
    }
}

/// A provider that can be made to wait with what it wrapped before it hands it out.
pub(crate) struct Gated {
    pub(crate) inner: MemoryProvider,
    open: watch::Sender<bool>,
    /// How often something waits or waited at the closed gate.
    waiting: watch::Sender<u32>,
}

impl Gated {
    fn new() -> Self {
        Self { inner: MemoryProvider::new(7), open: watch::Sender::new(true), waiting: watch::Sender::new(0) }
    }

    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until something waits at the gate.
    pub(crate) async fn reached(&self) {
        self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await.unwrap();
    }
}

#[async_trait]
impl KeyProvider for Gated {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn active(&self) -> KeyId {
        self.inner.active()
    }

    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let wrapped = self.inner.wrap(place, plaintext).await;
        if !*self.open.borrow() {
            self.waiting.send_modify(|waiting| *waiting += 1);
            self.open.subscribe().wait_for(|open| *open).await.unwrap();
        }
        wrapped
    }

    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        self.inner.unwrap(place, wrapped).await
    }

    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        self.inner.key_of(wrapped)
    }

    fn ids(&self) -> Vec<KeyId> {
        self.inner.ids()
    }

    async fn rotate(&self) -> Result<KeyId, ProviderError> {
        self.inner.rotate().await
    }

    async fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        self.inner.remove(id).await
    }
}

pub(crate) struct Process {
    pub(crate) keys: Keys,
    pub(crate) vault: Arc<Vault>,
    pub(crate) queue: Queue,
    pub(crate) audit: Audit,
}

pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) store: Arc<FaultyStore<MemoryStore>>,
    pub(crate) clock: MockClock,
    pub(crate) provider: Arc<Gated>,
    pub(crate) shelf: Arc<Shelf>,
    process: Option<Process>,
    starts: u64,
}

/// A facemap that is live.
pub(crate) struct Person {
    pub(crate) enrollment: EnrollmentRef,
    pub(crate) slot: SlotRef,
    pub(crate) contents: Contents,
    pub(crate) facemap: Vec<u8>,
}

impl House {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Vault::create(&paths(&dir), Mode::Simulated, &SeededRng::new(1)).unwrap();
        let (provider, shelf) = (Arc::new(Gated::new()), Arc::new(Shelf::default()));
        let (_, file) = HeldKeys::create(&*provider, &SeededRng::new(2)).await.unwrap();
        *shelf.file.lock().unwrap() = Some(file);
        let mut house = Self {
            dir,
            store: Arc::new(FaultyStore::new(MemoryStore::new())),
            clock: MockClock::at("2026-11-21T12:00:00Z"),
            provider,
            shelf,
            process: None,
            starts: 0,
        };
        house.start().await;
        house
    }

    /// Ends the process, whatever it was doing, and starts the next one on what is durable.
    pub(crate) async fn restart(&mut self) {
        self.process = None;
        self.store.restart();
        self.start().await;
    }

    async fn start(&mut self) {
        self.starts += 1;
        let held = HeldKeys::open(&*self.provider, &self.shelf.file()).await.unwrap();
        let held = Arc::new(held);
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(100 + self.starts));
        let clock: Arc<MockClock> = Arc::new(self.clock.clone());
        let store: Arc<dyn Store> = self.store.clone();
        let records = Records::new(store, held.clone(), rng.clone());
        let provider: Arc<dyn KeyProvider> = self.provider.clone();
        let opened =
            Vault::open(paths(&self.dir), Mode::Simulated, provider.clone(), held, rng, clock.clone()).await;
        let vault = Arc::new(opened.unwrap().0);
        let audit =
            Audit::open(records.clone(), self.dir.path().join("anchor"), clock.clone()).await.unwrap();
        let config = QueueConfig { exclusive: true, retry: RetryPolicy::default() };
        let queue = Queue::open(records.clone(), clock.clone(), config).await.unwrap();
        let keys = Keys::new(KeysParts {
            records,
            vault: vault.clone(),
            audit: audit.clone(),
            queue: queue.clone(),
            provider,
            shelf: self.shelf.clone(),
            clock,
        });
        self.process = Some(Process { keys, vault, queue, audit });
    }

    pub(crate) fn now(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.now().keys
    }

    pub(crate) fn active(&self) -> KeyId {
        self.provider.active()
    }

    /// Does what is due, until nothing is.
    pub(crate) async fn drive(&self) -> usize {
        testing::drive(&self.now().queue, &[self.keys()]).await
    }

    pub(crate) async fn drive_for(&self, span: Duration) {
        testing::drive_for(&self.now().queue, &[self.keys()], &self.clock, span).await;
    }

    /// Does one page, and no more.
    pub(crate) async fn one_page(&self) {
        let lease = self.now().queue.lease_due(&[Kind::Rewrap], Duration::from_mins(1)).await.unwrap();
        queue::Handler::handle(self.keys(), &lease.unwrap()).await.unwrap();
    }

    /// A facemap that is put and live.
    pub(crate) async fn vaulted(&self, number: u8) -> Person {
        let vault = &self.now().vault;
        let slot = vault.prepare(SlotKind::Facemap, Pseudonym::from_bytes([number; 32])).await.unwrap();
        let (enrollment, facemap) = (reference(number), vec![number; 2000]);
        let contents = vault.put(slot, &enrollment, b"", FacemapBytes::new(facemap.clone())).await.unwrap();
        vault.make_live(slot).await.unwrap();
        Person { enrollment, slot, contents, facemap }
    }

    /// So many slots without any wrapped key, so that what follows lies in a later page.
    pub(crate) async fn others(&self, count: usize) {
        let tasks = (0..count).map(|_| {
            let vault = self.now().vault.clone();
            tokio::spawn(async move {
                vault.prepare(SlotKind::InboxEpoch, Pseudonym::from_bytes([9; 32])).await.unwrap();
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }

    pub(crate) async fn opens(&self, person: &Person) -> bool {
        let opened = self.now().vault.open_facemap(person.slot, &person.enrollment, &person.contents).await;
        opened.is_ok_and(|facemap| facemap.expose() == person.facemap)
    }

    /// Slots under a wrapping key, and whether the held keys lie under it; none when the list does not have it.
    pub(crate) async fn under(&self, wanted: KeyId) -> Option<(u64, bool)> {
        let list = self.keys().list().await.unwrap();
        list.items.into_iter().find_map(|key| match key {
            KeyView::Wrapping { id, slots, held_keys, .. } if id == wanted => Some((slots, held_keys)),
            _ => None,
        })
    }

    /// What the book says about an action: begins, ends and notes, with a word of each.
    pub(crate) async fn book(&self, action: Action) -> Vec<(Part, Option<Outcome>, Vec<String>)> {
        self.now().audit.close().await.unwrap();
        let filter = Filter { action: Some(action), ..Filter::default() };
        let page = self.now().audit.entries(0, None, &filter, 100).await.unwrap();
        let entries = page.items.into_iter().map(|listed| listed.entry);
        let words = |entry: &audit::Entry| entry.details.iter().map(|(n, v)| format!("{n}={v}")).collect();
        entries.map(|entry| (entry.part, entry.outcome, words(&entry))).collect()
    }

    /// Brings the held keys under this key, past the acts.
    pub(crate) async fn shelf_under(&self, key: KeyId) {
        assert_eq!(key, self.active());
        let file = self.shelf.file().rewrapped(&*self.provider).await.unwrap();
        self.shelf.store(file).await.unwrap();
    }

    pub(crate) fn time(&self) -> Timestamp {
        model::Clock::now(&self.clock)
    }
}

fn paths(dir: &TempDir) -> VaultPaths {
    VaultPaths { slots_dir: dir.path().join("slots"), content_dir: dir.path().join("content") }
}

pub(crate) fn reference(number: u8) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

pub(crate) fn admin() -> Actor {
    Actor::token("tok_1", "admin")
}

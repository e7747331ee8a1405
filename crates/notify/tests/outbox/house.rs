//! A house for the tests.

use crate::{hooked::Hooked, receiver::FakeReceiver};
use model::{EnrollmentRef, Rng, Timestamp, clock::MockClock, rng::SeededRng};
use notify::{
    Event, EventKind, Field, Messenger, Outbox, OutboxConfig, Receiver, ReceiverConfig, Secrets,
    SecretsUnreadable, SigningSecret,
};
use records::{Commit, EnrollmentKey, Records};
use register::Register;
use seal::{HeldKeys, MemoryProvider};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{Store, faulty::FaultyStore, memory::MemoryStore};
use tempfile::TempDir;
use vault::{Mode, SlotKind, SlotRef, Vault, VaultPaths};

pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// Secrets that a test changes.
#[derive(Clone)]
pub(crate) struct TestSecrets(pub(crate) Arc<Mutex<Option<Vec<String>>>>);

impl TestSecrets {
    pub(crate) fn of(secrets: &[&str]) -> Self {
        let these = Self(Arc::default());
        these.set(secrets);
        these
    }

    pub(crate) fn set(&self, secrets: &[&str]) {
        *self.0.lock().unwrap() = Some(secrets.iter().map(ToString::to_string).collect());
    }
}

impl Secrets for TestSecrets {
    fn current(&self) -> Result<Vec<SigningSecret>, SecretsUnreadable> {
        let secrets = self.0.lock().unwrap().clone().ok_or(SecretsUnreadable)?;
        Ok(secrets.iter().map(|text| SigningSecret::parse(text).unwrap()).collect())
    }
}

pub(crate) struct House {
    pub(crate) store: Arc<FaultyStore<MemoryStore>>,
    pub(crate) hooked: Arc<Hooked>,
    pub(crate) clock: MockClock,
    pub(crate) vault: Arc<Vault>,
    pub(crate) register: Register,
    pub(crate) outbox: Outbox,
    pub(crate) config: OutboxConfig,
    pub(crate) secrets: TestSecrets,
    _dir: TempDir,
}

/// Somebody who is enrolled.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    pub(crate) reference: EnrollmentRef,
    pub(crate) key: EnrollmentKey,
    pub(crate) slot: SlotRef,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(OutboxConfig { has_receiver: true, simulated: true, ..OutboxConfig::default() }).await
    }

    pub(crate) async fn with(config: OutboxConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths =
            VaultPaths { slots_dir: dir.path().join("slots"), content_dir: dir.path().join("content") };
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(1));
        Vault::create(&paths, Mode::Simulated, rng.as_ref()).unwrap();
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        let keys = Arc::new(HeldKeys::for_tests(7));
        let provider = Arc::new(MemoryProvider::new(7));
        let opened =
            Vault::open(paths, Mode::Simulated, provider, keys.clone(), rng.clone(), Arc::new(clock.clone()));
        let vault = Arc::new(opened.await.unwrap().0);
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        let hooked = Arc::new(Hooked::new(store.clone()));
        let records = Records::new(hooked.clone() as Arc<dyn Store>, keys, rng);
        let register = Register::new(records, vault.clone());
        let outbox = Outbox::new(register.clone(), Arc::new(clock.clone()), config);
        let secrets = TestSecrets::of(&[SECRET]);
        Self { store, hooked, clock, vault, register, outbox, config, secrets, _dir: dir }
    }

    /// Ends the process, and starts the next one on what is durable.
    pub(crate) fn restart(&mut self) {
        self.store.restart();
        self.outbox = self.another(self.config);
    }

    /// Another outbox on the same store.
    pub(crate) fn another(&self, config: OutboxConfig) -> Outbox {
        Outbox::new(self.register.clone(), Arc::new(self.clock.clone()), config)
    }

    pub(crate) fn messenger(&self, receiver: &FakeReceiver) -> Messenger {
        let config = ReceiverConfig {
            origin: receiver.origin(),
            path: "/events".to_owned(),
            simulated: true,
            allowed_networks: Vec::new(),
            ca_file: None,
        };
        let receiver = Receiver::new(&config, Box::new(self.secrets.clone())).unwrap();
        Messenger::new(self.outbox.clone(), Some(receiver))
    }

    pub(crate) async fn enroll(&self, number: u8) -> Person {
        let reference: EnrollmentRef =
            format!("00000000-0000-4000-8000-0000000000{number:02x}").parse().unwrap();
        let key = self.register.records().enrollment_key(&reference);
        let slot = self.vault.prepare(SlotKind::Facemap, key.0).await.unwrap();
        Person { reference, key, slot }
    }

    pub(crate) fn commit(&self) -> Commit {
        self.register.records().commit()
    }

    /// Tells something about somebody.
    pub(crate) async fn tell(&self, person: &Person, kind: EventKind) {
        let mut commit = self.commit();
        self.outbox.put(&mut commit, about(person, kind)).await.unwrap();
        commit.submit().await.unwrap();
    }

    /// Sends what is due until nothing is left, letting the time pass that is waited for, for `most` rounds at most.
    pub(crate) async fn send_all(&self, messenger: &Messenger, most: usize) {
        for _ in 0..most {
            let Some(next) = messenger.send_due().await.unwrap() else { return };
            self.wait_until(next);
        }
    }

    pub(crate) fn wait_until(&self, at: Timestamp) {
        use model::Clock as _;
        let wait: Duration = at.duration_since(self.clock.now()).try_into().unwrap_or_default();
        // A key holds whole microseconds.
        self.clock.advance(wait + Duration::from_micros(1));
    }

    pub(crate) async fn kinds_shown(&self) -> Vec<EventKind> {
        let page = self.outbox.events(None, None, 500).await.unwrap();
        page.items.iter().map(|listed| listed.message.kind).collect()
    }
}

pub(crate) fn about(person: &Person, kind: EventKind) -> Event {
    Event::about(kind, person.key, person.slot)
        .with(Field::EnrollmentTransactionReference, person.reference)
        .with(Field::UserReference, "ines")
        .with(Field::State, "some-state")
}

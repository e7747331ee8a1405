//! A house for the tests: a store in memory that fails where it is told to, a real vault in a temporary folder, a clock
//! that stands still.

use crate::jumio::{Scan, TestJumio};
use audit::{Actor, Audit};
use ingest::{
    CallbackOutcome, EnrollmentView, Ingest, IngestConfig, IngestError, IngestParts, Release, TokenScope,
};
use model::{
    AuthenticationId, AuthenticationState, CallbackId, Channel, Clock as _, EnrollmentRef, EnrollmentState,
    Rng, UserReference, clock::MockClock, rng::SeededRng,
};
use notify::{Outbox, OutboxConfig};
use queue::{
    Budget, Handler as _, HandlerError, Kind, Limit, PeerHealth, Queue, QueueConfig, QueueError, Retrievals,
    RetryPolicy, testing,
};
use records::Records;
use register::{AuthenticationPrivate, AuthenticationRow, Enrollment, Register};
use seal::{HeldKeys, MemoryProvider};
use std::{sync::Arc, time::Duration};
use store::{Store, faulty::FaultyStore, memory::MemoryStore};
use tempfile::TempDir;
use vault::{Mode, Vault, VaultPaths};

pub(crate) const KINDS: [Kind; 3] = [Kind::Callback, Kind::Enrollment, Kind::InboxEpoch];

/// What ends with the process.
pub(crate) struct Process {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) queue: Queue,
    pub(crate) audit: Audit,
}

/// What stays.
pub(crate) struct House {
    pub(crate) store: Arc<FaultyStore<MemoryStore>>,
    pub(crate) clock: MockClock,
    pub(crate) jumio: Arc<TestJumio>,
    pub(crate) config: IngestConfig,
    pub(crate) process: Option<Process>,
    retrievals: Limit,
    dir: TempDir,
    starts: u64,
}

pub(crate) fn reference(number: u8) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-0000000000{number:02x}").parse().unwrap()
}

pub(crate) fn user(name: &str) -> UserReference {
    name.parse().unwrap()
}

/// A callback as Jumio sends it, with everything in it claimed to be good.
pub(crate) fn callback(reference: EnrollmentRef, customer: &str) -> Vec<u8> {
    let identity = "%7B%22similarity%22%3A%22MATCH%22%2C%22validity%22%3Atrue%7D";
    format!(
        "callBackType=NETVERIFYID&jumioIdScanReference={reference}&verificationStatus=APPROVED_VERIFIED\
         &identityVerification={identity}&customerId={customer}&merchantIdScanReference=shop-1\
         &facemap=https%3A%2F%2Fevil.example%2Ffacemap&idFirstName=Ines"
    )
    .into_bytes()
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(IngestConfig::default()).await
    }

    pub(crate) async fn with(config: IngestConfig) -> Self {
        Self::built(config, Limit::per_second(1000)).await
    }

    /// A house whose Retrieval API may be asked this often.
    pub(crate) async fn with_retrievals(limit: Limit) -> Self {
        Self::built(IngestConfig::default(), limit).await
    }

    pub(crate) async fn with_both(config: IngestConfig, retrievals: Limit) -> Self {
        Self::built(config, retrievals).await
    }

    async fn built(config: IngestConfig, retrievals: Limit) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Vault::create(&paths(&dir), Mode::Simulated, &SeededRng::new(1)).unwrap();
        let mut house = Self {
            store: Arc::new(FaultyStore::new(MemoryStore::new())),
            clock: MockClock::at("2026-11-21T12:00:00Z"),
            jumio: Arc::new(TestJumio::default()),
            config,
            retrievals,
            process: None,
            dir,
            starts: 0,
        };
        house.start().await.unwrap();
        house
    }

    /// Ends the process, whatever it was doing, and starts the next one on what is durable.
    pub(crate) async fn restart(&mut self) {
        self.process = None;
        self.store.restart();
        self.start().await.unwrap();
    }

    pub(crate) async fn start(&mut self) -> Result<(), IngestError> {
        self.starts += 1;
        let keys = Arc::new(HeldKeys::for_tests(7));
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(100 + self.starts));
        let clock: Arc<MockClock> = Arc::new(self.clock.clone());
        let store: Arc<dyn Store> = self.store.clone();
        let records = Records::new(store, keys.clone(), rng.clone());
        let provider = Arc::new(MemoryProvider::new(7));
        let opened =
            Vault::open(paths(&self.dir), Mode::Simulated, provider, keys, rng.clone(), clock.clone()).await;
        let vault = Arc::new(opened.unwrap().0);
        let audit = Audit::open(records.clone(), self.dir.path().join("anchor"), clock.clone()).await?;
        let retry = RetryPolicy::default();
        let queue =
            Queue::open(records.clone(), clock.clone(), QueueConfig { exclusive: true, retry }).await?;
        let register = Register::new(records, vault.clone());
        let ingest = Arc::new(self.service(&register, &vault, &queue, &audit));
        ingest.sweep().await?;
        self.process = Some(Process { ingest, register, vault, queue, audit });
        Ok(())
    }

    fn service(&self, register: &Register, vault: &Arc<Vault>, queue: &Queue, audit: &Audit) -> Ingest {
        let clock: Arc<MockClock> = Arc::new(self.clock.clone());
        Ingest::new(IngestParts {
            register: register.clone(),
            vault: vault.clone(),
            jumio: self.jumio.clone(),
            audit: audit.clone(),
            queue: queue.clone(),
            outbox: Outbox::new(register.clone(), clock.clone(), OutboxConfig::default()),
            budget: Budget::in_memory(clock.clone(), &[Limit::per_second(1000)]),
            retrievals: Retrievals::new(clock.clone(), &[self.retrievals]),
            health: PeerHealth::new(),
            clock,
            rng: register.records().rng().clone(),
            config: self.config.clone(),
        })
    }

    /// Another service on the same rows and slots, which remembers nothing of what this one did.
    pub(crate) fn another(&self) -> Ingest {
        let Process { register, vault, queue, audit, .. } = self.now();
        self.service(register, vault, queue, audit)
    }

    pub(crate) fn now(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    pub(crate) fn ingest(&self) -> &Ingest {
        &self.now().ingest
    }

    /// Runs what is due. Stops where the process would die.
    pub(crate) async fn run(&self) -> Result<usize, HandlerError> {
        let process = self.now();
        for runs in 0..1000 {
            let Some(lease) = process.queue.lease_due(&KINDS, Duration::from_mins(2)).await? else {
                return Ok(runs);
            };
            match process.ingest.handle(&lease).await {
                // Lost: the clock went on and somebody else has the job now.
                Ok(()) | Err(HandlerError::LeaseLost) => {}
                Err(HandlerError::Conflict) => match lease.release().await {
                    Ok(()) | Err(QueueError::LeaseLost { .. }) => {}
                    Err(error) => return Err(error.into()),
                },
                Err(error) => return Err(error),
            }
        }
        panic!("jobs come back for ever");
    }

    pub(crate) async fn drive(&self) {
        testing::drive(&self.now().queue, &[self.ingest()]).await;
    }

    pub(crate) async fn drive_for(&self, span: Duration) {
        testing::drive_for(&self.now().queue, &[self.ingest()], &self.clock, span).await;
    }

    pub(crate) async fn announce(&self, number: u8, name: &str) -> EnrollmentView {
        self.ingest().announce(reference(number), &user(name), Actor::System).await.unwrap()
    }

    /// Jumio has an approved onboarding, and it is announced.
    pub(crate) async fn onboard(&self, number: u8, name: &str) {
        self.jumio.holds(reference(number), Scan::approved(name, format!("face {number}").as_bytes()));
        self.announce(number, name).await;
    }

    pub(crate) async fn release(&self, number: u8) -> Result<EnrollmentView, IngestError> {
        self.release_with(number, None, false).await
    }

    pub(crate) async fn release_with(
        &self,
        number: u8,
        replaces: Option<u8>,
        by_admin: bool,
    ) -> Result<EnrollmentView, IngestError> {
        let release = Release { replaces: replaces.map(reference), by_admin, by: Actor::System };
        self.ingest().release(&reference(number), &release).await
    }

    pub(crate) async fn view(&self, number: u8) -> EnrollmentView {
        self.ingest().get(&reference(number)).await.unwrap()
    }

    pub(crate) async fn state(&self, number: u8) -> EnrollmentState {
        self.view(number).await.state
    }

    pub(crate) async fn enrollment(&self, number: u8) -> Enrollment {
        self.now().register.enrollment(&reference(number)).await.unwrap().unwrap()
    }

    pub(crate) async fn receive(&self, body: &[u8]) -> CallbackId {
        self.ingest().receive(body, TokenScope::Portal, None).await.unwrap()
    }

    pub(crate) async fn outcome(&self, id: CallbackId) -> Option<CallbackOutcome> {
        self.ingest().callback(id).await.unwrap().unwrap().outcome
    }

    /// What the vault holds for an enrollment, opened.
    pub(crate) async fn facemap(&self, number: u8) -> Vec<u8> {
        let found = self.enrollment(number).await;
        let contents = found.private.unwrap().contents.unwrap();
        let vault = &self.now().vault;
        vault.open_facemap(found.row.slot, &reference(number), &contents).await.unwrap().expose().to_vec()
    }

    /// The chain's entries so far: action, part, outcome.
    pub(crate) async fn book(&self) -> Vec<String> {
        let audit = &self.now().audit;
        audit.append_pending().await.unwrap();
        let page = audit.entries(0, None, &audit::Filter::default(), 10_000).await.unwrap();
        let said = |listed: &audit::Listed| format!("{:?} {:?}", listed.entry.action, listed.entry.outcome);
        page.items.iter().map(said).collect()
    }

    /// Changes every content file on the disk.
    pub(crate) fn harm_contents(&self, harm: impl Fn(&mut Vec<u8>)) {
        let mut folders = vec![paths(&self.dir).content_dir];
        let mut harmed = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let mut bytes = std::fs::read(&path).unwrap();
                    harm(&mut bytes);
                    std::fs::write(&path, bytes).unwrap();
                    harmed += 1;
                }
            }
        }
        assert!(harmed > 0);
    }

    /// Whether any file of the vault or row of the store holds these bytes as they are.
    pub(crate) fn holds(&self, marker: &[u8]) -> bool {
        let contains = |bytes: &[u8]| bytes.windows(marker.len()).any(|window| window == marker);
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if contains(&std::fs::read(&path).unwrap()) {
                    return true;
                }
            }
        }
        self.store.inner().dump().iter().any(|(_, key, row)| contains(key) || contains(&row.value))
    }

    /// How many content files there are.
    pub(crate) fn contents(&self) -> usize {
        let mut folders = vec![paths(&self.dir).content_dir];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files += 1 }
            }
        }
        files
    }

    /// An authentication of `name` against the enrollment `number` that began and ended `ago` before now.
    pub(crate) async fn authenticated(
        &self,
        number: u8,
        name: &str,
        state: AuthenticationState,
        ago: Duration,
    ) -> AuthenticationId {
        let old = self.enrollment(number).await;
        let register = &self.now().register;
        let at = self.time() - ago;
        let private = AuthenticationPrivate {
            id: AuthenticationId::random(register.records().rng().as_ref()),
            reference: None,
            enrollment_reference: reference(number),
            user_reference: user(name),
            redirect_url: None,
            success_url: None,
            error_url: None,
            locale: None,
            token_lifetime_minutes: None,
            request_reference: None,
        };
        let row = AuthenticationRow {
            state,
            since: at,
            created_at: at,
            channel: Channel::Web,
            enrollment: old.key,
            slot: old.row.slot,
            user: register.records().user_key(&user(name)),
            transaction: None,
            private: None,
            initiated_at: None,
            window_ends_at: None,
            redirect_expires_at: None,
            completed_at: state.is_final().then_some(at),
            redeemed_at: None,
            polls: 0,
            asked_at: None,
            refused_status: None,
            batch: false,
            links: Vec::new(),
            items: Vec::new(),
        };
        let mut commit = register.records().commit();
        register.insert_authentication(&mut commit, row, &private).await.unwrap();
        commit.submit().await.unwrap();
        private.id
    }

    pub(crate) fn minutes(&self, minutes: u64) {
        self.clock.advance(Duration::from_mins(minutes));
    }

    pub(crate) fn time(&self) -> model::Timestamp {
        self.clock.now()
    }
}

fn paths(dir: &TempDir) -> VaultPaths {
    VaultPaths { slots_dir: dir.path().join("slots"), content_dir: dir.path().join("content") }
}

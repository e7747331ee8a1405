//! A house for the tests: a store in memory that fails where it is told to, a real vault in a temporary folder, a clock
//! that stands still, and a Jumio that remembers what it was sent.

use audit::{Action, Actor, Audit, Begin, Details, Listed, Outcome};
use jiff::SignedDuration;
use jumio::{
    Journey, RedirectHosts, Region, Rules, WebFields, WebJourney,
    scripted::{Endpoint, ScriptedJumio, Started},
};
use model::{
    AuthenticationId, AuthenticationRef, Clock as _, EnrollmentOrigin, EnrollmentRef, EnrollmentState,
    FacemapBytes, Rng, UserReference, clock::MockClock, rng::SeededRng,
};
use notify::{EventKind, Outbox, OutboxConfig};
use queue::{Budget, Limit, PeerHealth, Queue, QueueConfig, Retrievals, RetryPolicy, testing};
use reauth::{
    Attempts, AuthenticationRequest, AuthenticationView, IfOpen, Initiated, LinksConfig, Reauth,
    ReauthConfig, ReauthError, ReauthParts,
};
use records::{EnrollmentKey, Records};
use register::{Enrollment, EnrollmentPrivate, EnrollmentRow, Register, UserRow};
use seal::{HeldKeys, MemoryProvider};
use std::{path::Path, sync::Arc, time::Duration};
use store::{Store, faulty::FaultyStore, memory::MemoryStore};
use tempfile::TempDir;
use vault::{Mode, SlotKind, Vault, VaultPaths};

/// What ends with the process.
pub(crate) struct Process {
    pub(crate) reauth: Reauth,
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) provider: Arc<MemoryProvider>,
    pub(crate) queue: Queue,
    pub(crate) audit: Audit,
    pub(crate) outbox: Outbox,
}

/// What stays.
pub(crate) struct House {
    pub(crate) store: Arc<FaultyStore<MemoryStore>>,
    pub(crate) clock: MockClock,
    pub(crate) jumio: ScriptedJumio,
    pub(crate) config: ReauthConfig,
    pub(crate) limits: Vec<Limit>,
    pub(crate) process: Option<Process>,
    dir: TempDir,
    starts: u64,
}

pub(crate) fn config() -> ReauthConfig {
    ReauthConfig {
        window: SignedDuration::from_secs(900),
        settle: SignedDuration::from_secs(30),
        wait: Duration::from_secs(10),
        result_polls: [30, 60, 120, 240, 480, 900].map(SignedDuration::from_secs).to_vec(),
        result_valid: SignedDuration::from_secs(300),
        most_facemaps: 16,
        attempts: Attempts { most: 1000, within: SignedDuration::from_hours(24) },
        links: LinksConfig {
            base_url: "https://vault.example.com".to_owned(),
            default_life: SignedDuration::from_hours(3 * 24),
            longest_life: SignedDuration::from_hours(30 * 24),
            max_results: 5,
            rules: Rules { simulated: true, redirect_hosts: None },
            redirects: RedirectHosts::new(Region::Us, None),
        },
    }
}

pub(crate) fn reference(number: u64) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

pub(crate) fn user(number: u64) -> UserReference {
    format!("user-{number}").parse().unwrap()
}

pub(crate) fn face(number: u64) -> Vec<u8> {
    format!("the face of number {number}").into_bytes()
}

pub(crate) fn web(fields: &WebFields) -> Journey {
    let rules = Rules { simulated: true, redirect_hosts: None };
    Journey::Web(WebJourney::check(fields, &rules).unwrap())
}

/// The person's request: mobile, nothing else.
pub(crate) fn asks(number: u64) -> AuthenticationRequest {
    AuthenticationRequest {
        user_reference: user(number),
        enrollment: None,
        journey: Journey::Mobile,
        request_reference: None,
        if_open: IfOpen::Tell,
        batch: false,
        link: None,
    }
}

pub(crate) fn asks_web(number: u64) -> AuthenticationRequest {
    AuthenticationRequest { journey: web(&WebFields::default()), ..asks(number) }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Waits until something is so; never for ever.
pub(crate) async fn until(what: &str, so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(seconds(30), waiting).await.is_ok(), "waited in vain until {what}");
}

fn paths(dir: &Path) -> VaultPaths {
    VaultPaths { slots_dir: dir.join("slots"), content_dir: dir.join("content") }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(config(), vec![Limit::per_second(1000)]).await
    }

    pub(crate) async fn with(config: ReauthConfig, limits: Vec<Limit>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Vault::create(&paths(dir.path()), Mode::Simulated, &SeededRng::new(1)).unwrap();
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        let mut house = Self {
            store: Arc::new(FaultyStore::new(MemoryStore::new())),
            jumio: ScriptedJumio::with_clock(Arc::new(clock.clone())),
            clock,
            config,
            limits,
            process: None,
            dir,
            starts: 0,
        };
        house.start().await;
        house
    }

    /// Ends the process, whatever it was doing, and starts the next one on what is durable. Says how many outcomes
    /// became unknown by that.
    pub(crate) async fn restart(&mut self) -> usize {
        self.process = None;
        self.store.restart();
        self.start().await
    }

    async fn start(&mut self) -> usize {
        self.starts += 1;
        let keys = Arc::new(HeldKeys::for_tests(7));
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(100 + self.starts));
        let provider = Arc::new(MemoryProvider::new(7));
        let opened = Vault::open(
            paths(self.dir.path()),
            Mode::Simulated,
            provider.clone(),
            keys,
            rng,
            Arc::new(self.clock.clone()),
        );
        // A task of the process before may still hold the slot file for a moment.
        let vault = Arc::new(opened.await.unwrap().0);
        let store: Arc<dyn Store> = self.store.clone();
        let process =
            self.open_over(store, vault, provider, &self.dir.path().join("anchor"), self.starts).await;
        let unknown = process.reauth.recover_all().await.unwrap();
        self.process = Some(process);
        unknown
    }

    /// A process on any store, with this house's vault, clock and Jumio.
    pub(crate) async fn open_over(
        &self,
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        provider: Arc<MemoryProvider>,
        anchor: &Path,
        number: u64,
    ) -> Process {
        let keys = Arc::new(HeldKeys::for_tests(7));
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(1000 + number));
        let clock: Arc<MockClock> = Arc::new(self.clock.clone());
        let records = Records::new(store, keys, rng.clone());
        let audit = Audit::open(records.clone(), anchor, clock.clone()).await.unwrap();
        if audit.head().await.unwrap().position == 0 {
            // People without a single entry in the book are refused at the next start: the real flows write one for each.
            let stroke = audit.begin(Begin::general(Action::ServiceStarted, Actor::System)).await.unwrap();
            audit.finish_alone(&stroke, Outcome::Done, Details::new()).await.unwrap();
        }
        let queue_config = QueueConfig { exclusive: true, retry: RetryPolicy::default() };
        let queue = Queue::open(records.clone(), clock.clone(), queue_config).await.unwrap();
        let budget = Budget::open(records.clone(), clock.clone(), &self.limits).await.unwrap();
        let register = Register::new(records, vault.clone());
        let outbox = Outbox::new(register.clone(), clock.clone(), OutboxConfig::default());
        let parts = ReauthParts {
            register: register.clone(),
            vault: vault.clone(),
            jumio: Arc::new(self.jumio.clone()),
            audit: audit.clone(),
            queue: queue.clone(),
            outbox: outbox.clone(),
            budget,
            retrievals: Retrievals::new(clock.clone(), &[Limit::per_second(1000)]),
            peer: PeerHealth::new(),
            clock,
            rng,
            process: number,
            callback_url: Box::new(|id| format!("https://vault.example.com/callbacks/jumio/{id}")),
        };
        let reauth = Reauth::new(parts, self.config.clone());
        Process { reauth, register, vault, provider, queue, audit, outbox }
    }

    /// A second process on the same store and vault, as a store for several processes would allow.
    pub(crate) async fn another_process(&self) -> Process {
        self.reopened(self.store.clone()).await
    }

    /// A second process on another store, with the same vault.
    pub(crate) async fn reopened(&self, store: Arc<dyn Store>) -> Process {
        let process = self.now();
        let anchor = self.dir.path().join("another-anchor");
        std::fs::copy(self.dir.path().join("anchor"), &anchor).unwrap();
        self.open_over(store, process.vault.clone(), process.provider.clone(), &anchor, 1_000_000).await
    }

    /// Flips a bit at the end of every content file.
    pub(crate) fn damage_contents(&self) {
        let mut damaged = 0;
        let mut folders = vec![self.dir.path().join("content")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let mut bytes = std::fs::read(&path).unwrap();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                    std::fs::write(&path, bytes).unwrap();
                    damaged += 1;
                }
            }
        }
        assert!(damaged > 0);
    }

    pub(crate) fn now(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    pub(crate) fn reauth(&self) -> &Reauth {
        &self.now().reauth
    }

    pub(crate) fn register(&self) -> &Register {
        &self.now().register
    }

    pub(crate) fn key(&self, number: u64) -> EnrollmentKey {
        self.register().records().enrollment_key(&reference(number))
    }

    /// A person whose facemap is vaulted and whose original is gone.
    pub(crate) async fn enroll(&self, number: u64) -> Enrollment {
        self.enroll_as(number, user(number), EnrollmentState::Ready).await
    }

    pub(crate) async fn enroll_as(
        &self,
        number: u64,
        user: UserReference,
        state: EnrollmentState,
    ) -> Enrollment {
        let (vault, register) = (&self.now().vault, self.register());
        let (key, user_key) = (self.key(number), register.records().user_key(&user));
        let slot = vault.prepare(SlotKind::Facemap, key.0).await.unwrap();
        let contents =
            vault.put(slot, &reference(number), b"", FacemapBytes::new(face(number))).await.unwrap();
        let private = EnrollmentPrivate {
            reference: reference(number),
            user_reference: Some(user),
            customer_internal_reference: None,
            contents: Some(contents),
            replaced_by: None,
            attestation: None,
        };
        let origin = EnrollmentOrigin::Announced;
        let row = EnrollmentRow::new(state, origin, self.clock.now(), slot, Some(user_key));
        let mut commit = register.records().commit();
        register.insert_enrollment(&mut commit, row, &private).await.unwrap();
        if state == EnrollmentState::Ready {
            let current = UserRow { current: Some(key), claimed: None };
            let read = register.user(user_key).await.unwrap();
            register.put_user(&mut commit, user_key, read.as_ref(), &current);
        }
        commit.submit().await.unwrap();
        vault.make_live(slot).await.unwrap();
        self.enrollment(number).await
    }

    /// Changes an enrollment as another flow would.
    pub(crate) async fn edit_enrollment(&self, number: u64, edit: impl FnOnce(&mut Enrollment)) {
        let mut enrollment = self.enrollment(number).await;
        edit(&mut enrollment);
        let mut commit = self.register().records().commit();
        self.register().update_enrollment(&mut commit, &enrollment).await.unwrap();
        commit.submit().await.unwrap();
    }

    pub(crate) async fn enrollment(&self, number: u64) -> Enrollment {
        self.register().enrollment(&reference(number)).await.unwrap().unwrap()
    }

    pub(crate) async fn ask(&self, request: AuthenticationRequest) -> Result<Initiated, ReauthError> {
        self.reauth().initiate(request, Actor::System).await
    }

    /// Asks in a task of its own.
    pub(crate) fn asking(
        &self,
        request: AuthenticationRequest,
    ) -> tokio::task::JoinHandle<Result<Initiated, ReauthError>> {
        let reauth = self.reauth().clone();
        tokio::spawn(async move { reauth.initiate(request, Actor::System).await })
    }

    pub(crate) async fn get(&self, id: AuthenticationId) -> AuthenticationView {
        self.reauth().get(&id.to_string(), Duration::ZERO).await.unwrap()
    }

    /// Initiate requests that reached Jumio, answered or not.
    pub(crate) fn posts(&self) -> usize {
        self.jumio.count(Endpoint::InitiateAuthentication)
    }

    pub(crate) fn started(&self) -> Vec<Started> {
        self.jumio.started()
    }

    /// Lets time pass and jobs run.
    pub(crate) async fn pass(&self, span: Duration) {
        testing::drive_for(&self.now().queue, &[self.reauth()], &self.clock, span).await;
    }

    /// The kinds of all events so far.
    pub(crate) async fn events(&self) -> Vec<EventKind> {
        let page = self.now().outbox.events(None, None, 1000).await.unwrap();
        page.items.into_iter().map(|event| event.message.kind).collect()
    }

    pub(crate) async fn book(&self) -> Vec<Listed> {
        let audit = &self.now().audit;
        audit.append_pending().await.unwrap();
        let all = audit.entries(0, None, &audit::Filter::default(), 10_000).await.unwrap().items;
        all.into_iter().filter(|listed| listed.entry.action != Action::ServiceStarted).collect()
    }
}

pub(crate) fn jumio_reference(answer: &Initiated) -> AuthenticationRef {
    answer.authentication.authentication_transaction_reference.unwrap()
}

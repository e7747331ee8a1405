//! A house for the tests: a store in memory that fails where it is told to, a real vault in a temporary folder, a clock
//! that stands still, a Jumio that remembers what it was asked, and an inbox that says what it was told to forget.

use async_trait::async_trait;
use audit::{Action, Actor, Audit, Begin, Details, Listed, Outcome};
use custody::{
    Custody, CustodyConfig, CustodyError, CustodyParts, Forget, ForgetError, Forgotten, Order, PurgeReason,
    PurgeView,
};
use jumio::scripted::{ScriptedJumio, finished_scan};
use model::{
    AuthenticationId, AuthenticationRef, AuthenticationState, Channel, Clock as _, EnrollmentOrigin,
    EnrollmentRef, EnrollmentState, FacemapBytes, Rng, UserReference, clock::MockClock, rng::SeededRng,
};
use notify::{Outbox, OutboxConfig};
use queue::{Limit, PeerHealth, Queue, QueueConfig, Retrievals, RetryPolicy, testing};
use receipt::{PublicKey, Statement};
use records::{EnrollmentKey, Records};
use register::{
    AuthenticationPrivate, AuthenticationRow, Enrollment, EnrollmentPrivate, EnrollmentRow, Register, UserRow,
};
use seal::{HeldKeys, MemoryProvider};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{Store, faulty::FaultyStore, memory::MemoryStore};
use tempfile::TempDir;
use vault::{Mode, SlotKind, SlotRef, Vault, VaultPaths};

pub(crate) const KEYS: u64 = 7;

/// What ends with the process.
pub(crate) struct Process {
    pub(crate) custody: Custody,
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) queue: Queue,
    pub(crate) audit: Audit,
}

/// What stays.
pub(crate) struct House {
    pub(crate) store: Arc<FaultyStore<MemoryStore>>,
    pub(crate) clock: MockClock,
    pub(crate) jumio: ScriptedJumio,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) config: CustodyConfig,
    pub(crate) process: Option<Process>,
    pub(crate) dir: TempDir,
    starts: u64,
}

/// Who was forgotten.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) asked: Mutex<Vec<(EnrollmentRef, Vec<AuthenticationRef>)>>,
    pub(crate) bodies: Mutex<u32>,
    pub(crate) fails: Mutex<bool>,
}

#[async_trait]
impl Forget for Inbox {
    async fn forget(
        &self,
        enrollment: &EnrollmentRef,
        authentications: &[AuthenticationRef],
    ) -> Result<Forgotten, ForgetError> {
        if *self.fails.lock().unwrap() {
            return Err(ForgetError::new(std::io::Error::other("the inbox is away")));
        }
        self.asked.lock().unwrap().push((*enrollment, authentications.to_vec()));
        Ok(Forgotten { bodies: std::mem::take(&mut *self.bodies.lock().unwrap()) })
    }
}

pub(crate) fn reference(number: u64) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

pub(crate) fn transaction(number: u64) -> AuthenticationRef {
    format!("aaaaaaaa-0000-4000-8000-{number:012x}").parse().unwrap()
}

pub(crate) fn user(number: u64) -> UserReference {
    format!("user-{number}").parse().unwrap()
}

pub(crate) fn face(number: u64) -> Vec<u8> {
    format!("the face of number {number}").into_bytes()
}

pub(crate) fn order() -> Order {
    Order {
        reason: PurgeReason::ErasureRequest,
        case_reference: Some("CASE-4711".parse().unwrap()),
        actor: Actor::token("tok1", "dpo"),
    }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets everything that can go on go on, until something is so; never for ever.
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
        Self::with(CustodyConfig::default()).await
    }

    pub(crate) async fn with(config: CustodyConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Vault::create(&paths(dir.path()), Mode::Simulated, &SeededRng::new(1)).unwrap();
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        let mut house = Self {
            store: Arc::new(FaultyStore::new(MemoryStore::new())),
            jumio: ScriptedJumio::with_clock(Arc::new(clock.clone())),
            clock,
            inbox: Arc::default(),
            config,
            process: None,
            dir,
            starts: 0,
        };
        house.start().await;
        house
    }

    /// Ends the process, whatever it was doing, and starts the next one on what is durable.
    pub(crate) async fn restart(&mut self) {
        if let Some(process) = self.process.take() {
            // A task of the process before may still hold the slot file for a moment.
            let vault = Arc::downgrade(&process.vault);
            drop(process);
            until("the process before has ended", || vault.strong_count() == 0).await;
        }
        self.store.restart();
        self.start().await;
    }

    async fn start(&mut self) {
        self.starts += 1;
        let keys = Arc::new(HeldKeys::for_tests(KEYS));
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(100 + self.starts));
        let clock: Arc<MockClock> = Arc::new(self.clock.clone());
        let store: Arc<dyn Store> = self.store.clone();
        let records = Records::new(store, keys.clone(), rng.clone());
        let provider = Arc::new(MemoryProvider::new(7));
        let opened = Vault::open(
            paths(self.dir.path()),
            Mode::Simulated,
            provider.clone(),
            keys,
            rng.clone(),
            clock.clone(),
        );
        let vault = Arc::new(opened.await.unwrap().0);
        let audit =
            Audit::open(records.clone(), self.dir.path().join("anchor"), clock.clone()).await.unwrap();
        if audit.head().await.unwrap().position == 0 {
            // People without a single entry in the book are refused at the next start: the real flows write one for each.
            let begin = Begin::general(Action::ServiceStarted, Actor::System);
            let stroke = audit.begin(begin).await.unwrap();
            audit.finish_alone(&stroke, Outcome::Done, Details::new()).await.unwrap();
        }
        let queue_config = QueueConfig { exclusive: true, retry: RetryPolicy::default() };
        let queue = Queue::open(records.clone(), clock.clone(), queue_config).await.unwrap();
        let register = Register::new(records, vault.clone());
        let custody = Custody::new(CustodyParts {
            register: register.clone(),
            vault: vault.clone(),
            jumio: Arc::new(self.jumio.clone()),
            audit: audit.clone(),
            queue: queue.clone(),
            outbox: Outbox::new(register.clone(), clock.clone(), OutboxConfig::default()),
            retrievals: Retrievals::new(clock.clone(), &[Limit::per_second(100_000)]),
            peer: PeerHealth::new(),
            clock,
            rng,
            provider,
            forget: self.inbox.clone(),
            config: self.config.clone(),
        });
        custody.start().await.unwrap();
        self.process = Some(Process { custody, register, vault, queue, audit });
    }

    pub(crate) fn now(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    pub(crate) fn custody(&self) -> &Custody {
        &self.now().custody
    }

    pub(crate) fn register(&self) -> &Register {
        &self.now().register
    }

    pub(crate) fn key(&self, number: u64) -> EnrollmentKey {
        self.register().records().enrollment_key(&reference(number))
    }

    /// A person of a user of the same number, whose original is gone, with one authentication that passed.
    pub(crate) async fn enroll(&self, number: u64) -> SlotRef {
        let slot = self.enroll_as(number, number, EnrollmentState::Ready, |_| {}).await;
        self.authenticate(number, Some(number), AuthenticationState::Passed).await;
        slot
    }

    /// An enrollment in any state, known at Jumio.
    pub(crate) async fn enroll_as(
        &self,
        number: u64,
        of: u64,
        state: EnrollmentState,
        edit: impl FnOnce(&mut EnrollmentRow),
    ) -> SlotRef {
        use EnrollmentState as S;
        let (vault, register) = (&self.now().vault, self.register());
        self.clock.advance(seconds(1));
        let (key, user_key) = (self.key(number), register.records().user_key(&user(of)));
        let slot = vault.prepare(SlotKind::Facemap, key.0).await.unwrap();
        let origin = EnrollmentOrigin::Announced;
        let mut row = EnrollmentRow::new(state, origin, self.clock.now(), slot, Some(user_key));
        let mut contents = None;
        if matches!(state, S::Vaulted | S::Ready) {
            let put =
                vault.put(slot, &reference(number), b"", FacemapBytes::new(face(number))).await.unwrap();
            row.facemap_bytes = Some(put.bytes);
            row.vaulted_at = Some(self.clock.now());
            contents = Some(put);
        }
        if state == S::Ready {
            row.original_deleted_at = Some(self.clock.now());
        } else {
            let scan = finished_scan(reference(number), user(of).as_str());
            self.jumio.put_scan(scan, Some(&face(number)));
        }
        edit(&mut row);
        let private = EnrollmentPrivate {
            reference: reference(number),
            user_reference: Some(user(of)),
            customer_internal_reference: Some(format!("internal-{number}")),
            attestation: None,
            contents,
            replaced_by: None,
        };
        let mut commit = register.records().commit();
        register.insert_enrollment(&mut commit, row, &private).await.unwrap();
        if state == S::Ready {
            let read = register.user(user_key).await.unwrap();
            let current = UserRow { current: Some(key), claimed: None };
            register.put_user(&mut commit, user_key, read.as_ref(), &current);
        }
        commit.submit().await.unwrap();
        if contents.is_some() {
            vault.make_live(slot).await.unwrap();
        }
        slot
    }

    /// An authentication of an enrollment, with this reference of Jumio's.
    pub(crate) async fn authenticate(
        &self,
        number: u64,
        transaction_number: Option<u64>,
        state: AuthenticationState,
    ) -> AuthenticationId {
        let register = self.register();
        let found = self.enrollment(number).await;
        let id = AuthenticationId::random(&SeededRng::new(1000 * number + transaction_number.unwrap_or(999)));
        let now = self.clock.now();
        let mut private = AuthenticationPrivate {
            id,
            reference: None,
            enrollment_reference: reference(number),
            user_reference: found.private.as_ref().unwrap().user_reference.clone().unwrap(),
            redirect_url: Some(format!("https://acme.netverify.com/web?token=secret-{number}")),
            success_url: Some(format!("https://www.example.com/welcome/{number}")),
            error_url: None,
            locale: None,
            token_lifetime_minutes: None,
            request_reference: Some(format!("request-{number}")),
        };
        let row = AuthenticationRow {
            state,
            since: now,
            created_at: now,
            channel: Channel::Web,
            enrollment: found.key,
            slot: found.row.slot,
            user: found.row.user.unwrap(),
            transaction: None,
            private: None,
            initiated_at: Some(now),
            window_ends_at: None,
            redirect_expires_at: None,
            completed_at: None,
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
        if let Some(number) = transaction_number {
            let mut named = register.authentication(id).await.unwrap().unwrap();
            private.reference = Some(transaction(number));
            named.private = Some(private);
            let mut commit = register.records().commit();
            register.update_authentication(&mut commit, &named).await.unwrap();
            commit.submit().await.unwrap();
        }
        id
    }

    pub(crate) async fn enrollment(&self, number: u64) -> Enrollment {
        self.register().enrollment(&reference(number)).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, number: u64) -> EnrollmentState {
        let key = self.key(number);
        self.register().enrollment_row(key).await.unwrap().unwrap().state
    }

    pub(crate) async fn edit(&self, number: u64, edit: impl FnOnce(&mut Enrollment)) {
        let mut enrollment = self.enrollment(number).await;
        edit(&mut enrollment);
        let mut commit = self.register().records().commit();
        self.register().update_enrollment(&mut commit, &enrollment).await.unwrap();
        commit.submit().await.unwrap();
    }

    pub(crate) async fn purge(&self, number: u64) -> Result<PurgeView, CustodyError> {
        self.custody().purge(&reference(number), order()).await
    }

    /// A purge in a task of its own.
    pub(crate) fn purging(&self, number: u64) -> tokio::task::JoinHandle<Result<PurgeView, CustodyError>> {
        let custody = self.custody().clone();
        tokio::spawn(async move { custody.purge(&reference(number), order()).await })
    }

    /// Runs everything that is due.
    pub(crate) async fn drive(&self) {
        testing::drive(&self.now().queue, &[self.custody()]).await;
    }

    /// Lets time pass and jobs run.
    pub(crate) async fn pass(&self, span: Duration) {
        testing::drive_for(&self.now().queue, &[self.custody()], &self.clock, span).await;
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::of(self.register().records().keys().receipts())
    }

    pub(crate) fn checked(&self, receipt: &str) -> Statement {
        receipt::check(receipt, &self.public_key()).unwrap()
    }

    pub(crate) async fn book(&self) -> Vec<Listed> {
        let audit = &self.now().audit;
        audit.append_pending().await.unwrap();
        let all = audit.entries(0, None, &audit::Filter::default(), 10_000).await.unwrap().items;
        all.into_iter().filter(|listed| listed.entry.action != Action::ServiceStarted).collect()
    }
}

impl House {
    /// Whether no planned fault has happened.
    pub(crate) fn store_is_well(&self) -> bool {
        self.store.trouble().is_none()
    }
}

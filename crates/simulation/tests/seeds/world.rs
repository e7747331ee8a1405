//! The house: what stays (store, files, clock, Jumio), and the process over it, wired as the service wires itself.

use crate::{dice::Dice, jumio::Peer, stage::Gates, store::GatedStore};
use async_trait::async_trait;
use audit::Audit;
use custody::{Custody, CustodyConfig, CustodyParts, Forget, ForgetError, Forgotten};
use ingest::{Ingest, IngestConfig, IngestParts};
use jiff::SignedDuration;
use jumio::{RedirectHosts, Region, Rules};
use model::{AuthenticationRef, EnrollmentRef, Rng, clock::MockClock, rng::SeededRng};
use notify::{Outbox, OutboxConfig};
use queue::{
    Budget, Handler, Kind, Limit, Only, PeerHealth, Queue, QueueConfig, QueueError, Retrievals, RetryPolicy,
    run_workers,
};
use reauth::{Attempts, LinksConfig, Reauth, ReauthConfig, ReauthParts};
use records::Records;
use register::Register;
use seal::{HeldKeys, MemoryProvider};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::Store;
use tempfile::TempDir;
use tokio::sync::watch;
use vault::{Mode, Vault, VaultPaths};

/// What outlives every process.
pub(crate) struct Ground {
    pub(crate) store: Arc<GatedStore>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) clock: MockClock,
    pub(crate) gates: Arc<Gates>,
    pub(crate) dice: Arc<Dice>,
    dir: TempDir,
    seed: u64,
    starts: u64,
}

impl Ground {
    pub(crate) fn new(seed: u64) -> Self {
        let dice = Arc::new(Dice::new(seed));
        let gates = Arc::new(Gates::new(Arc::clone(&dice)));
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        let dir = folder();
        let rng = SeededRng::new(seed);
        Vault::create(&paths(dir.path()), Mode::Simulated, &rng).expect("a new vault");
        let store = Arc::new(GatedStore::new(Arc::clone(&gates)));
        Self {
            store: Arc::clone(&store),
            peer: Arc::new(Peer::new(store, Arc::clone(&gates), Arc::clone(&dice), clock.clone())),
            clock,
            gates,
            dice,
            dir,
            seed,
            starts: 0,
        }
    }

    /// What the next process begins with.
    pub(crate) fn next_start(&mut self) -> Start {
        self.starts += 1;
        Start {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            peer: Arc::clone(&self.peer),
            clock: self.clock.clone(),
            paths: paths(self.dir.path()),
            anchor: self.dir.path().join("anchor"),
            rng: Arc::new(SeededRng::new(self.seed.rotate_left(17) ^ (self.starts << 40))),
            number: self.starts,
        }
    }
}

/// A folder in memory where there is one: what is synced there costs no disk its time.
fn folder() -> TempDir {
    let in_memory = Path::new("/dev/shm");
    let found = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
    found.or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

fn paths(dir: &Path) -> VaultPaths {
    VaultPaths { slots_dir: dir.join("slots"), content_dir: dir.join("content") }
}

/// All that a process is opened on.
pub(crate) struct Start {
    store: Arc<dyn Store>,
    peer: Arc<Peer>,
    clock: MockClock,
    paths: VaultPaths,
    anchor: PathBuf,
    rng: Arc<dyn Rng>,
    number: u64,
}

/// A process that is open.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) reauth: Reauth,
    pub(crate) custody: Custody,
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) queue: Queue,
    pub(crate) audit: Audit,
}

/// The inbox, as whoever forgets raw callbacks.
struct Inbox(Arc<Ingest>);

#[async_trait]
impl Forget for Inbox {
    async fn forget(
        &self,
        enrollment: &EnrollmentRef,
        authentications: &[AuthenticationRef],
    ) -> Result<Forgotten, ForgetError> {
        let forgotten = self.0.forget(enrollment, authentications).await.map_err(ForgetError::new)?;
        Ok(Forgotten { bodies: forgotten.bodies })
    }
}

/// Facemaps are handed to Jumio by two at the same time: a third waits.
const MOST_FACEMAPS: usize = 2;

const INITIATES: [Limit; 2] = [
    Limit { count: 3, within: Duration::from_secs(1) },
    Limit { count: 180, within: Duration::from_mins(1) },
];
const RETRIEVALS: [Limit; 1] = [Limit { count: 75, within: Duration::from_secs(5) }];

pub(crate) const WINDOW_SECONDS: i64 = 900;
pub(crate) const SETTLE_SECONDS: i64 = 30;

fn reauth_config() -> ReauthConfig {
    ReauthConfig {
        window: SignedDuration::from_secs(WINDOW_SECONDS),
        settle: SignedDuration::from_secs(SETTLE_SECONDS),
        wait: Duration::from_secs(10),
        result_polls: [30, 60, 120, 240, 480, 900].map(SignedDuration::from_secs).to_vec(),
        result_valid: SignedDuration::from_secs(300),
        most_facemaps: MOST_FACEMAPS,
        attempts: Attempts { most: 20, within: SignedDuration::from_hours(24) },
        links: LinksConfig {
            base_url: "https://vault.example.com".to_owned(),
            default_life: SignedDuration::from_hours(3 * 24),
            longest_life: SignedDuration::from_hours(30 * 24),
            max_results: 5,
            rules: rules(),
            redirects: RedirectHosts::new(Region::Us, None),
        },
    }
}

pub(crate) fn rules() -> Rules {
    Rules { simulated: true, redirect_hosts: None }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Start {
    /// Opens the house as the service does: slots, store, book, desk; then puts right what an earlier process left.
    pub(crate) async fn open(self) -> Result<Process, Failure> {
        let Self { store, peer, clock, paths, anchor, rng, number } = self;
        let clock = Arc::new(clock);
        let (keys, provider) = (Arc::new(HeldKeys::for_tests(7)), Arc::new(MemoryProvider::new(7)));
        let opening =
            Vault::open(paths, Mode::Simulated, provider.clone(), keys.clone(), rng.clone(), clock.clone());
        let (vault, survey) = opening.await?;
        let vault = Arc::new(vault);
        let records = Records::new(store, keys, rng.clone());
        let register = Register::new(records.clone(), vault.clone());
        register.check_identity(&survey).await?;
        let audit = Audit::open(records.clone(), anchor, clock.clone()).await?;
        let config = QueueConfig { exclusive: true, retry: RetryPolicy::default() };
        let queue = Queue::open(records.clone(), clock.clone(), config).await?;
        let outbox = Outbox::new(register.clone(), clock.clone(), OutboxConfig::default());
        let budget = Budget::open(records, clock.clone(), &INITIATES).await?;
        let retrievals = Retrievals::new(clock.clone(), &RETRIEVALS);
        let health = PeerHealth::new();
        let ingest = Arc::new(Ingest::new(IngestParts {
            register: register.clone(),
            vault: vault.clone(),
            jumio: peer.clone(),
            audit: audit.clone(),
            queue: queue.clone(),
            outbox: outbox.clone(),
            budget: budget.clone(),
            retrievals: retrievals.clone(),
            health: health.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            config: IngestConfig::default(),
        }));
        ingest.sweep().await?;
        let parts = ReauthParts {
            register: register.clone(),
            vault: vault.clone(),
            jumio: peer.clone(),
            audit: audit.clone(),
            queue: queue.clone(),
            outbox: outbox.clone(),
            budget,
            retrievals: retrievals.clone(),
            peer: health.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            process: number,
            callback_url: Box::new(|id| format!("https://vault.example.com/callbacks/jumio/{id}")),
        };
        let reauth = Reauth::new(parts, reauth_config());
        let custody = Custody::new(CustodyParts {
            register: register.clone(),
            vault: vault.clone(),
            jumio: peer,
            audit: audit.clone(),
            queue: queue.clone(),
            outbox,
            retrievals,
            peer: health,
            clock,
            rng,
            provider,
            forget: Arc::new(Inbox(ingest.clone())),
            config: CustodyConfig::default(),
        });
        reauth.recover_all().await?;
        reauth.remove_unprepared().await?;
        custody.start().await?;
        custody.start_upkeep().await?;
        Ok(Process { ingest, reauth, custody, register, vault, queue, audit })
    }
}

impl Process {
    /// Works until it dies: jobs of all kinds and the book, in the pools of the service.
    pub(crate) async fn work(self) -> String {
        let only = |handler: Arc<dyn Handler>, wanted: fn(Kind) -> bool| -> Arc<dyn Handler> {
            Arc::new(Only::new(handler, wanted))
        };
        let (ingest, reauth, custody) =
            (self.ingest.clone(), Arc::new(self.reauth.clone()), Arc::new(self.custody.clone()));
        let callbacks = vec![only(ingest.clone(), |kind| kind == Kind::Callback)];
        let batches = vec![only(reauth.clone(), |kind| kind == Kind::Batch)];
        let others = vec![
            only(ingest, |kind| kind != Kind::Callback),
            only(reauth, |kind| kind != Kind::Batch),
            custody as Arc<dyn Handler>,
        ];
        let pool = |handlers, workers| {
            let (queue, (stop, stopped)) = (self.queue.clone(), watch::channel(false));
            async move {
                let ended: Result<(), QueueError> = run_workers(queue, handlers, workers, stopped).await;
                drop(stop);
                format!("the workers ended: {ended:?}")
            }
        };
        tokio::select! {
            biased;
            ended = pool(callbacks, 1) => ended,
            ended = pool(others, 2) => ended,
            ended = pool(batches, 1) => ended,
            error = self.audit.run() => format!("the book ended: {error}"),
        }
    }
}

//! How many enrollments a second an order for many destroys, on sled and a real vault, beside the engine's own rate on the
//! same disk: commits of as many rows as one erasure writes, each waiting for its own, from as many callers.
//!
//! `cargo run --release -p custody --example purge_rate -- FOLDER [ENROLLMENTS] [FACEMAP_BYTES] [AT_ONCE]`: FOLDER
//! must be empty.
//! Each enrollment has one authentication that Jumio still knows. Jumio itself does not answer: its deletions are jobs
//! of their own. Ends with 1 below 500 a second.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot run has nothing better to say")]
#![expect(clippy::cast_precision_loss, reason = "rates for people")]

use async_trait::async_trait;
use audit::{Actor, Audit};
use custody::{
    Criterion, Custody, CustodyConfig, CustodyParts, Forget, ForgetError, Forgotten, Order, PurgeJobState,
    PurgeReason,
};
use jumio::scripted::ScriptedJumio;
use model::{
    AuthenticationId, AuthenticationRef, AuthenticationState, Channel, Clock, EnrollmentOrigin,
    EnrollmentRef, EnrollmentState, FacemapBytes, Rng, SystemClock,
};
use notify::{Outbox, OutboxConfig};
use queue::{Kind, Limit, Only, PeerHealth, Queue, QueueConfig, Retrievals, RetryPolicy};
use records::Records;
use register::{AuthenticationPrivate, AuthenticationRow, EnrollmentPrivate, EnrollmentRow, Register};
use seal::{HeldKeys, MemoryProvider, SystemRng};
use std::{path::Path, process::ExitCode, sync::Arc, time::Instant};
use store::{Batch, Condition, Store, TableId};
use store_sled::{SledConfig, SledStore};
use tokio::task::JoinSet;
use vault::{Mode, SlotKind, Vault, VaultPaths};

const LIMIT: f64 = 500.0;
const CALLERS: u64 = 32;

struct NoInbox;

#[async_trait]
impl Forget for NoInbox {
    async fn forget(&self, _: &EnrollmentRef, _: &[AuthenticationRef]) -> Result<Forgotten, ForgetError> {
        Ok(Forgotten::default())
    }
}

fn reference(number: u64) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

async fn enroll(register: &Register, vault: &Vault, number: u64, bytes: usize) {
    let now = SystemClock.now();
    let records = register.records();
    let key = records.enrollment_key(&reference(number));
    let user: model::UserReference = format!("user-{number}").parse().unwrap();
    let slot = vault.prepare(SlotKind::Facemap, key.0).await.unwrap();
    let facemap = FacemapBytes::new(vec![7; bytes]);
    let contents = vault.put(slot, &reference(number), b"", facemap).await.unwrap();
    let origin = EnrollmentOrigin::Announced;
    let mut row =
        EnrollmentRow::new(EnrollmentState::Ready, origin, now, slot, Some(records.user_key(&user)));
    row.vaulted_at = Some(now);
    row.original_deleted_at = Some(now);
    row.facemap_bytes = Some(contents.bytes);
    let person = EnrollmentPrivate {
        reference: reference(number),
        user_reference: Some(user.clone()),
        customer_internal_reference: None,
        contents: Some(contents),
        attestation: None,
        replaced_by: None,
    };
    let id = AuthenticationId::random(&SystemRng::new());
    let private = AuthenticationPrivate {
        id,
        reference: None,
        enrollment_reference: reference(number),
        user_reference: user.clone(),
        redirect_url: None,
        success_url: None,
        error_url: None,
        locale: None,
        token_lifetime_minutes: None,
        request_reference: None,
    };
    let authentication = AuthenticationRow {
        state: AuthenticationState::Passed,
        since: now,
        created_at: now,
        channel: Channel::Mobile,
        enrollment: key,
        slot,
        user: records.user_key(&user),
        transaction: None,
        private: None,
        initiated_at: Some(now),
        window_ends_at: None,
        redirect_expires_at: None,
        completed_at: Some(now),
        redeemed_at: None,
        polls: 1,
        asked_at: None,
        refused_status: None,
        batch: false,
        links: Vec::new(),
        items: Vec::new(),
    };
    let mut commit = records.commit();
    register.insert_enrollment(&mut commit, row, &person).await.unwrap();
    register.insert_authentication(&mut commit, authentication, &private).await.unwrap();
    commit.submit().await.unwrap();
    let mut named = register.authentication(id).await.unwrap().unwrap();
    named.private.as_mut().unwrap().reference = Some(reference(number).to_string().parse().unwrap());
    let mut commit = records.commit();
    register.update_authentication(&mut commit, &named).await.unwrap();
    commit.submit().await.unwrap();
    vault.make_live(slot).await.unwrap();
}

async fn fill(register: &Register, vault: &Vault, enrollments: u64, bytes: usize) {
    let mut tasks = JoinSet::new();
    for filler in 0..CALLERS {
        let (register, vault) = (register.clone(), vault.clone());
        tasks.spawn(async move {
            for number in (filler..enrollments).step_by(usize::try_from(CALLERS).unwrap()) {
                enroll(&register, &vault, number, bytes).await;
            }
        });
    }
    tasks.join_all().await;
}

/// The engine alone: four commits for each, together of as many rows as an erasure writes.
async fn engine_alone(folder: &Path, enrollments: u64) -> f64 {
    let mut config = SledConfig::new(folder);
    config.min_free_bytes = 0;
    let store = Arc::new(SledStore::open(config).unwrap());
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in (caller..enrollments).step_by(usize::try_from(CALLERS).unwrap()) {
                for step in 0_u64..4 {
                    let mut batch = Batch::new();
                    for row in 1..=7_u8 {
                        let key = [number.to_be_bytes(), step.to_be_bytes()].concat();
                        batch.put(TableId(row), key, Condition::Absent, vec![7; 400]);
                    }
                    store.commit(batch).await.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
    enrollments as f64 / began.elapsed().as_secs_f64()
}

async fn open(folder: &Path, at_once: Option<usize>) -> (Custody, Register, Arc<Vault>, Queue, Audit) {
    let paths = VaultPaths { slots_dir: folder.join("slots"), content_dir: folder.join("content") };
    Vault::create(&paths, Mode::Simulated, &SystemRng::new()).unwrap();
    let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
    let (provider, keys) = (Arc::new(MemoryProvider::new(7)), Arc::new(HeldKeys::for_tests(7)));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut config = SledConfig::new(folder.join("db"));
    config.min_free_bytes = 0;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(config).unwrap());
    let opened =
        Vault::open(paths, Mode::Simulated, provider.clone(), keys.clone(), rng.clone(), clock.clone());
    let vault = Arc::new(opened.await.unwrap().0);
    let records = Records::new(store, keys, rng.clone());
    let audit = Audit::open(records.clone(), folder.join("anchor"), clock.clone()).await.unwrap();
    let config = QueueConfig { exclusive: true, retry: RetryPolicy::default() };
    let queue = Queue::open(records.clone(), clock.clone(), config).await.unwrap();
    let register = Register::new(records, vault.clone());
    let mut config = CustodyConfig { confirm_above: u64::MAX, ..CustodyConfig::default() };
    config.erasures_at_once = at_once.unwrap_or(config.erasures_at_once);
    let custody = Custody::new(CustodyParts {
        register: register.clone(),
        vault: vault.clone(),
        jumio: Arc::new(ScriptedJumio::new()),
        audit: audit.clone(),
        queue: queue.clone(),
        outbox: Outbox::new(register.clone(), clock.clone(), OutboxConfig::default()),
        retrievals: Retrievals::new(clock.clone(), &[Limit::per_second(15)]),
        peer: PeerHealth::new(),
        clock,
        rng,
        provider,
        forget: Arc::new(NoInbox),
        config,
    });
    (custody, register, vault, queue, audit)
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(folder) = args.next() else {
        eprintln!("usage: purge_rate FOLDER [ENROLLMENTS] [FACEMAP_BYTES] [AT_ONCE]");
        return ExitCode::from(64);
    };
    let folder = Path::new(&folder);
    let enrollments: u64 = args.next().map_or(10_000, |text| text.parse().unwrap());
    let bytes: usize = args.next().map_or(200 * 1024, |text| text.parse().unwrap());
    let at_once = args.next().map(|text| text.parse().unwrap());
    let (custody, register, vault, queue, audit) = open(folder, at_once).await;
    let keeping = audit.clone();
    tokio::spawn(async move { keeping.run().await });
    fill(&register, &vault, enrollments, bytes).await;
    let order = Order { reason: PurgeReason::Other, case_reference: None, actor: Actor::Operator };
    let criterion = Criterion::VaultedBefore(SystemClock.now());
    let began = Instant::now();
    let id = custody.order_purge(&criterion, order, None, None).await.unwrap();
    let ordered = began.elapsed().as_secs_f64();
    let handler = Only::new(Arc::new(custody.clone()), |kind| kind == Kind::Purge);
    while custody.purge_job(id).await.unwrap().state != PurgeJobState::Done {
        queue::testing::drive(&queue, &[&handler]).await;
    }
    let took = began.elapsed().as_secs_f64() - ordered;
    let view = custody.purge_job(id).await.unwrap();
    assert_eq!((view.done, view.failed), (enrollments, 0));
    let rate = enrollments as f64 / took;
    let alone = engine_alone(&folder.join("alone"), enrollments).await;
    println!(
        "{enrollments} enrollments of {bytes} bytes: ordered in {ordered:.2} s, destroyed in {took:.2} s, {rate:.0} a \
         second; the engine alone commits the rows of {alone:.0} a second"
    );
    if rate < LIMIT { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

//! How long a large batch takes to be accepted, by a list as a file brings it and by a filter, what memory it needs, and
//! whether its last page costs what its first does. On sled and a real slot file, beside bare commits of as many rows.
//!
//! `cargo run --release -p reauth --example batch_rate -- FOLDER [ITEMS]`: FOLDER must be empty. Jumio is not asked: the
//! delivery is `link`. Ends with 1 when 100 000 items (or as many as are given, in proportion) take 10 seconds or more, or
//! 30 MB more memory at any time, or when the last page takes twice as long as the first and a millisecond.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot run has nothing better to say")]
#![expect(clippy::cast_precision_loss, reason = "rates for people")]

use audit::{Actor, Audit};
use jiff::SignedDuration;
use jumio::{RedirectHosts, Region, Rules, scripted::ScriptedJumio};
use model::{
    BatchId, Clock, EnrollmentOrigin, EnrollmentRef, EnrollmentState, Rng, SystemClock, UserReference,
};
use notify::{Outbox, OutboxConfig};
use queue::{Budget, Handler, Kind, Limit, Only, PeerHealth, Queue, QueueConfig, Retrievals, RetryPolicy};
use reauth::{Attempts, BatchFilter, BatchRequest, LinksConfig, ListOf, Reauth, ReauthConfig, ReauthParts};
use records::Records;
use register::{EnrollmentPrivate, EnrollmentRow, ItemState, Register, UserRow};
use seal::{HeldKeys, MemoryProvider, SystemRng};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Batch, Condition, Store, TableId};
use store_sled::{SledConfig, SledStore};
use tokio::{sync::watch, task::JoinSet};
use vault::{Mode, SlotKind, Vault, VaultPaths};

const CALLERS: u64 = 64;
const PAGE: usize = 500;
const SECONDS: f64 = 10.0;
const MEGABYTES: f64 = 30.0;

fn reference(number: u64) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

fn user(number: u64) -> UserReference {
    format!("customer-{number:08}").parse().unwrap()
}

async fn enroll(register: &Register, vault: &Vault, number: u64) {
    let now = SystemClock.now();
    let records = register.records();
    let (key, user_key) = (records.enrollment_key(&reference(number)), records.user_key(&user(number)));
    let slot = vault.prepare(SlotKind::Facemap, key.0).await.unwrap();
    let person = EnrollmentPrivate {
        reference: reference(number),
        user_reference: Some(user(number)),
        customer_internal_reference: None,
        contents: None,
        attestation: None,
        replaced_by: None,
    };
    let origin = EnrollmentOrigin::Announced;
    let mut row = EnrollmentRow::new(EnrollmentState::Ready, origin, now, slot, Some(user_key));
    row.vaulted_at = Some(now);
    let mut commit = records.commit();
    register.insert_enrollment(&mut commit, row, &person).await.unwrap();
    register.put_user(&mut commit, user_key, None, &UserRow { current: Some(key), claimed: None });
    commit.submit().await.unwrap();
}

async fn fill(register: &Register, vault: &Arc<Vault>, people: u64) {
    let mut tasks = JoinSet::new();
    for filler in 0..CALLERS {
        let (register, vault) = (register.clone(), Arc::clone(vault));
        tasks.spawn(async move {
            for number in (filler..people).step_by(usize::try_from(CALLERS).unwrap()) {
                enroll(&register, &vault, number).await;
            }
        });
    }
    tasks.join_all().await;
}

/// Kilobytes of this line of the process's status.
fn status(line: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let found = text.lines().find(|one| one.starts_with(line)).unwrap();
    found.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Resident now; from here on the most is counted anew.
fn resident() -> f64 {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    status("VmRSS") / 1024.0
}

struct House {
    reauth: Reauth,
    register: Register,
    queue: Queue,
    vault: Arc<Vault>,
}

async fn open(folder: &Path) -> House {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
    let keys = Arc::new(HeldKeys::for_tests(1));
    let paths = VaultPaths { slots_dir: folder.join("slots"), content_dir: folder.join("content") };
    Vault::create(&paths, Mode::Simulated, &SystemRng::new()).unwrap();
    let provider = Arc::new(MemoryProvider::new(1));
    let opened = Vault::open(paths, Mode::Simulated, provider, keys.clone(), rng.clone(), clock.clone());
    let vault = Arc::new(opened.await.unwrap().0);
    let mut config = SledConfig::new(folder.join("db"));
    config.min_free_bytes = 0;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(config).unwrap());
    let records = Records::new(store, keys, rng.clone());
    let audit = Audit::open(records.clone(), &folder.join("anchor"), clock.clone()).await.unwrap();
    let config = QueueConfig { exclusive: true, retry: RetryPolicy::default() };
    let queue = Queue::open(records.clone(), clock.clone(), config).await.unwrap();
    let budget = Budget::open(records.clone(), clock.clone(), &[Limit::per_second(3)]).await.unwrap();
    let register = Register::new(records, vault.clone());
    let parts = ReauthParts {
        register: register.clone(),
        vault: vault.clone(),
        jumio: Arc::new(ScriptedJumio::new()),
        audit,
        queue: queue.clone(),
        outbox: Outbox::new(register.clone(), clock.clone(), OutboxConfig::default()),
        budget,
        retrievals: Retrievals::new(clock.clone(), &[Limit::per_second(15)]),
        peer: PeerHealth::new(),
        clock,
        rng,
        process: 1,
        callback_url: Box::new(|id| format!("https://vault.example.com/callbacks/jumio/{id}")),
    };
    House { reauth: Reauth::new(parts, reauth_config()), register, queue, vault }
}

fn reauth_config() -> ReauthConfig {
    ReauthConfig {
        window: SignedDuration::from_mins(15),
        settle: SignedDuration::from_secs(30),
        wait: Duration::from_secs(10),
        result_polls: vec![SignedDuration::from_mins(15)],
        result_valid: SignedDuration::from_mins(5),
        most_facemaps: 16,
        attempts: Attempts { most: 5, within: SignedDuration::from_hours(24) },
        links: LinksConfig {
            base_url: "https://vault.example.com".to_owned(),
            default_life: SignedDuration::from_hours(72),
            longest_life: SignedDuration::from_hours(720),
            max_results: 5,
            rules: Rules { simulated: true, redirect_hosts: None },
            redirects: RedirectHosts::new(Region::Us, None),
        },
    }
}

/// As a file of users comes in: each line is checked, and nothing is kept of those that are written.
async fn accept(house: &House, items: u64) -> BatchId {
    let wanted =
        BatchRequest { purpose: Some("Confirm that it is you".to_owned()), ..BatchRequest::default() };
    let (source, terms) = house.reauth.check_batch(&wanted).unwrap();
    let mut writing = house.reauth.prepare_batch(source, terms, false, Actor::System).await.unwrap();
    for number in 0..items {
        let item = house.reauth.check_item(ListOf::Users, user(number).as_str(), None, None).unwrap();
        writing.add(number + 2, item).await.unwrap();
    }
    writing.finish(Some(items)).await.unwrap().batch_id.unwrap()
}

/// Everybody who was vaulted before now.
async fn accept_filtered(house: &House, items: u64) {
    let filter = BatchFilter { vaulted_before: Some(SystemClock.now()), ..BatchFilter::default() };
    let wanted = BatchRequest { filter: Some(filter), ..BatchRequest::default() };
    let (source, terms) = house.reauth.check_batch(&wanted).unwrap();
    let mut writing = house.reauth.prepare_batch(source, terms, false, Actor::System).await.unwrap();
    writing.add_filtered(filter).await.unwrap();
    writing.finish(Some(items)).await.unwrap();
}

/// The engine alone: as many rows and index rows, in commits as large, two on their way at a time. Seconds.
async fn bare(folder: &Path, items: u64) -> f64 {
    const ITEMS_A_COMMIT: u64 = 256;
    let mut config = SledConfig::new(folder.join("bare"));
    config.min_free_bytes = 0;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(config).unwrap());
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for half in 0..2_u64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for first in (half * ITEMS_A_COMMIT..items).step_by(2 * usize::try_from(ITEMS_A_COMMIT).unwrap())
            {
                let mut batch = Batch::new();
                for number in first..items.min(first + ITEMS_A_COMMIT) {
                    for (table, bytes) in [(1, 300), (2, 0), (3, 0)] {
                        let key = [[7; 16].as_slice(), &number.to_be_bytes()].concat();
                        batch.put(TableId(table), key, Condition::Absent, vec![7; bytes]);
                    }
                }
                store.commit(batch).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    began.elapsed().as_secs_f64()
}

async fn page(house: &House, id: BatchId, after: Option<u64>, state: Option<ItemState>) -> Duration {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..9 {
        let began = Instant::now();
        let page = house.reauth.batch_items(id, state, after, PAGE, false).await.unwrap();
        times.push(began.elapsed());
        assert_eq!(page.len(), PAGE);
    }
    times.sort();
    times[times.len() / 2]
}

/// Lets a worker make links for a while. How many a second.
async fn issue(house: &House, id: BatchId, seconds: u64) -> f64 {
    let (stop, stopped) = watch::channel(false);
    let handler: Arc<dyn Handler> =
        Arc::new(Only::new(Arc::new(house.reauth.clone()), |kind| kind == Kind::Batch));
    let workers = tokio::spawn(queue::run_workers(house.queue.clone(), vec![handler], 1, stopped));
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let linked = house.reauth.batch(id).await.unwrap().states[&ItemState::Linked];
    let rate = linked as f64 / began.elapsed().as_secs_f64();
    house.reauth.stop_batches();
    stop.send_replace(true);
    workers.await.unwrap().unwrap();
    rate
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().expect("an empty folder"));
    let items: u64 = args.next().map_or(100_000, |text| text.parse().unwrap());
    let house = open(&folder).await;
    let began = Instant::now();
    fill(&house.register, &house.vault, items).await;
    println!("{items} people in {:.1} s", began.elapsed().as_secs_f64());

    let before = resident();
    let began = Instant::now();
    let id = accept(&house, items).await;
    let seconds = began.elapsed().as_secs_f64();
    let more = status("VmHWM") / 1024.0 - before;
    println!("accepted in {seconds:.2} s; {before:.1} MB before, at most {more:.1} MB more");

    let before = resident();
    let began = Instant::now();
    accept(&house, items).await;
    let again = (began.elapsed().as_secs_f64(), status("VmHWM") / 1024.0 - before);
    println!("another one: in {:.2} s; {before:.1} MB before, at most {:.1} MB more", again.0, again.1);

    let before = resident();
    let began = Instant::now();
    accept_filtered(&house, items).await;
    let filtered = (began.elapsed().as_secs_f64(), status("VmHWM") / 1024.0 - before);
    println!("by a filter: in {:.2} s; {before:.1} MB before, at most {:.1} MB more", filtered.0, filtered.1);
    println!("bare commits of as many rows: {:.2} s", bare(&folder, items).await);

    let (first, last) =
        (page(&house, id, None, None).await, page(&house, id, Some(items + 1 - PAGE as u64), None).await);
    println!("a page of {PAGE}: the first {first:?}, the last {last:?}");
    let queued = Some(ItemState::Queued);
    let (first_queued, last_queued) =
        (page(&house, id, None, queued).await, page(&house, id, Some(items + 1 - PAGE as u64), queued).await);
    println!("of a state: the first {first_queued:?}, the last {last_queued:?}");

    let before = resident();
    let rate = issue(&house, id, 10).await;
    let issuing = status("VmHWM") / 1024.0 - before;
    println!("{rate:.0} links a second; at most {issuing:.1} MB more meanwhile");

    let limit = SECONDS * (items as f64 / 100_000.0).max(0.1);
    let slow = seconds >= limit || filtered.0 >= limit;
    let heavy = [more, filtered.1, issuing].into_iter().any(|megabytes| megabytes >= MEGABYTES);
    let grace = Duration::from_millis(1);
    let uneven = last > first * 2 + grace || last_queued > first_queued * 2 + grace;
    ExitCode::from(u8::from(slow || heavy || uneven))
}

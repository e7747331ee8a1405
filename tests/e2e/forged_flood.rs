//! Ten thousand forged callbacks against the real program, and honest people beside them.

use crate::{
    forger::{self, Cast, Forgery, JUMIO, PREFIX, PROXY, Via},
    hostile::{self, Stage},
    house::{House, LOOK_EVERY, Recorder, client_at},
};
use reqwest::Client;
use sandbox::{AuthenticationResult, Endpoint, Entry, Fault, Judgement, Moment, NewVerification, Outcome};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// So many at least; the flood goes on until the honest people are through.
const LEAST: u64 = 10_000;
/// A flood that has to be this long has held them up.
const MOST: u64 = 60_000;
/// How many are under way at the same time.
const AT_ONCE: u64 = 24;
/// When the honest people come.
const HONEST_AFTER: u64 = 2_000;
/// As Jumio allows it: a fifth of it, 15, are the strangers'.
const RETRIEVALS: u64 = 75;
const WITHIN: Duration = Duration::from_secs(5);
/// Seconds of the published schedule, shortened.
const POLLS: &str = "2,4,8,16";
/// The machine may be busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// Everybody, before the flood.
struct Town {
    house: House,
    _folder: TempDir,
    thieves: Vec<Recorder>,
    cast: Cast,
    pending: Vec<String>,
    /// The authentication that passed long ago, the one of unknown outcome, and the open one: id and state.
    authentications: Vec<(String, &'static str)>,
}

/// What the honest people's journal entries are told from: everything that was there before.
struct Before {
    enrollments: Vec<Value>,
    entries: usize,
    begun: Instant,
}

async fn town() -> Town {
    let sources = format!("{JUMIO},127.0.0.1");
    let proxy = format!("{PROXY}/32");
    let retrievals = RETRIEVALS.to_string();
    // What is asked here is not what a disk takes: where there is memory for it, nothing waits for one.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let settings = [
        ("JUMIO__RETRIEVE_PER_5S", retrievals.as_str()),
        ("INGEST__DELETE_ORIGINAL", "at-once"),
        ("INGEST__REFERENCE_PREFIXES", PREFIX),
        ("SERVER__TRUSTED_PROXIES", &proxy),
        ("CALLBACKS__ALLOWED_SOURCES", &sources),
        // The honest are followed by polling, too, where their callback stands behind thousands of others.
        ("INGEST__POLL_SCHEDULE_SECONDS", POLLS),
        ("LOG__FILTER", "info"),
    ];
    let mut house = House::set_up(&settings, Some(folder.path())).await;
    house.start().await;
    let own = house.sandbox.base_url.clone();
    let port = own.rsplit(':').next().unwrap();
    // Beside Jumio, on its own port at another address, and on others.
    let mut thieves = Vec::new();
    for place in [format!("127.0.0.2:{port}"), "127.0.0.3:0".to_owned(), "127.0.0.1:0".to_owned()] {
        thieves.push(Recorder::at(&place).await);
    }
    let path = "/api/netverify/v2/scans/00000000-0000-4000-8000-000000000000/data/facemap";
    let lures = thieves.iter().flat_map(|thief| {
        let thief = thief.url.strip_prefix("http://").unwrap();
        let mut lures = hostile::urls(&Stage { own: &own, thief, path });
        lures.push(format!("http://{thief}{path}"));
        lures
    });
    let cast = Cast {
        portal: format!("/callbacks/jumio/{}", house.portal_token),
        users: ["user-ines", "malik", "fred", "paula-0", "mallory"].map(str::to_owned).to_vec(),
        lures: lures.collect(),
        ..Cast::default()
    };
    assert!(cast.lures.len() >= 3 * 200);
    let mut town =
        Town { _folder: folder, house, thieves, cast, pending: Vec::new(), authentications: Vec::new() };
    people(&mut town).await;
    authentications(&mut town).await;
    town
}

/// Onboardings in every state, and those of other departments, which are in the account and nobody's here.
async fn people(town: &mut Town) {
    let Town { house, cast, .. } = town;
    for number in 0..5 {
        town.pending.push(house.begin(&format!("paula-{number}")).await);
    }
    let fraud = Judgement { outcome: Outcome::Fraud, ..Judgement::default() };
    let fred = house.onboard("fred", fraud).await;
    house.reaches(&fred, "ineligible").await;
    cast.known.extend([town.pending.clone(), vec![fred]].concat());
    for user in ["user-ines", "malik", "greta"] {
        let reference = house.onboard(user, Judgement::default()).await;
        house.reaches(&reference, "ready").await;
        cast.known.push(reference);
    }
    let greta = cast.known.last().unwrap();
    let path = house.api(&format!("/v1/enrollments/{greta}?reason=consent-withdrawn"));
    let purged = house.ask(crate::house::Role::Admin, house.http.delete(path)).await;
    assert_eq!(purged.status, 200, "{}", purged.text);
    for number in 0..60 {
        let new = NewVerification {
            user_reference: Some("user-ines".to_owned()),
            customer_internal_reference: Some(format!("another-department-{number}")),
            judgement: Judgement { send_callback: false, ..Judgement::default() },
            ..NewVerification::default()
        };
        let reference = house.sandbox.control.add_verification(new).await.unwrap().transaction_reference;
        if number < 40 { &mut cast.others } else { &mut cast.claimed }.push(reference);
    }
}

/// One that passed, one whose outcome nobody knows although its person passes at Jumio, and an open one.
async fn authentications(town: &mut Town) {
    let house = &town.house;
    let passed = house.authenticate("user-ines").await;
    let old = passed.str("authenticationTransactionReference").to_owned();
    let control = &house.sandbox.control;
    control.authentication_result(&old, AuthenticationResult::Passed.into()).await.unwrap();
    let seen = house.get(&format!("/v1/authentications/{old}?waitSeconds=20")).await;
    assert_eq!(seen.str("state"), "passed", "{}", seen.text);
    let mut lost_answer = Fault::on(Endpoint::InitiateAuthentication);
    lost_answer.reset = Some(Moment::After);
    control.set_fault(lost_answer);
    let unknown = house.authenticate("user-ines").await;
    assert_eq!(unknown.code(), (504, "outcome-unknown"), "{}", unknown.text);
    let listed = house.get("/v1/authentications?userReference=user-ines").await.body;
    let listed = listed["items"].as_array().unwrap();
    let id = |state: &str| {
        let found = listed.iter().find(|one| one["state"] == state).unwrap();
        found["authenticationId"].as_str().unwrap().to_owned()
    };
    let journal = house.journal();
    let initiates = journal.requests().filter(|entry| entry.endpoint == Endpoint::InitiateAuthentication);
    let lost = initiates.filter_map(|entry| entry.note.reference.clone()).last().unwrap();
    assert_ne!(lost, old, "Jumio began a second one");
    // She passes it, for all that: it was handed to nobody, so this is not the person that the company waits for.
    control.authentication_result(&lost, AuthenticationResult::Passed.into()).await.unwrap();
    let open = house.authenticate("malik").await;
    let theirs = open.str("authenticationTransactionReference").to_owned();
    town.authentications = vec![
        (id("passed"), "passed"),
        (id("unknown"), "unknown"),
        (open.str("authenticationId").to_owned(), "initiated"),
    ];
    town.cast.results = vec![old, lost, theirs];
}

/// Enrollments as the API shows them, but when a hint had them looked at.
async fn enrollments(house: &House, references: &[String]) -> Vec<Value> {
    let mut seen = Vec::new();
    for reference in references {
        let mut body = house.enrollment(reference).await.body;
        body.as_object_mut().unwrap().remove("since");
        seen.push(body);
    }
    seen
}

/// The flood, under way.
struct Flood {
    sent: Arc<AtomicU64>,
    enough: Arc<AtomicBool>,
    wrong: Arc<Mutex<Vec<String>>>,
    senders: JoinSet<()>,
}

impl Flood {
    fn begin(town: &Town, seed: u64) -> Self {
        let mut flood = Self {
            sent: Arc::default(),
            enough: Arc::default(),
            wrong: Arc::default(),
            senders: JoinSet::new(),
        };
        let next = Arc::new(AtomicU64::new(0));
        let cast = Arc::new(town.cast.clone());
        let base = town.house.public("");
        for _ in 0..AT_ONCE {
            let (next, sent, enough, wrong) = (
                Arc::clone(&next),
                Arc::clone(&flood.sent),
                Arc::clone(&flood.enough),
                Arc::clone(&flood.wrong),
            );
            let (cast, base) = (Arc::clone(&cast), base.clone());
            flood.senders.spawn(async move {
                let clients = Clients::new();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= MOST || (number >= LEAST && enough.load(Ordering::SeqCst)) {
                        return;
                    }
                    let forgery = forger::forge(&cast, seed, number);
                    let answer = clients.send(&base, &forgery).await;
                    if answer != Ok(forgery.answer) {
                        wrong.lock().unwrap().push(format!("{number}: {answer:?} to {forgery:?}"));
                    }
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        flood
    }

    async fn has_sent(&self, count: u64) {
        let begun = Instant::now();
        while self.sent.load(Ordering::SeqCst) < count {
            assert!(begun.elapsed() < PATIENCE, "{} sent", self.sent.load(Ordering::SeqCst));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Lets it run out; every forgery must have been answered as it had to be.
    async fn end(mut self) -> u64 {
        self.enough.store(true, Ordering::SeqCst);
        while let Some(ended) = self.senders.join_next().await {
            ended.unwrap();
        }
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{} answers are wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
        self.sent.load(Ordering::SeqCst)
    }
}

struct Clients {
    jumio: Client,
    stranger: Client,
    proxy: Client,
}

impl Clients {
    fn new() -> Self {
        let at = |address: &str| client_at(Some(address.parse().unwrap()));
        Self { jumio: at("127.0.0.1"), stranger: at("127.0.0.3"), proxy: at(PROXY) }
    }

    async fn send(&self, base: &str, forgery: &Forgery) -> Result<u16, String> {
        let client = match forgery.via {
            Via::Jumio => &self.jumio,
            Via::Stranger => &self.stranger,
            Via::Proxy => &self.proxy,
        };
        let mut request = client
            .post(format!("{base}{}", forgery.path))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(forgery.body.clone());
        for (name, value) in &forgery.headers {
            request = request.header(*name, reqwest::header::HeaderValue::from_bytes(value).unwrap());
        }
        request.send().await.map(|answer| answer.status().as_u16()).map_err(|error| format!("{error:?}"))
    }
}

/// Waits until an onboarding is where it should be.
async fn becomes(house: &House, reference: &str, state: &str) {
    let begun = Instant::now();
    loop {
        let seen = house.enrollment(reference).await;
        if seen.str("state") == state {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "not {state}: {}", seen.text);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Three people who come in the middle of it: two whom the vault began with, and one whom the company announces.
async fn honest_people(house: &House) -> Vec<String> {
    let mut honest = Vec::new();
    for user in ["hana", "henry"] {
        honest.push(house.onboard(user, Judgement::default()).await);
    }
    let elsewhere = house.elsewhere("hugo", Judgement::default()).await;
    assert_eq!(house.announce(&elsewhere, "hugo").await.status, 202);
    honest.push(elsewhere);
    for reference in &honest {
        becomes(house, reference, "ready").await;
    }
    honest
}

/// Nothing was done at Jumio for a stranger, and what was asked there for strangers is their fifth.
fn nothing_was_done_for_strangers(town: &Town, honest: &[String], before: &Before) {
    let journal = town.house.journal();
    let honest: HashSet<&str> = honest.iter().map(String::as_str).collect();
    let is_honest =
        |entry: &Entry| entry.note.reference.as_deref().is_some_and(|named| honest.contains(named));
    let strangers: Vec<&Entry> =
        journal.requests().skip(before.entries).filter(|entry| !is_honest(entry)).collect();
    let of = |endpoint| strangers.iter().filter(|entry| entry.endpoint == endpoint).count() as u64;
    for act in [
        Endpoint::Facemap,
        Endpoint::DeleteScan,
        Endpoint::DeleteAuthentication,
        Endpoint::InitiateAuthentication,
    ] {
        assert_eq!(of(act), 0, "{act:?}");
    }
    for unannounced in &town.cast.others {
        assert!(journal.about(unannounced).is_empty(), "nobody asks about {unannounced}");
    }
    let seconds = before.begun.elapsed().as_secs();
    let spans = seconds / WITHIN.as_secs() + 1;
    // What is pending is asked about by the schedule, and for the first hint (details, then status), which begins it anew.
    let its_own = 2 + 2 * POLLS.split(',').count();
    let most = RETRIEVALS / 5 * spans + (its_own * town.pending.len()) as u64;
    let asked = of(Endpoint::ScanDetails) + of(Endpoint::ScanStatus);
    assert!((RETRIEVALS / 5..=most).contains(&asked), "{asked} questions for strangers in {seconds} seconds");
    // An open authentication is looked at every three seconds at most, whoever says what about it.
    let looks = of(Endpoint::Authentication);
    assert!(looks <= seconds / 3 + 2, "{looks} looks in {seconds} seconds");
    println!("{asked} questions about onboardings and {looks} about authentications in {seconds} seconds");
}

fn seed() -> u64 {
    let given = std::env::var("FACEMAP_VAULT_FORGERY_SEED").ok();
    given.map_or_else(|| u64::from(std::process::id()), |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_forged_callbacks_move_nobody_and_hold_nobody_up() {
    let chance = seed();
    println!("forged with FACEMAP_VAULT_FORGERY_SEED={chance}");
    let town = town().await;
    let house = &town.house;
    house.settles().await;
    println!("{:?}", forger::census(&town.cast, chance, LEAST));
    let before = Before {
        enrollments: enrollments(house, &town.cast.known).await,
        entries: house.journal().requests().count(),
        begun: Instant::now(),
    };

    let flood = Flood::begin(&town, chance);
    flood.has_sent(HONEST_AFTER).await;
    let honest = honest_people(house).await;
    let sent = flood.sent.load(Ordering::SeqCst);
    assert!(sent < MOST, "the honest came through when the flood was over");
    let all = flood.end().await;
    println!("{all} sent in {:?}; the honest were through after {sent}", before.begun.elapsed());
    let begun = Instant::now();
    while house.get("/v1/status").await.body["callbacks"]["pending"]["count"] != 0 {
        assert!(begun.elapsed() < PATIENCE, "not everything is judged");
        tokio::time::sleep(LOOK_EVERY).await;
    }

    for reference in &town.pending {
        becomes(house, reference, "awaiting-user").await;
    }
    assert_eq!(enrollments(house, &town.cast.known).await, before.enrollments);
    for reference in &town.cast.others {
        assert_eq!(house.enrollment(reference).await.code(), (404, "unknown-enrollment"));
    }
    for reference in &town.cast.claimed {
        let seen = house.enrollment(reference).await;
        let asked = ["received", "confirming", "foreign", ""].contains(&seen.str("state"));
        assert!(asked, "{}", seen.text);
    }
    for (id, state) in &town.authentications {
        let seen = house.get(&format!("/v1/authentications/{id}")).await;
        assert_eq!(seen.str("state"), *state, "{}", seen.text);
    }
    let unknown = format!("/v1/authentications/{}/redeem", town.authentications[1].0);
    let redeemed = house.post(&unknown, &json!({ "userReference": "user-ines" })).await;
    assert_eq!(redeemed.code(), (409, "not-passed"));
    nothing_was_done_for_strangers(&town, &honest, &before);
    for thief in &town.thieves {
        assert_eq!(thief.heard(), Vec::<String>::new(), "{} is called by nobody", thief.url);
    }
    house.tells_nobody(&["evil.example", "mallory"]);
}

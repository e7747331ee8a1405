//! `kill -9` at random moments under load, and power cuts of the whole service: what was answered is kept, what was
//! posted is not posted again, and no facemap is lost whose original was deleted.

use crate::house::{House, Journal, PATIENCE, at, time};
use model::rng::SeededRng;
use powercut::Disk;
use sandbox::{Endpoint, Fault, Judgement, Moment, Running};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Rounds of `cargo test`; `scripts/crash` does more through the environment.
const ROUNDS: u64 = 20;
/// People who are onboarded in each round.
const PEOPLE: usize = 6;
/// The latest moment of a kill after the load has begun.
const LATEST: Duration = Duration::from_millis(500);
/// Bytes of a facemap: less than usual, so that more happens in less time.
const FACEMAP_BYTES: usize = 20_000;
/// An unknown outcome stays unknown for longer than the test runs.
const SETTINGS: [(&str, &str); 2] = [("REAUTH__SETTLE_SECONDS", "3600"), ("REAUTH__WAIT_SECONDS", "5")];

/// What the vault has acknowledged: what must still be so after a crash.
#[derive(Default)]
struct Acknowledged {
    /// Callbacks that were answered 200, by their enrollment.
    called_back: BTreeSet<String>,
    /// Releases that were answered 200.
    released: BTreeSet<String>,
    /// Authentications that were answered 200 or 201: enrollment, id, Jumio's reference.
    initiated: BTreeMap<String, (String, String)>,
}

/// Everybody there is, and what is known about them.
#[derive(Clone)]
struct Town {
    /// Reference and user.
    people: Arc<Mutex<Vec<(String, String)>>>,
    known: Arc<Mutex<Acknowledged>>,
}

impl Town {
    fn new() -> Self {
        Self { people: Arc::default(), known: Arc::default() }
    }

    /// Some more people go to Jumio's page through the vault and finish there. Jumio's callback is not sent: the load
    /// does that, again and again, until it is answered.
    async fn grow(&self, house: &House, round: u64) {
        for n in 0..PEOPLE {
            let user = format!("user-{round}-{n}");
            let reference = house.begin(&user).await;
            let judgement = Judgement {
                send_callback: false,
                facemap_bytes: Some(FACEMAP_BYTES),
                ..Judgement::default()
            };
            house.sandbox.control.finish_verification(&reference, judgement).await.unwrap();
            self.people.lock().unwrap().push((reference, user));
        }
    }

    /// The newest people, who are not through yet.
    fn newest(&self) -> Vec<(String, String)> {
        let people = self.people.lock().unwrap();
        people[people.len().saturating_sub(3 * PEOPLE)..].to_vec()
    }
}

/// Asks for everything at once, for everybody, until told to stop. Nobody waits for anybody: each request may meet an
/// enrollment in any state.
fn load(house: &House, town: &Town, stop: &Arc<AtomicBool>, seed: u64) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for (n, (reference, user)) in town.newest().into_iter().enumerate() {
        for act in 0..3 {
            let (town, stop, reference, user) =
                (town.clone(), Arc::clone(stop), reference.clone(), user.clone());
            let client = Client {
                http: house.http.clone(),
                portal: house.portal(),
                api: house.api(""),
                token: house.token(crate::house::Role::App).to_owned(),
            };
            let pause = Duration::from_millis(1 + SeededRng::new(seed + n as u64 * 3 + act).below(20));
            clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match act {
                        0 => client.call_back(&town, &reference).await,
                        1 => client.release(&town, &reference).await,
                        _ => client.authenticate(&town, &reference, &user).await,
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
    }
    clients
}

struct Client {
    http: reqwest::Client,
    portal: String,
    api: String,
    token: String,
}

impl Client {
    async fn call_back(&self, town: &Town, reference: &str) {
        let body = format!("callBackType=NETVERIFYID&jumioIdScanReference={reference}");
        let request =
            self.http.post(&self.portal).header("Content-Type", "application/x-www-form-urlencoded");
        if request.body(body).send().await.is_ok_and(|answer| answer.status() == 200) {
            town.known.lock().unwrap().called_back.insert(reference.to_owned());
        }
    }

    async fn release(&self, town: &Town, reference: &str) {
        let url = format!("{}/v1/enrollments/{reference}/release", self.api);
        if self
            .http
            .post(url)
            .bearer_auth(&self.token)
            .send()
            .await
            .is_ok_and(|answer| answer.status() == 200)
        {
            town.known.lock().unwrap().released.insert(reference.to_owned());
        }
    }

    async fn authenticate(&self, town: &Town, reference: &str, user: &str) {
        let body = json!({ "userReference": user, "channel": "mobile", "enrollmentTransactionReference": reference });
        let request = self.http.post(format!("{}/v1/authentications", self.api)).bearer_auth(&self.token);
        let Ok(answer) =
            request.header("Content-Type", "application/json").body(body.to_string()).send().await
        else {
            return;
        };
        let status = answer.status().as_u16();
        let Ok(text) = answer.text().await else { return };
        if status == 200 || status == 201 {
            let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
            let text = |field: &str| seen[field].as_str().unwrap().to_owned();
            let open = (text("authenticationId"), text("authenticationTransactionReference"));
            let mut known = town.known.lock().unwrap();
            let first = known.initiated.entry(reference.to_owned()).or_insert_with(|| open.clone());
            assert_eq!(*first, open, "one window, two transactions");
        }
    }
}

/// Runs the load and ends the process in the midst of it.
async fn crash(house: &mut House, town: &Town, seed: u64, end: impl FnOnce(&mut House)) {
    let stop = Arc::new(AtomicBool::new(false));
    let clients = load(house, town, &stop, seed);
    let latest = u64::try_from(LATEST.as_micros()).unwrap();
    // The random moment itself.
    tokio::time::sleep(Duration::from_micros(SeededRng::new(seed).below(latest))).await;
    end(house);
    stop.store(true, Ordering::Relaxed);
    for client in clients.join_all().await {
        let () = client;
    }
}

/// After a restart: everything that was acknowledged is there, and goes on by itself.
async fn nothing_is_lost(house: &House, town: &Town, of: Vec<(String, String)>) {
    let asked: BTreeSet<String> = of.into_iter().map(|(reference, _)| reference).collect();
    let (called_back, released, initiated) = {
        let known = town.known.lock().unwrap();
        (known.called_back.clone(), known.released.clone(), known.initiated.clone())
    };
    for reference in called_back.intersection(&asked) {
        let wanted: &[&str] = if released.contains(reference) { &["ready"] } else { &["vaulted", "ready"] };
        let begin = Instant::now();
        loop {
            let seen = house.enrollment(reference).await;
            if wanted.contains(&seen.str("state")) {
                assert!(!released.contains(reference) || !seen.str("releasedAt").is_empty());
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "answered 200 and not {wanted:?}: {}", seen.text);
            tokio::time::sleep(crate::house::LOOK_EVERY).await;
        }
    }
    for reference in released.intersection(&asked) {
        assert!(!house.enrollment(reference).await.str("releasedAt").is_empty(), "a release was lost");
    }
    for (reference, (id, transaction)) in initiated.iter().filter(|(reference, _)| asked.contains(*reference))
    {
        let seen = house.get(&format!("/v1/authentications/{id}")).await;
        assert_eq!(seen.str("state"), "initiated", "{}", seen.text);
        assert_eq!(seen.str("authenticationTransactionReference"), transaction);
        assert_eq!(seen.str("enrollmentTransactionReference"), reference);
    }
}

/// What Jumio has seen since the last look, held against what must never happen.
struct Witness {
    after: u64,
    posts: BTreeMap<String, usize>,
    fetched: BTreeSet<String>,
    deleted: BTreeMap<String, std::time::SystemTime>,
    digests: BTreeMap<String, String>,
}

impl Witness {
    fn new() -> Self {
        Self {
            after: 0,
            posts: BTreeMap::new(),
            fetched: BTreeSet::new(),
            deleted: BTreeMap::new(),
            digests: BTreeMap::new(),
        }
    }

    fn look(&mut self, sandbox: &Running) {
        let page = sandbox.control.journal(self.after);
        // Entries are numbered from 1, and the oldest go first: no more may be gone than were looked at.
        assert!(page.dropped <= self.after, "the journal has lost what was not looked at");
        self.after = page.next;
        for entry in Journal(page.entries).requests() {
            let note = &entry.note;
            match (entry.endpoint, note.status) {
                (Endpoint::Facemap, Some(200)) => {
                    let reference = note.reference.clone().unwrap();
                    let digest = note.facemap_digest.clone().unwrap();
                    assert!(!self.deleted.contains_key(&reference));
                    self.digests.insert(reference.clone(), digest);
                    self.fetched.insert(reference);
                }
                (Endpoint::DeleteScan, Some(200)) => {
                    let reference = note.reference.clone().unwrap();
                    assert!(self.fetched.contains(&reference), "deleted before it was fetched");
                    self.deleted.insert(reference, at(entry));
                }
                (Endpoint::InitiateAuthentication, _) => {
                    let enrollment = note.enrollment.clone().unwrap();
                    assert!(self.deleted.contains_key(&enrollment), "used before it was deleted at Jumio");
                    assert_eq!(
                        note.facemap_digest.as_ref(),
                        self.digests.get(&enrollment),
                        "another facemap"
                    );
                    let posts = self.posts.entry(enrollment).or_default();
                    *posts += 1;
                    assert_eq!(*posts, 1, "initiated twice within a window");
                }
                _ => {}
            }
        }
    }
}

/// In the end: everybody whose original was deleted is here, was vaulted before that, and their facemap opens.
async fn every_facemap_opens(house: &House, town: &Town, witness: &mut Witness) {
    let people = town.people.lock().unwrap().clone();
    let mut used = 0;
    for (reference, user) in &people {
        let Some(deleted) = witness.deleted.get(reference).copied() else { continue };
        let seen = house.reaches(reference, "ready").await;
        assert!(time(seen.str("vaultedAt")) <= deleted, "deleted before it was vaulted");
        assert!(time(seen.str("releasedAt")) <= deleted, "deleted before it was released");
        if !witness.posts.contains_key(reference) {
            let answer = house.authenticate(user).await;
            // A post that was cut off is not repeated; one that was never sent is made now.
            assert!(matches!(answer.status, 201 | 504), "{}", answer.text);
            used += usize::from(answer.status == 201);
        }
    }
    witness.look(&house.sandbox);
    println!(
        "{} people, {} vaulted, {} originals deleted, {} initiated, {used} of them in the end",
        people.len(),
        witness.fetched.len(),
        witness.deleted.len(),
        witness.posts.len(),
    );
    assert!(!witness.posts.is_empty(), "nothing was under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_is_posted_twice() {
    let rounds = environment("FACEMAP_VAULT_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = environment("FACEMAP_VAULT_CRASH_SEED").unwrap_or(4711);
    println!("{rounds} rounds with seed {seed}");
    let mut house = House::with(&SETTINGS).await;
    house.sandbox.control.set_fault(slow_posts());
    let (town, mut witness) = (Town::new(), Witness::new());
    for round in 0..rounds {
        town.grow(&house, round).await;
        crash(&mut house, &town, seed.wrapping_add(round * 1000), House::kill).await;
        house.start().await;
        nothing_is_lost(&house, &town, town.newest()).await;
        witness.look(&house.sandbox);
        if rounds > ROUNDS && (round + 1) % 20 == 0 {
            println!("round {}: {} posted so far", round + 1, witness.posts.len());
        }
    }
    // What many later kills might have undone.
    let everybody = town.people.lock().unwrap().clone();
    nothing_is_lost(&house, &town, everybody).await;
    every_facemap_opens(&house, &town, &mut witness).await;
    house.stop().await;
}

/// Jumio creates a transaction at once and takes its time to say so: many kills come while a post is under way.
fn slow_posts() -> Fault {
    let mut fault = Fault::on(Endpoint::InitiateAuthentication);
    (fault.count, fault.at, fault.delay_ms) = (0, Moment::After, 150);
    fault
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_of_the_whole_service_loses_nothing_acknowledged() {
    const CUTS: u64 = 3;
    let Some(mut disk) = Disk::new_or_explain(512 * 1024 * 1024) else { return };
    let mut house = House::set_up(&SETTINGS, Some(&disk.path())).await;
    house.start().await;
    let (town, mut witness) = (Town::new(), Witness::new());
    for round in 0..CUTS {
        town.grow(&house, round).await;
        crash(&mut house, &town, 42 + round * 1000, |house| {
            disk.cut_power().unwrap();
            house.kill();
        })
        .await;
        disk.restore_power().unwrap();
        house.start().await;
        nothing_is_lost(&house, &town, town.newest()).await;
        witness.look(&house.sandbox);
    }
    // What many later kills might have undone.
    let everybody = town.people.lock().unwrap().clone();
    nothing_is_lost(&house, &town, everybody).await;
    every_facemap_opens(&house, &town, &mut witness).await;
    house.stop().await;
}

//! A facemap of one person never opens for another, whatever bytes are exchanged on the disk: slots, contents, rows of
//! the store, and older states of each.

use crate::{
    bytes::{copy, exchange},
    house::{Answer, House, Journal, Start, free_port},
};
use model::rng::SeededRng;
use sandbox::{Endpoint, Judgement};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Exchanges, each from the disk as it was, with a start and two re-authentications after it.
const EXCHANGES: u64 = 200;
const WORKERS: u64 = 3;
const SEED: u64 = 1789;
/// Longest time for all of them.
const PATIENCE: Duration = Duration::from_mins(2);

/// One of the two people.
#[derive(Clone)]
struct Person {
    user: &'static str,
    reference: String,
    digest: String,
}

/// The disk at two moments: before the release, and in the end.
struct Disk {
    early: PathBuf,
    late: PathBuf,
    people: [Person; 2],
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_exchanged_on_the_disk_nobody_gets_anothers_facemap() {
    let (house, disk) = stage().await;
    let house = Arc::new(house);
    let disk = Arc::new(disk);
    let begin = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for n in 0..WORKERS {
        let (house, disk, next) = (Arc::clone(&house), Arc::clone(&disk), Arc::clone(&next));
        workers.spawn(async move {
            let mut outcomes = BTreeMap::new();
            let dir = house.dir.with_file_name(format!("exchange-{n}"));
            let start = Start {
                config: dir.join("config.toml"),
                log: dir.with_extension("log"),
                public: free_port(),
                private: free_port(),
                settings: house.start.settings.clone(),
                variables: Vec::new(),
            };
            loop {
                let round = next.fetch_add(1, Ordering::Relaxed);
                if round >= EXCHANGES {
                    return outcomes;
                }
                let rng = SeededRng::new(SEED + round);
                copy(&disk.late, &dir);
                let what = exchange(&disk.early, &dir, &rng);
                let outcome =
                    try_out(&house, &start, &disk.people, &format!("exchange {round}: {what}")).await;
                *outcomes.entry((what, outcome)).or_insert(0_u64) += 1;
            }
        });
    }
    let mut all: BTreeMap<(String, Outcome), u64> = BTreeMap::new();
    for outcomes in workers.join_all().await {
        for (key, count) in outcomes {
            *all.entry(key).or_default() += count;
        }
    }
    let count =
        |outcome| all.iter().filter(|((_, had), _)| *had == outcome).map(|(_, count)| count).sum::<u64>();
    let [refused, failed, harmless] = [Outcome::Refused, Outcome::Failed, Outcome::Harmless].map(count);
    println!(
        "{EXCHANGES} exchanges in {:?}: {refused} refused at the start, {failed} refused when used, {harmless} without effect",
        begin.elapsed()
    );
    for ((what, outcome), count) in &all {
        println!("  {count:3} {what}: {outcome:?}");
    }
    assert!(begin.elapsed() < PATIENCE);
    // Else nothing was exchanged.
    assert!(refused > 0 && failed > 0 && refused + failed > EXCHANGES / 2);
}

/// Two people with facemaps of one length, and their disk at two moments.
async fn stage() -> (House, Disk) {
    let mut house = House::new().await;
    let mut people = Vec::new();
    for user in ["user-anna", "user-berta"] {
        let judgement = Judgement { facemap_bytes: Some(3000), ..Judgement::default() };
        let reference = house.begin(user).await;
        let finished = house.sandbox.control.finish_verification(&reference, judgement).await.unwrap();
        house.reaches(&reference, "vaulted").await;
        people.push(Person { user, reference, digest: finished.facemap_digest.unwrap() });
    }
    assert_ne!(people[0].digest, people[1].digest);
    house.settles().await;
    house.stop().await;
    let (early, late) = (house.dir.with_file_name("early"), house.dir.with_file_name("late"));
    copy(&house.dir, &early);
    house.start().await;
    for person in &people {
        house.release(&person.reference).await;
        house.reaches(&person.reference, "ready").await;
    }
    house.settles().await;
    house.stop().await;
    copy(&house.dir, &late);
    let people = <[Person; 2]>::try_from(people).ok().unwrap();
    (house, Disk { early, late, people })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The vault did not start.
    Refused,
    /// It started, and at least one of the two could not be re-authenticated.
    Failed,
    /// Both were re-authenticated, each with their own facemap.
    Harmless,
}

/// Starts a vault on the disk as it is now and re-authenticates both.
async fn try_out(house: &House, start: &Start, people: &[Person; 2], what: &str) -> Outcome {
    let before = house.sandbox.control.journal(0).next;
    let mut vault = start.spawn();
    let api = format!("http://127.0.0.1:{}", start.private);
    let begin = Instant::now();
    loop {
        if let Some(ended) = vault.ended() {
            let said = start.said();
            assert_eq!(ended.code(), Some(2), "{what}: {said}");
            let told = said.lines().rev().find(|line| line.starts_with("error: ")).unwrap_or_default();
            let advice = ["verify", "restore", "rebuild-index", "right keys"];
            assert!(advice.iter().any(|word| told.contains(word)), "{what}: says nothing to do: {told}");
            fs::remove_file(&start.log).unwrap();
            return Outcome::Refused;
        }
        let look = house.http.get(format!("{api}/readyz")).timeout(Duration::from_millis(500));
        if Answer::of(look).await.is_ok_and(|answer| answer.status == 200) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(15), "{what}: {}", start.said());
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let mut outcome = Outcome::Harmless;
    for person in people {
        let body = json!({ "userReference": person.user, "channel": "mobile" });
        let request = house.http.post(format!("{api}/v1/authentications")).json_body(&body);
        let answer = house.ask(crate::house::Role::App, request).await;
        if answer.status == 201 {
            let named = answer.str("enrollmentTransactionReference");
            assert_eq!(named, person.reference, "{what}: another enrollment for {}", person.user);
        } else {
            outcome = Outcome::Failed;
            assert!(answer.status >= 400, "{what}: {}", answer.text);
        }
        let seen = house.http.get(format!("{api}/v1/enrollments/{}", person.reference));
        let seen = house.ask(crate::house::Role::App, seen).await;
        if seen.status == 200 {
            assert_eq!(seen.str("userReference"), person.user, "{what}: {}", seen.text);
        }
    }
    vault.kill();
    fs::remove_file(&start.log).unwrap();
    let journal = Journal(house.sandbox.control.journal(before).entries);
    for entry in journal.requests().filter(|entry| entry.endpoint == Endpoint::InitiateAuthentication) {
        let enrollment = entry.note.enrollment.as_deref();
        let owner = people.iter().find(|person| Some(person.reference.as_str()) == enrollment);
        let digest = entry.note.facemap_digest.as_deref();
        assert_eq!(
            digest,
            owner.map(|person| person.digest.as_str()),
            "{what}: another person's facemap: {entry:?}"
        );
    }
    outcome
}

trait JsonBody {
    fn json_body(self, body: &serde_json::Value) -> Self;
}

impl JsonBody for reqwest::RequestBuilder {
    fn json_body(self, body: &serde_json::Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }
}

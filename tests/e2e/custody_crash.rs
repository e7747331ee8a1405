//! `kill -9` and power cuts at random moments while people are purged and held and keys are turned: what was answered stays
//! so, what was begun comes to its end, nobody who is not being purged is touched, and nothing is damaged.

use crate::house::{Answer, House, LOOK_EVERY, PATIENCE, Role, run};
use model::rng::SeededRng;
use powercut::Disk;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Rounds of `cargo test`; `scripts/crash` does more through the environment.
const ROUNDS: u64 = 8;
/// People who are there in each round; half of them are to be purged.
const PEOPLE: usize = 8;
/// The latest moment of an end after the load has begun.
const LATEST: Duration = Duration::from_millis(120);

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// Receipts, by their enrollment.
    purged: BTreeMap<String, String>,
    held: BTreeSet<String>,
    /// Everybody whose purge was asked for, answered or not.
    asked: BTreeSet<String>,
}

struct Caller {
    http: reqwest::Client,
    api: String,
    token: String,
}

impl Caller {
    fn of(house: &House) -> Arc<Self> {
        let (api, token) = (house.api(""), house.token(Role::Admin).to_owned());
        Arc::new(Self { http: house.http.clone(), api, token })
    }

    /// The answer, if there is one: the server may be gone.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Option<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.api)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        Answer::of(request).await.ok()
    }
}

/// Asks for everything at once: half of the people are purged, one is held, keys are turned.
fn load(house: &House, people: &[String], known: &Arc<Mutex<Acknowledged>>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let caller = Caller::of(house);
    for reference in people[..PEOPLE / 2].iter().cloned() {
        known.lock().unwrap().asked.insert(reference.clone());
        let (caller, known) = (Arc::clone(&caller), Arc::clone(known));
        clients.spawn(async move {
            let path = format!("/v1/enrollments/{reference}?reason=erasure-request");
            if let Some(answer) = caller.ask(Method::DELETE, &path, None).await
                && answer.status == 200
            {
                known.lock().unwrap().purged.insert(reference, answer.str("receipt").to_owned());
            }
        });
    }
    let (keys, held, hold_known) = (Arc::clone(&caller), people[PEOPLE / 2].clone(), Arc::clone(known));
    clients.spawn(async move {
        let (path, body) = (format!("/v1/enrollments/{held}/hold"), json!({ "caseReference": "case-7" }));
        if let Some(answer) = caller.ask(Method::PUT, &path, Some(body)).await
            && answer.status == 200
        {
            hold_known.lock().unwrap().held.insert(held);
        }
    });
    clients.spawn(async move {
        let rotated = keys.ask(Method::POST, "/v1/keys/rotate", Some(json!({}))).await;
        keys.ask(Method::POST, "/v1/keys/rewrap", Some(json!({}))).await;
        if let Some(previous) = rotated.map(|answer| answer.str("previous").to_owned()) {
            // Mostly refused, as slots still lie under it.
            keys.ask(Method::DELETE, &format!("/v1/keys/{previous}"), None).await;
        }
    });
    clients
}

/// After a restart: what was begun comes to its end, what was answered stays so.
async fn all_is_as_promised(house: &House, people: &[String], known: &Mutex<Acknowledged>) {
    let (purged, held, asked) = {
        let known = known.lock().unwrap();
        (known.purged.clone(), known.held.clone(), known.asked.clone())
    };
    let begin = Instant::now();
    for reference in people {
        loop {
            let seen = house.enrollment(reference).await;
            match seen.str("state") {
                "purging" => assert!(begin.elapsed() < PATIENCE, "a purge that was begun does not end"),
                "purged" => {
                    assert!(asked.contains(reference), "somebody was purged whom nobody asked for");
                    break;
                }
                "ready" => {
                    assert!(!purged.contains_key(reference), "a receipt was given, and the person is there");
                    break;
                }
                other => panic!("{other}: {}", seen.text),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    for (reference, receipt) in purged.iter().filter(|(reference, _)| people.contains(reference)) {
        let path = format!("/v1/enrollments/{reference}?reason=erasure-request");
        let again = house.ask(Role::Admin, house.http.delete(house.api(&path))).await;
        assert_eq!((again.status, again.str("receipt")), (200, receipt.as_str()), "another receipt");
    }
    for reference in held.iter().filter(|reference| people.contains(reference)) {
        let path = format!("/v1/enrollments/{reference}?reason=erasure-request");
        let refused = house.ask(Role::Admin, house.http.delete(house.api(&path))).await;
        assert_eq!(refused.code(), (409, "held"), "an acknowledged hold was lost: {}", refused.text);
    }
}

/// Everybody who was not purged can still be used: the facemap opens.
async fn everybody_else_opens(house: &House, people: &BTreeMap<String, String>) {
    let mut used = 0;
    for (reference, user) in people {
        if house.enrollment(reference).await.str("state") == "ready" {
            let body = json!({ "userReference": user, "channel": "mobile", "enrollmentTransactionReference": reference });
            let answer = house.post("/v1/authentications", &body).await;
            assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
            used += 1;
        }
    }
    println!("{} people, {used} of them used in the end", people.len());
    assert!(used > 0);
}

/// `verify` has nothing to say.
fn is_clean(house: &House) {
    let told = run(&["verify", "--config", house.start.config.to_str().unwrap()]);
    assert!(
        told.status.success(),
        "{}{}",
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr)
    );
}

async fn grow(house: &House, everybody: &mut BTreeMap<String, String>, round: u64) -> Vec<String> {
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let user = format!("user-{round}-{n}");
        let (reference, _) =
            house.enrolled(&user, format!("the face of {user}").repeat(200).as_bytes()).await;
        everybody.insert(reference.clone(), user);
        people.push(reference);
    }
    people
}

async fn round(
    house: &mut House,
    people: &[String],
    known: &Arc<Mutex<Acknowledged>>,
    rng: &SeededRng,
    end: impl FnOnce(&mut House),
) {
    let clients = load(house, people, known);
    // The random moment itself.
    tokio::time::sleep(Duration::from_micros(rng.below(u64::try_from(LATEST.as_micros()).unwrap()))).await;
    end(house);
    clients.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_a_purge_ends_a_hold_holds_and_nobody_else_is_touched() {
    let environment = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let rounds = environment("FACEMAP_VAULT_CUSTODY_ROUNDS").unwrap_or(ROUNDS);
    let seed = environment("FACEMAP_VAULT_CRASH_SEED").unwrap_or(815);
    println!("{rounds} rounds with seed {seed}");
    let mut house = House::with(&[]).await;
    let (known, rng) = (Arc::default(), SeededRng::new(seed));
    let mut everybody = BTreeMap::new();
    for n in 0..rounds {
        let people = grow(&house, &mut everybody, n).await;
        round(&mut house, &people, &known, &rng, House::kill).await;
        house.start().await;
        all_is_as_promised(&house, &people, &known).await;
    }
    let all: Vec<String> = everybody.keys().cloned().collect();
    all_is_as_promised(&house, &all, &known).await;
    everybody_else_opens(&house, &everybody).await;
    let receipts = known.lock().unwrap().purged.len();
    println!("{receipts} receipts");
    house.stop().await;
    is_clean(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_undoes_no_purge_and_no_hold() {
    const CUTS: u64 = 3;
    let Some(mut disk) = Disk::new_or_explain(256 * 1024 * 1024) else { return };
    let mut house = House::set_up(&[], Some(&disk.path())).await;
    let (known, rng) = (Arc::default(), SeededRng::new(99));
    let mut everybody = BTreeMap::new();
    for n in 0..CUTS {
        house.start().await;
        let people = grow(&house, &mut everybody, n).await;
        let cut = |house: &mut House| {
            disk.cut_power().unwrap();
            house.kill();
        };
        round(&mut house, &people, &known, &rng, cut).await;
        disk.restore_power().unwrap();
        house.start().await;
        all_is_as_promised(&house, &people, &known).await;
        house.stop().await;
        is_clean(&house);
    }
    house.start().await;
    let all: Vec<String> = everybody.keys().cloned().collect();
    all_is_as_promised(&house, &all, &known).await;
    everybody_else_opens(&house, &everybody).await;
    house.stop().await;
}

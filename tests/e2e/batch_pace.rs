//! A batch at Jumio's real rates, with people at the door beside it: minutes long, so `scripts/batch-pace` runs it.

use crate::house::{Answer, House, Journal, LOOK_EVERY, Role, at};
use futures_util::{StreamExt as _, stream};
use model::rng::SeededRng;
use sandbox::{Endpoint, Judgement, Settings};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

const ITEMS: u64 = 600;
const AT_THE_DOOR: u64 = 45;
/// What Jumio allows.
const PER_SECOND: usize = 3;
const PER_MINUTE: usize = 180;
/// Of what Jumio allows, at least.
const LEAST_USED: f64 = 0.97;
/// The longest that a batch of so many may take, with everybody at the door.
const LONGEST: Duration = Duration::from_mins(8);

/// Somebody at the door: when they asked, what for, and what they got.
struct AtTheDoor {
    asked: SystemTime,
    took: Duration,
    reference: String,
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Somebody who can be re-authenticated, onboarded at Jumio without the vault: that costs no initiate.
async fn arrives(house: &House, user: String) {
    let reference = house.elsewhere(&user, Judgement::default()).await;
    assert_eq!(house.announce(&reference, &user).await.status, 202);
    house.release(&reference).await;
    house.reaches(&reference, "ready").await;
}

/// Somebody asks: who comes back and who comes for the first time, in turns.
async fn asks(house: &House, number: u64) -> AtTheDoor {
    let (asked, begin) = (house.sandbox.control.now().into(), Instant::now());
    let (answer, field): (Answer, _) = if number.is_multiple_of(3) {
        let body = serde_json::json!({ "userReference": format!("new-{number}"), "workflowId": 201 });
        (house.post("/v1/verifications", &body).await, "transactionReference")
    } else {
        (house.authenticate(&format!("door-{number}")).await, "authenticationTransactionReference")
    };
    assert_eq!(answer.status, 201, "{}", answer.text);
    AtTheDoor { asked, took: begin.elapsed(), reference: answer.str(field).to_owned() }
}

/// People come one by one, and now and then three at once, for as long as the batch runs.
async fn door(house: &House, seed: u64) -> Vec<AtTheDoor> {
    let rng = SeededRng::new(seed);
    let (mut asked, mut number) = (Vec::new(), 0);
    while number < AT_THE_DOOR {
        // The random moment itself.
        tokio::time::sleep(Duration::from_millis(4_000 + rng.below(5_000))).await;
        let together = if rng.below(4) == 0 { 3 } else { 1 };
        let all = (number..AT_THE_DOOR.min(number + together)).map(|number| asks(house, number));
        asked.extend(futures_util::future::join_all(all).await);
        number += together;
    }
    asked
}

/// Waits until everything is posted, and says how fast it went meanwhile.
async fn issued(house: &House, id: &str) -> Value {
    let (begin, mut told) = (Instant::now(), Instant::now());
    loop {
        let request = house.http.get(house.api(&format!("/v1/batches/{id}")));
        let seen = house.ask(Role::Operator, request).await.body;
        if seen["state"] == "issued" {
            return seen;
        }
        assert!(begin.elapsed() < LONGEST, "it does not end: {seen}");
        if told.elapsed() > Duration::from_secs(30) {
            println!(
                "{} wait, {} a minute, {} s left",
                seen["states"]["queued"], seen["ratePerMinute"], seen["secondsLeft"]
            );
            told = Instant::now();
        }
        tokio::time::sleep(LOOK_EVERY * 50).await;
    }
}

fn since(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

/// The most within a sliding interval of this length, both its ends included.
fn most_within(times: &[SystemTime], length: Duration) -> usize {
    let from = |n: usize| times[n..].iter().take_while(|later| since(times[n], **later) <= length).count();
    (0..times.len()).map(from).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes at Jumio's real rates: scripts/batch-pace runs it"]
async fn six_hundred_at_jumios_rates_use_them_and_nobody_at_the_door_waits_for_them() {
    let seed = environment("FACEMAP_VAULT_PACE_SEED").unwrap_or(4711);
    println!("seed {seed}");
    let limits = [("JUMIO__INITIATE_PER_SECOND", "3"), ("JUMIO__INITIATE_PER_MINUTE", "180")];
    let house = House::with(&limits).await;
    let door_users = (0..AT_THE_DOOR).map(|n| format!("door-{n}"));
    let users: Vec<String> = (0..ITEMS).map(|n| format!("user-{n}")).chain(door_users).collect();
    stream::iter(users).for_each_concurrent(16, |user| arrives(&house, user)).await;
    let strict = Settings {
        initiate_per_second: PER_SECOND,
        initiate_per_minute: PER_MINUTE,
        ..house.sandbox.control.settings()
    };
    house.sandbox.control.set_settings(strict);
    house.sandbox.control.clear_journal();

    let lines: String = (0..ITEMS).map(|n| format!("user-{n}\n")).collect();
    let url = house.api("/v1/batches?delivery=transaction&channel=mobile");
    let request =
        house.http.post(url).header("Content-Type", "text/csv").body(format!("userReference\n{lines}"));
    let accepted = house.ask(Role::Operator, request).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let (done, guests) = tokio::join!(issued(&house, accepted.str("batchId")), door(&house, seed));
    assert_eq!(done["states"]["initiated"], ITEMS, "{done}");
    judge(&Journal::of(&house.sandbox), &guests);
}

fn judge(journal: &Journal, guests: &[AtTheDoor]) {
    let is_initiate =
        |endpoint| matches!(endpoint, Endpoint::InitiateAuthentication | Endpoint::InitiateVerification);
    let sent: Vec<_> = journal.requests().filter(|entry| is_initiate(entry.endpoint)).collect();
    let refused = sent.iter().filter(|entry| entry.note.status != Some(200)).count();
    let arrivals: BTreeMap<&str, SystemTime> =
        sent.iter().filter_map(|entry| Some((entry.note.reference.as_deref()?, at(entry)))).collect();
    let theirs: BTreeMap<&str, &AtTheDoor> =
        guests.iter().map(|guest| (guest.reference.as_str(), guest)).collect();
    let of_batch: Vec<SystemTime> = arrivals
        .iter()
        .filter(|(reference, _)| !theirs.contains_key(*reference))
        .map(|(_, at)| *at)
        .collect();
    // Of the batch's, how many went out between somebody's question and their own transaction.
    let behind: Vec<usize> = guests
        .iter()
        .map(|guest| {
            let own = arrivals[guest.reference.as_str()];
            of_batch.iter().filter(|at| **at > guest.asked && **at < own).count()
        })
        .collect();
    let mut waits: Vec<Duration> = guests.iter().map(|guest| guest.took).collect();
    waits.sort_unstable();
    // Until the last of the batch: then there is nothing left that could use the rate.
    let last = *of_batch.iter().max().unwrap();
    let mut times: Vec<SystemTime> = sent.iter().map(|entry| at(entry)).filter(|at| *at <= last).collect();
    times.sort_unstable();
    let span = since(times[0], last).as_secs_f64();
    let per_second = f64::from(u32::try_from(PER_SECOND).unwrap());
    let used = f64::from(u32::try_from(times.len() - 1).unwrap()) / (span * per_second);
    let most = [1, 60].map(|seconds| most_within(&times, Duration::from_secs(seconds)));
    println!(
        "{} initiates in {span:.1} s, {:.1} % of the rate; at most {} in a sliding second, {} in sliding 60 s; {refused} refused",
        times.len(),
        used * 100.0,
        most[0],
        most[1]
    );
    println!(
        "{} at the door: behind {} of the batch at most, median wait {:?}, longest {:?}",
        guests.len(),
        behind.iter().max().unwrap(),
        waits[waits.len() / 2],
        waits[waits.len() - 1]
    );
    assert_eq!(refused, 0, "a 429, or anything else that is not 200");
    assert!(most[0] <= PER_SECOND && most[1] <= PER_MINUTE, "{most:?}");
    // The one that was on its way already.
    assert!(behind.iter().all(|count| *count <= 1), "{behind:?}");
    assert!(used >= LEAST_USED, "{used}");
}

//! SIGKILL during a batch, again and again: no item is done twice, and none is lost.

use crate::house::{House, LOOK_EVERY, PATIENCE, Role};
use model::rng::SeededRng;
use sandbox::{Endpoint, Fault, Moment};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Rounds of `cargo test`; `scripts/crash` does more through the environment.
const ROUNDS: u64 = 6;
/// Items for each round: a round gets through about as many.
const ITEMS_A_ROUND: u64 = 5;
/// The latest moment of a kill after the service is ready.
const LATEST: Duration = Duration::from_millis(900);
/// Slow enough that every kill comes in the midst of it. An unknown outcome stays unknown for longer than the test runs.
const SETTINGS: [(&str, &str); 3] = [
    ("JUMIO__INITIATE_PER_SECOND", "8"),
    ("JUMIO__INITIATE_PER_MINUTE", "480"),
    ("REAUTH__SETTLE_SECONDS", "3600"),
];

async fn ordered(house: &House, query: &str, people: u64) -> String {
    let lines: String = (0..people).map(|n| format!("user-{n}\n")).collect();
    let url = house.api(&format!("/v1/batches?{query}"));
    let request =
        house.http.post(url).header("Content-Type", "text/csv").body(format!("userReference\n{lines}"));
    let accepted = house.ask(Role::Operator, request).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    accepted.str("batchId").to_owned()
}

async fn read(house: &House, path: &str) -> String {
    house.ask(Role::Admin, house.http.get(house.api(path))).await.text
}

async fn waiting(house: &House, id: &str) -> u64 {
    let seen: Value = serde_json::from_str(&read(house, &format!("/v1/batches/{id}")).await).unwrap();
    seen["states"]["queued"].as_u64().unwrap()
}

async fn items(house: &House, id: &str) -> Vec<Value> {
    let text = read(house, &format!("/v1/batches/{id}/items?format=ndjson")).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_a_batch_does_no_item_twice_and_loses_none() {
    let rounds = environment("FACEMAP_VAULT_BATCH_ROUNDS").unwrap_or(ROUNDS);
    let seed = environment("FACEMAP_VAULT_CRASH_SEED").unwrap_or(4711);
    println!("{rounds} rounds with seed {seed}");
    let people = rounds * ITEMS_A_ROUND;
    let mut house = House::with(&SETTINGS).await;
    for n in 0..people {
        house.enrolled(&format!("user-{n}"), format!("the face of {n}").as_bytes()).await;
    }
    // Jumio creates a transaction at once and takes its time to say so: many kills come while a post is under way.
    let mut slow = Fault::on(Endpoint::InitiateAuthentication);
    (slow.count, slow.at, slow.delay_ms) = (0, Moment::After, 200);
    house.sandbox.control.set_fault(slow);
    let posts = ordered(&house, "delivery=transaction&channel=mobile", people).await;
    let links = ordered(&house, "perMinute=300", people).await;
    let (mut kills, mut in_time) = (0, 0);
    while kills < rounds {
        let moment = SeededRng::new(seed + kills).below(u64::try_from(LATEST.as_micros()).unwrap());
        // The random moment itself.
        tokio::time::sleep(Duration::from_micros(moment)).await;
        house.kill();
        kills += 1;
        house.start().await;
        in_time += u64::from(waiting(&house, &posts).await > 0);
    }
    let begin = Instant::now();
    while waiting(&house, &posts).await + waiting(&house, &links).await > 0 {
        assert!(begin.elapsed() < PATIENCE + Duration::from_secs(people), "the batches do not go on");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    println!("{kills} kills, {in_time} of them before the last post");
    assert!(in_time * 2 >= kills, "most kills came too late");
    nobody_was_posted_twice(&house, &items(&house, &posts).await);
    nobody_has_two_links(&house, &items(&house, &links).await).await;
    house.stop().await;
}

fn nobody_was_posted_twice(house: &House, items: &[Value]) {
    let journal = house.journal();
    let mut enrollments: BTreeMap<String, usize> = BTreeMap::new();
    for entry in journal.requests().filter(|entry| entry.endpoint == Endpoint::InitiateAuthentication) {
        *enrollments.entry(entry.note.enrollment.clone().unwrap()).or_default() += 1;
    }
    assert!(enrollments.values().all(|count| *count == 1), "somebody was posted twice: {enrollments:?}");
    let of = |state: &str| items.iter().filter(|item| item["state"] == state).count();
    let (initiated, failed) = (of("initiated"), of("failed"));
    println!(
        "{} items: {initiated} initiated, {failed} whose outcome nobody knows, {} posts",
        items.len(),
        enrollments.len()
    );
    assert_eq!(initiated + failed, items.len());
    assert!(
        items.iter().filter(|item| item["state"] == "failed").all(|item| item["reason"] == "outcome-unknown")
    );
    // What is said to be initiated was posted; a post that was cut off is a failed item.
    assert!(initiated <= enrollments.len() && enrollments.len() <= items.len());
}

/// The book has an entry for every link that was made.
async fn nobody_has_two_links(house: &House, items: &[Value]) {
    assert!(items.iter().all(|item| item["state"] == "linked"), "{items:?}");
    let (mut made, mut cursor) = (BTreeMap::<String, usize>::new(), String::new());
    loop {
        let path = format!("/v1/audit?limit=500{cursor}");
        let page: Value = serde_json::from_str(&read(house, &path).await).unwrap();
        for entry in
            page["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == "link-created")
        {
            *made.entry(entry["subject"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(made.len(), items.len());
    assert!(made.values().all(|count| *count == 1), "somebody got two links");
}

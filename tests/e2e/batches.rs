//! Batches as the company's operator sees them: from a file at the command line, over HTTP, and at Jumio.

use crate::house::{House, Journal, LOOK_EVERY, PATIENCE, Role, at};
use sandbox::{AuthenticationResult, Endpoint, ResultOrder, Settings};
use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Output},
    time::{Duration, Instant},
};

/// The command line, against the running vault.
fn cli(house: &House, role: Role, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_facemap-vault"))
        .args(args)
        .env_clear()
        .env("FACEMAP_VAULT_URL", house.api(""))
        .env("FACEMAP_VAULT_TOKEN", house.token(role))
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(all).unwrap()
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn order(house: &House, query: &str, csv: &str) -> crate::house::Answer {
    let request =
        house.http.post(house.api(&format!("/v1/batches?{query}"))).header("Content-Type", "text/csv");
    house.ask(Role::Operator, request.body(csv.to_owned())).await
}

async fn seen(house: &House, id: &str) -> Value {
    let request = house.http.get(house.api(&format!("/v1/batches/{id}")));
    house.ask(Role::Operator, request).await.body
}

/// Waits until a batch is so; never for ever.
async fn becomes(house: &House, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let begin = Instant::now();
    loop {
        let seen = seen(house, id).await;
        if is_so(&seen) {
            return seen;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}: {seen}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_becomes_links_and_their_results_a_file() {
    let house = House::new().await;
    for user in ["=ines", "malik", "-noor"] {
        house.enrolled(user, format!("the face of {user}").as_bytes()).await;
    }
    let file = house.dir.join("refs.csv");
    let lines = "userReference,requestReference\n=ines,@spring\nmalik,\nnobody,\n-noor,\nmalik,\n";
    fs::write(&file, lines).unwrap();
    let start = [
        "batch",
        "start",
        "--purpose",
        "Confirm that it is you",
        "--output",
        "json",
        "--file",
        file.to_str().unwrap(),
    ];
    let counted = json_of(&cli(&house, Role::Operator, &[&start[..], &["--dry-run"]].concat()));
    assert_eq!(
        (&counted["total"], &counted["unknownAt"], &counted["repeatedAt"]),
        (&json!(3), &json!([4]), &json!([6]))
    );
    assert!(counted["batchId"].is_null());
    let other = cli(&house, Role::Operator, &[&start[..], &["--expect-total", "4"]].concat());
    assert!(!other.status.success() && text(&other).contains("total-differs"), "{}", text(&other));
    let accepted = json_of(&cli(&house, Role::Operator, &[&start[..], &["--expect-total", "3"]].concat()));
    let id = accepted["batchId"].as_str().unwrap();
    let watched = json_of(&cli(&house, Role::Operator, &["batch", "watch", id, "--output", "json"]));
    assert_eq!(
        (&watched["state"], &watched["states"]["linked"], &watched["states"]["skipped"]),
        (&json!("issued"), &json!(3), &json!(2))
    );

    // The backend that mails the links reads them; an auditor does not.
    let path = format!("/v1/batches/{id}/items?withUrls=true&format=ndjson");
    let listed = house.get(&path).await;
    let items: Vec<Value> = listed.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<_> = items
        .iter()
        .map(|item| (item["number"].as_u64().unwrap(), item["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [(2, "linked"), (3, "linked"), (4, "skipped"), (5, "linked"), (6, "skipped")]);
    assert_eq!((&items[2]["reason"], &items[4]["reason"]), (&json!("unknown"), &json!("repeated")));
    assert_eq!(house.ask(Role::Auditor, house.http.get(house.api(&path))).await.status, 403);
    let without = house.get(&format!("/v1/batches/{id}/items?state=linked&limit=2")).await;
    assert!(!without.text.contains("/r/") && !without.str("nextCursor").is_empty());

    let url = items[0]["url"].as_str().unwrap();
    let pressing = house.http.post(url).header("Content-Type", "application/x-www-form-urlencoded").body("");
    assert_eq!(house.ask(Role::Nobody, pressing.header("Sec-Fetch-Site", "same-origin")).await.status, 303);
    becomes(&house, id, "it is open", |seen| seen["outcomes"]["open"] == 1).await;
    let journal = house.journal();
    let posted = journal.requests().filter(|entry| entry.endpoint == Endpoint::InitiateAuthentication);
    let reference = posted.last().unwrap().note.reference.clone().unwrap();
    house
        .sandbox
        .control
        .authentication_result(&reference, ResultOrder::from(AuthenticationResult::Passed))
        .await
        .unwrap();
    becomes(&house, id, "somebody has passed", |seen| seen["outcomes"]["passed"] == 1).await;

    let request = house.http.get(house.api(&format!("/v1/batches/{id}/items"))).header("Accept", "text/csv");
    let file = house.ask(Role::Operator, request).await.text;
    let rows: Vec<&str> = file.lines().collect();
    assert!(rows[0].starts_with("number,state,reason,outcome,"), "{file}");
    assert!(rows[1].starts_with("2,linked,,passed,") && rows[1].contains(",'=ines,'@spring,"), "{file}");
    assert!(rows[4].contains(",'-noor,"), "{file}");
    assert_eq!(rows.len(), 6);

    let cancelled = json_of(&cli(&house, Role::Operator, &["batch", "cancel", id, "--output", "json"]));
    assert_eq!(cancelled["batchId"], id);
    let seen =
        becomes(&house, id, "it is cancelled", |seen| seen["state"] == "cancelled" && seen["open"] == 0)
            .await;
    assert_eq!((&seen["states"]["cancelled"], &seen["outcomes"]["passed"]), (&json!(2), &json!(1)));
    let dead = house.ask(Role::Nobody, house.http.get(items[1]["url"].as_str().unwrap())).await;
    assert_eq!(dead.status, 404);
    for role in [Role::App, Role::Auditor] {
        assert!(!cli(&house, role, &["batch", "show", id]).status.success());
    }
    let table = cli(&house, Role::Operator, &["batch", "items", id, "--state", "cancelled"]);
    assert!(text(&table).contains("withdrawn"), "{}", text(&table));
    house.tells_nobody(&["=ines", "malik", "-noor", "@spring"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_lines_end_in_cr_alone_is_ordered_line_by_line() {
    let house = House::new().await;
    for user in ["ines", "malik"] {
        house.enrolled(user, format!("the face of {user}").as_bytes()).await;
    }
    let accepted =
        order(&house, "purpose=Hello", "userReference,requestReference\rines,one\r\"malik\",\rnobody,\r")
            .await;
    assert_eq!((accepted.status, &accepted.body["total"]), (202, &json!(2)), "{}", accepted.text);
    assert_eq!(accepted.body["unknownAt"], json!([4]));
    let id = accepted.str("batchId");
    becomes(&house, id, "it is issued", |seen| seen["state"] == "issued").await;
    let listed = house.get(&format!("/v1/batches/{id}/items")).await;
    let numbers: Vec<_> = listed.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_order_names_what_is_wrong_and_begins_nothing() {
    let house = House::new().await;
    house.enrolled("ines", b"the face of ines").await;
    let refused = async |query: &str, csv: &str, says: &str| {
        let answer = order(&house, query, csv).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(answer.text.contains(says), "{says}: {}", answer.text);
        assert!(!answer.text.contains("surname"), "{}", answer.text);
    };
    refused("", "userReference\nines\n surname\nines\n", "line 3: userReference must be").await;
    refused("", "userReference,locale\nines,surname\n", "line 2: locale").await;
    refused("", "enrollment\nsurname\n", "line 2: enrollment must be 36 characters").await;
    refused("", "ines\n", "line 1:").await;
    refused("", "userReference\n", "no line").await;
    refused("expiresAt=2020-01-01T00:00:00Z", "userReference\nines\n", "/expiresAt").await;
    refused("perMinute=0", "userReference\nines\n", "/perMinute").await;
    // However long the good part before it was.
    let long: String = (0..3000).map(|n| format!("user-{n}\n")).collect();
    refused("", &format!("userReference\n{long}bad\u{e9}\n"), "line 3002").await;
    let answer = house.post_as(Role::Operator, "/v1/batches", &json!({ "filter": {} })).await;
    assert!(answer.status == 400 && answer.text.contains("lastAuthenticatedBefore"), "{}", answer.text);
    let answer = house.post_as(Role::Operator, "/v1/batches", &json!({ "enrollments": ["x"] })).await;
    assert!(answer.status == 400 && answer.text.contains("/enrollments/0"), "{}", answer.text);
    let answer = house.post_as(Role::App, "/v1/batches", &json!({ "userReferences": ["ines"] })).await;
    assert_eq!(answer.status, 403);
    let status = house.ask(Role::Operator, house.http.get(house.api("/v1/status"))).await;
    assert_eq!(status.status, 200);
    house.tells_nobody(&["surname", "user-2999"]);
}

/// Sends a second, at Jumio and here.
const RATE: usize = 12;
const PEOPLE: usize = 48;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_to_the_rate_uses_it_and_nobody_at_the_door_waits_for_it() {
    let rates = [RATE.to_string(), (RATE * 60).to_string()];
    let settings = [("JUMIO__INITIATE_PER_SECOND", &*rates[0]), ("JUMIO__INITIATE_PER_MINUTE", &*rates[1])];
    let house = House::with(&settings).await;
    let mut lines = "userReference\n".to_owned();
    for n in 0..PEOPLE {
        house.enrolled(&format!("user-{n}"), format!("the face of {n}").as_bytes()).await;
        lines.push_str(&format!("user-{n}\n"));
    }
    for n in 0..3 {
        house.enrolled(&format!("door-{n}"), format!("the face at the door {n}").as_bytes()).await;
    }
    let strict = Settings {
        initiate_per_second: RATE,
        initiate_per_minute: RATE * 60,
        ..house.sandbox.control.settings()
    };
    house.sandbox.control.set_settings(strict);
    // The last second of the onboarding is over.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    house.sandbox.control.clear_journal();
    let accepted = order(&house, "delivery=transaction&channel=mobile", &lines).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let mut longest = Duration::ZERO;
    for n in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let asked = Instant::now();
        assert_eq!(house.authenticate(&format!("door-{n}")).await.status, 201);
        longest = longest.max(asked.elapsed());
    }
    let id = accepted.str("batchId");
    let done = becomes(&house, id, "issued", |seen| seen["state"] == "issued").await;
    assert_eq!(done["states"]["initiated"], PEOPLE, "{done}");
    let journal = Journal::of(&house.sandbox);
    let sent: Vec<_> =
        journal.requests().filter(|entry| entry.endpoint == Endpoint::InitiateAuthentication).collect();
    assert_eq!(sent.len(), PEOPLE + 3);
    assert!(sent.iter().all(|entry| entry.note.status == Some(200)), "no 429");
    let span = at(sent[sent.len() - 1]).duration_since(at(sent[0])).unwrap();
    let possible = span.as_secs_f64() * f64::from(u32::try_from(RATE).unwrap());
    let used = f64::from(u32::try_from(sent.len() - 1).unwrap()) / possible;
    println!("{} in {span:?}: {:.1} %; the longest wait at the door {longest:?}", sent.len(), used * 100.0);
    // A machine that is busy with other tests: the exact share is measured against a clock of its own, in reauth's tests.
    assert!(used > 0.6, "{used}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

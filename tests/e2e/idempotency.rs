//! `Idempotency-Key`, as the company's backend relies on it.

use crate::house::{Answer, House, PATIENCE, Role};
use sandbox::{AuthenticationResult, Endpoint, Fault, Moment, ResultOrder};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

/// A POST with a key, as somebody.
async fn post_as(house: &House, role: Role, path: &str, key: &str, body: &Value) -> Answer {
    let request = house.http.post(house.api(path)).header("Content-Type", "application/json");
    house.ask(role, request.header("Idempotency-Key", key).body(body.to_string())).await
}

async fn post(house: &House, path: &str, key: &str, body: &Value) -> Answer {
    post_as(house, Role::App, path, key, body).await
}

fn verification(user: &str) -> Value {
    json!({ "userReference": user, "workflowId": 201 })
}

/// Transactions that were created at Jumio.
fn verifications(house: &House) -> usize {
    house.journal().requests().filter(|entry| entry.endpoint == Endpoint::InitiateVerification).count()
}

/// The same status, body and kind of body.
fn assert_same(again: &Answer, first: &Answer) {
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.headers.get("content-type"), first.headers.get("content-type"));
    assert_eq!(again.headers.get("cache-control"), first.headers.get("cache-control"));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert!(!first.headers.contains_key("idempotency-replayed"));
}

fn slowed(house: &House, endpoint: Endpoint, milliseconds: u64) {
    let mut fault = Fault::on(endpoint);
    (fault.delay_ms, fault.at) = (milliseconds, Moment::After);
    house.sandbox.control.set_fault(fault);
}

async fn is_asked(house: &House, endpoint: Endpoint) {
    let begin = Instant::now();
    while house.sandbox.control.faults().iter().any(|fault| fault.endpoint == endpoint) {
        assert!(begin.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_post_is_answered_as_before_and_does_nothing_a_restart_later_too() {
    let mut house = House::new().await;
    let first = post(&house, "/v1/verifications", "key-1", &verification("ines")).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_same(&post(&house, "/v1/verifications", "key-1", &verification("ines")).await, &first);
    let other = post(&house, "/v1/verifications", "key-1", &verification("malik")).await;
    assert_eq!(other.code(), (422, "idempotency-key-reused"));
    house.stop().await;
    house.start().await;
    assert_same(&post(&house, "/v1/verifications", "key-1", &verification("ines")).await, &first);
    house.kill();
    house.start().await;
    assert_same(&post(&house, "/v1/verifications", "key-1", &verification("ines")).await, &first);
    assert_eq!(verifications(&house), 1);

    // Of another caller, to another route, or without a key, it is another request.
    let theirs = post_as(&house, Role::Operator, "/v1/verifications", "key-1", &verification("ines")).await;
    assert_eq!(theirs.status, 201, "{}", theirs.text);
    assert_ne!(theirs.str("transactionReference"), first.str("transactionReference"));
    let announced =
        json!({ "transactionReference": first.str("transactionReference"), "userReference": "ines" });
    assert_eq!(post(&house, "/v1/enrollments", "key-1", &announced).await.status, 202);
    assert_eq!(house.post("/v1/verifications", &verification("ines")).await.status, 201);
    assert_eq!(verifications(&house), 3);
    house.tells_nobody(&["ines", "key-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_kept_too_and_what_may_pass_is_not() {
    let house = House::new().await;
    let wrong = json!({ "userReference": "ines", "workflowId": "x", "no": 1 });
    let first = post(&house, "/v1/verifications", "bad", &wrong).await;
    assert_eq!(first.code(), (400, "invalid-request"));
    assert_same(&post(&house, "/v1/verifications", "bad", &wrong).await, &first);

    // Jumio is away: 5xx. And: come again later.
    let mut away = Fault::on(Endpoint::InitiateVerification);
    (away.status, away.count) = (Some(503), 1);
    house.sandbox.control.set_fault(away);
    let failed = post(&house, "/v1/verifications", "away", &verification("ines")).await;
    assert!(failed.status >= 500, "{}", failed.text);
    let mut spent = Fault::on(Endpoint::InitiateVerification);
    (spent.status, spent.retry_after, spent.count) = (Some(429), Some("1".to_owned()), 1);
    house.sandbox.control.set_fault(spent);
    let limited = post(&house, "/v1/verifications", "away", &verification("ines")).await;
    assert!(limited.headers.contains_key("retry-after"), "{} {}", limited.status, limited.text);
    let begin = Instant::now();
    loop {
        let again = post(&house, "/v1/verifications", "away", &verification("ines")).await;
        assert!(!again.headers.contains_key("idempotency-replayed"));
        if again.status == 201 {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{}", again.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Asks, and tears the connection down while Jumio is being asked. An answer lies unread in the socket then, so that what
/// the vault gets is a reset, not an end after which it could still answer.
async fn ask_and_tear_down(house: &House, key: &str, body: &Value) {
    let mut socket = TcpStream::connect(("127.0.0.1", house.start.private)).await.unwrap();
    let body = body.to_string();
    let token = house.token(Role::App);
    let requests = format!(
        "GET /livez HTTP/1.1\r\nHost: vault\r\n\r\nPOST /v1/verifications HTTP/1.1\r\nHost: vault\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(requests.as_bytes()).await.unwrap();
    is_asked(house, Endpoint::InitiateVerification).await;
    socket.readable().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_runs_a_repetition_is_told_so_and_a_caller_who_went_away_finds_the_answer() {
    let house = House::new().await;
    slowed(&house, Endpoint::InitiateVerification, 1500);
    ask_and_tear_down(&house, "slow", &verification("ines")).await;
    let running = post(&house, "/v1/verifications", "slow", &verification("ines")).await;
    assert_eq!(running.code(), (409, "idempotency-key-in-use"));
    assert_eq!(running.headers["retry-after"], "1");
    let begin = Instant::now();
    let answer = loop {
        let again = post(&house, "/v1/verifications", "slow", &verification("ines")).await;
        if again.code() != (409, "idempotency-key-in-use") {
            break again;
        }
        assert!(begin.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.headers["idempotency-replayed"], "true");
    assert_eq!(house.enrollment(answer.str("transactionReference")).await.status, 200);
    assert_eq!(verifications(&house), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_at_once_one_is_carried_out() {
    let house = House::new().await;
    slowed(&house, Endpoint::InitiateVerification, 300);
    let body = verification("ines");
    let all = (0..20).map(|_| post(&house, "/v1/verifications", "many", &body));
    let answers = futures_util::future::join_all(all).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let in_use = answers.iter().filter(|answer| answer.code() == (409, "idempotency-key-in-use")).count();
    assert_eq!((created >= 1, created + in_use), (true, 20));
    assert_eq!(verifications(&house), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_was_at_is_not_done_twice() {
    let mut house = House::new().await;
    slowed(&house, Endpoint::InitiateVerification, 60_000);
    {
        let body = verification("ines");
        let asked = post(&house, "/v1/verifications", "killed", &body);
        tokio::select! {
            _ = asked => panic!("answered"),
            () = is_asked(&house, Endpoint::InitiateVerification) => {}
        }
    }
    house.kill();
    house.start().await;
    for _ in 0..2 {
        let again = post(&house, "/v1/verifications", "killed", &verification("ines")).await;
        assert_eq!(again.code(), (409, "idempotency-outcome-unknown"));
    }
    assert_eq!(verifications(&house), 1);

    // An authentication is deduplicated by its window: the key may be used again.
    house.enrolled("malik", b"the face of malik").await;
    slowed(&house, Endpoint::InitiateAuthentication, 60_000);
    let wanted = json!({ "userReference": "malik", "channel": "mobile" });
    {
        let asked = post(&house, "/v1/authentications", "killed", &wanted);
        tokio::select! {
            _ = asked => panic!("answered"),
            () = is_asked(&house, Endpoint::InitiateAuthentication) => {}
        }
    }
    house.kill();
    house.start().await;
    let again = post(&house, "/v1/authentications", "killed", &wanted).await;
    assert_eq!(again.code(), (504, "outcome-unknown"), "the window's own word: {}", again.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redeem_whose_answer_was_lost_is_answered_again_and_counts_once() {
    let house = House::new().await;
    house.enrolled("ines", b"the face of ines").await;
    let started = house.authenticate("ines").await;
    let passed = ResultOrder::from(AuthenticationResult::Passed);
    let reference = started.str("authenticationTransactionReference");
    house.sandbox.control.authentication_result(reference, passed).await.unwrap();
    let path = format!("/v1/authentications/{}", started.str("authenticationId"));
    let begin = Instant::now();
    while house.get(&format!("{path}?waitSeconds=5")).await.str("state") != "passed" {
        assert!(begin.elapsed() < PATIENCE);
    }
    let path = format!("{path}/redeem");
    let body = json!({ "userReference": "ines" });
    let first = post(&house, &path, "redeem-1", &body).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_same(&post(&house, &path, "redeem-1", &body).await, &first);
    assert_eq!(post(&house, &path, "redeem-2", &body).await.code(), (409, "already-redeemed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_takes_the_answers_along_and_nothing_is_done_for_them_again() {
    let house = House::new().await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    let (malik, _) = house.enrolled("malik", b"the face of malik").await;
    let wanted = |user: &str| json!({ "userReference": user, "channel": "mobile" });
    let theirs = post(&house, "/v1/authentications", "of-ines", &wanted("user-ines")).await;
    assert_eq!((theirs.status, theirs.str("enrollmentTransactionReference")), (201, ines.as_str()));
    let his = post(&house, "/v1/authentications", "of-malik", &wanted("malik")).await;
    let released = post(&house, &format!("/v1/enrollments/{ines}/release"), "released", &json!({})).await;
    assert_eq!(released.status, 200, "{}", released.text);
    let path = format!("/v1/enrollments/{ines}?reason=erasure-request");
    let purged = house.ask(Role::Admin, house.http.delete(house.api(&path))).await;
    assert_eq!(purged.status, 200, "{}", purged.text);
    let journal = house.journal().requests().count();
    for _ in 0..2 {
        let again = post(&house, "/v1/authentications", "of-ines", &wanted("user-ines")).await;
        assert_eq!(again.code(), (410, "purged"));
        let again = post(&house, &format!("/v1/enrollments/{ines}/release"), "released", &json!({})).await;
        assert_eq!(again.code(), (410, "purged"));
    }
    // Not even whether it was this body: the row itself has forgotten her.
    let other = post(&house, "/v1/authentications", "of-ines", &wanted("malik")).await;
    assert_eq!(other.code(), (410, "purged"));
    assert_same(&post(&house, "/v1/authentications", "of-malik", &wanted("malik")).await, &his);
    assert_eq!(his.str("enrollmentTransactionReference"), malik);
    assert_eq!(house.journal().requests().count(), journal);
    house.tells_nobody(&["user-ines"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_its_form_and_counts_for_posts_only() {
    let house = House::new().await;
    let longest = "k".repeat(255);
    for key in [longest.as_str(), "k", "with space ~!\"#"] {
        assert_eq!(post(&house, "/v1/verifications", key, &verification("ines")).await.status, 201, "{key}");
    }
    for key in ["k".repeat(256), String::new()] {
        let refused = post(&house, "/v1/verifications", &key, &verification("ines")).await;
        assert_eq!(refused.code(), (400, "idempotency-key-invalid"));
    }
    let request =
        || house.http.post(house.api("/v1/verifications")).header("Content-Type", "application/json");
    let body = verification("ines").to_string();
    let twice = request().header("Idempotency-Key", "a").header("Idempotency-Key", "b").body(body.clone());
    assert_eq!(house.ask(Role::App, twice).await.code(), (400, "idempotency-key-invalid"));
    let bytes = reqwest::header::HeaderValue::from_bytes(b"k\xfc").unwrap();
    let not_ascii = request().header("Idempotency-Key", bytes).body(body.clone());
    assert_eq!(house.ask(Role::App, not_ascii).await.code(), (400, "idempotency-key-invalid"));
    // Nobody without a token learns whether a key was used.
    let nobody = request().header("Idempotency-Key", "k").body(body);
    assert_eq!(house.ask(Role::Nobody, nobody).await.status, 401);
    assert_eq!(verifications(&house), 3);
    let read = house.http.get(house.api("/v1/enrollments?userReference=ines")).header("Idempotency-Key", "k");
    assert_eq!(house.ask(Role::App, read).await.status, 200);
    let large =
        post(&house, "/v1/verifications", "large", &json!({ "userReference": "x".repeat(70_000) })).await;
    assert_eq!(large.code(), (413, "too-large"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_for_a_batch_is_taken_once_although_it_is_larger_than_any_other_body() {
    let house = House::new().await;
    house.enrolled("ines", b"the face of ines").await;
    let unknown = (0..20_000).map(|n| format!("nobody-{n}\n")).collect::<Vec<_>>().concat();
    let csv = format!("userReference\nines\n{unknown}");
    assert!(csv.len() > 200_000);
    let order = async |key: &str, csv: &str| {
        let request = house.http.post(house.api("/v1/batches?channel=mobile&delivery=transaction"));
        let request = request.header("Content-Type", "text/csv").header("Idempotency-Key", key);
        house.ask(Role::Operator, request.body(csv.to_owned())).await
    };
    let first = order("batch-1", &csv).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert_same(&order("batch-1", &csv).await, &first);
    let other = order("batch-1", &csv.replace("nobody-19999", "nobody-x9999")).await;
    assert_eq!(other.code(), (422, "idempotency-key-reused"));
    // A refusal before the file's end begins nothing, and leaves the key free.
    let bad = order("batch-2", &format!("userReference\n{}\n{csv}", "x".repeat(3000))).await;
    assert_eq!(bad.code(), (400, "invalid-request"), "{}", bad.text);
    let good = order("batch-2", "userReference\nines\n").await;
    assert_eq!(good.status, 202, "{}", good.text);
    assert_ne!(good.str("batchId"), first.str("batchId"));
}

//! Faults to order: each kind, where it acts, and for how long.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{House, as_json, text};

async fn fault(house: &House, fault: &Value) {
    house.control(Method::PUT, "faults", fault).await;
}

async fn verifications(house: &House) -> u64 {
    house.control(Method::GET, "state", &json!({})).await["counts"]["verifications"].as_u64().unwrap()
}

async fn scan(house: &House) -> String {
    let body = json!({"sendCallback": false, "facemapBytes": 5000});
    let made = house.control(Method::POST, "verifications", &body).await;
    format!("/api/netverify/v2/scans/{}", text(&made, "transactionReference"))
}

#[tokio::test]
async fn a_reset_before_processing_leaves_nothing_and_after_it_leaves_the_transaction() {
    let house = House::start().await;
    let order = json!({"userReference": "u"}).to_string();
    for (moment, left) in [("before", 0), ("after", 1)] {
        fault(&house, &json!({"endpoint": "initiate-verification", "reset": moment})).await;
        let request = house.post("/api/v4/initiate").header("content-type", "application/json");
        let sent = request.body(order.clone()).send().await;
        assert!(sent.is_err(), "no answer came");
        assert_eq!(verifications(&house).await, left, "{moment}");
    }
    let page = house.running.control.journal(0);
    let told: Vec<(Option<&str>, Option<u16>)> =
        page.entries.iter().map(|entry| (entry.note.fault.as_deref(), entry.note.status)).collect();
    assert_eq!(told, [(Some("reset before processing"), None), (Some("reset after processing"), None)]);
    assert_eq!(house.initiate(&json!({"userReference": "u"})).await.status(), 200, "each acted once");
}

#[tokio::test]
async fn a_status_acts_before_processing_unless_told_otherwise() {
    let house = House::start().await;
    for (moment, left) in [("before", 0), ("after", 1)] {
        let order =
            json!({"endpoint": "initiate-verification", "status": 503, "at": moment, "retryAfter": "7"});
        fault(&house, &order).await;
        let answer = house.initiate(&json!({"userReference": "u"})).await;
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "7");
        assert_eq!(as_json(answer).await["status"], "503");
        assert_eq!(verifications(&house).await, left, "{moment}");
    }
}

#[tokio::test]
async fn a_count_ends_a_fault_and_a_skip_delays_it() {
    let house = House::start().await;
    let path = scan(&house).await;
    fault(&house, &json!({"endpoint": "scan-status", "status": 500, "count": 2, "skip": 1})).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(house.get(&path).send().await.unwrap().status().as_u16());
    }
    assert_eq!(seen, [200, 500, 500, 200, 200]);
    fault(&house, &json!({"endpoint": "scan-status", "status": 500, "count": 0})).await;
    for _ in 0..3 {
        assert_eq!(house.get(&path).send().await.unwrap().status(), 500);
    }
    assert_eq!(house.get(&format!("{path}/data")).send().await.unwrap().status(), 200, "another endpoint");
    house.control(Method::DELETE, "faults", &json!({})).await;
    assert_eq!(house.get(&path).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_truncated_body_is_shorter_than_promised_and_a_cut_one_keeps_its_promise() {
    let house = House::start().await;
    let path = format!("{}/data/facemap", scan(&house).await);
    fault(&house, &json!({"endpoint": "facemap", "body": "truncated"})).await;
    let answer = house.get(&path).send().await.unwrap();
    assert_eq!(answer.headers()["content-length"], "5000");
    assert!(answer.bytes().await.is_err(), "the connection ends in the middle");
    fault(&house, &json!({"endpoint": "facemap", "body": "cut"})).await;
    let answer = house.get(&path).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap().len(), 2500);
}

#[tokio::test]
async fn an_endless_body_goes_on_until_the_reader_leaves() {
    let house = House::start().await;
    let path = format!("{}/data/facemap", scan(&house).await);
    fault(&house, &json!({"endpoint": "facemap", "body": "endless"})).await;
    let mut answer = house.get(&path).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut read = 0;
    while read < 64 << 20 {
        read += answer.chunk().await.unwrap().expect("there is no end").len();
    }
    drop(answer);
    assert_eq!(house.facemap(path.split('/').nth(5).unwrap()).await.len(), 5000, "the sandbox is well");
}

#[tokio::test]
async fn a_gzip_bomb_says_what_it_is_and_goes_on_and_a_slow_body_brings_a_space_at_a_time() {
    let house = House::start().await;
    let path = format!("{}/data/facemap", scan(&house).await);
    fault(&house, &json!({"endpoint": "facemap", "body": "gzip-bomb"})).await;
    let mut answer = house.get(&path).send().await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let mut packed = Vec::new();
    while packed.len() < 64 * 1024 {
        packed.extend_from_slice(&answer.chunk().await.unwrap().expect("there is no end"));
    }
    // The magic number, deflate, and then the same thirteen bytes again and again.
    assert_eq!(packed[..3], [0x1f, 0x8b, 8]);
    assert!(packed[12..].windows(14).all(|window| window[0] == window[13]));
    drop(answer);
    fault(&house, &json!({"endpoint": "facemap", "body": "slow"})).await;
    let mut answer = house.get(&path).send().await.unwrap();
    for _ in 0..2 {
        assert_eq!(answer.chunk().await.unwrap().as_deref(), Some(&b" "[..]));
    }
}

#[tokio::test]
async fn bodies_may_be_html_empty_malformed_or_oversized() {
    let house = House::start().await;
    let path = format!("{}/data/facemap", scan(&house).await);
    let get = || async { house.get(&path).send().await.unwrap() };
    fault(&house, &json!({"endpoint": "facemap", "body": "html"})).await;
    let page = get().await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.text().await.unwrap().starts_with("<!doctype html>"));
    fault(&house, &json!({"endpoint": "facemap", "body": "empty"})).await;
    assert_eq!(get().await.bytes().await.unwrap().len(), 0);
    fault(&house, &json!({"endpoint": "facemap", "body": "malformed"})).await;
    assert!(serde_json::from_slice::<Value>(&get().await.bytes().await.unwrap()).is_err());
    fault(&house, &json!({"endpoint": "facemap", "body": "oversized", "size": 100_000})).await;
    assert_eq!(get().await.bytes().await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_redirect_goes_where_it_is_told() {
    let house = House::start().await;
    let path = scan(&house).await;
    let place = "http://169.254.169.254/latest/meta-data";
    fault(&house, &json!({"endpoint": "scan-status", "location": place, "status": 307})).await;
    let answer = house.get(&path).send().await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(answer.headers()["location"], place);
}

#[tokio::test]
async fn a_delay_outlasts_a_callers_patience_and_the_request_is_processed_all_the_same() {
    let house = House::start().await;
    fault(&house, &json!({"endpoint": "initiate-verification", "delayMs": 300})).await;
    let request = house.post("/api/v4/initiate").header("content-type", "application/json");
    let impatient = request.timeout(std::time::Duration::from_millis(50)).body(r#"{"userReference":"u"}"#);
    assert!(impatient.send().await.unwrap_err().is_timeout());
    let processed = async {
        while verifications(&house).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), processed).await.expect("it was processed");
}

#[tokio::test]
async fn a_callback_can_be_lost() {
    let house = House::start().await;
    fault(&house, &json!({"endpoint": "callback", "reset": "before"})).await;
    let made = house.control(Method::POST, "verifications", &json!({"callbackUrl": house.url("/x")})).await;
    assert_eq!(made["callbackStatus"], Value::Null);
    let page = house.running.control.journal(0);
    assert_eq!(page.entries.last().unwrap().note.failure.as_deref(), Some("lost, as ordered"));
}

#[tokio::test]
async fn a_fault_that_is_not_understood_is_refused_whole() {
    let house = House::start().await;
    let bad = [
        json!({"endpoint": "nowhere"}),
        json!({"endpoint": "facemap", "stauts": 500}),
        json!([{"endpoint": "facemap", "status": 500}, {"endpoint": "facemap", "body": "purple"}]),
    ];
    for body in bad {
        let request = house.client.put(house.url("/_sandbox/faults")).body(body.to_string());
        assert_eq!(request.send().await.unwrap().status(), 400, "{body}");
    }
    assert!(house.running.control.faults().is_empty());
}

#[tokio::test]
async fn a_sandbox_stops_and_gives_its_port_back() {
    let house = House::start().await;
    let address = house.running.address;
    let path = format!("{}/data/facemap", scan(&house).await);
    fault(&house, &json!({"endpoint": "facemap", "body": "endless"})).await;
    let hanging = house.get(&path).send().await.unwrap();
    house.running.stop().await;
    drop(hanging);
    assert!(tokio::net::TcpListener::bind(address).await.is_ok());
}

//! Preconditions, supersession, and what time does.

use reqwest::Method;
use serde_json::json;

use crate::support::{House, Receiver, as_json, field, text};

const MINUTE: i64 = 60_000;

async fn reference(house: &House, facemap: &[u8], enrollment: &str, callback_url: &str) -> String {
    let metadata = json!({"enrollmentTransactionReference": enrollment, "callbackUrl": callback_url});
    text(&house.authenticated(facemap, &metadata).await, "authenticationTransactionReference")
}

#[tokio::test]
async fn a_facemap_is_refused_while_its_original_is_there() {
    let house = House::start().await;
    let made = house.control(Method::POST, "verifications", &json!({"sendCallback": false})).await;
    let enrollment = text(&made, "transactionReference");
    let facemap = house.facemap(&enrollment).await;
    let metadata = json!({"enrollmentTransactionReference": enrollment});
    let refused = house.authenticate(&facemap, &metadata).await;
    assert_eq!(refused.status(), 403);
    assert!(text(&as_json(refused).await, "detail").contains("deleted first"));
    house.delete(&format!("/api/netverify/v2/scans/{enrollment}")).send().await.unwrap();
    assert_eq!(house.authenticate(&facemap, &metadata).await.status(), 200);
}

#[tokio::test]
async fn a_verification_that_breaks_a_precondition_enrolls_nobody() {
    let house = House::start().await;
    house.control(Method::PUT, "settings", &json!({"initiatePerSecond": 100})).await;
    for outcome in ["fraud", "no-match", "not-live", "approved-without-facemap", "abandon"] {
        let body = json!({"outcome": outcome, "sendCallback": false});
        let made = house.control(Method::POST, "verifications", &body).await;
        let enrollment = text(&made, "transactionReference");
        house.delete(&format!("/api/netverify/v2/scans/{enrollment}")).send().await.unwrap();
        let metadata = json!({"enrollmentTransactionReference": enrollment});
        assert_eq!(house.authenticate(b"some bytes", &metadata).await.status(), 403, "{outcome}");
    }
    let unknown = json!({"enrollmentTransactionReference": "00000000-0000-4000-8000-000000000000"});
    assert_eq!(house.authenticate(b"some bytes", &unknown).await.status(), 400);
}

#[tokio::test]
async fn nobody_passes_with_another_facemap() {
    let house = House::start().await;
    let (enrollment, facemap) = house.enrolled().await;
    let (_, other) = house.enrolled().await;
    let mut changed = facemap.clone();
    changed[1500] ^= 1;
    for wrong in [other, changed] {
        let one = reference(&house, &wrong, &enrollment, "http://127.0.0.1:1/").await;
        let body = json!({"result": "PASSED", "sendCallback": false});
        let ended = house.control(Method::POST, &format!("authentications/{one}/result"), &body).await;
        assert_eq!(ended["transactionResult"], "FAILED");
        assert_eq!(house.result_of(&one).await, "FAILED");
    }
    house.control(Method::PUT, "settings", &json!({"wrongFacemap": "refused"})).await;
    let metadata = json!({"enrollmentTransactionReference": enrollment});
    assert_eq!(house.authenticate(b"another face", &metadata).await.status(), 400);
}

#[tokio::test]
async fn only_the_last_of_several_within_fifteen_minutes_works() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    let (enrollment, facemap) = house.enrolled().await;
    let first = reference(&house, &facemap, &enrollment, &receiver.url).await;
    house.advance_millis(14 * MINUTE);
    let second = reference(&house, &facemap, &enrollment, &receiver.url).await;
    assert_eq!(house.result_of(&first).await, "EXPIRED");
    assert_eq!(house.result_of(&second).await, "CREATED");
    let callback = receiver.take(1).await.remove(0);
    assert_eq!(field(&callback, "transactionReference"), Some(first.as_str()));
    assert_eq!(field(&callback, "transactionResult"), Some("EXPIRED"));
    let path = format!("{}/_sandbox/authentications/{first}/result", house.running.base_url);
    let late = house.client.post(path).body(r#"{"result":"PASSED"}"#).send().await.unwrap();
    assert_eq!(late.status(), 409, "a final state never changes");
    let body = json!({"result": "PASSED"});
    let ended = house.control(Method::POST, &format!("authentications/{second}/result"), &body).await;
    assert_eq!(ended["transactionResult"], "PASSED");
}

#[tokio::test]
async fn a_superseded_one_may_end_only_when_the_person_tries() {
    let house = House::start().await;
    house.control(Method::PUT, "settings", &json!({"supersession": "at-try"})).await;
    let receiver = Receiver::start(200).await;
    let (enrollment, facemap) = house.enrolled().await;
    let metadata = json!({
        "enrollmentTransactionReference": enrollment,
        "callbackUrl": receiver.url,
        "errorUrl": "https://www.example.com/error",
    });
    let first = house.authenticated(&facemap, &metadata).await;
    let second = house.authenticated(&facemap, &metadata).await;
    let reference = text(&first, "authenticationTransactionReference");
    assert_eq!(house.result_of(&reference).await, "CREATED");
    let turned_away = house.pick(&text(&first, "redirectUrl"), "passed").await;
    assert!(turned_away.headers()["location"].to_str().unwrap().ends_with("&errorCode=9200"));
    assert_eq!(house.result_of(&reference).await, "EXPIRED");
    assert_eq!(field(&receiver.take(1).await[0], "transactionResult"), Some("EXPIRED"));
    house.pick(&text(&second, "redirectUrl"), "passed").await;
    assert_eq!(house.result_of(&text(&second, "authenticationTransactionReference")).await, "PASSED");
}

#[tokio::test]
async fn an_authentication_expires_after_fifteen_minutes_and_its_facemap_is_dropped() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    let (enrollment, facemap) = house.enrolled().await;
    let one = reference(&house, &facemap, &enrollment, &receiver.url).await;
    house.advance_millis(15 * MINUTE - 1);
    assert_eq!(house.result_of(&one).await, "CREATED");
    let state = house.control(Method::GET, "state", &json!({})).await;
    assert_eq!(state["authentications"][0]["facemapHeld"], true);
    house.advance_millis(1);
    assert_eq!(house.result_of(&one).await, "EXPIRED");
    let state = house.control(Method::GET, "state", &json!({})).await;
    assert_eq!(state["authentications"][0]["facemapHeld"], false);
    assert_eq!(field(&receiver.take(1).await[0], "transactionResult"), Some("EXPIRED"));
}

#[tokio::test]
async fn a_token_ends_before_its_transaction_when_its_life_is_shorter() {
    let house = House::start().await;
    let (enrollment, facemap) = house.enrolled().await;
    let metadata = json!({
        "enrollmentTransactionReference": enrollment,
        "tokenLifetimeInMinutes": 5,
        "errorUrl": "https://www.example.com/error",
    });
    let answer = house.authenticated(&facemap, &metadata).await;
    house.advance_millis(5 * MINUTE);
    let turned_away = house.pick(&text(&answer, "redirectUrl"), "passed").await;
    assert!(turned_away.headers()["location"].to_str().unwrap().ends_with("&errorCode=9200"));
    assert_eq!(house.result_of(&text(&answer, "authenticationTransactionReference")).await, "CREATED");
}

#[tokio::test]
async fn a_verification_nobody_finishes_ends_with_its_token() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    let order = json!({"userReference": "u", "callbackUrl": receiver.url, "tokenLifetimeInMinutes": 10});
    let (reference, page) = house.started(&order).await;
    assert_eq!(house.pick(&page, "leave").await.status(), 200);
    let scan = format!("/api/netverify/v2/scans/{reference}");
    house.advance_millis(10 * MINUTE - 1);
    assert_eq!(text(&as_json(house.get(&scan).send().await.unwrap()).await, "status"), "PENDING");
    house.advance_millis(1);
    assert_eq!(text(&as_json(house.get(&scan).send().await.unwrap()).await, "status"), "FAILED");
    assert_eq!(field(&receiver.take(1).await[0], "verificationStatus"), Some("NO_ID_UPLOADED"));
}

#[tokio::test]
async fn time_alone_ends_things_when_nobody_asks() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    let (enrollment, facemap) = house.enrolled().await;
    reference(&house, &facemap, &enrollment, &receiver.url).await;
    house.advance_millis(15 * MINUTE - 200);
    house.control(Method::PUT, "clock", &json!({"frozen": false})).await;
    // Nothing asks from here on; the sandbox's own tick has to notice.
    assert_eq!(field(&receiver.take(1).await[0], "transactionResult"), Some("EXPIRED"));
}

#[tokio::test]
async fn a_verification_ends_once() {
    let house = House::start().await;
    let (reference, _) = house.started(&json!({"userReference": "u"})).await;
    let path = format!("verifications/{reference}/outcome");
    let ended = house.control(Method::POST, &path, &json!({"outcome": "fraud"})).await;
    assert_eq!(ended["verificationStatus"], "DENIED_FRAUD");
    let again = house.client.post(house.url(&format!("/_sandbox/{path}"))).body("{}").send().await.unwrap();
    assert_eq!(again.status(), 409);
    let details = house.get(&format!("/api/netverify/v2/scans/{reference}/data")).send().await.unwrap();
    assert_eq!(as_json(details).await["document"]["status"], "DENIED_FRAUD");
}

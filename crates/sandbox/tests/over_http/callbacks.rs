//! Callbacks: every quirk's form, ordered lies, lost ones, and what is never sent.

use std::collections::BTreeSet;

use reqwest::Method;
use sandbox::EntryKind;
use serde_json::{Value, json};

use crate::support::{House, Received, Receiver, as_json, field, text};

fn identity(callback: &Received) -> Value {
    serde_json::from_str(field(callback, "identityVerification").unwrap()).unwrap()
}

#[tokio::test]
async fn a_dozen_verifications_show_every_quirk() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    house.control(Method::PUT, "settings", &json!({"callbackUrl": receiver.url})).await;
    for _ in 0..12 {
        house.control(Method::POST, "verifications", &json!({})).await;
    }
    let callbacks = receiver.take(12).await;
    let validity: BTreeSet<String> =
        callbacks.iter().map(|one| identity(one)["validity"].to_string()).collect();
    let expected = ["\"TRUE\"", "\"true\"", "true"].map(str::to_owned);
    assert_eq!(validity, BTreeSet::from(expected));
    let digits: BTreeSet<usize> = callbacks
        .iter()
        .map(|one| {
            field(one, "callbackDate")
                .unwrap()
                .trim_end_matches('Z')
                .split_once('.')
                .map_or(0, |(_, f)| f.len())
        })
        .collect();
    assert_eq!(digits, BTreeSet::from([0, 1, 2, 3]));
    let images = |one: &Received| one.iter().filter(|(name, _)| name == "livenessImages").count();
    let counts: BTreeSet<usize> = callbacks.iter().map(images).collect();
    assert_eq!(counts, BTreeSet::from([1, 3]), "as one JSON array, and as repeated keys");
    let users: BTreeSet<Option<&str>> = callbacks.iter().map(|one| field(one, "customerId")).collect();
    assert_eq!(users, BTreeSet::from([None, Some("N/A")]), "absent values");
    assert!(callbacks.iter().all(|one| field(one, "idFirstName").unwrap().ends_with("SANDBOX")));
}

#[tokio::test]
async fn identity_verification_is_absent_or_empty_when_not_approved() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    let body = json!({"outcome": "fraud", "callbackUrl": receiver.url});
    for _ in 0..8 {
        house.control(Method::POST, "verifications", &body).await;
    }
    let callbacks = receiver.take(8).await;
    let seen: BTreeSet<Option<&str>> =
        callbacks.iter().map(|one| field(one, "identityVerification")).collect();
    assert_eq!(seen, BTreeSet::from([None, Some("")]));
    let details: BTreeSet<bool> = callbacks
        .iter()
        .map(|one| serde_json::from_str::<Value>(field(one, "rejectReason").unwrap()).unwrap())
        .map(|reason| reason["rejectReasonDetails"].is_array())
        .collect();
    assert_eq!(details, BTreeSet::from([false, true]), "object or array");
    assert!(callbacks.iter().all(|one| field(one, "facemap").is_none()));
}

#[tokio::test]
async fn forms_and_values_can_be_ordered_one_by_one() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    let body = json!({
        "transactionReference": "01234567-89ab-cdef-0123-456789abcdef",
        "userReference": "user-7",
        "customerInternalReference": "case-7",
        "similarity": "NOT_POSSIBLE",
        "validity": false,
        "reason": "SELFIE_MANIPULATED",
        "validityForm": "capitals",
        "fractionDigits": 1,
        "arrayForm": "json",
        "scanStatus": "PROCESSED",
        "facemap": "AAECAw==",
        "callbackUrl": receiver.url,
    });
    let made = house.control(Method::POST, "verifications", &body).await;
    assert_eq!(made["callbackStatus"], 200);
    assert_eq!(
        text(&made, "facemapDigest"),
        "054edec1d0211f624fed0cbca9d4f9400b0e491c43742af2c5b0abebf0c990d8"
    );
    let callback = receiver.take(1).await.remove(0);
    let expected = json!({"similarity": "NOT_POSSIBLE", "validity": "FALSE", "reason": "SELFIE_MANIPULATED"});
    assert_eq!(identity(&callback), expected);
    assert_eq!(house.facemap("01234567-89ab-cdef-0123-456789abcdef").await, [0, 1, 2, 3]);
    let status =
        house.get("/api/netverify/v2/scans/01234567-89ab-cdef-0123-456789abcdef").send().await.unwrap();
    assert_eq!(as_json(status).await["status"], "PROCESSED");
}

#[tokio::test]
async fn a_callback_may_claim_what_retrieval_denies_and_come_twice() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    let body = json!({"outcome": "fraud", "callbackUrl": receiver.url, "sendCallback": false});
    let reference = text(&house.control(Method::POST, "verifications", &body).await, "transactionReference");
    let lie = json!({
        "reference": reference,
        "count": 2,
        "fields": {
            "verificationStatus": "APPROVED_VERIFIED",
            "identityVerification": "{\"similarity\":\"MATCH\",\"validity\":true}",
            "rejectReason": null,
            "livenessImages": ["a", "b"],
        },
    });
    let sent = house.control(Method::POST, "callbacks", &lie).await;
    assert_eq!(sent["statuses"], json!([200, 200]));
    for callback in receiver.take(2).await {
        assert_eq!(field(&callback, "jumioIdScanReference"), Some(reference.as_str()));
        assert_eq!(field(&callback, "verificationStatus"), Some("APPROVED_VERIFIED"));
        assert_eq!(identity(&callback)["similarity"], "MATCH");
        assert_eq!(field(&callback, "rejectReason"), None);
        let images: Vec<&str> = callback
            .iter()
            .filter(|(name, _)| name == "livenessImages")
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(images, ["a", "b"]);
    }
    let details = house.get(&format!("/api/netverify/v2/scans/{reference}/data")).send().await.unwrap();
    assert_eq!(as_json(details).await["document"]["status"], "DENIED_FRAUD");
}

#[tokio::test]
async fn a_callback_is_sent_once_and_a_failure_is_only_journaled() {
    let house = House::start().await;
    let receiver = Receiver::start(503).await;
    house.control(Method::POST, "verifications", &json!({"callbackUrl": receiver.url})).await;
    let made =
        house.control(Method::POST, "verifications", &json!({"callbackUrl": "http://127.0.0.1:1/x"})).await;
    assert_eq!(made["callbackStatus"], Value::Null);
    house.advance_millis(24 * 3_600_000);
    let page = house.running.control.journal(0);
    let answered: Vec<_> =
        page.entries.iter().filter(|entry| entry.kind == EntryKind::CallbackAnswered).collect();
    assert_eq!(answered.len(), 2);
    assert_eq!(answered[0].note.status, Some(503));
    assert!(answered[1].note.failure.is_some());
    let sent: Vec<u64> = page
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::CallbackSent)
        .map(|entry| entry.seq)
        .collect();
    assert_eq!(answered.iter().map(|entry| entry.note.of.unwrap()).collect::<Vec<_>>(), sent);
    assert_eq!(receiver.take(1).await.len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_beyond_this_machine() {
    let house = House::start().await;
    for url in ["https://www.example.com/callback", "http://192.0.2.1/callback"] {
        let order = json!({"callbackUrl": url, "fields": {"callBackType": "NETVERIFYID"}});
        let sent = house.control(Method::POST, "callbacks", &order).await;
        assert_eq!(sent["statuses"], json!([null]), "{url}");
    }
    let page = house.running.control.journal(0);
    let why: Vec<&str> = page.entries.iter().filter_map(|entry| entry.note.failure.as_deref()).collect();
    assert_eq!(why, ["the sandbox calls loopback addresses only"; 2]);
}

#[tokio::test]
async fn a_person_may_come_to_any_end_and_jumio_says_so() {
    let house = House::start().await;
    house.control(Method::PUT, "settings", &json!({"initiatePerSecond": 100})).await;
    let receiver = Receiver::start(200).await;
    let ends = [
        ("approved", "APPROVED_VERIFIED", "DONE", Some("MATCH"), 200),
        ("fraud", "DENIED_FRAUD", "FAILED", None, 404),
        ("no-match", "APPROVED_VERIFIED", "DONE", Some("NO_MATCH"), 200),
        ("not-live", "APPROVED_VERIFIED", "DONE", Some("MATCH"), 200),
        ("approved-without-facemap", "APPROVED_VERIFIED", "DONE", Some("MATCH"), 404),
        ("abandon", "NO_ID_UPLOADED", "FAILED", None, 404),
    ];
    for (outcome, status, scan_status, similarity, facemap) in ends {
        let order = json!({"userReference": "u", "callbackUrl": receiver.url});
        let (reference, page) = house.started(&order).await;
        assert_eq!(house.pick(&page, outcome).await.status(), 200, "no URL to go back to: a page");
        let callback = receiver.take(1).await.remove(0);
        assert_eq!(field(&callback, "verificationStatus"), Some(status), "{outcome}");
        let scan = format!("/api/netverify/v2/scans/{reference}");
        let details = as_json(house.get(&format!("{scan}/data")).send().await.unwrap()).await;
        assert_eq!(details["transaction"]["status"], scan_status, "{outcome}");
        let told = &details["verification"]["identityVerification"]["similarity"];
        assert_eq!(told.as_str(), similarity, "{outcome}");
        let bytes = house.get(&format!("{scan}/data/facemap")).send().await.unwrap();
        assert_eq!(bytes.status(), facemap, "{outcome}");
    }
}

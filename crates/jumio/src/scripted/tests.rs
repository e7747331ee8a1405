use super::*;
use crate::{Journey, Rules};
use serde_json::json;
use std::time::Duration;

fn scan() -> EnrollmentRef {
    "00000000-0000-0000-0000-000000000001".parse().unwrap()
}

fn mobile() -> NewAuthentication {
    NewAuthentication {
        enrollment: scan(),
        user_reference: "ines-4711".parse().ok(),
        callback_url: None,
        journey: Journey::Mobile,
    }
}

fn facemap() -> FacemapBytes {
    FacemapBytes::new(b"face".to_vec())
}

#[tokio::test]
async fn a_facemap_is_there_until_its_scan_is_deleted() {
    let jumio = ScriptedJumio::new();
    jumio.put_scan(finished_scan(scan(), "ines-4711"), Some(b"face"));
    assert!(!jumio.facemap_is_gone(scan()).await.unwrap());
    assert_eq!(
        jumio.initiate_authentication(&mobile(), facemap()).await.unwrap_err(),
        JumioError::Refused { status: 403 }
    );
    jumio.delete_scan(scan()).await.unwrap();
    assert_eq!(jumio.facemap(scan(), None).await.unwrap_err(), JumioError::NotFound);
    assert_eq!(jumio.delete_scan(scan()).await, Err(JumioError::NotFound));
    assert!(jumio.initiate_authentication(&mobile(), facemap()).await.is_ok());
    assert_eq!(
        jumio.endpoints(),
        [
            Endpoint::FacemapIsGone,
            Endpoint::InitiateAuthentication,
            Endpoint::DeleteScan,
            Endpoint::Facemap,
            Endpoint::DeleteScan,
            Endpoint::InitiateAuthentication,
        ]
    );
}

#[tokio::test]
async fn only_the_last_authentication_of_fifteen_minutes_works() {
    let clock = model::clock::MockClock::at("2026-11-21T12:00:00Z");
    let jumio = ScriptedJumio::with_clock(Arc::new(clock.clone()));
    let first = jumio.initiate_authentication(&mobile(), facemap()).await.unwrap().reference;
    clock.advance(Duration::from_secs(899));
    let second = jumio.initiate_authentication(&mobile(), facemap()).await.unwrap().reference;
    assert_eq!(jumio.authentication(first).await.unwrap().result, AuthenticationResult::Expired);
    clock.advance(Duration::from_mins(15));
    jumio.initiate_authentication(&mobile(), facemap()).await.unwrap();
    assert_eq!(jumio.authentication(second).await.unwrap().result, AuthenticationResult::Created);
    jumio.finish(second, AuthenticationResult::Passed);
    assert_eq!(jumio.authentication(second).await.unwrap().result, AuthenticationResult::Passed);
    assert_eq!(jumio.started().len(), 3);
}

#[tokio::test]
async fn scripts_are_used_once_in_order_for_their_reference_and_then_jumio_acts() {
    let jumio = ScriptedJumio::new();
    jumio.put_scan(finished_scan(scan(), "ines-4711"), None);
    let other: EnrollmentRef = "00000000-0000-0000-0000-000000000002".parse().unwrap();
    jumio.script(Endpoint::ScanDetails, Script::refused(500).only(&other));
    jumio.script(Endpoint::ScanDetails, Script::unavailable());
    jumio.script(Endpoint::ScanDetails, Script::rate_limited(Some(Duration::from_secs(3))));
    assert!(matches!(jumio.scan_details(scan()).await, Err(JumioError::Unavailable { .. })));
    assert!(matches!(jumio.scan_details(scan()).await, Err(JumioError::RateLimited { .. })));
    assert!(jumio.scan_details(scan()).await.is_ok());
    assert_eq!(jumio.unused_scripts(), 1);
    assert_eq!(jumio.scan_details(other).await, Err(JumioError::Refused { status: 500 }));
    jumio.script(Endpoint::ScanDetails, Script::unavailable().for_ever());
    for _ in 0..3 {
        assert!(jumio.scan_details(scan()).await.is_err());
    }
    jumio.clear_scripts();
    assert!(jumio.scan_details(scan()).await.is_ok());
}

#[tokio::test]
async fn a_lost_answer_leaves_the_transaction_behind_and_a_lost_request_does_not() {
    let jumio = ScriptedJumio::new();
    jumio.script(Endpoint::InitiateAuthentication, Script::answer_lost());
    jumio.script(Endpoint::InitiateAuthentication, Script::request_lost());
    for expected in [1, 1] {
        let error = jumio.initiate_authentication(&mobile(), facemap()).await.unwrap_err();
        assert!(error.outcome_is_unknown());
        assert_eq!(jumio.started().len(), expected);
    }
}

#[tokio::test]
async fn a_held_call_is_journaled_and_waits_for_its_gate() {
    let jumio = ScriptedJumio::new();
    let (script, gate) = Script::act().held();
    jumio.script(Endpoint::InitiateAuthentication, script);
    let call = tokio::spawn({
        let jumio = jumio.clone();
        async move { jumio.initiate_authentication(&mobile(), facemap()).await }
    });
    jumio.called(Endpoint::InitiateAuthentication, 1).await;
    assert!(jumio.started().is_empty());
    gate.open();
    assert!(call.await.unwrap().is_ok());
    assert_eq!(jumio.started().len(), 1);
}

#[tokio::test]
async fn a_started_verification_is_a_pending_scan_of_its_user() {
    let jumio = ScriptedJumio::new();
    let request = NewVerification::check(&json!({"userReference": "ines-4711"}), &Rules::default()).unwrap();
    let started = jumio.initiate_verification(&request).await.unwrap();
    let details = jumio.scan_details(started.reference).await.unwrap();
    assert_eq!(details.state, ScanState::Pending);
    assert_eq!(details.user_reference.user().unwrap().as_str(), "ines-4711");
    assert_eq!(jumio.verifications().len(), 1);
}

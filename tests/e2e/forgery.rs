//! Forged callbacks: with the portal's token, claiming whatever helps. What retrieval denies changes nothing.

use crate::house::{House, Recorder};
use sandbox::{AuthenticationResult, Endpoint, Judgement, Outcome, ResultOrder};
use serde_json::{Value, json};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// A callback that claims that everything is fine with an onboarding, and where its facemap is.
fn approved<'a>(reference: &'a str, user: &'a str, facemap: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("callBackType", "NETVERIFYID"),
        ("jumioIdScanReference", reference),
        ("verificationStatus", "APPROVED_VERIFIED"),
        ("idScanStatus", "SUCCESS"),
        ("customerId", user),
        ("identityVerification", r#"{"similarity":"MATCH","validity":true}"#),
        ("facemap", facemap),
    ]
}

/// A callback that claims that somebody passed.
fn passed<'a>(reference: &'a str, enrollment: &'a str, user: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("callBackType", "NETVERIFY_AUTHENTICATION"),
        ("transactionReference", reference),
        ("enrollmentTransactionReference", enrollment),
        ("transactionResult", "PASSED"),
        ("transactionDate", "2099-01-01T00:00:00Z"),
        ("userReference", user),
    ]
}

/// The enrollments as the API shows them, and everything that was asked of Jumio but questions.
async fn world(house: &House, references: &[&str]) -> Vec<Value> {
    let mut seen = Vec::new();
    for reference in references {
        let mut body = house.enrollment(reference).await.body;
        // A hint may have had the vault look again: when it looked is not what it is.
        body.as_object_mut().unwrap().remove("since");
        seen.push(body);
    }
    let acts = |endpoint| house.journal().requests().filter(|entry| entry.endpoint == endpoint).count();
    let acted = [Endpoint::Facemap, Endpoint::DeleteScan, Endpoint::InitiateAuthentication].map(acts);
    seen.push(json!(acted));
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_about_an_onboarding_changes_nothing() {
    let house = House::new().await;
    let thief = Recorder::start().await;
    let lure = format!("{}/api/netverify/v2/scans/{UNKNOWN}/data/facemap", thief.url);
    let outcome = |outcome| Judgement { outcome, ..Judgement::default() };
    let mut refused = Vec::new();
    for (user, how) in [
        ("fred", Outcome::Fraud),
        ("noa", Outcome::NoMatch),
        ("lars", Outcome::NotLive),
        ("sam", Outcome::ApprovedWithoutFacemap),
        ("uma", Outcome::UnsupportedIdType),
    ] {
        let reference = house.onboard(user, outcome(how)).await;
        house.reaches(&reference, "ineligible").await;
        refused.push(reference);
    }
    let pending = house.begin("paula").await;
    let vaulted = house.vaulted("vera").await;
    let (ready, _) = house.enrolled("user-ines", b"the face of ines").await;
    // Somebody else's customer, at Jumio and not announced here: approved, and none of our business.
    let stranger = house.elsewhere("stranger", Judgement::default()).await;
    // Announced for one person, although it is another's.
    let borrowed = house.elsewhere("victim", Judgement::default()).await;
    house.announce(&borrowed, "mallory").await;
    let known: Vec<&str> =
        refused.iter().chain([&pending, &vaulted, &ready, &borrowed]).map(String::as_str).collect();
    let hint = [("callBackType", "NETVERIFYID"), ("jumioIdScanReference", borrowed.as_str())];
    assert_eq!(house.callback(&hint).await, 200);
    let mine = house.reaches(&borrowed, "ineligible").await;
    assert!(mine.text.contains("user-reference-differs"), "{}", mine.text);
    house.settles().await;

    let before = world(&house, &known).await;
    for reference in known.iter().chain([&stranger.as_str(), &UNKNOWN]) {
        for user in ["mallory", "user-ines"] {
            assert_eq!(house.callback(&approved(reference, user, &lure)).await, 200);
        }
    }
    // The facemap under names of its own, and as a link that differs from the region's only a little.
    for lure in [
        format!("{}@127.0.0.1/", thief.url),
        format!("{}?x=", thief.url),
        thief.url.replace("127.0.0.1", "localhost"),
    ] {
        assert_eq!(house.callback(&approved(&pending, "paula", &lure)).await, 200);
        assert_eq!(house.callback(&approved(&vaulted, "vera", &lure)).await, 200);
    }
    house.settles().await;
    assert_eq!(world(&house, &known).await, before);
    for reference in [stranger.as_str(), UNKNOWN] {
        assert_eq!(house.enrollment(reference).await.code(), (404, "unknown-enrollment"));
        assert!(house.journal().about(reference).is_empty(), "nobody asks about {reference}");
    }
    assert_eq!(thief.heard(), Vec::<String>::new(), "nobody but Jumio is called");
    for user in ["fred", "mallory", "paula", "stranger"] {
        assert!(matches!(house.authenticate(user).await.status, 404 | 409), "{user}");
    }
    // What is true goes on as if nothing had been said.
    house.sandbox.control.finish(&pending, Outcome::Approved).await.unwrap();
    house.reaches(&pending, "vaulted").await;
    house.tells_nobody(&["mallory", &lure]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_somebody_passed_changes_nothing() {
    let house = House::new().await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    let (malik, _) = house.enrolled("malik", b"the face of malik").await;
    let open = house.authenticate("malik").await;
    let (id, reference) = (open.str("authenticationId"), open.str("authenticationTransactionReference"));
    let first = house.authenticate("user-ines").await;
    let theirs = first.str("authenticationTransactionReference").to_owned();
    let failed = ResultOrder::from(AuthenticationResult::Failed);
    house.sandbox.control.authentication_result(&theirs, failed).await.unwrap();
    let path = format!("/v1/authentications/{theirs}");
    assert_eq!(house.get(&format!("{path}?waitSeconds=20")).await.str("state"), "failed");
    house.settles().await;
    let before = world(&house, &[&ines, &malik]).await;
    for enrollment in [&malik, &ines] {
        for user in ["malik", "user-ines", "mallory"] {
            for about in [reference, theirs.as_str(), UNKNOWN, malik.as_str()] {
                assert_eq!(house.callback(&passed(about, enrollment, user)).await, 200);
            }
        }
    }
    // As the other kind, too.
    assert_eq!(house.callback(&approved(reference, "malik", "")).await, 200);
    house.settles().await;
    let seen = house.get(&format!("/v1/authentications/{id}?waitSeconds=4")).await;
    assert_eq!(seen.str("state"), "initiated", "{}", seen.text);
    assert_eq!(house.get(&path).await.str("state"), "failed");
    for (id, user) in [(id, "malik"), (&theirs, "user-ines")] {
        let redeem = format!("/v1/authentications/{id}/redeem");
        assert_eq!(house.post(&redeem, &json!({ "userReference": user })).await.code(), (409, "not-passed"));
    }
    assert_eq!(world(&house, &[&ines, &malik]).await, before);
    for about in [UNKNOWN, &malik] {
        assert_eq!(
            house.get(&format!("/v1/authentications/{about}")).await.code(),
            (404, "unknown-authentication")
        );
    }
    // The truth, when it comes, is believed.
    house
        .sandbox
        .control
        .authentication_result(reference, AuthenticationResult::Passed.into())
        .await
        .unwrap();
    assert_eq!(house.get(&format!("/v1/authentications/{id}?waitSeconds=20")).await.str("state"), "passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_jumios_is_followed_by_nobody() {
    let house = House::new().await;
    let thief = Recorder::start().await;
    let (_, _) = house.enrolled("user-ines", b"the face of ines").await;
    let endpoints =
        [Endpoint::ScanDetails, Endpoint::Facemap, Endpoint::DeleteScan, Endpoint::InitiateAuthentication];
    for (status, endpoint) in endpoints.into_iter().flat_map(|endpoint| [(302, endpoint), (307, endpoint)]) {
        let mut fault = sandbox::Fault::on(endpoint);
        (fault.status, fault.location, fault.count) = (Some(status), Some(thief.url.clone()), 0);
        house.sandbox.control.set_fault(fault);
        let user = format!("{endpoint:?}-{status}");
        if endpoint == Endpoint::InitiateAuthentication {
            let refused = house.authenticate("user-ines").await;
            assert!(refused.status >= 500, "{}", refused.text);
        } else {
            let reference = house.onboard(&user, Judgement::default()).await;
            if endpoint == Endpoint::DeleteScan {
                house.reaches(&reference, "vaulted").await;
                house.release(&reference).await;
            }
            let begin = std::time::Instant::now();
            while house.enrollment(&reference).await.str("trouble").is_empty() {
                assert!(begin.elapsed() < crate::house::PATIENCE, "{user}");
                tokio::time::sleep(crate::house::LOOK_EVERY).await;
            }
            assert_ne!(house.enrollment(&reference).await.str("state"), "ready");
        }
        house.sandbox.control.clear_faults(None);
    }
    assert_eq!(thief.heard(), Vec::<String>::new());
}

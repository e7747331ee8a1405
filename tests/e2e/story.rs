//! The main job, as the company, the person and Jumio see it.

use crate::house::{House, Role, at, time};
use sandbox::{AuthenticationResult, Endpoint, Judgement, NewVerification, Outcome, ResultOrder};
use serde_json::json;

const OK_URL: &str = "https://www.example.com/ok";
const SORRY_URL: &str = "https://www.example.com/sorry";

#[tokio::test(flavor = "multi_thread")]
async fn from_onboarding_to_a_redeemed_result() {
    let house = House::new().await;
    let ines = house.vaulted("user-ines").await;
    let early = house.authenticate("user-ines").await;
    assert_eq!(early.code(), (409, "awaiting-release"));
    house.release(&ines).await;
    let ready = house.reaches(&ines, "ready").await;
    assert_eq!(ready.body["current"], true);
    assert_eq!(ready.body["facemapBytes"], 204_800);
    assert_eq!(ready.body["origin"], "started");

    // In a browser.
    let body = json!({ "userReference": "user-ines", "channel": "web", "requestReference": "payment-1",
                       "successUrl": OK_URL, "errorUrl": SORRY_URL, "locale": "de" });
    let web = house.post("/v1/authentications", &body).await;
    assert_eq!((web.status, &web.body["deduplicated"]), (201, &json!(false)), "{}", web.text);
    assert!(web.str("redirectUrl").starts_with(&house.sandbox.base_url));
    let again = house.post("/v1/authentications", &body).await;
    assert_eq!((again.status, &again.body["deduplicated"]), (200, &json!(true)));
    assert_eq!(again.str("authenticationId"), web.str("authenticationId"));
    let id = web.str("authenticationId").to_owned();
    passes(&house, web.str("authenticationTransactionReference")).await;
    let result = house.get(&format!("/v1/authentications/{id}?waitSeconds=20")).await;
    assert_eq!(result.str("state"), "passed");
    let redeem = json!({ "userReference": "user-ines", "requestReference": "payment-1" });
    let path = format!("/v1/authentications/{id}/redeem");
    assert_eq!(house.post(&path, &json!({ "userReference": "malik" })).await.status, 404);
    let other = json!({ "userReference": "user-ines", "requestReference": "payment-2" });
    assert_eq!(house.post(&path, &other).await.code(), (409, "request-reference-differs"));
    assert_eq!(house.post(&path, &redeem).await.status, 200);
    assert_eq!(house.post(&path, &redeem).await.code(), (409, "already-redeemed"));

    // In the app, and it is not her.
    let mobile = house.authenticate("user-ines").await;
    assert_eq!(mobile.status, 201, "a final result ends the window: {}", mobile.text);
    assert!(mobile.body["redirectUrl"].is_null());
    let reference = mobile.str("authenticationTransactionReference");
    let failed = ResultOrder::from(AuthenticationResult::Failed);
    house.sandbox.control.authentication_result(reference, failed).await.unwrap();
    let result = house.get(&format!("/v1/authentications/{reference}?waitSeconds=20")).await;
    assert_eq!(result.str("state"), "failed");
    let path = format!("/v1/authentications/{reference}/redeem");
    assert_eq!(house.post(&path, &json!({ "userReference": "user-ines" })).await.code(), (409, "not-passed"));
    house.tells_nobody(&["user-ines", "payment-1", &web.str("redirectUrl")[house.sandbox.base_url.len()..]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_comes_after_the_one_it_depends_on() {
    let house = House::new().await;
    let (ines, digest) = house.enrolled("user-ines", b"the face of ines").await;
    let seen = house.enrollment(&ines).await;
    let first_use = house.authenticate("user-ines").await;
    assert_eq!(first_use.status, 201);

    let journal = house.journal();
    let entry = |endpoint, status| journal.first(&ines, endpoint, status).unwrap();
    let details = entry(Endpoint::ScanDetails, 200);
    let facemap = entry(Endpoint::Facemap, 200);
    let deletion = entry(Endpoint::DeleteScan, 200);
    let gone = entry(Endpoint::Facemap, 404);
    let used = entry(Endpoint::InitiateAuthentication, 200);
    let order = [details, facemap, deletion, gone, used].map(|entry| entry.seq);
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(used.note.facemap_digest.as_deref(), Some(digest.as_str()));
    for endpoint in [Endpoint::DeleteScan, Endpoint::InitiateAuthentication] {
        assert_eq!(journal.count(&ines, endpoint), 1, "{endpoint:?}");
    }
    let moment = |field: &str| time(seen.str(field));
    let times = [at(facemap), moment("vaultedAt"), moment("releasedAt"), at(deletion), at(gone)];
    assert!(times.is_sorted(), "{times:?}");
    let times = [at(gone), moment("originalDeletedAt"), time(first_use.str("createdAt")), at(used)];
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_released_stays_at_jumio() {
    let house = House::new().await;
    let ines = house.vaulted("user-ines").await;
    house.settles().await;
    assert_eq!(house.journal().count(&ines, Endpoint::DeleteScan), 0);
    assert!(house.sandbox.control.state(10)["verifications"][0]["facemapHeld"].as_bool().unwrap());
    // The same after a restart.
    let mut house = house;
    house.stop().await;
    house.start().await;
    house.settles().await;
    assert_eq!(house.enrollment(&ines).await.str("state"), "vaulted");
    assert_eq!(house.journal().count(&ines, Endpoint::DeleteScan), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_meet_the_conditions_is_told_which_and_nothing_is_fetched() {
    let house = House::new().await;
    let people = [
        ("fred", Outcome::Fraud, "verification-status"),
        ("noa", Outcome::NoMatch, "similarity"),
        ("lars", Outcome::NotLive, "validity"),
        ("sam", Outcome::ApprovedWithoutFacemap, "facemap-missing"),
    ];
    for (user, outcome, reason) in people {
        let reference = house.onboard(user, Judgement { outcome, ..Judgement::default() }).await;
        let seen = house.reaches(&reference, "ineligible").await;
        assert!(seen.body["reasons"].to_string().contains(reason), "{user}: {}", seen.text);
        let released = house.post(&format!("/v1/enrollments/{reference}/release"), &json!({})).await;
        assert_eq!(released.code(), (409, "not-eligible"), "{user}");
        assert_eq!(house.authenticate(user).await.code(), (409, "not-eligible"), "{user}");
        let journal = house.journal();
        for endpoint in [Endpoint::Facemap, Endpoint::DeleteScan, Endpoint::InitiateAuthentication] {
            assert_eq!(journal.count(&reference, endpoint), 0, "{user} {endpoint:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_never_comes_is_made_up_for_by_polling() {
    let schedule =
        [("INGEST__POLL_SCHEDULE_SECONDS", "1,2,3,4,5"), ("REAUTH__RESULT_POLL_SECONDS", "1,2,3,4")];
    let house = House::with(&schedule).await;
    // One that was started here, one that was announced.
    let started = house.begin("user-ines").await;
    let quiet = || Judgement { send_callback: false, ..Judgement::default() };
    house.sandbox.control.finish_verification(&started, quiet()).await.unwrap();
    let announced = house.elsewhere("malik", quiet()).await;
    assert_eq!(house.announce(&announced, "malik").await.status, 202);
    for reference in [&started, &announced] {
        house.reaches(reference, "vaulted").await;
    }
    house.release(&started).await;
    house.reaches(&started, "ready").await;
    let authentication = house.authenticate("user-ines").await;
    let order = ResultOrder { send_callback: false, ..AuthenticationResult::Passed.into() };
    let reference = authentication.str("authenticationTransactionReference");
    house.sandbox.control.authentication_result(reference, order).await.unwrap();
    let path = format!("/v1/authentications/{reference}");
    let begin = std::time::Instant::now();
    // Without waitSeconds, which would ask by itself.
    while house.get(&path).await.str("state") != "passed" {
        assert!(begin.elapsed() < crate::house::PATIENCE);
        tokio::time::sleep(crate::house::LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_before_the_announcement_is_foreign_and_then_it_is_ours() {
    let house = House::new().await;
    let new = NewVerification {
        user_reference: Some("user-ines".to_owned()),
        callback_url: Some(house.portal()),
        ..NewVerification::default()
    };
    let finished = house.sandbox.control.add_verification(new).await.unwrap();
    assert_eq!(finished.callback_status, Some(200));
    let reference = finished.transaction_reference;
    house.wait_for("foreign callback", |status| status["callbacks"]["foreign"]["count"] == 1).await;
    assert_eq!(house.enrollment(&reference).await.code(), (404, "unknown-enrollment"));
    assert_eq!(house.journal().about(&reference).len(), 0, "nothing is asked about a stranger's transaction");
    assert_eq!(house.announce(&reference, "user-ines").await.status, 202);
    house.reaches(&reference, "vaulted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_wherever_it_was() {
    let mut house = House::new().await;
    let waiting = house.begin("user-ines").await;
    house.stop().await;
    // Jumio's callback meets nobody; its repetition comes after the start.
    let finished = house.sandbox.control.finish_verification(&waiting, Judgement::default()).await.unwrap();
    assert_eq!(finished.callback_status, None);
    house.start().await;
    let form = [("callBackType", "NETVERIFYID"), ("jumioIdScanReference", &waiting)];
    assert_eq!(house.callback(&form).await, 200);
    house.reaches(&waiting, "vaulted").await;
    house.stop().await;
    house.start().await;
    house.release(&waiting).await;
    house.reaches(&waiting, "ready").await;
    house.stop().await;
    house.start().await;
    let open = house.authenticate("user-ines").await;
    assert_eq!(open.status, 201);
    house.stop().await;
    house.start().await;
    let again = house.authenticate("user-ines").await;
    assert_eq!((again.status, &again.body["deduplicated"]), (200, &json!(true)));
    passes(&house, open.str("authenticationTransactionReference")).await;
    let path = format!("/v1/authentications/{}", open.str("authenticationId"));
    assert_eq!(house.get(&format!("{path}?waitSeconds=20")).await.str("state"), "passed");
    house.stop().await;
    house.start().await;
    let redeemed = house.post(&format!("{path}/redeem"), &json!({ "userReference": "user-ines" })).await;
    assert_eq!(redeemed.status, 200);
    assert_eq!(house.journal().count(&waiting, Endpoint::InitiateAuthentication), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_onboarding_of_a_user_replaces_nobody_by_itself() {
    let house = House::new().await;
    let (first, _) = house.enrolled("user-ines", b"the face of ines").await;
    let second = house.vaulted("user-ines").await;
    let path = format!("/v1/enrollments/{second}/release");
    assert_eq!(house.post(&path, &json!({})).await.code(), (409, "replacement-needs-proof"));
    let named = json!({ "replaces": first });
    assert_eq!(house.post(&path, &named).await.code(), (409, "replacement-needs-proof"), "no PASSED yet");
    house.settles().await;
    assert_eq!(house.journal().count(&second, Endpoint::DeleteScan), 0);
    assert_eq!(house.enrollment(&first).await.body["current"], true);
    assert_eq!(house.post_as(Role::Admin, &path, &named).await.status, 200);
    assert_eq!(house.reaches(&second, "ready").await.body["current"], true);
    assert_eq!(house.enrollment(&first).await.body["current"], false);
}

async fn passes(house: &House, reference: &str) {
    let order = ResultOrder::from(AuthenticationResult::Passed);
    let (result, answered) = house.sandbox.control.authentication_result(reference, order).await.unwrap();
    assert_eq!((result, answered), (AuthenticationResult::Passed, Some(200)));
}

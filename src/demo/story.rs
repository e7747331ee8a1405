//! The story itself: onboarding, vaulting, release, deletion at Jumio, re-authentication, and what a forger gets.

use super::{
    Stage,
    backend::Answer,
    claims, end, journal, links,
    tell::{Tell, say},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sandbox::{AuthenticationResult, Endpoint, Judgement, Outcome, ResultOrder};
use serde_json::json;

/// Bytes of the facemaps in this story.
const FACEMAP_BYTES: usize = 200 * 1024;
/// Requests that ask for the same person at the same moment.
const AT_ONCE: usize = 20;
/// What every facemap of this story begins with: what a thief would look for on the disk.
const MARKER: &[u8] = b"THIS-IS-A-FACE-IN-CLEAR-";

/// Who is onboarded, and how it ends.
const PEOPLE: [(&str, Outcome, &str); 6] = [
    ("customer-ines", Outcome::Approved, "approved, same face, alive"),
    ("customer-malik", Outcome::Approved, "approved, same face, alive"),
    ("customer-fred", Outcome::Fraud, "fraud"),
    ("customer-noa", Outcome::NoMatch, "the face is not the document's"),
    ("customer-lars", Outcome::NotLive, "not a living person"),
    ("customer-sam", Outcome::ApprovedWithoutFacemap, "approved, but a selfie was uploaded: no facemap"),
];

pub(super) async fn tell(stage: &Stage, callback_url: &str, tell: &mut Tell) -> Result<(), String> {
    println!("facemap-vault {}: the whole story, with a simulated Jumio.", env!("CARGO_PKG_VERSION"));
    let references = onboard(stage, tell).await?;
    let (ines, malik) = (&references[0], &references[1]);
    release(stage, tell, ines, malik).await?;
    on_disk(stage, tell)?;
    let authentication = on_the_web(stage, tell, ines).await?;
    in_the_app(stage, tell, malik).await?;
    links::by_mail(stage, tell, malik).await?;
    forge(stage, callback_url, tell, &references, &authentication).await?;
    again(stage, tell, ines).await?;
    end::tell(stage, tell, malik).await
}

async fn onboard(stage: &Stage, tell: &mut Tell) -> Result<Vec<String>, String> {
    tell.chapter("Six people are onboarded at Jumio, started through the vault");
    let mut references = Vec::new();
    for (n, (name, outcome, how)) in PEOPLE.into_iter().enumerate() {
        let body = json!({ "userReference": name, "workflowId": 201 });
        let started = stage.backend.post("/v1/verifications", &body).await?;
        tell.check(started.status == 201, &format!("{name} is sent to Jumio's page"));
        let reference = started.text("transactionReference").to_owned();
        let mut facemap = MARKER.repeat(FACEMAP_BYTES / MARKER.len());
        facemap.push(u8::try_from(n).unwrap_or_default());
        let mut judgement = Judgement { outcome, ..Judgement::default() };
        if outcome == Outcome::Approved {
            judgement.facemap = Some(BASE64_STANDARD.encode(facemap));
        }
        let finished = stage.sandbox.control.finish_verification(&reference, judgement).await;
        finished.map_err(|error| error.to_string())?;
        say(&format!("{name} finishes: {how}. Jumio calls the vault back."));
        references.push(reference);
    }
    tell.chapter("The vault asks Jumio itself what is true, and fetches what may be kept");
    for (reference, (name, outcome, _)) in references.iter().zip(PEOPLE) {
        let wanted = if outcome == Outcome::Approved { "vaulted" } else { "ineligible" };
        let seen = stage.backend.wait_for_state(reference, wanted).await?;
        let reasons = if outcome == Outcome::Approved {
            format!("{} bytes, encrypted", seen.body["facemapBytes"])
        } else {
            seen.body["reasons"].to_string()
        };
        tell.check(seen.text("state") == wanted, &format!("{name} is {wanted} ({reasons})"));
    }
    Ok(references)
}

async fn release(stage: &Stage, tell: &mut Tell, ines: &str, malik: &str) -> Result<(), String> {
    tell.chapter("No facemap is used while the original is still at Jumio");
    let early = stage
        .backend
        .post("/v1/authentications", &json!({ "userReference": "customer-ines", "channel": "web" }))
        .await?;
    tell.check(
        (early.status, early.text("code")) == (409, "awaiting-release"),
        "a re-authentication of ines is refused: 409 awaiting-release",
    );
    tell.chapter("The company has what it needs and releases; the original is deleted at Jumio");
    for (name, reference) in [("customer-ines", ines), ("customer-malik", malik)] {
        let released =
            stage.backend.post(&format!("/v1/enrollments/{reference}/release"), &json!({})).await?;
        tell.check(released.status == 200, &format!("{name} is released"));
        let ready = stage.backend.wait_for_state(reference, "ready").await?;
        tell.check(ready.text("state") == "ready", &format!("{name} is ready"));
    }
    let at = |endpoint, status| journal::position(&stage.sandbox, ines, endpoint, status);
    let order = [
        at(Endpoint::ScanDetails, 200),
        at(Endpoint::Facemap, 200),
        at(Endpoint::DeleteScan, 200),
        at(Endpoint::Facemap, 404),
    ];
    tell.check(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "Jumio's journal: details, facemap, then DELETE, then the facemap is gone (404), in this order",
    );
    let first_use = at(Endpoint::InitiateAuthentication, 200);
    tell.check(first_use.is_none(), "and until now the facemap was not used once");
    Ok(())
}

fn on_disk(stage: &Stage, tell: &mut Tell) -> Result<(), String> {
    tell.chapter("What a thief of the disk would find");
    let encoded = BASE64_STANDARD.encode(MARKER);
    let needles: [&[u8]; 3] = [MARKER, encoded.as_bytes(), b"customer-ines"];
    let (looked_at, found) = claims::files_with(&stage.dir, &needles).map_err(|error| error.to_string())?;
    tell.check(
        looked_at > 5 && found.is_empty(),
        &format!("none of the vault's {looked_at} files holds a facemap in clear or base64, or the reference of ines"),
    );
    Ok(())
}

async fn on_the_web(stage: &Stage, tell: &mut Tell, ines: &str) -> Result<String, String> {
    tell.chapter("ines comes back, in a browser");
    let body = json!({
        "userReference": "customer-ines", "channel": "web", "requestReference": "payment-4711",
        "successUrl": "https://www.example.com/ok", "errorUrl": "https://www.example.com/sorry",
    });
    let first = stage.backend.post("/v1/authentications", &body).await?;
    tell.check(first.status == 201, "the vault hands out a link of Jumio's that lives for 15 minutes");
    say(first.text("redirectUrl"));
    let id = first.text("authenticationId").to_owned();
    let asked = futures_util::future::join_all(
        (0..AT_ONCE).map(|_| stage.backend.post("/v1/authentications", &body)),
    );
    let answers: Vec<Answer> = asked.await.into_iter().collect::<Result<_, _>>()?;
    let same = answers
        .iter()
        .all(|a| a.status == 200 && a.text("authenticationId") == id && a.body["deduplicated"] == true);
    tell.check(same, &format!("{AT_ONCE} more requests within the window get the same one: deduplicated"));
    let posts = journal::count(&stage.sandbox, Endpoint::InitiateAuthentication, ines);
    tell.check(posts == 1, "Jumio saw one transaction, not more");
    let other =
        json!({ "userReference": "customer-ines", "channel": "web", "requestReference": "payment-4712" });
    let other = stage.backend.post("/v1/authentications", &other).await?;
    tell.check(
        (other.status, other.text("code")) == (409, "authentication-open"),
        &format!("a request with other parameters is told what differs: {}", other.body["differs"]),
    );
    let reference = first.text("authenticationTransactionReference");
    let order = ResultOrder::from(AuthenticationResult::Passed);
    stage.sandbox.control.authentication_result(reference, order).await.map_err(|error| error.to_string())?;
    say("ines looks into the camera.");
    let seen = stage.backend.get(&format!("/v1/authentications/{id}?waitSeconds=20")).await?;
    tell.check(seen.text("state") == "passed", "the result, confirmed by asking Jumio: passed");
    let redeem = json!({ "userReference": "customer-ines", "requestReference": "payment-4711" });
    let once = stage.backend.post(&format!("/v1/authentications/{id}/redeem"), &redeem).await?;
    let twice = stage.backend.post(&format!("/v1/authentications/{id}/redeem"), &redeem).await?;
    tell.check(
        once.status == 200 && (twice.status, twice.text("code")) == (409, "already-redeemed"),
        "the company accepts the result once; a second time is refused",
    );
    Ok(id)
}

async fn in_the_app(stage: &Stage, tell: &mut Tell, malik: &str) -> Result<(), String> {
    tell.chapter("malik comes back, in the company's app; but it is not malik");
    let body = json!({ "userReference": "customer-malik", "channel": "mobile", "enrollmentTransactionReference": malik });
    let started = stage.backend.post("/v1/authentications", &body).await?;
    tell.check(
        started.status == 201 && started.body["redirectUrl"].is_null(),
        "the vault hands out a reference for Jumio's SDK, and no link",
    );
    let reference = started.text("authenticationTransactionReference");
    let order = ResultOrder::from(AuthenticationResult::Failed);
    stage.sandbox.control.authentication_result(reference, order).await.map_err(|error| error.to_string())?;
    let id = started.text("authenticationId");
    let seen = stage.backend.get(&format!("/v1/authentications/{id}?waitSeconds=20")).await?;
    tell.check(seen.text("state") == "failed", "the result: failed");
    let redeem = json!({ "userReference": "customer-malik" });
    let refused = stage.backend.post(&format!("/v1/authentications/{id}/redeem"), &redeem).await?;
    tell.check((refused.status, refused.text("code")) == (409, "not-passed"), "and it cannot be redeemed");
    Ok(())
}

async fn forge(
    stage: &Stage,
    callback_url: &str,
    tell: &mut Tell,
    references: &[String],
    passed: &str,
) -> Result<(), String> {
    tell.chapter("Somebody forges callbacks");
    let fred = &references[2];
    let without = format!("http://{}/callbacks/jumio", stage.public);
    let refused = stage.backend.post_form(&without, claims::approved(fred, "customer-fred")).await?;
    tell.check(refused == 404, "without the token: 404");
    let stored = stage.backend.post_form(callback_url, claims::approved(fred, "customer-fred")).await?;
    tell.check(stored == 200, "with a stolen token: 200, for it is only a hint");
    let open = stage
        .backend
        .post("/v1/authentications", &json!({ "userReference": "customer-malik", "channel": "web" }))
        .await?;
    let reference = open.text("authenticationTransactionReference");
    let forged = stage.backend.post_form(callback_url, claims::passed(reference, &references[1])).await?;
    tell.check(forged == 200, "also one that claims that malik passed");
    let id = open.text("authenticationId");
    let seen = stage.backend.get(&format!("/v1/authentications/{id}?waitSeconds=4")).await?;
    tell.check(seen.text("state") == "initiated", "malik has not passed: Jumio, asked, says otherwise");
    let fred = stage.backend.get(&format!("/v1/enrollments/{fred}")).await?;
    tell.check(fred.text("state") == "ineligible", "fred is still ineligible");
    let ines = stage.backend.get(&format!("/v1/authentications/{passed}")).await?;
    tell.check(ines.text("state") == "passed", "and what ines did stays as it was");
    Ok(())
}

async fn again(stage: &Stage, tell: &mut Tell, ines: &str) -> Result<(), String> {
    tell.chapter("A second onboarding in the reference of ines does not take her place");
    let body = json!({ "userReference": "customer-ines", "workflowId": 201 });
    let started = stage.backend.post("/v1/verifications", &body).await?;
    let second = started.text("transactionReference").to_owned();
    let finished = stage.sandbox.control.finish_verification(&second, Judgement::default()).await;
    finished.map_err(|error| error.to_string())?;
    let seen = stage.backend.wait_for_state(&second, "vaulted").await?;
    tell.check(seen.text("state") == "vaulted", "it is vaulted, and waits");
    let refused = stage.backend.post(&format!("/v1/enrollments/{second}/release"), &json!({})).await?;
    tell.check(
        (refused.status, refused.text("code")) == (409, "replacement-needs-proof"),
        "releasing it just like that is refused: 409 replacement-needs-proof",
    );
    let first = stage.backend.get(&format!("/v1/enrollments/{ines}")).await?;
    tell.check(first.body["current"] == true, "her first enrollment is still the current one");
    let body = json!({ "replaces": ines });
    let replaced = stage.backend.post(&format!("/v1/enrollments/{second}/release"), &body).await?;
    tell.check(
        replaced.status == 200,
        "having passed against the old one within 24 hours, she may replace it",
    );
    let ready = stage.backend.wait_for_state(&second, "ready").await?;
    tell.check(
        ready.text("state") == "ready" && ready.body["current"] == true,
        "and then the new one is the current one",
    );
    let requests = journal::requests(&stage.sandbox, &second);
    let deleted = requests.iter().filter(|(endpoint, _)| *endpoint == Endpoint::DeleteScan).count();
    tell.check(deleted == 1, "whose original was deleted at Jumio, once");
    Ok(())
}

//! Links as the company that sends them, the person who gets one, and a mail scanner see them.

use crate::house::{Answer, House, Role};
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use sandbox::{AuthenticationResult, Endpoint, ResultOrder};
use serde_json::{Value, json};
use std::time::Duration;

const OK_URL: &str = "https://www.example.com/ok";

async fn made(house: &House, more: Value) -> (String, String) {
    let mut body = json!({ "userReference": "user-ines", "purpose": "Confirm <your> transfer" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = house.post("/v1/links", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    (made.str("linkId").to_owned(), made.str("url").to_owned())
}

/// Somebody who can be re-authenticated.
async fn with_ines(settings: &[(&str, &str)]) -> (House, String) {
    let house = House::with(settings).await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    (house, ines)
}

/// A browser's request from our own page.
fn pressing(house: &House, url: &str) -> RequestBuilder {
    let request = house.http.post(url).header("Sec-Fetch-Site", "same-origin").header("Origin", "null");
    request.header("Content-Type", "application/x-www-form-urlencoded").body("")
}

async fn open(house: &House, url: &str) -> Answer {
    house.ask(Role::Nobody, house.http.get(url)).await
}

async fn press(house: &House, url: &str) -> Answer {
    house.ask(Role::Nobody, pressing(house, url)).await
}

async fn state(house: &House, id: &str) -> String {
    house.get(&format!("/v1/links/{id}")).await.str("state").to_owned()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Everything of an answer but the time.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.text.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_link_in_a_mail_to_a_redeemed_result() {
    let (house, ines) = with_ines(&[("LINKS__BRAND_NAME", "Example & Sons")]).await;
    let more = json!({ "requestReference": "payment-1", "successUrl": OK_URL });
    let (id, url) = made(&house, more).await;
    assert!(url.starts_with(&house.public("/r/")), "{url}");

    // A scanner opens everything in the mail, a hundred times.
    for _ in 0..100 {
        let page = open(&house, &url).await;
        assert_eq!((page.status, page.text.contains("Confirm &lt;your&gt; transfer")), (200, true));
        let head = house.http.head(&url).send().await.unwrap();
        assert_eq!(head.status(), 200);
        assert_eq!(head.text().await.unwrap(), "");
    }
    assert_eq!(house.journal().count(&ines, Endpoint::InitiateAuthentication), 0);
    assert_eq!(state(&house, &id).await, "open");

    // Two at once.
    let (one, two) = tokio::join!(press(&house, &url), press(&house, &url));
    for pressed in [&one, &two] {
        assert_eq!(pressed.status, 303, "{}", pressed.text);
        assert!(header(&pressed.headers, "location").starts_with(&house.sandbox.base_url));
        assert_eq!(header(&pressed.headers, "referrer-policy"), "no-referrer");
        assert_eq!(header(&pressed.headers, "cache-control"), "no-store");
    }
    assert_eq!(header(&one.headers, "location"), header(&two.headers, "location"));
    assert_eq!(house.journal().count(&ines, Endpoint::InitiateAuthentication), 1);
    let link = house.get(&format!("/v1/links/{id}")).await;
    assert_eq!((link.str("state"), link.str("url")), ("pressed", url.as_str()));
    let authentication = link.body["authentications"][0]["authenticationId"].as_str().unwrap().to_owned();

    let view = house.get(&format!("/v1/authentications/{authentication}")).await;
    let reference = view.str("authenticationTransactionReference").to_owned();
    let passed = ResultOrder::from(AuthenticationResult::Passed);
    house.sandbox.control.authentication_result(&reference, passed).await.unwrap();
    house.get(&format!("/v1/authentications/{authentication}?waitSeconds=20")).await;
    let path = format!("/v1/authentications/{authentication}/redeem");
    let redeem = json!({ "userReference": "user-ines", "requestReference": "payment-1" });
    assert_eq!(house.post(&path, &redeem).await.status, 200);
    assert_eq!(state(&house, &id).await, "completed");
    assert_eq!((open(&house, &url).await.status, press(&house, &url).await.status), (404, 404));
    assert_eq!(house.journal().count(&ines, Endpoint::InitiateAuthentication), 1);
    house.tells_nobody(&["user-ines", "payment-1", "transfer", url.rsplit('/').next().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_cannot_be_used_is_one_and_the_same_page() {
    let (house, ines) = with_ines(&[]).await;
    let (_, used) = made(&house, json!({})).await;
    let pressed = press(&house, &used).await;
    assert_eq!(pressed.status, 303);
    let list = house.get("/v1/authentications?userReference=user-ines").await;
    let first = &list.body["items"][0];
    let passed = ResultOrder::from(AuthenticationResult::Passed);
    let reference = first["authenticationTransactionReference"].as_str().unwrap();
    house.sandbox.control.authentication_result(reference, passed).await.unwrap();
    let id = first["authenticationId"].as_str().unwrap();
    assert_eq!(house.get(&format!("/v1/authentications/{id}?waitSeconds=20")).await.str("state"), "passed");
    // Their languages differ; the page must not.
    let soon = house.sandbox.control.now() + Duration::from_millis(1500);
    let (_, expired) = made(&house, json!({ "expiresAt": soon.to_string(), "locale": "fr" })).await;
    let (withdrawn_id, withdrawn) = made(&house, json!({ "locale": "de" })).await;
    let (_, purged) = made(&house, json!({ "locale": "es" })).await;
    assert!(open(&house, &withdrawn).await.text.contains("lang=\"de\""));
    let path = house.api(&format!("/v1/links/{withdrawn_id}"));
    let answer = house.ask(Role::App, house.http.delete(path)).await;
    assert_eq!((answer.status, answer.str("state")), (200, "withdrawn"));
    let path = format!("/v1/enrollments/{ines}?reason=erasure-request");
    assert_eq!(open(&house, &purged).await.status, 200);
    // A person of her own for the expired one, so that it is not the purge that ends it.
    tokio::time::sleep(Duration::from_millis(1600)).await;
    let unknown = house.public("/r/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let short = house.public("/r/x");
    let mut pages = Vec::new();
    for url in [&unknown, &short, &used, &expired, &withdrawn] {
        pages.push((open(&house, url).await, press(&house, url).await));
    }
    assert_eq!(house.ask(Role::Admin, house.http.delete(house.api(&path))).await.status, 200);
    for url in [&purged, &used, &expired, &withdrawn] {
        pages.push((open(&house, url).await, press(&house, url).await));
    }
    let first = seen(&pages[0].0);
    assert_eq!(first.0, 404);
    assert!(first.2.contains("<h1>This link cannot be used</h1>"), "{}", first.2);
    for (opened, pressed) in &pages {
        assert_eq!(seen(opened), first);
        assert_eq!(seen(pressed), first);
    }
    assert_eq!(house.get(&format!("/v1/links/{withdrawn_id}")).await.code(), (404, "unknown-link"));
    assert_eq!(house.journal().count(&ines, Endpoint::InitiateAuthentication), 1);
    let german =
        house.ask(Role::Nobody, house.http.get(&unknown).header("Accept-Language", "de-AT, en;q=0.5"));
    assert!(german.await.text.contains("Dieser Link kann nicht benutzt werden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lets_nobody_frame_script_or_redirect_it() {
    let (house, _) = with_ines(&[("REAUTH__ALLOWED_REDIRECT_HOSTS", "www.example.com")]).await;
    let (_, url) = made(&house, json!({ "successUrl": OK_URL, "locale": "en-GB" })).await;
    let page = open(&house, &url).await;
    let policy = header(&page.headers, "content-security-policy");
    let form = format!(
        "form-action 'self' https://netverify.com https://*.netverify.com https://*.jumio.com {} \
         https://www.example.com;",
        house.sandbox.base_url
    );
    for part in
        ["default-src 'none';", &form, "base-uri 'none';", "frame-ancestors 'none'", "style-src 'sha256-"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-robots-tag", "noindex, nofollow"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(header(&page.headers, name), value, "{name}");
    }
    assert!(page.headers.get("set-cookie").is_none());
    assert!(
        !page.text.contains("<script") && !page.text.contains("http://") && !page.text.contains("https://")
    );
    assert!(!page.text.contains(url.rsplit('/').next().unwrap()), "the token is not in the page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_page_leads_to_ours_first() {
    let (house, ines) = with_ines(&[]).await;
    let (_, url) = made(&house, json!({})).await;
    let foreign =
        |name: &'static str, value: &'static str| house.http.post(&url).header(name, value).body("");
    for request in [
        foreign("Sec-Fetch-Site", "cross-site"),
        foreign("Sec-Fetch-Site", "same-site"),
        foreign("Origin", "https://evil.example"),
        foreign("Origin", "null").header("Sec-Fetch-Site", "cross-site"),
    ] {
        let answer = house.ask(Role::Nobody, request).await;
        assert_eq!((answer.status, header(&answer.headers, "location")), (303, "?"));
    }
    let long = house.http.post(&url).body("x".repeat(2000));
    assert_eq!(house.ask(Role::Nobody, long).await.status, 413);
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        let answer = house.ask(Role::Nobody, house.http.request(method.clone(), &url)).await;
        assert_eq!(answer.status, 404, "{method}");
    }
    assert_eq!(house.ask(Role::Nobody, house.http.get(format!("{url}/x"))).await.status, 404);
    assert_eq!(house.journal().count(&ines, Endpoint::InitiateAuthentication), 0);
    // An old browser that says nothing about where it comes from, and one with its own origin.
    let own = house.public("").trim_end_matches('/').to_owned();
    for request in [house.http.post(&url).body(""), house.http.post(&url).header("Origin", own).body("")] {
        assert_eq!(house.ask(Role::Nobody, request).await.status, 303);
    }
    assert_eq!(house.journal().count(&ines, Endpoint::InitiateAuthentication), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_jumio_is_away_the_page_says_come_again_and_goes_back_by_itself() {
    let (house, _) = with_ines(&[("REAUTH__WAIT_SECONDS", "1")]).await;
    let (_, url) = made(&house, json!({ "locale": "de" })).await;
    let mut fault = sandbox::Fault::on(Endpoint::InitiateAuthentication);
    (fault.status, fault.count) = (Some(429), 1);
    house.sandbox.control.set_fault(fault);
    let busy = press(&house, &url).await;
    assert_eq!(busy.status, 503, "{}", busy.text);
    let seconds: u64 = header(&busy.headers, "retry-after").parse().unwrap();
    assert!((1..=120).contains(&seconds), "{seconds}");
    let refresh = format!("http-equiv=\"refresh\" content=\"{seconds}; url=?\"");
    assert!(busy.text.contains(&refresh) && busy.text.contains("lang=\"de\""), "{}", busy.text);
    assert!(!busy.text.contains("<form"), "it leads back to the question");
    assert_eq!(open(&house, &format!("{url}?")).await.status, 200);
    let asked = |entry: &&sandbox::Entry| entry.endpoint == Endpoint::InitiateAuthentication;
    assert_eq!(house.journal().requests().filter(asked).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_attempts_are_refused_on_every_channel_until_an_operator_forgives_them() {
    let (house, _) = with_ines(&[("REAUTH__MAX_ATTEMPTS", "2")]).await;
    let (_, url) = made(&house, json!({})).await;
    for round in 0..2 {
        assert_eq!(press(&house, &url).await.status, 303, "{round}");
        let list = house.get("/v1/authentications?userReference=user-ines").await;
        let newest = list.body["items"].as_array().unwrap().last().unwrap().clone();
        let failed = ResultOrder::from(AuthenticationResult::Failed);
        let reference = newest["authenticationTransactionReference"].as_str().unwrap();
        house.sandbox.control.authentication_result(reference, failed).await.unwrap();
        let id = newest["authenticationId"].as_str().unwrap();
        house.get(&format!("/v1/authentications/{id}?waitSeconds=20")).await;
    }
    let refused = house.authenticate("user-ines").await;
    assert_eq!(refused.code(), (429, "too-many-attempts"));
    let wait: u64 = header(&refused.headers, "retry-after").parse().unwrap();
    assert!(wait > 23 * 3600 && wait <= 24 * 3600, "{wait}");
    assert_eq!(press(&house, &url).await.status, 503);

    let unlock = "/v1/users/user-ines/unlock";
    assert_eq!(house.post_as(Role::App, unlock, &json!({})).await.code(), (403, "forbidden"));
    assert_eq!(
        house.post_as(Role::Operator, "/v1/users/nobody/unlock", &json!({})).await.code(),
        (404, "unknown-user")
    );
    let forgiven = house.post_as(Role::Operator, unlock, &json!({})).await;
    assert_eq!((forgiven.status, &forgiven.body["wasLocked"]), (200, &json!(true)), "{}", forgiven.text);
    assert_eq!(house.authenticate("user-ines").await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_cannot_be_made_says_which_field_is_wrong() {
    let (house, _) = with_ines(&[]).await;
    house.settles().await;
    let before = house.standing().await;
    let cases = [
        (json!({}), "/userReference"),
        (json!({ "userReference": "user-ines", "purpose": "" }), "/purpose"),
        (json!({ "userReference": "user-ines", "purpose": "x".repeat(201) }), "/purpose"),
        (json!({ "userReference": "user-ines", "purpose": "a\u{202e}b" }), "/purpose"),
        (json!({ "userReference": "user-ines", "locale": "klingon" }), "/locale"),
        (json!({ "userReference": "user-ines", "successUrl": "http://evil.example" }), "/successUrl"),
        (json!({ "userReference": "user-ines", "expiresAt": "2020-01-01T00:00:00Z" }), "/expiresAt"),
        (json!({ "userReference": "user-ines", "expiresAt": "2120-01-01T00:00:00Z" }), "/expiresAt"),
        (json!({ "userReference": "user-ines", "expiresAt": "tomorrow" }), "/expiresAt"),
        (json!({ "userReference": "user-ines", "requestReference": "" }), "/requestReference"),
        (json!({ "userReference": "user-ines", "channel": "web" }), "/channel"),
    ];
    for (body, pointer) in cases {
        let answer = house.post("/v1/links", &body).await;
        assert_eq!(answer.code(), (400, "invalid-request"), "{body}");
        let errors = answer.body["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["pointer"] == pointer), "{pointer}: {}", answer.text);
    }
    let nobody = house.post("/v1/links", &json!({ "userReference": "nobody" })).await;
    assert_eq!(nobody.code(), (404, "unknown-enrollment"));
    for id in ["x", "00000000-0000-4000-8000-000000000000"] {
        assert_eq!(house.get(&format!("/v1/links/{id}")).await.code(), (404, "unknown-link"));
    }
    house.settles().await;
    assert_eq!(house.standing().await, before);
}

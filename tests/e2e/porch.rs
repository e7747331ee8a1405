//! What strangers can send: to the public listener, as callbacks, and as Jumio's answers. None of it changes anything.

use crate::house::{House, Recorder, Role};
use reqwest::Method;
use sandbox::{Endpoint, Fault, FaultBody, Judgement, Outcome};
use serde_json::json;

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn the_public_listener_serves_callbacks_and_nothing_else() {
    // Jumio calls back to somebody who overhears, so that the token of a transaction is known here.
    let overheard = Recorder::start().await;
    let house = House::with(&[("JUMIO__CALLBACK_BASE_URL", &overheard.url)]).await;
    let ines = house.begin("user-ines").await;
    let malik = house.onboard("malik", Judgement::default()).await;
    let before = house.standing().await;
    let form = format!("callBackType=NETVERIFYID&jumioIdScanReference={ines}");
    let post = async |path: &str, content_type: Option<&str>, body: &str| {
        let mut request = house.http.post(house.public(path)).body(body.to_owned());
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        house.ask(Role::Admin, request).await.status
    };
    let portal = format!("/callbacks/jumio/{}", house.portal_token);
    for path in [
        "/",
        "/v1/status",
        "/readyz",
        "/livez",
        "/metrics",
        "/r/x",
        "/callbacks",
        "/callbacks/jumio/",
        "/index.html",
    ] {
        assert_eq!(house.ask(Role::Admin, house.http.get(house.public(path))).await.status, 404, "{path}");
        assert_eq!(post(path, Some(FORM), &form).await, 404, "{path}");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        let request = house.http.request(method.clone(), house.public(&portal));
        assert_eq!(house.ask(Role::Admin, request).await.status, 404, "{method}");
    }
    // No token, others, and somebody else's.
    let cut = &portal[..portal.len() - 1];
    let longer = format!("{portal}A");
    let deeper = format!("{portal}/x");
    for path in
        ["/callbacks/jumio", cut, &longer, &deeper, "/callbacks/jumio/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
    {
        assert_eq!(post(path, Some(FORM), &form).await, 404, "{path}");
    }
    let called = overheard.heard().remove(0);
    let theirs = called.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(post(&theirs, Some(FORM), &form).await, 404, "the token of another transaction");
    for content_type in [
        None,
        Some(JSON),
        Some("multipart/form-data; boundary=x"),
        Some("text/plain"),
        Some("application/x-www-form-urlencodedx"),
    ] {
        assert_eq!(post(&portal, content_type, &form).await, 415, "{content_type:?}");
    }
    assert_eq!(house.standing().await, before);
    let refused = house.get("/v1/status").await.body["refusedCallbacks"].clone();
    assert!(refused.as_array().unwrap().iter().any(|line| line["why"] == "token"), "{refused}");
    assert_eq!(post(&theirs, Some(FORM), &form.replace(&ines, &malik)).await, 200, "its own");
    house.tells_nobody(&[theirs.rsplit('/').next().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_form_is_kept_judged_and_changes_nothing() {
    let house = House::new().await;
    let ines = house.begin("user-ines").await;
    house.settles().await;
    let before = house.enrollment(&ines).await.text;
    let requests = house.journal().requests().count();
    let long = format!("callBackType=NETVERIFYID&jumioIdScanReference={ines}{}", "&x=1".repeat(600));
    let forms = [
        "",
        "%",
        "&&&===",
        "%ff%fe=%00",
        "callBackType=NETVERIFYID",
        "callBackType=NETVERIFYID&jumioIdScanReference=nonsense",
        "callBackType=NETVERIFYID&jumioIdScanReference=",
        &format!("callBackType=NETVERIFYID&jumioIdScanReference={ines}&scanReference={UNKNOWN}"),
        &format!("callBackType=NOVELTY&jumioIdScanReference={ines}"),
        &format!("jumioIdScanReference={ines}"),
        &long,
    ];
    for form in forms {
        let request = house.http.post(house.portal()).header("Content-Type", FORM).body(form.to_owned());
        assert_eq!(house.ask(Role::Nobody, request).await.status, 200, "{form}");
    }
    house.settles().await;
    let status = house.get("/v1/status").await.body;
    let count = |state: &str| status["callbacks"][state]["count"].as_u64().unwrap();
    assert_eq!(
        (count("malformed") + count("foreign"), count("settled")),
        (forms.len() as u64, 0),
        "{status}"
    );
    assert_eq!(house.enrollment(&ines).await.text, before);
    assert_eq!(house.journal().requests().count(), requests, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_allowed_is_refused_whatever_it_forges() {
    let jumio = "34.202.241.227";
    let closed = House::with(&[("CALLBACKS__ALLOWED_SOURCES", jumio)]).await;
    let before = closed.standing().await;
    let forgeries =
        [jumio.to_owned(), format!("{jumio}, 127.0.0.1"), format!("127.0.0.1, {jumio}"), String::new()];
    for forged in &forgeries {
        let request = closed.http.post(closed.portal()).header("Content-Type", FORM);
        let request = request.header("X-Forwarded-For", forged).header("Forwarded", format!("for={jumio}"));
        let answer =
            closed.ask(Role::Nobody, request.header("X-Real-IP", jumio).body("callBackType=X")).await;
        assert_eq!(answer.status, 403, "{forged}");
    }
    assert_eq!(closed.standing().await, before);
    let refused = closed.get("/v1/status").await.body["refusedCallbacks"].clone();
    assert_eq!(refused, json!([{ "source": "127.0.0.1", "why": "source", "count": forgeries.len() }]));

    // Behind a proxy: the right-most hop that is not a proxy's counts.
    let trusting = [("CALLBACKS__ALLOWED_SOURCES", jumio), ("SERVER__TRUSTED_PROXIES", "127.0.0.0/8")];
    let behind = House::with(&trusting).await;
    let wanted = [
        (jumio.to_owned(), 200),
        (format!("203.0.113.9, {jumio}"), 200),
        (format!("{jumio}, 203.0.113.9"), 403),
        (format!("{jumio}, 203.0.113.9, 127.0.0.1"), 403),
        ("nonsense".to_owned(), 403),
        (String::new(), 403),
    ];
    for (forwarded, status) in wanted {
        let request = behind.http.post(behind.portal()).header("Content-Type", FORM);
        let answer =
            behind.ask(Role::Nobody, request.header("X-Forwarded-For", &forwarded).body("x=1")).await;
        assert_eq!(answer.status, status, "{forwarded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facemap_that_cannot_be_one_is_never_vaulted_and_its_original_never_deleted() {
    let house =
        House::with(&[("INGEST__MAX_FACEMAP_BYTES", "100000"), ("INGEST__DELETE_ORIGINAL", "at-once")]).await;
    let approved = |bytes| Judgement { facemap_bytes: Some(bytes), ..Judgement::default() };
    let cases = [
        ("empty", None, approved(0)),
        ("too-large", None, approved(100_001)),
        ("truncated", Some(FaultBody::Truncated), approved(50_000)),
        ("page", Some(FaultBody::Html), approved(50_000)),
        ("nothing", Some(FaultBody::Empty), approved(50_000)),
        ("endless", Some(FaultBody::Endless), approved(50_000)),
        ("oversized", Some(FaultBody::Oversized), approved(50_000)),
    ];
    for (user, body, judgement) in cases {
        if let Some(body) = body {
            let mut fault = Fault::on(Endpoint::Facemap);
            (fault.body, fault.count) = (Some(body), 0);
            house.sandbox.control.set_fault(fault);
        }
        let asked = facemaps_asked_for(&house);
        let reference = house.onboard(user, judgement).await;
        let begin = std::time::Instant::now();
        loop {
            let seen = house.enrollment(&reference).await;
            if !seen.str("trouble").is_empty() {
                assert_eq!(seen.str("state"), "fetching", "{user}: {}", seen.text);
                assert!(seen.body["facemapBytes"].is_null(), "{user}: {}", seen.text);
                break;
            }
            assert!(begin.elapsed() < crate::house::PATIENCE, "{user}: {}", seen.text);
            tokio::time::sleep(crate::house::LOOK_EVERY).await;
        }
        house.release(&reference).await;
        assert_eq!(house.authenticate(user).await.code(), (409, "not-ready"), "{user}");
        let journal = house.journal();
        assert!(facemaps_asked_for(&house) > asked, "{user}");
        for endpoint in [Endpoint::DeleteScan, Endpoint::InitiateAuthentication] {
            assert_eq!(journal.count(&reference, endpoint), 0, "{user} {endpoint:?}");
        }
        house.sandbox.control.clear_faults(None);
    }
    assert_eq!(std::fs::read_dir(house.dir.join("data/content")).unwrap().count(), 0);
    // The largest that fits.
    let reference = house.onboard("largest", approved(100_000)).await;
    house.reaches(&reference, "ready").await;
    let other = house.onboard("fred", Judgement { outcome: Outcome::Fraud, ..Judgement::default() }).await;
    house.reaches(&other, "ineligible").await;
}

fn facemaps_asked_for(house: &House) -> usize {
    house.journal().requests().filter(|entry| entry.endpoint == Endpoint::Facemap).count()
}

//! What the sandbox refuses, because Jumio would.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use sandbox::SandboxConfig;
use serde_json::{Value, json};

use crate::support::{House, as_json, client, form, proper, text};

const AUTHENTICATE: &str = "/api/authentication/v1/facemap/initiate";
const ENDPOINTS: [(&str, &str); 8] = [
    ("POST", "/api/v4/initiate"),
    ("GET", "/api/netverify/v2/scans/x"),
    ("GET", "/api/netverify/v2/scans/x/data"),
    ("GET", "/api/netverify/v2/scans/x/data/facemap"),
    ("DELETE", "/api/netverify/v2/scans/x"),
    ("POST", AUTHENTICATE),
    ("GET", "/api/netverify/v2/authentications/x"),
    ("DELETE", "/api/netverify/v2/authentications/x"),
];

/// The status of a proper request with one header replaced, or left out.
async fn with_header(
    house: &House,
    (method, path): (&str, &str),
    name: &str,
    value: Option<&str>,
) -> StatusCode {
    let method: Method = method.parse().unwrap();
    let mut request = proper(house.client.request(method, house.url(path))).build().unwrap();
    request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    let name: reqwest::header::HeaderName = name.parse().unwrap();
    request.headers_mut().remove(&name);
    if let Some(value) = value {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    house.client.execute(request).await.unwrap().status()
}

#[tokio::test]
async fn no_endpoint_answers_without_the_right_credentials() {
    let house = House::start().await;
    for endpoint in ENDPOINTS {
        for wrong in
            [None, Some("Basic c2FuZGJveC10b2tlbjp3cm9uZw=="), Some("Bearer sandbox-token"), Some("Basic !")]
        {
            let status = with_header(&house, endpoint, AUTHORIZATION.as_str(), wrong).await;
            assert_eq!(status, 401, "{endpoint:?} with {wrong:?}");
        }
    }
}

#[tokio::test]
async fn no_endpoint_answers_a_caller_that_does_not_say_who_it_is() {
    let house = House::start().await;
    for endpoint in ENDPOINTS {
        for wrong in [None, Some("curl/8.5.0"), Some("Example Corp")] {
            let status = with_header(&house, endpoint, USER_AGENT.as_str(), wrong).await;
            assert_eq!(status, 400, "{endpoint:?} with {wrong:?}");
        }
        // The client fills in an Accept of its own when there is none, so a wrong one stands for both.
        let status = with_header(&house, endpoint, ACCEPT.as_str(), Some("text/html")).await;
        assert_eq!(status, 400, "{endpoint:?} with another Accept");
    }
}

#[tokio::test]
async fn the_second_pair_is_for_retrieval_and_deletion_only() {
    let admin = Some(("admin-token".to_owned(), "admin-secret".to_owned()));
    let house = House::with(SandboxConfig { admin_credentials: admin, ..SandboxConfig::default() }).await;
    let path = "/api/netverify/v2/scans/x";
    assert_eq!(house.get(path).send().await.unwrap().status(), 401, "the main pair");
    let request = client().get(house.url(path)).basic_auth("admin-token", Some("admin-secret"));
    let request = request.header(USER_AGENT, "Example Corp App/1.0").header(ACCEPT, "application/json");
    assert_eq!(request.send().await.unwrap().status(), 404);
    assert_eq!(house.initiate(&json!({"userReference": "u"})).await.status(), 200, "the main pair");
}

#[tokio::test]
async fn errors_are_json_with_the_status_as_a_number_or_as_text() {
    let house = House::start().await;
    let refused = as_json(house.initiate(&json!({})).await).await;
    assert_eq!(refused["status"], 400);
    assert_eq!(refused["title"], "Bad Request");
    let gone = house.get("/api/netverify/v2/scans/x").send().await.unwrap();
    assert_eq!(as_json(gone).await["httpStatus"], "404");
    let elsewhere = house.get("/api/v3/initiate").send().await.unwrap();
    assert_eq!(elsewhere.status(), 404);
}

#[tokio::test]
async fn a_verification_is_held_to_the_guides_table() {
    let house = House::start().await;
    let settings = json!({"initiatePerSecond": 1000, "initiatePerMinute": 1000});
    house.control(Method::PUT, "settings", &settings).await;
    let long = |n: usize| "x".repeat(n);
    let url = |n: usize| format!("https://example.com/{}", "x".repeat(n - 20));
    let good = [
        json!({"customerInternalReference": long(100), "reportingCriteria": long(100)}),
        json!({"successUrl": url(2047), "errorUrl": url(255), "callbackUrl": url(255)}),
        json!({"workflowId": 202, "locale": "zh-HK", "tokenLifetimeInMinutes": 5}),
        json!({"tokenLifetimeInMinutes": 86_400, "presets": []}),
        json!({"callbackUrl": "http://127.0.0.1:8080/callbacks/jumio"}),
    ];
    for mut body in good {
        body["userReference"] = json!("user-1");
        assert_eq!(house.initiate(&body).await.status(), 200, "{body}");
    }
    let bad = [
        ("userReference", json!(null)),
        ("userReference", json!("")),
        ("userReference", json!(long(101))),
        ("userReference", json!("me@example.com")),
        ("customerInternalReference", json!(long(101))),
        ("reportingCriteria", json!(7)),
        ("successUrl", json!(url(2048))),
        ("successUrl", json!("https://example.com/?transactionStatus=SUCCESS")),
        ("errorUrl", json!(url(256))),
        ("callbackUrl", json!(url(256))),
        ("callbackUrl", json!("https://192.0.2.1/")),
        ("callbackUrl", json!("http://example.com/")),
        ("workflowId", json!(203)),
        ("workflowId", json!("201")),
        ("presets", json!({"index": 1})),
        ("presets", json!([{"index": 1, "country": "AUT"}])),
        ("presets", json!([{"index": 1, "country": "AT", "type": "PASSPORT"}])),
        ("locale", json!("en-US")),
        ("tokenLifetimeInMinutes", json!(4)),
        ("tokenLifetimeInMinutes", json!(86_401)),
        ("callbackURL", json!("https://example.com/")),
    ];
    for (name, value) in bad {
        let mut body = json!({"userReference": "user-1"});
        body[name] = value;
        let response = house.initiate(&body).await;
        assert_eq!(response.status(), 400, "{body}");
        let why = text(&as_json(response).await, "detail");
        assert!(why.contains(name), "{why} does not name {name}");
    }
    let form = house.post("/api/v4/initiate").header(CONTENT_TYPE, "text/plain").body("{}");
    assert_eq!(form.send().await.unwrap().status(), 415);
}

fn octets(bytes: &[u8]) -> Part {
    Part::bytes(bytes.to_vec()).file_name("facemap.bin").mime_str("application/octet-stream").unwrap()
}

fn json_part(value: &Value) -> Part {
    Part::text(value.to_string()).mime_str("application/json").unwrap()
}

#[tokio::test]
async fn an_authentication_takes_the_two_parts_of_the_guide_and_nothing_else() {
    let house = House::start().await;
    house.control(Method::PUT, "settings", &json!({"initiatePerSecond": 1000})).await;
    let (enrollment, facemap) = house.enrolled().await;
    let metadata = json!({"enrollmentMetadata": {"enrollmentTransactionReference": enrollment}});
    let (map, meta) = (|| octets(&facemap), || json_part(&metadata));
    let plain = || Part::bytes(facemap.clone()).mime_str("application/octet-stream").unwrap();
    let untyped = || Part::bytes(facemap.clone()).file_name("facemap.bin");
    let wrong = [
        ("no metadata", Form::new().part("facemap", map())),
        ("no facemap", Form::new().part("enrollmentMetadata", meta())),
        (
            "a third part",
            Form::new().part("facemap", map()).part("enrollmentMetadata", meta()).text("more", "x"),
        ),
        (
            "facemap twice",
            Form::new().part("facemap", map()).part("facemap", map()).part("enrollmentMetadata", meta()),
        ),
        ("an empty facemap", Form::new().part("facemap", octets(b"")).part("enrollmentMetadata", meta())),
        ("no file name", Form::new().part("facemap", plain()).part("enrollmentMetadata", meta())),
        (
            "another file name",
            Form::new().part("facemap", plain().file_name("face.bin")).part("enrollmentMetadata", meta()),
        ),
        ("no content type", Form::new().part("facemap", untyped()).part("enrollmentMetadata", meta())),
        (
            "metadata as text",
            Form::new().part("facemap", map()).part("enrollmentMetadata", Part::text(metadata.to_string())),
        ),
        (
            "metadata as a file",
            Form::new().part("facemap", map()).part("enrollmentMetadata", meta().file_name("metadata.json")),
        ),
    ];
    for (what, form) in wrong {
        let response = house.post(AUTHENTICATE).multipart(form).send().await.unwrap();
        assert_eq!(response.status(), 400, "{what}");
    }
    let json_body = house.post(AUTHENTICATE).header(CONTENT_TYPE, "application/json").body("{}");
    assert_eq!(json_body.send().await.unwrap().status(), 415);
    let good = Form::new().part("enrollmentMetadata", meta()).part("facemap", map());
    assert_eq!(house.post(AUTHENTICATE).multipart(good).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_metadata_is_laid_out_as_configured() {
    let house = House::start().await;
    house.control(Method::PUT, "settings", &json!({"initiatePerSecond": 1000})).await;
    let (enrollment, facemap) = house.enrolled().await;
    let flat = json!({"enrollmentTransactionReference": enrollment});
    let nested = json!({"enrollmentMetadata": flat});
    for (layout, nested_status, flat_status) in
        [("either", 200, 200), ("nested", 200, 400), ("flat", 400, 200)]
    {
        house.control(Method::PUT, "settings", &json!({"metadataLayout": layout})).await;
        for (metadata, expected) in [(&nested, nested_status), (&flat, flat_status)] {
            let response = house.post(AUTHENTICATE).multipart(form(&facemap, metadata)).send().await.unwrap();
            assert_eq!(response.status(), expected, "{layout}: {metadata}");
        }
    }
}

#[tokio::test]
async fn the_metadata_is_held_to_the_guides_table() {
    let house = House::start().await;
    house.control(Method::PUT, "settings", &json!({"initiatePerSecond": 1000})).await;
    let (enrollment, facemap) = house.enrolled().await;
    let bad = [
        ("enrollmentTransactionReference", json!("short")),
        ("userReference", json!("x".repeat(101))),
        ("callbackUrl", json!("ftp://example.com")),
        ("successUrl", json!("https://example.com/#x")),
        ("locale", json!("ar")),
        ("tokenLifetimeInMinutes", json!(1)),
        ("workflowId", json!(201)),
    ];
    for (name, value) in bad {
        let mut metadata = json!({"enrollmentTransactionReference": enrollment});
        metadata[name] = value;
        let response = house.authenticate(&facemap, &metadata).await;
        assert_eq!(response.status(), 400, "{metadata}");
        assert!(text(&as_json(response).await, "detail").contains(name), "{name}");
    }
}

#[tokio::test]
async fn the_samples_path_is_served_only_when_configured() {
    let house = House::start().await;
    let (enrollment, facemap) = house.enrolled().await;
    let metadata = json!({"enrollmentTransactionReference": enrollment});
    let post = |path: &str| house.post(path).multipart(form(&facemap, &metadata)).send();
    assert_eq!(post("/api/v4/initiateAuthentication/").await.unwrap().status(), 404);
    let sample = json!({"authenticationPath": "/api/v4/initiateAuthentication/"});
    house.control(Method::PUT, "settings", &sample).await;
    assert_eq!(post("/api/v4/initiateAuthentication/").await.unwrap().status(), 200);
    assert_eq!(post(AUTHENTICATE).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_refusal_is_in_the_journal_with_its_reason_and_changes_nothing() {
    let house = House::start().await;
    house.initiate(&json!({"userReference": "me@example.com"})).await;
    let page = house.running.control.journal(0);
    let note = &page.entries[0].note;
    assert_eq!(note.status, Some(400));
    assert!(note.refused.as_deref().unwrap().contains("userReference"));
    let state = house.control(Method::GET, "state", &json!({})).await;
    assert_eq!(state["counts"]["verifications"], 0);
    let journal = serde_json::to_string(&page).unwrap();
    assert!(!journal.contains("me@example.com"), "the journal names no person: {journal}");
}

#[tokio::test]
async fn a_request_without_accept_is_refused() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let house = House::start().await;
    let mut stream = tokio::net::TcpStream::connect(house.running.address).await.unwrap();
    let request = "GET /api/netverify/v2/scans/x HTTP/1.1\r\nHost: jumio\r\nUser-Agent: Example Corp App/1.0\r\n\
                   Authorization: Basic c2FuZGJveC10b2tlbjpzYW5kYm94LXNlY3JldA==\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("Accept is missing"), "{answer}");
}

#[tokio::test]
async fn the_sandbox_listens_on_this_machine_only() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let started = sandbox::Sandbox::start(SandboxConfig { listen, ..SandboxConfig::default() }).await;
    assert!(matches!(started, Err(sandbox::SandboxError::NotLoopback)));
}

#[tokio::test]
async fn a_made_up_link_opens_nothing_and_a_used_one_leads_to_an_error() {
    let house = House::start().await;
    let order = json!({"userReference": "u", "errorUrl": "https://www.example.com/error"});
    let (reference, page) = house.started(&order).await;
    for made_up in ["", "x", "authorizationToken=", &format!("authorizationToken={reference}")] {
        let shown = house.client.get(house.url(&format!("/web/v4/app?{made_up}"))).send().await.unwrap();
        assert_eq!(shown.status(), 404, "{made_up}");
    }
    let token = page.rsplit_once('=').unwrap().1;
    assert_eq!(token.len(), 43, "256 bits in base64");
    assert_eq!(house.pick(&page, "approved").await.status(), 200);
    for again in [house.client.get(&page).send().await.unwrap(), house.pick(&page, "fraud").await] {
        assert_eq!(again.status(), 303);
        let place = again.headers()["location"].to_str().unwrap();
        assert!(place.contains("transactionStatus=ERROR") && place.ends_with("errorCode=9200"), "{place}");
    }
    let details = house.get(&format!("/api/netverify/v2/scans/{reference}/data")).send().await.unwrap();
    assert_eq!(as_json(details).await["document"]["status"], "APPROVED_VERIFIED", "the first pick stays");
}

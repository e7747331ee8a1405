//! Bad input gets a clear problem and changes nothing.

use crate::house::{Answer, House, Role};
use reqwest::Method;
use serde_json::{Value, json};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// Bytes of a callback at most, as configured by default.
const MOST_CALLBACK: usize = 262_144;
/// Bytes of a body on the private listener at most.
const MOST_BODY: usize = 65_536;

/// One bad request, and what is wrong with it.
struct Bad<'a> {
    method: Method,
    path: &'a str,
    content_type: &'a str,
    body: Vec<u8>,
    wanted: (u16, &'a str),
    /// Where it is wrong, for 400.
    pointer: Option<&'a str>,
}

impl<'a> Bad<'a> {
    fn json(path: &'a str, body: &Value, wanted: (u16, &'a str), pointer: Option<&'a str>) -> Self {
        Self::raw(path, JSON, body.to_string(), wanted, pointer)
    }

    fn raw(
        path: &'a str,
        content_type: &'a str,
        body: impl Into<Vec<u8>>,
        wanted: (u16, &'a str),
        pointer: Option<&'a str>,
    ) -> Self {
        Self { method: Method::POST, path, content_type, body: body.into(), wanted, pointer }
    }

    fn get(path: &'a str, wanted: (u16, &'a str), pointer: Option<&'a str>) -> Self {
        Self { method: Method::GET, ..Self::raw(path, JSON, "", wanted, pointer) }
    }

    async fn is_refused(&self, house: &House) {
        let request = house.http.request(self.method.clone(), house.api(self.path));
        let request = request.header("Content-Type", self.content_type).body(self.body.clone());
        let answer = house.ask(Role::Admin, request).await;
        let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]).into_owned();
        let what = format!("{} {} {shown}\n{}", self.method, self.path, answer.text);
        assert_eq!(answer.code(), self.wanted, "{what}");
        is_problem(&answer, &what);
        if let Some(pointer) = self.pointer {
            let errors = answer.body["errors"].as_array().unwrap();
            let found = errors.iter().find(|error| error["pointer"] == pointer);
            let told = found.unwrap_or_else(|| panic!("no pointer {pointer}: {what}"));
            assert!(told["detail"].as_str().is_some_and(|detail| detail.len() > 5), "{what}");
        }
    }
}

/// Has the form of RFC 9457, with the members that the contract promises.
fn is_problem(answer: &Answer, what: &str) {
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{what}");
    for member in ["type", "title", "code", "detail"] {
        assert!(!answer.str(member).is_empty(), "{member}: {what}");
    }
    assert_eq!(answer.body["status"], answer.status, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_is_told_where_it_is_wrong_and_changes_nothing() {
    let house = House::new().await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    let malik = house.vaulted("malik").await;
    house.settles().await;
    let before =
        (house.standing().await, house.enrollment(&ines).await.text, house.enrollment(&malik).await.text);
    let release = format!("/v1/enrollments/{malik}/release");
    let invalid = (400, "invalid-request");
    let media = (415, "unsupported-media-type");
    let mut bad = Vec::new();
    for path in [
        "/v1/verifications",
        "/v1/enrollments",
        "/v1/authentications",
        &release,
        "/v1/authentications/x/redeem",
    ] {
        bad.extend([
            Bad::raw(path, JSON, "{", invalid, None),
            Bad::raw(path, JSON, "[]", invalid, None),
            Bad::raw(path, JSON, "\"ines\"", invalid, None),
            Bad::raw(path, JSON, "{} {}", invalid, None),
            Bad::raw(path, JSON, vec![0xff, 0xfe, 0x00], invalid, None),
            Bad::raw(path, JSON, "[".repeat(10_000), invalid, None),
            Bad::raw(path, FORM, "userReference=user-ines", media, None),
            Bad::raw(path, "text/plain", "{}", media, None),
            Bad::json(path, &json!({ "userReferenc": "user-ines" }), invalid, Some("/userReferenc")),
        ]);
    }
    let start = |more: Value| merged(json!({ "userReference": "noa", "workflowId": 201 }), &more);
    for (more, pointer) in bad_verifications() {
        bad.push(Bad::json("/v1/verifications", &start(more), invalid, Some(pointer)));
    }
    bad.push(Bad::json("/v1/verifications", &json!({ "workflowId": 201 }), invalid, Some("/userReference")));
    for reference in bad_references() {
        let body = json!({ "transactionReference": reference, "userReference": "noa" });
        bad.push(Bad::json("/v1/enrollments", &body, invalid, Some("/transactionReference")));
        let body = json!({ "replaces": reference });
        bad.push(Bad::json(&release, &body, invalid, Some("/replaces")));
    }
    for user in bad_users() {
        let body = json!({ "transactionReference": UNKNOWN, "userReference": user });
        bad.push(Bad::json("/v1/enrollments", &body, invalid, Some("/userReference")));
    }
    let web = |more: Value| merged(json!({ "userReference": "user-ines", "channel": "web" }), &more);
    for (more, pointer) in bad_authentications() {
        bad.push(Bad::json("/v1/authentications", &web(more), invalid, Some(pointer)));
    }
    let queries = [
        ("/v1/enrollments?limit=0", Some("/limit")),
        ("/v1/enrollments?limit=501", Some("/limit")),
        ("/v1/enrollments?limit=x", Some("/limit")),
        ("/v1/enrollments?state=nonsense", Some("/state")),
        ("/v1/enrollments?cursor=%21", Some("/cursor")),
        ("/v1/enrollments?unknown=1", Some("/unknown")),
        ("/v1/enrollments?userReference=", Some("/userReference")),
        ("/v1/authentications", None),
        ("/v1/authentications?userReference=user-ines&cursor=AAAA", Some("/cursor")),
        ("/v1/authentications/x?waitSeconds=26", Some("/waitSeconds")),
        ("/v1/authentications/x?waitSeconds=-1", Some("/waitSeconds")),
    ];
    bad.extend(queries.map(|(path, pointer)| Bad::get(path, invalid, pointer)));
    for request in &bad {
        request.is_refused(&house).await;
    }
    house.settles().await;
    let after =
        (house.standing().await, house.enrollment(&ines).await.text, house.enrollment(&malik).await.text);
    assert_eq!(before, after);
    house.tells_nobody(&["user-ines", "malik", "anna@example.com"]);
}

/// Seed 000's rules, each broken.
fn bad_verifications() -> Vec<(Value, &'static str)> {
    let long = |length: usize| "x".repeat(length);
    let url = |length: usize| format!("https://www.example.com/{}", long(length - 24));
    let mut bad = vec![
        (json!({ "userReference": long(101) }), "/userReference"),
        (json!({ "userReference": "anna@example.com" }), "/userReference"),
        (json!({ "customerInternalReference": long(101) }), "/customerInternalReference"),
        (json!({ "customerInternalReference": "anna@example.com" }), "/customerInternalReference"),
        (json!({ "reportingCriteria": long(101) }), "/reportingCriteria"),
        (json!({ "workflowId": 7 }), "/workflowId"),
        (json!({ "workflowId": "many" }), "/workflowId"),
        (json!({ "presets": {} }), "/presets"),
        (json!({ "presets": [{ "index": 1, "country": "AUT" }] }), "/presets/0/type"),
        (json!({ "locale": "xx" }), "/locale"),
        (json!({ "tokenLifetimeInMinutes": 4 }), "/tokenLifetimeInMinutes"),
        (json!({ "tokenLifetimeInMinutes": 86_401 }), "/tokenLifetimeInMinutes"),
        (json!({ "successUrl": url(2048) }), "/successUrl"),
        (json!({ "errorUrl": url(256) }), "/errorUrl"),
        (json!({ "callbackUrl": "https://www.example.com/" }), "/callbackUrl"),
    ];
    bad.extend(BAD_URLS.map(|url| (json!({ "successUrl": url }), "/successUrl")));
    bad.extend(BAD_URLS.map(|url| (json!({ "errorUrl": url }), "/errorUrl")));
    bad
}

/// Against Jumio's rules for URLs.
const BAD_URLS: [&str; 13] = [
    "http://www.example.com/",
    "https://192.0.2.1/",
    "https://[2001:db8::1]/",
    "https://www.example.com:443/",
    "https://www.example.com/#part",
    "https://www.example.com/?transactionStatus=SUCCESS",
    "https://www.example.com/?errorCode=1",
    "https://anna@www.example.com/",
    "https://www.example.com/?of=anna@example.com",
    "https://www.exämple.com/",
    "javascript:alert(1)",
    "/relative",
    "",
];

fn bad_authentications() -> Vec<(Value, &'static str)> {
    let mut bad = vec![
        (json!({ "userReference": "" }), "/userReference"),
        (json!({ "userReference": " user-ines" }), "/userReference"),
        (json!({ "channel": "fax" }), "/channel"),
        (json!({ "ifOpen": "maybe" }), "/ifOpen"),
        (json!({ "locale": "ar" }), "/locale"),
        (json!({ "tokenLifetimeInMinutes": 4 }), "/tokenLifetimeInMinutes"),
        (json!({ "requestReference": "" }), "/requestReference"),
        (json!({ "requestReference": "x".repeat(101) }), "/requestReference"),
        (json!({ "enrollmentTransactionReference": "nonsense" }), "/enrollmentTransactionReference"),
        // Jumio's rules allow it, the configuration does not.
        (json!({ "successUrl": "https://evil.example.net/" }), "/successUrl"),
        (json!({ "errorUrl": "https://www.example.com.evil.example.net/" }), "/errorUrl"),
        (json!({ "channel": "mobile", "successUrl": "https://www.example.com/" }), "/successUrl"),
        (json!({ "callbackUrl": "https://www.example.com/" }), "/callbackUrl"),
    ];
    bad.extend(BAD_URLS.map(|url| (json!({ "successUrl": url }), "/successUrl")));
    bad
}

fn bad_references() -> [&'static str; 5] {
    [
        "",
        "nonsense",
        "00000000-0000-4000-8000-00000000000",
        "00000000-0000-4000-8000-0000000000000",
        "0000000/-0000-4000-8000-000000000000",
    ]
}

fn bad_users() -> [String; 5] {
    [String::new(), " anna".to_owned(), "anna ".to_owned(), "änna".to_owned(), "x".repeat(101)]
}

fn merged(mut base: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_by_its_length_and_by_its_bytes() {
    let house = House::new().await;
    let before = house.standing().await;
    let reference =
        json!({ "transactionReference": UNKNOWN, "userReference": "noa", "padding": "x".repeat(MOST_BODY) });
    for path in ["/v1/verifications", "/v1/enrollments", "/v1/authentications"] {
        for chunked in [false, true] {
            let answer = send(&house, &house.api(path), JSON, reference.to_string(), chunked).await;
            assert_eq!(answer.code(), (413, "too-large"), "{path} {chunked} {}", answer.text);
            is_problem(&answer, path);
        }
    }
    let fits = format!("callBackType=OTHER&x={}", "x".repeat(MOST_CALLBACK - 21));
    for chunked in [false, true] {
        let body = format!("{fits}x");
        assert_eq!(send(&house, &house.portal(), FORM, body, chunked).await.status, 413, "{chunked}");
    }
    assert_eq!(house.standing().await, before);
    // The same, one byte less: taken.
    assert_eq!(fits.len(), MOST_CALLBACK);
    assert_eq!(send(&house, &house.portal(), FORM, fits, true).await.status, 200);
}

async fn send(house: &House, url: &str, content_type: &str, body: String, chunked: bool) -> Answer {
    let request = house.http.post(url).header("Content-Type", content_type);
    let request = if chunked {
        let pieces: Vec<_> =
            body.into_bytes().chunks(16_384).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        request.body(reqwest::Body::wrap_stream(futures_util::stream::iter(pieces)))
    } else {
        request.body(body)
    };
    house.ask(Role::Admin, request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_foreign_references_are_told_apart_from_nothing() {
    let house = House::new().await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    let (malik, _) = house.enrolled("malik", b"the face of malik").await;
    let open = house.authenticate("user-ines").await;
    let id = open.str("authenticationId").to_owned();
    house.settles().await;
    let before = house.standing().await;
    let nobody = (404, "unknown-enrollment");
    let none = (404, "unknown-authentication");
    let mobile = |user: &str, enrollment: &str| json!({ "userReference": user, "channel": "mobile", "enrollmentTransactionReference": enrollment });
    let redeem = format!("/v1/authentications/{id}/redeem");
    let absent = format!("/v1/authentications/{UNKNOWN}");
    let redeem_absent = format!("{absent}/redeem");
    let path = format!("/v1/enrollments/{UNKNOWN}");
    let release = format!("{path}/release");
    let bad = [
        Bad::get(&path, nobody, None),
        Bad::get("/v1/enrollments/nonsense", nobody, None),
        Bad::get("/v1/enrollments/%00%ff", nobody, None),
        Bad::json(&release, &json!({}), nobody, None),
        Bad::json("/v1/enrollments/nonsense/release", &json!({}), nobody, None),
        Bad::json("/v1/authentications", &mobile("user-ines", UNKNOWN), nobody, None),
        // Both exist, and do not belong together.
        Bad::json("/v1/authentications", &mobile("user-ines", &malik), nobody, None),
        Bad::json("/v1/authentications", &mobile("USER-INES", &ines), nobody, None),
        Bad::json(
            "/v1/authentications",
            &json!({ "userReference": "noa", "channel": "mobile" }),
            nobody,
            None,
        ),
        Bad::get(&absent, none, None),
        Bad::get("/v1/authentications/nonsense", none, None),
        Bad::json(&redeem_absent, &json!({ "userReference": "user-ines" }), none, None),
        Bad::json(&redeem, &json!({ "userReference": "malik" }), none, None),
    ];
    for request in &bad {
        request.is_refused(&house).await;
    }
    let taken = house.announce(&ines, "malik").await;
    assert_eq!(taken.code(), (409, "user-reference-differs"));
    house.settles().await;
    assert_eq!(house.standing().await, before);
    house.tells_nobody(&["user-ines", "malik"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_is_for_its_roles() {
    let house = House::new().await;
    let before = house.standing().await;
    let everybody = [Role::Nobody, Role::App, Role::Operator, Role::Auditor, Role::Admin];
    let backend: &[Role] = &[Role::App, Role::Operator, Role::Admin];
    let watchers: &[Role] = &[Role::Operator, Role::Auditor, Role::Admin];
    let operators: &[Role] = &[Role::Operator, Role::Admin];
    let admins: &[Role] = &[Role::Admin];
    let inspectors: &[Role] = &[Role::Auditor, Role::Admin];
    let one = format!("/v1/enrollments/{UNKNOWN}");
    let release = format!("{one}/release");
    let authentication = format!("/v1/authentications/{UNKNOWN}");
    let redeem = format!("{authentication}/redeem");
    let hold = format!("{one}/hold");
    let facemap = format!("{one}/facemap");
    let routes: [(Method, &str, &[Role]); 34] = [
        (Method::POST, "/v1/links", backend),
        (Method::GET, "/v1/links/nonsense", backend),
        (Method::DELETE, "/v1/links/nonsense", backend),
        (Method::POST, "/v1/users/%20/unlock", operators),
        (Method::POST, "/v1/verifications", backend),
        (Method::POST, "/v1/enrollments", backend),
        (Method::GET, "/v1/enrollments?userReference=user-ines", backend),
        (Method::GET, "/v1/enrollments", operators),
        (Method::GET, &one, backend),
        (Method::POST, &release, backend),
        (Method::POST, "/v1/authentications", backend),
        (Method::GET, "/v1/authentications?userReference=user-ines", backend),
        (Method::GET, &authentication, backend),
        (Method::POST, &redeem, backend),
        (Method::GET, "/v1/status", watchers),
        (Method::DELETE, &one, admins),
        (Method::PUT, &hold, admins),
        (Method::DELETE, &hold, admins),
        (Method::PUT, &facemap, admins),
        (Method::POST, "/v1/purges", admins),
        (Method::GET, "/v1/purges/0123456789abcdef0123456789abcdef", admins),
        (Method::GET, "/v1/purges/0123456789abcdef0123456789abcdef/items", admins),
        (Method::GET, "/v1/retention?on=nonsense", watchers),
        (Method::GET, "/v1/retention/status", watchers),
        (Method::POST, "/v1/retention/allow", admins),
        (Method::GET, "/v1/users/%20/dossier", watchers),
        (Method::GET, "/v1/audit?limit=0", watchers),
        (Method::GET, "/v1/audit/head", watchers),
        (Method::GET, "/v1/keys", inspectors),
        (Method::DELETE, "/v1/keys/nonsense", admins),
        (Method::GET, "/v1/keys/rewrap", inspectors),
        (Method::GET, "/v1/receipt-key", inspectors),
        (Method::GET, "/v1/integrity-checks", inspectors),
        (Method::POST, "/v1/backups", admins),
    ];
    for (method, path, allowed) in routes {
        for role in everybody {
            let request = house.http.request(method.clone(), house.api(path));
            // Not a valid body: whoever is let in gets 400, and nothing is done.
            let answer = house.ask(role, request.header("Content-Type", JSON).body("[]")).await;
            let what = format!("{method} {path} as {role:?}: {}", answer.text);
            if role == Role::Nobody {
                assert_eq!(answer.code(), (401, "unauthorized"), "{what}");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
            } else if allowed.contains(&role) {
                assert!(!matches!(answer.status, 401 | 403), "{what}");
                continue;
            } else {
                assert_eq!(answer.code(), (403, "forbidden"), "{what}");
            }
            is_problem(&answer, &what);
        }
    }
    let wrong = [
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic YTpi",
        "bearer  x",
        &format!("Bearer {}x", house.token(Role::Admin)),
    ];
    for header in wrong {
        let request = house.http.get(house.api("/v1/status")).header("Authorization", header);
        assert_eq!(house.ask(Role::Nobody, request).await.code(), (401, "unauthorized"), "{header}");
    }
    assert_eq!(house.standing().await, before);
    house.tells_nobody(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_or_method_that_is_not_there_is_a_problem_too() {
    let house = House::new().await;
    let not_found = (404, "not-found");
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v2/status",
        "/v1/../v1/nothing",
        "//v1/status",
        "/callbacks/jumio",
    ] {
        Bad::get(path, not_found, None).is_refused(&house).await;
    }
    for (method, path) in [
        (Method::GET, "/v1/verifications"),
        (Method::DELETE, "/v1/enrollments"),
        (Method::PUT, "/v1/authentications"),
        (Method::POST, "/v1/status"),
        (Method::POST, "/readyz"),
    ] {
        let answer = house.ask(Role::Admin, house.http.request(method.clone(), house.api(path))).await;
        assert!(matches!(answer.status, 404 | 405), "{method} {path} {}", answer.status);
        is_problem(&answer, &format!("{method} {path}: {}", answer.text));
    }
}

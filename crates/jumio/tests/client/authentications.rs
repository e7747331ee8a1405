//! The authentication initiate: exactly two parts, and nothing of the facemap left behind.

use crate::{
    requests::mobile,
    support::{AUTHENTICATION, Answer, Responder, SCAN, Seen, authentication, client_with},
};
use jumio::{Journey, JumioApi, JumioError, MetadataLayout, NewAuthentication, Rules, WebFields};
use model::{AuthenticationResult, Channel, FacemapBytes};
use serde_json::{Value, json};

struct Part {
    head: String,
    body: Vec<u8>,
}

/// Takes a multipart body apart, byte for byte, with nothing before, between and behind the parts.
fn parts(seen: &Seen) -> Vec<Part> {
    let media_type = seen.header("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let delimiter = format!("--{boundary}\r\n").into_bytes();
    let mut rest = seen.body.strip_prefix(delimiter.as_slice()).unwrap();
    let mut parts = Vec::new();
    loop {
        let end = find(rest, format!("\r\n--{boundary}").as_bytes()).unwrap();
        let part = &rest[..end];
        let head = find(part, b"\r\n\r\n").unwrap();
        parts.push(Part {
            head: String::from_utf8(part[..head].to_vec()).unwrap(),
            body: part[head + 4..].to_vec(),
        });
        let tail = &rest[end + 4 + boundary.len()..];
        if tail == b"--\r\n" || tail == b"--" {
            return parts;
        }
        rest = tail.strip_prefix(b"\r\n").unwrap();
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn web() -> NewAuthentication {
    let fields = WebFields {
        success_url: Some("https://www.example.com/success".to_owned()),
        error_url: Some("https://www.example.com/error".to_owned()),
        locale: Some("de".to_owned()),
        token_lifetime_in_minutes: Some(5),
    };
    NewAuthentication {
        user_reference: "user_1234".parse().ok(),
        callback_url: Some("https://vault.example.com/callbacks/jumio/t".to_owned()),
        journey: Journey::check(Channel::Web, &fields, &Rules::default()).unwrap(),
        ..mobile()
    }
}

fn started() -> Value {
    json!({
        "authenticationTransactionReference": AUTHENTICATION,
        "redirectUrl": "https://yourcompany.netverify.com/web/v4/app?authorizationToken=xxx&locale=de"
    })
}

/// Bytes that a careless body would trip over.
fn awkward_face() -> Vec<u8> {
    let mut face: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    face[100..120].copy_from_slice(b"\r\n--boundary--\r\n\r\n\0\0");
    face
}

#[tokio::test]
async fn exactly_the_two_parts_are_sent_nested_or_flat() {
    for layout in [MetadataLayout::Nested, MetadataLayout::Flat] {
        let responder = Responder::start([Answer::json(&started())]).await;
        let mut config = responder.config();
        config.metadata_layout = layout;
        let face = FacemapBytes::new(awkward_face());
        let answer = client_with(config).initiate_authentication(&web(), face).await.unwrap();
        assert_eq!(answer.reference, authentication());
        assert!(answer.redirect_url.unwrap().expose().contains("authorizationToken=xxx"));

        let seen = responder.only();
        assert_eq!(seen.header("transfer-encoding"), None);
        let parts = parts(&seen);
        assert_eq!(parts.len(), 2);
        assert_eq!(
            parts[0].head,
            "Content-Disposition: form-data; name=\"facemap\"; filename=\"facemap.bin\"\r\nContent-Type: \
             application/octet-stream"
        );
        assert!(parts[0].body == awkward_face(), "the facemap arrives byte for byte");
        assert_eq!(
            parts[1].head,
            "Content-Disposition: form-data; name=\"enrollmentMetadata\"\r\nContent-Type: application/json"
        );
        let metadata = json!({
            "enrollmentTransactionReference": SCAN,
            "userReference": "user_1234",
            "callbackUrl": "https://vault.example.com/callbacks/jumio/t",
            "successUrl": "https://www.example.com/success",
            "errorUrl": "https://www.example.com/error",
            "locale": "de",
            "tokenLifetimeInMinutes": 5
        });
        let expected = match layout {
            MetadataLayout::Nested => json!({ "enrollmentMetadata": metadata }),
            MetadataLayout::Flat => metadata,
        };
        assert_eq!(serde_json::from_slice::<Value>(&parts[1].body).unwrap(), expected);
    }
}

#[tokio::test]
async fn the_mobile_journey_has_no_field_of_the_web_journey() {
    let responder =
        Responder::start([Answer::json(&json!({"authenticationTransactionReference": AUTHENTICATION}))])
            .await;
    let answer =
        responder.client().initiate_authentication(&mobile(), FacemapBytes::new(vec![1])).await.unwrap();
    assert!(answer.redirect_url.is_none());
    let metadata: Value = serde_json::from_slice(&parts(&responder.only())[1].body).unwrap();
    assert_eq!(metadata, json!({"enrollmentMetadata": {"enrollmentTransactionReference": SCAN}}));
}

#[tokio::test]
async fn what_must_not_be_sent_is_not_sent() {
    let responder = Responder::start([]).await;
    let mut config = responder.config();
    config.max_facemap_bytes = 10;
    let jumio = client_with(config);
    for face in [Vec::new(), vec![0; 11]] {
        let error = jumio.initiate_authentication(&mobile(), FacemapBytes::new(face)).await.unwrap_err();
        assert!(matches!(error, JumioError::Guarded { .. }), "{error}");
    }
    let bad = NewAuthentication { callback_url: Some("https://10.0.0.1:1/#x".to_owned()), ..mobile() };
    let error = jumio.initiate_authentication(&bad, FacemapBytes::new(vec![1])).await.unwrap_err();
    let JumioError::Invalid(violations) = &error else { panic!("{error}") };
    assert_eq!(violations.iter().count(), 3);
    assert!(!error.is_retryable() && !error.outcome_is_unknown());
    assert!(responder.seen().is_empty());
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_leaves_the_outcome_unknown() {
    let elsewhere =
        json!({"authenticationTransactionReference": AUTHENTICATION, "redirectUrl": "https://evil.example/"});
    for answer in [
        Answer::json(&json!({})),
        Answer::json(&json!({"authenticationTransactionReference": "x"})),
        Answer::json(&json!({"authenticationTransactionReference": AUTHENTICATION})),
        Answer::json(&elsewhere),
        Answer::with(200, "", b"<html></html>"),
        Answer::with(200, "", b""),
        Answer::with(200, "", &vec![b' '; 2 * 1024 * 1024]),
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        Answer::raw(""),
        Answer::raw("garbage\r\n\r\n"),
        Answer::status(500),
        Answer::status(503),
        Answer::status(408),
    ] {
        let responder = Responder::start([answer]).await;
        let error =
            responder.client().initiate_authentication(&web(), FacemapBytes::new(vec![1])).await.unwrap_err();
        assert!(error.outcome_is_unknown(), "{error}");
        // Nobody repeated it.
        responder.only();
    }
}

#[tokio::test]
async fn a_refusal_is_certain() {
    for status in [302, 307, 400, 401, 403, 404, 409, 422] {
        let answer = Answer::with(status, "Location: http://127.0.0.1:1/\r\n", b"{}");
        let responder = Responder::start([answer]).await;
        let error =
            responder.client().initiate_authentication(&web(), FacemapBytes::new(vec![1])).await.unwrap_err();
        assert_eq!(error, JumioError::Refused { status });
        assert!(!error.outcome_is_unknown() && !error.is_retryable());
    }
}

#[tokio::test]
async fn the_result_is_retrieved() {
    let answer = Answer::json(&json!({
        "transactionReference": AUTHENTICATION,
        "enrollmentTransactionReference": SCAN,
        "transactionResult": "STARTED",
        "transactionDate": "2019-05-30T08:37:35.49"
    }));
    let responder = Responder::start([answer, Answer::json(&json!({}))]).await;
    let jumio = responder.client();
    let details = jumio.authentication(authentication()).await.unwrap();
    assert_eq!(details.result, AuthenticationResult::Started);
    assert_eq!(details.reference, Some(authentication()));
    let error = jumio.authentication(authentication()).await.unwrap_err();
    assert_eq!(error, JumioError::Malformed { what: "no transactionResult" });
}

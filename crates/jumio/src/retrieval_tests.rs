use super::*;
use crate::NamedUser;
use serde_json::json;

const SCAN: &str = "5ca1ab1e-0000-4000-8000-000000000001";

fn read(value: &Value) -> Answer {
    Answer::read(value.to_string().as_bytes()).unwrap()
}

fn full() -> Value {
    json!({
        "timestamp": "2019-05-30T08:37:35.494Z",
        "scanReference": SCAN,
        "document": {"type": "PASSPORT", "firstName": "FIRSTNAME", "status": "APPROVED_VERIFIED"},
        "transaction": {
            "clientIp": "192.0.2.1", "customerId": "user_1234", "merchantScanReference": "transaction_1234",
            "date": "2019-05-30T08:30:00.000Z", "source": "WEB_CAM", "status": "DONE"
        },
        "verification": {"mrzCheck": "OK", "identityVerification": {"similarity": "MATCH", "validity": "true"}},
        "facemap": {"classifier": "facemap", "href": "https://netverify.com/f"}
    })
}

#[test]
fn the_details_of_a_scan_are_read() {
    let details = read(&full()).scan_details(None);
    assert_eq!(details.reference.unwrap().to_string(), SCAN);
    assert_eq!(details.state, ScanState::Done);
    assert_eq!(details.verification_status, Some(VerificationStatus::ApprovedVerified));
    assert_eq!((details.similarity, details.validity), (Some(Similarity::Match), Some(true)));
    assert_eq!(details.user_reference.user().unwrap().as_str(), "user_1234");
    assert_eq!(details.internal_reference.as_deref(), Some("transaction_1234"));
    assert_eq!(details.facemap_href.as_deref(), Some("https://netverify.com/f"));
    assert_eq!(details.date, "2019-05-30T08:30:00Z".parse().ok());
    assert_eq!(details.unknown_values, 0);
    let text = format!("{details:?}");
    assert!(
        !text.contains("user_1234") && !text.contains("https") && !text.contains("transaction_1234"),
        "{text}"
    );
}

#[test]
fn every_form_of_the_identity_verification_and_of_the_facemap_is_read() {
    for (form, validity, unknown) in [
        (json!({"similarity": "MATCH", "validity": true}), Some(true), 0),
        (json!({"similarity": "MATCH", "validity": "TRUE"}), Some(true), 0),
        (json!({"similarity": "MATCH", "validity": "false"}), Some(false), 0),
        (json!(r#"{"similarity":"MATCH","validity":true}"#), Some(true), 0),
        (json!({}), None, 0),
        (json!(null), None, 0),
        (json!(""), None, 0),
        (json!("N/A"), None, 0),
        (json!([1]), None, 1),
        (json!({"validity": 1}), None, 1),
    ] {
        let mut answer = full();
        answer["verification"]["identityVerification"] = form.clone();
        let details = read(&answer).scan_details(None);
        assert_eq!((details.validity, details.unknown_values), (validity, unknown), "{form}");
    }
    for (form, href) in [
        (json!([{"classifier": "facemap", "href": "https://x/"}]), Some("https://x/")),
        (json!("https://x/"), Some("https://x/")),
        (json!({"classifier": "facemap"}), None),
        (json!({"href": "N/A"}), None),
        (json!(null), None),
        (json!(7), None),
    ] {
        let mut answer = full();
        answer["facemap"] = form.clone();
        assert_eq!(read(&answer).scan_details(None).facemap_href.as_deref(), href, "{form}");
    }
}

#[test]
fn what_is_missing_or_new_fails_nothing_and_approves_nothing() {
    let details = read(&json!({"scanReference": SCAN})).scan_details(None);
    assert_eq!((details.verification_status, details.similarity, details.validity), (None, None, None));
    assert_eq!(details.state, ScanState::Unknown);
    let details =
        read(&json!({"scanReference": SCAN, "document": null, "transaction": null, "verification": null}));
    assert_eq!(details.scan_details(None).user_reference, NamedUser::Nobody);
    let mut answer = full();
    answer["document"]["status"] = json!("APPROVED_SOMEHOW");
    answer["transaction"]["status"] = json!("ODD");
    answer["newField"] = json!({"deep": []});
    let details = read(&answer).scan_details(None);
    assert_eq!(details.verification_status, Some(VerificationStatus::Unknown));
    assert_eq!(details.unknown_values, 2);
}

#[test]
fn an_authentication_is_read_with_its_date_lacking_the_z() {
    let answer = json!({
        "transactionReference": SCAN,
        "enrollmentTransactionReference": "5ca1ab1e-0000-4000-8000-000000000002",
        "transactionResult": "PASSED",
        "transactionDate": "2019-05-30T08:37:35.494",
        "userReference": "user_1234",
        "images": {"classifier": "face"}
    });
    let details = read(&answer).authentication(None).unwrap();
    assert_eq!(details.reference.unwrap().to_string(), SCAN);
    assert_eq!(details.result, AuthenticationResult::Passed);
    assert_eq!(details.date, "2019-05-30T08:37:35.494Z".parse().ok());
    assert_eq!(details.user_reference.unwrap().as_str(), "user_1234");
    assert!(read(&json!({"transactionReference": SCAN})).authentication(None).is_none());
}

#[test]
fn a_user_that_cannot_be_read_is_not_the_same_as_nobody() {
    let bob = || NamedUser::User("bob".parse().unwrap());
    for (customer, user, named) in [
        (json!("bob"), json!(null), bob()),
        (json!(null), json!("bob"), bob()),
        (json!("N/A"), json!("bob"), bob()),
        (json!("bob"), json!("bob"), bob()),
        (json!(null), json!(null), NamedUser::Nobody),
        (json!(""), json!(" N/A "), NamedUser::Nobody),
        (json!("bob "), json!(null), NamedUser::Unreadable),
        (json!("b\u{f6}b"), json!(null), NamedUser::Unreadable),
        (json!("b".repeat(101)), json!(null), NamedUser::Unreadable),
        (json!(4711), json!(null), NamedUser::Unreadable),
        (json!(["bob"]), json!(null), NamedUser::Unreadable),
        (json!({"id": "bob"}), json!("bob"), NamedUser::Unreadable),
        (json!("bob"), json!(false), NamedUser::Unreadable),
        (json!("bob"), json!("alice"), NamedUser::Unreadable),
        (json!("alice"), json!("alice "), NamedUser::Unreadable),
    ] {
        let mut answer = full();
        answer["transaction"]["customerId"] = customer.clone();
        answer["transaction"]["userReference"] = user.clone();
        let details = read(&answer).scan_details(None);
        assert_eq!(details.user_reference, named, "{customer} {user}");
        assert_eq!(details.unknown_values > 0, named == NamedUser::Unreadable);
        let answer = json!({
            "transactionReference": SCAN, "transactionResult": "PASSED", "userReference": user, "customerId": customer
        });
        let details = read(&answer).authentication(None).unwrap();
        assert_eq!(details.user_reference.as_ref(), named.user());
        assert_eq!(details.unknown_values > 0, named == NamedUser::Unreadable, "nobody is not taken for it");
    }
}

#[test]
fn an_error_is_seen_with_its_status_as_number_or_as_text() {
    for (body, status) in [
        (json!({"title": "x", "status": 429, "detail": "y"}), Some(429)),
        (json!({"httpStatus": "404"}), Some(404)),
        (json!({"httpStatus": 404}), Some(404)),
        (json!({"status": "DONE"}), None),
        (json!({"status": "200"}), None),
        (json!({"status": 99_999}), None),
    ] {
        assert_eq!(read(&body).error_status(), status, "{body}");
    }
}

#[test]
fn what_is_no_json_object_is_no_answer() {
    for body in ["", "[]", "null", "<html></html>", "{", "{\"a\":1}x", "\"x\"", "[{\"scanReference\":\"x\"}]"]
    {
        assert!(Answer::read(body.as_bytes()).is_none(), "{body}");
    }
    // Nor do the items of an array stand for the members of an object within.
    for (member, items) in [
        ("document", json!(["APPROVED_VERIFIED"])),
        ("transaction", json!(["DONE", "user_1234"])),
        ("verification", json!([{"similarity": "MATCH", "validity": "true"}])),
    ] {
        let mut body = full();
        body[member] = items;
        assert!(Answer::read(body.to_string().as_bytes()).is_none(), "{member}");
    }
}

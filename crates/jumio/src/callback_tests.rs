use super::*;
use proptest::prelude::*;

const SCAN: &str = "5ca1ab1e-0000-4000-8000-000000000001";
const OTHER: &str = "5ca1ab1e-0000-4000-8000-000000000002";

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}

fn verification(fields: &[(&str, &str)]) -> VerificationCallback {
    let base = [("callBackType", "NETVERIFYID"), ("jumioIdScanReference", SCAN)];
    match parse(&form(&[&base[..], fields].concat())) {
        Ok(Callback::Verification(callback)) => callback,
        other => panic!("{other:?}"),
    }
}

fn authentication(fields: &[(&str, &str)]) -> AuthenticationCallback {
    let base = [("callBackType", "NETVERIFY_AUTHENTICATION"), ("transactionReference", SCAN)];
    match parse(&form(&[&base[..], fields].concat())) {
        Ok(Callback::Authentication(callback)) => callback,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_verification_callback_is_reduced_to_what_is_needed() {
    let callback = verification(&[
        ("verificationStatus", "APPROVED_VERIFIED"),
        ("idScanStatus", "SUCCESS"),
        ("idScanSource", "WEB_CAM"),
        ("transactionDate", "2019-05-30T08:37:35.494Z"),
        ("callbackDate", "2019-05-30T08:40:00Z"),
        ("idType", "PASSPORT"),
        ("idFirstName", "FIRSTNAME"),
        ("idLastName", "LASTNAME"),
        ("idNumber", "P1234"),
        ("merchantIdScanReference", "transaction_1234"),
        ("customerId", "user_1234"),
        ("identityVerification", r#"{"similarity":"MATCH","validity":true}"#),
        ("facemap", "https://netverify.com/api/netverify/v2/scans/x/data/facemap"),
        ("livenessImages", "https://netverify.com/1"),
        ("livenessImages", "https://netverify.com/2"),
    ]);
    assert_eq!(callback.reference.to_string(), SCAN);
    assert_eq!(callback.user_reference.as_ref().unwrap().as_str(), "user_1234");
    assert_eq!(callback.internal_reference.as_deref(), Some("transaction_1234"));
    assert_eq!(callback.verification_status, Some(VerificationStatus::ApprovedVerified));
    assert_eq!((callback.similarity, callback.validity), (Some(Similarity::Match), Some(true)));
    assert!(callback.facemap_href.as_deref().unwrap().ends_with("/data/facemap"));
    assert_eq!(callback.transaction_date, "2019-05-30T08:37:35.494Z".parse().ok());
    assert_eq!(callback.unknown_values, 0);
    let text = format!("{callback:?}");
    for personal in ["user_1234", "transaction_1234", "https://", "FIRSTNAME", "P1234"] {
        assert!(!text.contains(personal), "{text}");
    }
}

#[test]
fn a_full_authentication_callback_is_read() {
    let callback = authentication(&[
        ("enrollmentTransactionReference", OTHER),
        ("transactionResult", "PASSED"),
        ("transactionDate", "2019-05-30T08:37:35"),
        ("callbackDate", "2019-05-30T08:37:36.5Z"),
        ("scanSource", "SDK"),
        ("userReference", "user_1234"),
        ("idScanImageFace", "https://netverify.com/1"),
        ("livenessImages", r#"["https://netverify.com/1","https://netverify.com/2"]"#),
    ]);
    assert_eq!(callback.enrollment.unwrap().to_string(), OTHER);
    assert_eq!(callback.result, Some(AuthenticationResult::Passed));
    assert_eq!(callback.transaction_date, "2019-05-30T08:37:35Z".parse().ok());
    assert_eq!(callback.user_reference.unwrap().as_str(), "user_1234");
    assert_eq!(callback.unknown_values, 0);
}

#[test]
fn every_spelling_of_validity_and_of_nothing_is_read() {
    for (text, claims) in [
        (r#"{"similarity":"MATCH","validity":true}"#, (Some(Similarity::Match), Some(true), 0)),
        (r#"{"similarity":"MATCH","validity":"true"}"#, (Some(Similarity::Match), Some(true), 0)),
        (r#"{"similarity":"MATCH","validity":"TRUE"}"#, (Some(Similarity::Match), Some(true), 0)),
        (r#"{"similarity":"NO_MATCH","validity":false}"#, (Some(Similarity::NoMatch), Some(false), 0)),
        (
            r#"{"similarity":"NOT_POSSIBLE","validity":"FALSE","reason":"X"}"#,
            (Some(Similarity::NotPossible), Some(false), 0),
        ),
        (r#"{"similarity":"N/A","validity":"N/A"}"#, (None, None, 0)),
        (r#"{"similarity":null,"validity":null}"#, (None, None, 0)),
        ("{}", (None, None, 0)),
        ("", (None, None, 0)),
        ("N/A", (None, None, 0)),
        (r#"{"similarity":"ALMOST","validity":"maybe"}"#, (Some(Similarity::Unknown), None, 2)),
        ("not json", (None, None, 1)),
        ("[]", (None, None, 1)),
        ("true", (None, None, 1)),
    ] {
        let callback = verification(&[("identityVerification", text)]);
        assert_eq!((callback.similarity, callback.validity, callback.unknown_values), claims, "{text}");
    }
    let absent = verification(&[]);
    assert_eq!((absent.similarity, absent.validity), (None, None));
}

#[test]
fn absent_empty_and_not_available_are_one_and_the_same() {
    for nothing in ["", " ", "N/A", "n/a"] {
        let callback = verification(&[
            ("customerId", nothing),
            ("merchantIdScanReference", nothing),
            ("verificationStatus", nothing),
            ("facemap", nothing),
            ("transactionDate", nothing),
        ]);
        assert_eq!(callback, verification(&[]), "{nothing:?}");
    }
}

#[test]
fn all_names_of_the_same_thing_are_known() {
    for name in ["jumioIdScanReference", "scanReference", "transactionReference"] {
        let parsed = parse(&form(&[("callBackType", "NETVERIFYID"), (name, SCAN)])).unwrap();
        assert_eq!(parsed.subject(), Some(Subject::Scan(SCAN.parse().unwrap())), "{name}");
    }
    for name in ["merchantIdScanReference", "merchantScanReference", "customerInternalReference"] {
        assert_eq!(verification(&[(name, "ours")]).internal_reference.as_deref(), Some("ours"));
    }
    for name in ["customerId", "userReference"] {
        assert_eq!(verification(&[(name, "user_1234")]).user_reference.unwrap().as_str(), "user_1234");
        assert_eq!(authentication(&[(name, "user_1234")]).user_reference.unwrap().as_str(), "user_1234");
    }
}

#[test]
fn what_is_new_is_counted_and_fails_nothing() {
    let callback = verification(&[
        ("verificationStatus", "APPROVED_SOMEHOW"),
        ("brandNew", "1"),
        ("transactionDate", "soon"),
    ]);
    assert_eq!(
        (callback.verification_status, callback.unknown_values),
        (Some(VerificationStatus::Unknown), 3)
    );
    let callback = authentication(&[("transactionResult", "PASSED_MAYBE")]);
    assert_eq!((callback.result, callback.unknown_values), (Some(AuthenticationResult::Unknown), 1));
    assert!(!callback.result.unwrap().is_final());
    // No user reference has this form; it is not cut to one that has.
    let callback = verification(&[("customerId", "Zoë")]);
    assert_eq!((callback.user_reference, callback.unknown_values), (None, 1));
}

#[test]
fn a_callback_of_an_unknown_kind_is_nobodys() {
    for body in [
        form(&[("callBackType", "NETVERIFY_SOMETHING"), ("jumioIdScanReference", SCAN)]),
        form(&[("jumioIdScanReference", SCAN)]),
        form(&[("callBackType", "netverifyid"), ("jumioIdScanReference", SCAN)]),
        b"".to_vec(),
        b"{\"callBackType\":\"NETVERIFYID\"}".to_vec(),
        vec![0xff; 64],
    ] {
        assert_eq!(parse(&body), Ok(Callback::Other));
        assert_eq!(subject_of(&body), None);
    }
}

#[test]
fn a_callback_that_names_no_or_several_transactions_is_refused() {
    for kind in ["NETVERIFYID", "NETVERIFY_AUTHENTICATION"] {
        assert_eq!(parse(&form(&[("callBackType", kind)])), Err(CallbackError::NoReference));
        for bad in ["x", "5ca1ab1e00004000800000000000000001", "' or 1=1 --"] {
            let body = form(&[("callBackType", kind), ("transactionReference", bad)]);
            assert_eq!(parse(&body), Err(CallbackError::NoReference), "{bad}");
        }
        for second in ["transactionReference", "jumioIdScanReference"] {
            let body = form(&[("callBackType", kind), ("transactionReference", SCAN), (second, OTHER)]);
            assert_eq!(parse(&body), Err(CallbackError::Contradictory), "{second}");
            let same = form(&[
                ("callBackType", kind),
                ("transactionReference", SCAN),
                (second, &SCAN.to_uppercase()),
            ]);
            assert!(parse(&same).is_ok(), "{second}");
        }
    }
    let many = "a=1&".repeat(MAX_FIELDS + 1);
    assert_eq!(parse(many.as_bytes()), Err(CallbackError::TooManyFields));
    let href = format!("https://netverify.com/{}", "a".repeat(MAX_HREF));
    assert_eq!(verification(&[("facemap", &href)]).facemap_href, None);
}

#[test]
fn deep_json_does_not_overflow_the_stack() {
    let deep = "[".repeat(200_000);
    assert_eq!(verification(&[("identityVerification", &deep)]).unknown_values, 1);
    let deep = format!("{}1{}", "{\"similarity\":".repeat(50_000), "}".repeat(50_000));
    assert_eq!(verification(&[("identityVerification", &deep)]).similarity, None);
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_without_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&body);
    }

    #[test]
    fn any_values_in_the_fields_leave_the_reference_alone(
        values in prop::collection::vec((prop::sample::select(KNOWN_FIELDS.to_vec()), "\\PC{0,60}"), 0..20),
        kind in prop::sample::select(vec!["NETVERIFYID", "NETVERIFY_AUTHENTICATION"]),
    ) {
        let mut fields = vec![("callBackType", kind), ("transactionReference", SCAN)];
        fields.extend(values.iter().map(|(name, value)| (*name, value.as_str())));
        if let Ok(callback) = parse(&form(&fields)) {
            match callback.subject() {
                Some(Subject::Scan(reference)) => prop_assert_eq!(reference.to_string(), SCAN),
                Some(Subject::Authentication(reference)) => prop_assert_eq!(reference.to_string(), SCAN),
                None => prop_assert!(false, "a known type has a subject"),
            }
        }
    }
}

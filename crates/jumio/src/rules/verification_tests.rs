use super::*;
use crate::Warning;
use proptest::prelude::*;
use serde_json::json;

fn seeds_sample() -> Value {
    json!({
        "customerInternalReference": "transaction_1234",
        "userReference": "user_1234",
        "successUrl": "https://www.yourcompany.com/success",
        "errorUrl": "https://www.yourcompany.com/error",
        "reportingCriteria": "myReport1234",
        "workflowId": 200,
        "presets": [{"index": 1, "country": "AUT", "type": "PASSPORT"}],
        "locale": "en-GB",
        "tokenLifetimeInMinutes": 30
    })
}

fn violations(body: &Value) -> Vec<(String, String)> {
    match NewVerification::check(body, &Rules::default()) {
        Ok(_) => Vec::new(),
        Err(violations) => violations.iter().map(|v| (v.pointer.clone(), v.rule.clone())).collect(),
    }
}

/// The pointers that are complained about when one field of the sample is another.
fn with(field: &str, value: Value) -> Vec<String> {
    let mut body = seeds_sample();
    body[field] = value;
    violations(&body).into_iter().map(|(pointer, _)| pointer).collect()
}

#[test]
fn the_seeds_sample_is_sent_as_it_stands_with_our_callback() {
    let checked = NewVerification::check(&seeds_sample(), &Rules::default()).unwrap();
    let checked = checked
        .with_callback_url("https://vault.example.com/callbacks/jumio/x".into(), &Rules::default())
        .unwrap();
    let mut expected = seeds_sample();
    expected["callbackUrl"] = json!("https://vault.example.com/callbacks/jumio/x");
    assert_eq!(serde_json::to_value(&checked).unwrap(), expected);
    assert_eq!(checked.or_internal_reference("ours").customer_internal_reference(), Some("transaction_1234"));
}

#[test]
fn absent_fields_are_not_sent_and_null_counts_as_absent() {
    let body = json!({"userReference": "user_1234", "locale": null});
    let checked = NewVerification::check(&body, &Rules::default()).unwrap();
    assert_eq!(serde_json::to_value(&checked).unwrap(), json!({"userReference": "user_1234"}));
    let filled = checked.or_internal_reference(&"x".repeat(200));
    assert_eq!(filled.customer_internal_reference().unwrap().len(), 100);
}

#[test]
fn all_violations_come_at_once_and_no_value_is_repeated() {
    let body = json!({
        "customerInternalReference": "",
        "userReference": "ines@example.com",
        "reportingCriteria": 5,
        "successUrl": "http://www.example.com/",
        "errorUrl": "https://10.0.0.1/",
        "callbackUrl": "https://elsewhere.example.com/",
        "workflowId": "201",
        "presets": [{"index": 2, "country": "aut"}, 7],
        "locale": "xx",
        "tokenLifetimeInMinutes": 4,
        "tokenLifetime": 5,
        "a/b~c\u{1b}[2J": 1
    });
    let found = violations(&body);
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/customerInternalReference",
            "/userReference",
            "/reportingCriteria",
            "/successUrl",
            "/errorUrl",
            "/callbackUrl",
            "/workflowId",
            "/presets",
            "/presets/0/index",
            "/presets/0/country",
            "/presets/0/type",
            "/presets/1",
            "/locale",
            "/tokenLifetimeInMinutes",
            "/a~1b~0c\\u{1b}[2J",
            "/tokenLifetime",
        ]
    );
    let text = format!("{found:?}");
    for secret in ["ines", "10.0.0.1", "elsewhere", "\u{1b}"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn each_field_has_the_limits_of_its_table() {
    for field in ["customerInternalReference", "reportingCriteria"] {
        let pointer = format!("/{field}");
        assert!(with(field, json!("x".repeat(100))).is_empty());
        for bad in
            [json!("x".repeat(101)), json!(""), json!(1), json!("a\nb"), json!("ines@example.com"), json!([])]
        {
            assert_eq!(with(field, bad.clone()), [pointer.as_str()], "{bad}");
        }
    }
    assert!(with("userReference", json!("x".repeat(100))).is_empty());
    for bad in [json!("x".repeat(101)), json!(""), json!(1), json!(" x"), json!("Zoë"), json!(null)] {
        assert_eq!(with("userReference", bad.clone()), ["/userReference"], "{bad}");
    }
    for good in [100, 101, 102, 200, 201, 202] {
        assert!(with("workflowId", json!(good)).is_empty());
    }
    for bad in [json!(103), json!(0), json!(-1), json!(201.5), json!("201"), json!(65_736)] {
        assert_eq!(with("workflowId", bad.clone()), ["/workflowId"], "{bad}");
    }
    for good in [5, 86_400] {
        assert!(with("tokenLifetimeInMinutes", json!(good)).is_empty());
    }
    for bad in [json!(4), json!(86_401), json!(-5), json!(5.5), json!("5"), json!(4_294_967_301_u64)] {
        assert_eq!(with("tokenLifetimeInMinutes", bad.clone()), ["/tokenLifetimeInMinutes"], "{bad}");
    }
    for good in tables::VERIFICATION_LOCALES {
        assert!(with("locale", json!(good)).is_empty());
    }
    for bad in ["EN", "en_GB", "en-gb", "zh", "", "en "] {
        assert_eq!(with("locale", json!(bad)), ["/locale"], "{bad}");
    }
}

#[test]
fn a_preset_is_complete_or_refused() {
    for kind in tables::DOCUMENTS {
        assert!(with("presets", json!([{"index": 1, "country": "XKX", "type": kind}])).is_empty());
    }
    for (bad, pointers) in [
        (json!([]), &["/presets"][..]),
        (json!({}), &["/presets"]),
        (json!("x"), &["/presets"]),
        (json!([{}]), &["/presets/0/index", "/presets/0/country", "/presets/0/type"]),
        (json!([{"index": 1, "country": "AUT"}]), &["/presets/0/type"]),
        (json!([{"index": 1, "type": "PASSPORT"}]), &["/presets/0/country"]),
        (json!([{"country": "AUT", "type": "PASSPORT"}]), &["/presets/0/index"]),
        (json!([{"index": 1, "country": "AUT", "type": "VISA"}]), &["/presets/0/type"]),
        (json!([{"index": 1, "country": "AT", "type": "PASSPORT"}]), &["/presets/0/country"]),
        (json!([{"index": 1, "country": "ZZZ", "type": "PASSPORT"}]), &["/presets/0/country"]),
        (json!([{"index": 1, "country": "AUT", "type": "PASSPORT", "x": 1}]), &["/presets/0/x"]),
        (
            json!([{"index": 1, "country": "AUT", "type": "PASSPORT"}, {"index": 1, "country": "AUT", "type": "PASSPORT"}]),
            &["/presets"],
        ),
    ] {
        assert_eq!(with("presets", bad.clone()), pointers, "{bad}");
    }
}

#[test]
fn a_body_that_is_no_object_is_one_violation() {
    for body in [json!([]), json!("x"), json!(null), json!(1)] {
        assert_eq!(violations(&body), [(String::new(), "must be a JSON object".to_owned())]);
    }
}

#[test]
fn only_camera_only_with_identity_is_sure_of_a_facemap() {
    for (workflow, warnings) in [
        (json!(201), &[][..]),
        (json!(200), &[Warning::SelfieMayBeUploaded]),
        (json!(202), &[Warning::SelfieMayBeUploaded]),
        (json!(100), &[Warning::NoIdentityVerification]),
        (json!(101), &[Warning::NoIdentityVerification]),
        (json!(102), &[Warning::NoIdentityVerification]),
        (json!(null), &[Warning::WorkflowFromPortal]),
    ] {
        let mut body = seeds_sample();
        body["workflowId"] = workflow.clone();
        let checked = NewVerification::check(&body, &Rules::default()).unwrap();
        assert_eq!(checked.warnings(), warnings, "{workflow}");
    }
}

#[test]
fn debug_shows_no_reference_and_no_link() {
    let checked = NewVerification::check(&seeds_sample(), &Rules::default()).unwrap();
    let text = format!("{checked:?}");
    assert!(!text.contains("1234") && !text.contains("yourcompany"), "{text}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        "https?://[a-z.@:\\[\\]%#?/]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z]{0,12}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_stands_in_a_field_it_is_sent_as_given_or_refused_under_its_own_name(
        field in prop::sample::select(vec![
            "customerInternalReference", "userReference", "reportingCriteria", "successUrl", "errorUrl", "callbackUrl",
            "workflowId", "presets", "locale", "tokenLifetimeInMinutes",
        ]),
        value in any_json(),
    ) {
        let mut body = seeds_sample();
        body[field] = value.clone();
        match NewVerification::check(&body, &Rules::default()) {
            Ok(checked) => {
                let sent = serde_json::to_value(&checked).unwrap();
                prop_assert_eq!(sent.get(field).cloned().unwrap_or(Value::Null), value);
            }
            Err(violations) => {
                let prefix = format!("/{field}");
                prop_assert!(violations.iter().all(|v| v.pointer.starts_with(&prefix)));
            }
        }
    }
}

//! `docs/sandbox.md`: the bodies it shows are taken as they stand there.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{House, text};

const PAGE: &str = include_str!("../../../../docs/sandbox.md");

/// The JSON blocks of the section whose heading names `route`, each split into its values.
fn examples(route: &str) -> Vec<Vec<Value>> {
    let section =
        PAGE.split("\n### ").find(|section| section.starts_with(route)).expect("the section is there");
    let blocks = section.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let values =
        |block: &str| serde_json::Deserializer::from_str(block).into_iter().map(Result::unwrap).collect();
    blocks.map(values).collect()
}

#[tokio::test]
async fn the_bodies_shown_are_taken() {
    let house = House::start().await;
    let mut made = examples("`POST /_sandbox/verifications`").remove(0).remove(0);
    made["callbackUrl"] = Value::Null;
    made["facemap"] = json!("AAECAw==");
    let answer = house.control(Method::POST, "verifications", &made).await;
    let shown = examples("`POST /_sandbox/verifications`").remove(1).remove(0);
    assert!(answer.as_object().unwrap().keys().eq(shown.as_object().unwrap().keys()), "{answer}");

    for fault in examples("`PUT /_sandbox/faults`").remove(0) {
        house.control(Method::PUT, "faults", &fault).await;
    }
    house.control(Method::DELETE, "faults", &json!({})).await;
    let defaults = house.control(Method::GET, "settings", &json!({})).await;
    let shown = examples("`PUT /_sandbox/settings`").remove(0).remove(0);
    assert_eq!(shown, defaults);
    house.control(Method::PUT, "settings", &shown).await;
    let clock = examples("`PUT /_sandbox/clock`").remove(0).remove(0);
    let now = house.control(Method::PUT, "clock", &clock).await;
    assert_eq!(now, json!({"now": "2026-03-01T10:14:59.999Z", "frozen": true}), "as shown beside it");

    for mut callback in examples("`POST /_sandbox/callbacks`").remove(0) {
        callback["callbackUrl"] = json!("http://127.0.0.1:1/");
        if callback.get("reference").is_some() {
            callback["reference"] = answer["transactionReference"].clone();
        }
        house.control(Method::POST, "callbacks", &callback).await;
    }
    let (enrollment, facemap) = house.enrolled().await;
    let metadata = json!({"enrollmentTransactionReference": enrollment});
    let one = text(&house.authenticated(&facemap, &metadata).await, "authenticationTransactionReference");
    let result = examples("`POST /_sandbox/authentications").remove(0).remove(0);
    house.control(Method::POST, &format!("authentications/{one}/result"), &result).await;

    let state = house.control(Method::GET, "state", &json!({})).await;
    let shown = examples("`GET /_sandbox/state").remove(0).remove(0);
    for kind in ["verifications", "authentications"] {
        let names = |value: &Value| value[kind][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&state), names(&shown), "{kind}");
    }
}

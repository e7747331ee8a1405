//! docs/events.md: an example of each, with nothing in it that cannot be put.

use crate::{house::House, receiver::FakeReceiver};
use notify::{EventId, EventKind, Field, documented};
use std::collections::BTreeSet;

#[test]
fn every_kind_has_an_example_with_known_fields_only() {
    let examples = documented::examples();
    let kinds: BTreeSet<_> = examples.iter().map(|example| example["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, EventKind::ALL.iter().map(|kind| kind.as_str()).collect());
    for example in &examples {
        let parts: Vec<_> = example.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(parts, ["data", "id", "simulated", "timestamp", "type"]);
        assert!(EventId::parse(example["id"].as_str().unwrap()).is_some(), "{example}");
        for name in example["data"].as_object().unwrap().keys() {
            assert!(Field::ALL.iter().any(|field| field.as_str() == name), "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_sent_has_the_parts_of_the_examples() {
    let house = House::new().await;
    let receiver = FakeReceiver::willing().await;
    house.tell(&house.enroll(1).await, EventKind::EnrollmentReady).await;
    house.messenger(&receiver).send_due().await.unwrap();
    let sent: BTreeSet<_> = receiver.arrived()[0].body.as_object().unwrap().keys().cloned().collect();
    let example = documented::examples().remove(0);
    assert_eq!(sent, example.as_object().unwrap().keys().cloned().collect());
}

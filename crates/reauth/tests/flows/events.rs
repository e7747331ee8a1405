//! What an authentication and a link tell the company's backend, held against docs/events.md: never a link of Jumio's, nor
//! one of ours.

use crate::{
    batch_house::{items, links, start, users},
    house::{House, asks, asks_web, jumio_reference, reference, seconds, user},
    links::new_link,
};
use audit::Actor;
use model::AuthenticationResult as R;
use notify::{EventKind, Message, documented};
use reauth::{AuthenticationRequest, IfOpen, Pressed};

async fn told(house: &House) -> Vec<Message> {
    let page = house.now().outbox.events(None, None, 500).await.unwrap();
    page.items.into_iter().map(|listed| listed.message).collect()
}

fn kinds(told: &[Message]) -> Vec<EventKind> {
    told.iter().map(|message| message.kind).collect()
}

/// Without the company's reference of the request, where none was given.
fn differences(message: &Message) -> Vec<String> {
    documented::differences(message).into_iter().filter(|field| field != "-requestReference").collect()
}

#[tokio::test]
async fn an_authentication_is_told_when_it_begins_and_when_it_ends_and_not_when_it_is_given_out_again() {
    let house = House::new().await;
    house.enroll(1).await;
    let asked = AuthenticationRequest { request_reference: Some("order-7".to_owned()), ..asks_web(1) };
    let first = house.ask(asked.clone()).await.unwrap();
    assert!(house.ask(asked).await.unwrap().deduplicated);
    house.jumio.finish(jumio_reference(&first), R::Passed);
    house.pass(seconds(60)).await;
    let told = told(&house).await;
    assert_eq!(kinds(&told), [EventKind::AuthenticationInitiated, EventKind::AuthenticationCompleted]);
    for message in &told {
        assert_eq!(documented::differences(message), [""; 0], "{}", message.kind);
        assert_eq!(message.data["userReference"], user(1).as_str());
        assert_eq!(message.data["enrollmentTransactionReference"], reference(1).to_string());
        assert_eq!(message.data["requestReference"], "order-7");
    }
    assert_eq!((&told[0].data["state"], &told[1].data["state"]), (&"initiated".into(), &"passed".into()));
    let link = first.authentication.redirect_url.unwrap();
    let all = serde_json::to_string(&told).unwrap();
    assert!(!all.contains(&link) && !all.contains("http"), "{all}");
}

#[tokio::test]
async fn one_that_was_knowingly_replaced_is_told_to_be_over_before_the_new_one() {
    let house = House::new().await;
    house.enroll(1).await;
    let old = house.ask(asks(1)).await.unwrap().authentication.authentication_id;
    house.clock.advance(seconds(1));
    house.ask(AuthenticationRequest { if_open: IfOpen::Replace, ..asks_web(1) }).await.unwrap();
    let told = told(&house).await;
    let all = [
        EventKind::AuthenticationInitiated,
        EventKind::AuthenticationCompleted,
        EventKind::AuthenticationInitiated,
    ];
    assert_eq!(kinds(&told), all);
    assert_eq!(told[1].data["authenticationId"], old.to_string());
    assert_eq!(told[1].data["state"], "superseded");
}

#[tokio::test]
async fn links_are_told_as_documented_and_never_with_their_address() {
    let house = House::new().await;
    house.enroll(1).await;
    let view = house.reauth().create_link(new_link(1), Actor::System).await.unwrap();
    let url = view.url.unwrap();
    let token = url.rsplit('/').next().unwrap();
    assert!(matches!(house.reauth().press(token).await, Pressed::Redirect(_)));
    house.reauth().create_link(new_link(1), Actor::System).await.unwrap();
    house.pass(seconds(31 * 86_400)).await;
    let told = told(&house).await;
    for kind in [EventKind::LinkPressed, EventKind::LinkExpired] {
        let message = told.iter().find(|message| message.kind == kind).unwrap();
        assert_eq!(differences(message), [""; 0], "{kind}");
    }
    let all = serde_json::to_string(&told).unwrap();
    assert!(!all.contains(token) && !all.contains("http"), "{all}");
}

#[tokio::test]
async fn a_batch_is_told_once_as_documented_when_nothing_of_it_can_change_any_more() {
    let house = House::new().await;
    for number in 1..=2 {
        house.enroll(number).await;
    }
    let id = start(&house, &links(), users(1..=3)).await;
    house.pass(seconds(1)).await;
    let url = items(&house, id).await[0].url.clone().unwrap();
    assert!(matches!(house.reauth().press(url.rsplit('/').next().unwrap()).await, Pressed::Redirect(_)));
    house.jumio.finish(house.started()[0].reference, R::Passed);
    house.pass(seconds(60)).await;
    let over = async |house: &House| {
        let mut told = told(house).await;
        told.retain(|message| message.kind == EventKind::BatchCompleted);
        told
    };
    assert!(over(&house).await.is_empty(), "a link is open");
    house.pass(seconds(4 * 86_400)).await;
    let told = over(&house).await;
    assert_eq!(told.len(), 1);
    assert_eq!(documented::differences(&told[0]), [""; 0]);
    let data = &told[0].data;
    assert_eq!((&data["batchId"], &data["state"]), (&id.to_string().into(), &"completed".into()));
    let counts = serde_json::json!({
        "states": { "linked": 2, "skipped": 1 }, "outcomes": { "expired": 1, "passed": 1 }
    });
    assert_eq!((&data["total"], &data["counts"]), (&2.into(), &counts));
    // Nobody is named, whatever came of them.
    let all = serde_json::to_string(&told).unwrap();
    assert!(!all.contains(user(2).as_str()) && !all.contains("http"), "{all}");
}

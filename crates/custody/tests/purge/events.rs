//! What is told of what is destroyed, held against docs/events.md; and what is no longer told.

use crate::house::{House, order, reference, seconds, user};
use custody::{Criterion, PurgeRequest};
use jumio::scripted::{Endpoint, Script};
use model::EnrollmentState as S;
use notify::{Event, EventKind, Field, Message, Outbox, OutboxConfig, documented};
use serde_json::json;
use std::sync::Arc;
use store::faulty::CommitFault;

fn outbox(house: &House) -> Outbox {
    Outbox::new(house.register().clone(), Arc::new(house.clock.clone()), OutboxConfig::default())
}

async fn told(house: &House) -> Vec<Message> {
    let page = outbox(house).events(None, None, 500).await.unwrap();
    page.items.into_iter().map(|listed| listed.message).collect()
}

fn kinds(told: &[Message]) -> Vec<EventKind> {
    told.iter().map(|message| message.kind).collect()
}

/// Without the id of an order for many, which an order for one has not.
fn differences(message: &Message) -> Vec<String> {
    documented::differences(message).into_iter().filter(|field| field != "-purgeId").collect()
}

async fn tell_of(house: &House, number: u64) {
    let slot = house.enrollment(number).await.row.slot;
    let event = Event::about(EventKind::EnrollmentReady, house.key(number), slot)
        .with(Field::UserReference, user(number));
    let mut commit = house.register().records().commit();
    outbox(house).put(&mut commit, event).await.unwrap();
    commit.submit().await.unwrap();
}

#[tokio::test]
async fn a_purge_is_told_with_its_receipt_and_names_nobody_and_once_more_when_jumio_is_done() {
    let house = House::new().await;
    house.enroll(1).await;
    house.jumio.script(Endpoint::DeleteAuthentication, Script::refused(503).for_ever());
    let first = house.purge(1).await.unwrap();
    house.jumio.clear_scripts();
    house.pass(seconds(7200)).await;
    let second = house.purge(1).await.unwrap();
    let told = told(&house).await;
    assert_eq!(kinds(&told), [EventKind::EnrollmentPurged, EventKind::PurgeCompleted]);
    let receipts = [first.receipt.unwrap(), second.jumio_receipt.unwrap()];
    for (message, (receipt, at_jumio)) in told.iter().zip(receipts.iter().zip(["pending", "done"])) {
        assert_eq!(differences(message), [""; 0], "{}", message.kind);
        assert_eq!(message.data["receipt"], *receipt);
        assert_eq!(message.data["jumioDeletion"], at_jumio);
        assert_eq!(message.data["subject"], house.key(1).0.to_string());
        assert_eq!(message.data["caseReference"], "CASE-4711");
        let text = serde_json::to_string(message).unwrap();
        assert!(!text.contains(user(1).as_str()) && !text.contains(&reference(1).to_string()), "{text}");
    }
}

#[tokio::test]
async fn what_was_to_be_told_of_the_person_goes_with_the_person_and_nobody_elses() {
    let house = House::new().await;
    for number in 1..=2 {
        house.enroll(number).await;
        tell_of(&house, number).await;
    }
    // One has its place, one has not.
    outbox(&house).place().await.unwrap();
    tell_of(&house, 1).await;
    house.purge(1).await.unwrap();
    assert_eq!(outbox(&house).forget(house.key(1)).await.unwrap(), 0, "its row is not there any more");
    let told = told(&house).await;
    assert_eq!(kinds(&told), [EventKind::EnrollmentReady, EventKind::EnrollmentPurged]);
    assert_eq!(told[0].data["userReference"], user(2).as_str());
}

#[tokio::test]
async fn an_order_for_many_is_told_at_its_end_and_again_when_jumio_is_done() {
    let house = House::new().await;
    for number in 1..=3 {
        house.enroll(number).await;
    }
    house.jumio.script(Endpoint::DeleteAuthentication, Script::refused(503).for_ever());
    let all: Vec<String> = (1..=3).map(|number| reference(number).to_string()).collect();
    let request: PurgeRequest =
        serde_json::from_value(json!({"enrollments": all, "reason": "other"})).unwrap();
    let criterion: Criterion = request.criterion().unwrap();
    house.custody().order_purge(&criterion, order(), None, None).await.unwrap();
    house.drive().await;
    house.jumio.clear_scripts();
    house.pass(seconds(7200)).await;
    let told = told(&house).await;
    let of_all: Vec<_> = told.iter().filter(|message| message.kind == EventKind::PurgeCompleted).collect();
    assert_eq!(of_all.len(), 2);
    assert_eq!(
        (&of_all[0].data["jumioDeletion"], &of_all[1].data["jumioDeletion"]),
        (&json!("pending"), &json!("done"))
    );
    for message in &told {
        assert_eq!(documented::differences(message), [""; 0], "{}", message.kind);
    }
    let single: Vec<_> = told.iter().filter(|message| message.kind == EventKind::EnrollmentPurged).collect();
    assert_eq!(single.len(), 3);
    assert!(single.iter().all(|message| message.data["purgeId"] == of_all[0].data["purgeId"]));
    assert_eq!(
        of_all[0].data["counts"],
        json!({"done": 3, "doneByOthers": 0, "held": 0, "notDue": 0, "failed": 0})
    );
}

#[tokio::test]
async fn a_purge_that_is_cut_off_anywhere_is_told_once() {
    for nth in 1..=12 {
        let mut house = House::new().await;
        house.enroll_as(1, 1, S::Ready, |_| {}).await;
        tell_of(&house, 1).await;
        let fault = if nth % 2 == 0 { CommitFault::AmbiguousAfter } else { CommitFault::AmbiguousBefore };
        house.store.fail_commit(nth, fault);
        let _cut_off = house.purge(1).await;
        house.restart().await;
        house.drive().await;
        house.purge(1).await.unwrap();
        assert_eq!(kinds(&told(&house).await), [EventKind::EnrollmentPurged], "{nth}");
    }
}

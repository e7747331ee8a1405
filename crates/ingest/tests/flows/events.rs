//! What an onboarding tells the company's backend, held against docs/events.md.

use crate::{
    house::{House, reference},
    jumio::Scan,
};
use model::EnrollmentState;
use notify::{EventKind, Message, Outbox, OutboxConfig, documented};
use std::{sync::Arc, time::Duration};
use store::faulty::CommitFault;

/// Everything that was told, whatever process told it.
pub(crate) async fn told(house: &House) -> Vec<Message> {
    let register = house.now().register.clone();
    let outbox = Outbox::new(register, Arc::new(house.clock.clone()), OutboxConfig::default());
    let page = outbox.events(None, None, 500).await.unwrap();
    page.items.into_iter().map(|listed| listed.message).collect()
}

fn kinds(told: &[Message]) -> Vec<EventKind> {
    told.iter().map(|message| message.kind).collect()
}

/// Without the company's own reference, which these people do not have.
fn differences(message: &Message) -> Vec<String> {
    let optional = "-customerInternalReference";
    documented::differences(message).into_iter().filter(|field| field != optional).collect()
}

#[tokio::test]
async fn each_state_that_matters_is_told_once_in_its_order_as_documented() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.drive().await;
    assert_eq!(kinds(&told(&house).await), [EventKind::EnrollmentVaulted]);
    assert_eq!(told(&house).await[0].data["asksForRelease"], true);
    house.release(1).await.unwrap();
    house.drive().await;
    let told = told(&house).await;
    assert_eq!(kinds(&told), [EventKind::EnrollmentVaulted, EventKind::EnrollmentReady]);
    for message in &told {
        assert_eq!(differences(message), [""; 0], "{}", message.kind);
        assert_eq!(message.data["enrollmentTransactionReference"], reference(1).to_string());
        assert_eq!(message.data["userReference"], "ines");
    }
    assert_eq!((&told[0].data["state"], &told[1].data["state"]), (&"vaulted".into(), &"ready".into()));
}

#[tokio::test]
async fn somebody_ineligible_and_somebody_who_was_given_up_are_told_with_the_reason() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan { validity: Some(false), ..Scan::approved("ines", b"a face") });
    house.announce(1, "ines").await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Ineligible);
    house.onboard(2, "jo").await;
    house.drive().await;
    house.harm_contents(Vec::clear);
    house.release(2).await.unwrap();
    house.drive_for(Duration::from_hours(100)).await;
    assert_eq!(house.state(2).await, EnrollmentState::Failed);
    let told = told(&house).await;
    let all = [EventKind::EnrollmentIneligible, EventKind::EnrollmentVaulted, EventKind::EnrollmentFailed];
    assert_eq!(kinds(&told), all);
    for message in &told {
        assert_eq!(differences(message), [""; 0], "{}", message.kind);
    }
    assert_eq!(told[0].data["reasons"], serde_json::json!(["validity"]));
    assert_eq!(told[2].data["trouble"], "vault");
}

#[tokio::test]
async fn whose_place_is_taken_is_told_with_the_reference_of_the_other() {
    let house = House::new().await;
    for number in 1..=2 {
        house.onboard(number, "ines").await;
        house.drive().await;
        house.release_with(number, (number == 2).then_some(1), true).await.unwrap();
        house.drive().await;
    }
    let told = told(&house).await;
    let replaced = told.iter().find(|message| message.kind == EventKind::EnrollmentReplaced).unwrap();
    assert_eq!(differences(replaced), [""; 0]);
    assert_eq!(replaced.data["enrollmentTransactionReference"], reference(1).to_string());
    assert_eq!(replaced.data["replacedBy"], reference(2).to_string());
}

#[tokio::test]
async fn a_step_that_is_not_durable_is_not_told_and_one_that_is_cut_off_is_told_once() {
    for nth in 1..=14 {
        for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
            let mut house = House::new().await;
            house.onboard(1, "ines").await;
            house.release(1).await.unwrap();
            house.store.fail_commit(nth, fault);
            let _cut_off = house.run().await;
            house.restart().await;
            let before = kinds(&told(&house).await);
            let is_vaulted = house.enrollment(1).await.row.vaulted_at.is_some();
            let is_ready = house.state(1).await == EnrollmentState::Ready;
            assert_eq!(before.contains(&EventKind::EnrollmentVaulted), is_vaulted, "{nth} {fault:?}");
            assert_eq!(before.contains(&EventKind::EnrollmentReady), is_ready, "{nth} {fault:?}");
            house.drive_for(Duration::from_hours(1)).await;
            let after = kinds(&told(&house).await);
            assert_eq!(after, [EventKind::EnrollmentVaulted, EventKind::EnrollmentReady], "{nth} {fault:?}");
        }
    }
}

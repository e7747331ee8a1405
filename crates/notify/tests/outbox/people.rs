//! People who are destroyed: what is to be told of them goes with them.

use crate::{
    house::{House, Person},
    receiver::FakeReceiver,
};
use notify::{Event, EventId, EventKind, Field, NotifyError, OutboxConfig};
use records::{Table, tables};

async fn tell_purged(house: &House, person: &Person) {
    let event = Event::about_nobody(EventKind::EnrollmentPurged)
        .in_order_of(person.key)
        .with(Field::Subject, person.key.0)
        .with(Field::CaseReference, "case-7")
        .with(Field::Receipt, "e30.e30.e30");
    let mut commit = house.commit();
    house.outbox.put(&mut commit, event).await.unwrap();
    commit.submit().await.unwrap();
}

#[tokio::test]
async fn what_was_not_told_before_the_slot_is_burnt_is_told_to_nobody_but_the_purge_itself() {
    let house = House::new().await;
    let (ines, jo) = (house.enroll(1).await, house.enroll(2).await);
    let receiver = FakeReceiver::willing().await;
    for kind in [EventKind::EnrollmentVaulted, EventKind::EnrollmentReady] {
        house.tell(&ines, kind).await;
        house.tell(&jo, kind).await;
    }
    house.vault.burn(ines.slot).await.unwrap();
    tell_purged(&house, &ines).await;
    house.send_all(&house.messenger(&receiver), 5).await;
    let arrived = receiver.arrived();
    assert!(arrived.iter().all(|one| one.about() != ines.reference.to_string()));
    let told: Vec<_> = arrived.iter().filter(|one| one.about().is_empty()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind(), "enrollment.purged");
    assert_eq!(told[0].body["data"]["subject"], ines.key.0.to_string());
    assert_eq!(told[0].body["data"]["caseReference"], "case-7");
    assert_eq!(arrived.len(), 3, "the other one's are told as ever");
    assert_eq!(house.outbox.status(10).await.unwrap().waiting, 0);
}

#[tokio::test]
async fn whoever_pulls_sees_nothing_of_somebody_who_is_destroyed_nor_can_it_be_replayed() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let receiver = FakeReceiver::willing().await;
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.send_all(&house.messenger(&receiver), 2).await;
    house.tell(&ines, EventKind::EnrollmentReady).await;
    let before = house.outbox.events(None, None, 10).await.unwrap();
    assert_eq!(before.items.len(), 2);
    house.vault.burn(ines.slot).await.unwrap();
    tell_purged(&house, &ines).await;
    assert_eq!(house.kinds_shown().await, [EventKind::EnrollmentPurged]);
    let id = EventId::parse(&before.items[0].message.id).unwrap();
    assert!(matches!(house.outbox.replay(&id).await, Err(NotifyError::Purged)));
}

#[tokio::test]
async fn an_erasure_takes_the_rows_of_its_person_away_and_nobody_elses() {
    let house = House::new().await;
    let (ines, jo) = (house.enroll(1).await, house.enroll(2).await);
    let receiver = FakeReceiver::willing().await;
    let messenger = house.messenger(&receiver);
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.send_all(&messenger, 2).await;
    for person in [&ines, &jo] {
        house.tell(person, EventKind::EnrollmentReady).await;
        house.tell(person, EventKind::AuthenticationInitiated).await;
    }
    tell_purged(&house, &ines).await;
    house.outbox.place().await.unwrap();
    assert_eq!(house.outbox.forget(ines.key).await.unwrap(), 3);
    assert_eq!(house.outbox.forget(ines.key).await.unwrap(), 0);
    let left = [EventKind::EnrollmentReady, EventKind::AuthenticationInitiated, EventKind::EnrollmentPurged];
    assert_eq!(house.kinds_shown().await, left);
    house.send_all(&messenger, 3).await;
    let kinds: Vec<_> = receiver.heard().into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.contains(&"enrollment.purged".to_owned()), "nobody is left in its way: {kinds:?}");
}

#[tokio::test]
async fn nothing_is_put_about_somebody_whose_slot_is_burnt_already() {
    let house = House::with(OutboxConfig::default()).await;
    let ines = house.enroll(1).await;
    house.vault.burn(ines.slot).await.unwrap();
    house.tell(&ines, EventKind::AuthenticationCompleted).await;
    assert_eq!(house.kinds_shown().await, []);
}

#[tokio::test]
async fn what_lies_in_the_store_names_nobody_even_to_whoever_has_the_key_of_records() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.outbox.place().await.unwrap();
    let raw: Table<(u64,), serde_json::Value> = Table::new(tables::EVENTS, "events");
    let row = raw.get(house.register.records(), &(1,)).await.unwrap().unwrap().value.to_string();
    assert!(row.contains("enrollment.vaulted") && row.contains("some-state"));
    assert!(!row.contains("ines") && !row.contains(&ines.reference.to_string()), "{row}");
}

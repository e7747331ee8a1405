//! What is old goes; what is damaged holds nobody up; the rows hang together.

use crate::{
    house::{DAY, House},
    receiver::FakeReceiver,
};
use notify::{EventKind, OutboxConfig, State};
use records::tables;
use std::collections::HashSet;

#[tokio::test]
async fn what_was_told_is_kept_for_as_long_as_configured_and_what_was_given_up_for_longer() {
    let house = House::new().await;
    let (ines, jo, bo) = (house.enroll(1).await, house.enroll(2).await, house.enroll(3).await);
    let receiver =
        FakeReceiver::answering(|one| if one.kind() == "enrollment.failed" { 410 } else { 204 }).await;
    let messenger = house.messenger(&receiver);
    house.tell(&ines, EventKind::EnrollmentReady).await;
    house.tell(&jo, EventKind::EnrollmentFailed).await;
    house.send_all(&messenger, 3).await;
    house.clock.advance(DAY * 6 + std::time::Duration::from_secs(86_399));
    assert_eq!(house.outbox.clear_away().await.unwrap(), 0);
    house.tell(&bo, EventKind::EnrollmentReady).await;
    house.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(house.outbox.clear_away().await.unwrap(), 1);
    assert_eq!(house.kinds_shown().await, [EventKind::EnrollmentFailed, EventKind::EnrollmentReady]);
    house.clock.advance(DAY * 83);
    // Nobody has sent the last one yet: it waits, however old it is.
    assert_eq!(house.outbox.clear_away().await.unwrap(), 1);
    assert_eq!(house.kinds_shown().await, [EventKind::EnrollmentReady]);
    let config = OutboxConfig { has_receiver: false, ..house.config };
    assert_eq!(house.another(config).clear_away().await.unwrap(), 1, "there is nobody to wait for");
    assert_eq!(rows(&house).len(), 1, "nothing but where the places end");
}

#[tokio::test]
async fn an_event_that_does_not_open_holds_up_nobody() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let receiver = FakeReceiver::willing().await;
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.tell(&ines, EventKind::EnrollmentReady).await;
    house.outbox.place().await.unwrap();
    let store = house.store.inner();
    let (_, key, mut row) = store.dump().into_iter().find(|row| row.0 == tables::EVENTS).unwrap();
    let mut bytes = row.value.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    row.value = bytes.into();
    store.tamper(tables::EVENTS, &key, row);
    house.send_all(&house.messenger(&receiver), 3).await;
    let kinds: Vec<_> = receiver.heard().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["enrollment.ready"]);
    house.tell(&ines, EventKind::EnrollmentReplaced).await;
    house.send_all(&house.messenger(&receiver), 3).await;
    assert_eq!(receiver.arrived().len(), 2);
    assert_eq!(house.kinds_shown().await, [EventKind::EnrollmentReady, EventKind::EnrollmentReplaced]);
}

#[tokio::test]
async fn a_put_that_does_not_open_is_passed_by() {
    let house = House::new().await;
    let (ines, jo) = (house.enroll(1).await, house.enroll(2).await);
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    let store = house.store.inner();
    let (_, key, mut row) = store.dump().into_iter().find(|row| row.0 == tables::EVENTS_PENDING).unwrap();
    let mut bytes = row.value.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    row.value = bytes.into();
    store.tamper(tables::EVENTS_PENDING, &key, row);
    house.tell(&jo, EventKind::EnrollmentReady).await;
    assert_eq!(house.kinds_shown().await, [EventKind::EnrollmentReady]);
}

#[tokio::test]
async fn the_rows_hang_together_whatever_became_of_the_events() {
    let house = House::new().await;
    let (ines, jo) = (house.enroll(1).await, house.enroll(2).await);
    let receiver = FakeReceiver::answering(|one| match one.kind() {
        "enrollment.failed" => 410,
        "enrollment.ready" => 500,
        _ => 204,
    })
    .await;
    let messenger = house.messenger(&receiver);
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.tell(&ines, EventKind::EnrollmentFailed).await;
    house.tell(&ines, EventKind::EnrollmentReady).await;
    house.tell(&ines, EventKind::EnrollmentReplaced).await;
    house.tell(&jo, EventKind::EnrollmentVaulted).await;
    hangs_together(&house);
    house.outbox.place().await.unwrap();
    hangs_together(&house);
    messenger.send_due().await.unwrap();
    hangs_together(&house);
    let dead = house.outbox.events(None, Some(State::Dead), 1).await.unwrap().items;
    house.outbox.replay(&notify::EventId::parse(&dead[0].message.id).unwrap()).await.unwrap();
    hangs_together(&house);
    house.outbox.forget(ines.key).await.unwrap();
    hangs_together(&house);
}

type Place = (store::TableId, Vec<u8>);

fn rows(house: &House) -> Vec<(store::TableId, Vec<u8>, store::Versioned)> {
    let ours: HashSet<_> = notify::shapes().iter().map(records::Shape::id).collect();
    house.store.inner().dump().into_iter().filter(|row| ours.contains(&row.0)).collect()
}

/// What `verify` holds the rows against.
fn hangs_together(house: &House) {
    let shapes = notify::shapes();
    let rows = rows(house);
    let there: HashSet<Place> = rows.iter().map(|row| (row.0, row.1.clone())).collect();
    let mut indexed: HashSet<Place> = HashSet::new();
    let mut there_as_index: HashSet<Place> = HashSet::new();
    for (table, key, stored) in &rows {
        let shape = shapes.iter().find(|shape| shape.id() == *table).unwrap();
        let ties = shape.look(house.register.records(), key, stored).unwrap();
        if shape.is_index() {
            there_as_index.insert((*table, key.clone()));
        }
        for place in ties.indexed {
            assert!(
                there.contains(&place),
                "{} lacks a row",
                shapes.iter().find(|s| s.id() == place.0).unwrap().name()
            );
            indexed.insert(place);
        }
    }
    assert_eq!(there_as_index, indexed, "an index row that nobody needs");
}

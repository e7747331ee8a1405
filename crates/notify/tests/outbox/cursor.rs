//! Pulling: every event, once, in an order that nothing is added to from behind.

use crate::house::{House, about};
use notify::{Cursor, Event, EventId, EventKind, Field, NotifyError, OutboxConfig, State};
use std::collections::BTreeSet;

fn number(n: u64) -> Event {
    Event::about_nobody(EventKind::BatchCompleted).with(Field::Total, n)
}

async fn page(house: &House, after: Option<Cursor>, limit: usize) -> (Vec<u64>, Option<Cursor>) {
    let page = house.outbox.events(after, None, limit).await.unwrap();
    let total = |listed: &notify::ListedEvent| listed.message.data["total"].as_u64().unwrap();
    (page.items.iter().map(total).collect(), page.next)
}

fn without_receiver() -> OutboxConfig {
    OutboxConfig { has_receiver: false, ..OutboxConfig::default() }
}

#[tokio::test]
async fn a_commit_that_is_late_does_not_appear_behind_a_cursor_that_was_read_past() {
    let house = House::with(without_receiver()).await;
    let (mut early, mut late) = (house.commit(), house.commit());
    house.outbox.put(&mut late, number(1)).await.unwrap();
    house.clock.advance(std::time::Duration::from_secs(1));
    house.outbox.put(&mut early, number(2)).await.unwrap();
    early.submit().await.unwrap();
    let (first, cursor) = page(&house, None, 10).await;
    assert_eq!(first, [2]);
    late.submit().await.unwrap();
    let (second, cursor) = page(&house, cursor, 10).await;
    assert_eq!(second, [1]);
    assert_eq!(page(&house, cursor, 10).await.0, [0; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_beside_many_writers_sees_every_event_once() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 50;
    let house = std::sync::Arc::new(House::with(without_receiver()).await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let house = house.clone();
        writers.spawn(async move {
            for n in 0..EACH {
                let mut commit = house.commit();
                house.outbox.put(&mut commit, number(writer * EACH + n)).await.unwrap();
                tokio::task::yield_now().await;
                commit.submit().await.unwrap();
            }
        });
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let is_over = writers.is_empty();
        let (items, next) = page(&house, cursor, 7).await;
        let is_end = items.is_empty();
        seen.extend(items);
        cursor = next.or(cursor);
        if is_over && is_end {
            break;
        }
        while writers.try_join_next().is_some() {}
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.len() as u64, WRITERS * EACH);
    assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>().len() as u64, WRITERS * EACH);
    for writer in 0..WRITERS {
        let own: Vec<_> = seen.iter().filter(|n| *n / EACH == writer).collect();
        assert!(own.is_sorted(), "one writer's events stand in the order of its commits");
    }
}

#[tokio::test]
async fn a_clock_that_is_turned_back_reverses_nothing() {
    let house = House::with(without_receiver()).await;
    for n in 0..5 {
        let mut commit = house.commit();
        house.outbox.put(&mut commit, number(n)).await.unwrap();
        house.clock.turn_back(std::time::Duration::from_mins(1));
        commit.submit().await.unwrap();
    }
    assert_eq!(page(&house, None, 10).await.0, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_cursor_of_an_outbox_that_is_no_more_is_refused_and_its_ids_are_nobodys() {
    let (old, new) = (House::with(without_receiver()).await, House::new().await);
    for house in [&old, &new] {
        let mut commit = house.commit();
        // The same seed, another era all the same: the new one's source has been used differently.
        let mut drawn = [0; 3];
        if std::ptr::eq(house, &raw const new) {
            house.register.records().rng().fill(&mut drawn);
        }
        house.outbox.put(&mut commit, number(1)).await.unwrap();
        commit.submit().await.unwrap();
    }
    let listed = old.outbox.events(None, None, 10).await.unwrap();
    let cursor = Cursor::parse(&listed.next.unwrap().to_string());
    assert_eq!(cursor, listed.next);
    let refused = new.outbox.events(cursor, None, 10).await;
    assert!(matches!(refused, Err(NotifyError::CursorOfAnotherEra)), "{refused:?}");
    let empty = House::new().await;
    assert!(matches!(empty.outbox.events(cursor, None, 10).await, Err(NotifyError::CursorOfAnotherEra)));
    let id = EventId::parse(&listed.items[0].message.id).unwrap();
    assert!(matches!(new.outbox.replay(&id).await, Err(NotifyError::UnknownEvent)));
}

#[tokio::test]
async fn without_a_receiver_events_are_kept_to_be_pulled_and_nothing_waits() {
    let house = House::with(without_receiver()).await;
    let ines = house.enroll(1).await;
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    let listed = house.outbox.events(None, None, 10).await.unwrap().items;
    assert_eq!(listed[0].delivery.state, State::Kept);
    assert_eq!(listed[0].message.data["userReference"], "ines");
    assert!(!listed[0].message.simulated);
    assert_eq!(house.outbox.status(10).await.unwrap().waiting, 0);
    let id = EventId::parse(&listed[0].message.id).unwrap();
    assert!(matches!(house.outbox.replay(&id).await, Err(NotifyError::NoReceiver)));
}

#[tokio::test]
async fn what_names_somebody_lies_sealed_and_an_event_about_nobody_cannot_name_anybody() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let mut commit = house.commit();
    house.outbox.put(&mut commit, about(&ines, EventKind::EnrollmentVaulted)).await.unwrap();
    commit.submit().await.unwrap();
    house.kinds_shown().await;
    let shown = format!("{:?}", about(&ines, EventKind::EnrollmentVaulted));
    assert!(!shown.contains("ines"), "{shown}");
    for name in ["redirectUrl", "url", "token", "facemap", "successUrl", "errorUrl"] {
        assert!(Field::ALL.iter().all(|field| field.as_str() != name), "{name}");
    }
}

//! Order per enrollment, dead letters, replay.

use crate::{
    house::{DAY, House},
    receiver::FakeReceiver,
};
use notify::{EventId, EventKind, State};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

const VAULTED: &str = "enrollment.vaulted";
const READY: &str = "enrollment.ready";

fn heard(of: &[(&str, String)]) -> Vec<(String, String)> {
    of.iter().map(|(kind, about)| ((*kind).to_owned(), about.clone())).collect()
}

#[tokio::test]
async fn while_one_fails_the_later_ones_of_its_enrollment_wait_and_those_of_others_do_not() {
    let house = House::new().await;
    let (ines, jo) = (house.enroll(1).await, house.enroll(2).await);
    let (a, b) = (ines.reference.to_string(), jo.reference.to_string());
    let failures = Arc::new(AtomicUsize::new(2));
    let (left, whose) = (failures.clone(), a.clone());
    let receiver = FakeReceiver::answering(move |one| {
        let fails = one.about() == whose
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if fails { 500 } else { 204 }
    })
    .await;
    let messenger = house.messenger(&receiver);
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.tell(&ines, EventKind::EnrollmentReady).await;
    house.tell(&jo, EventKind::EnrollmentVaulted).await;
    house.tell(&jo, EventKind::EnrollmentReady).await;
    let next = messenger.send_due().await.unwrap().unwrap();
    let mut first = receiver.heard();
    first.sort();
    assert_eq!(first, heard(&[(READY, b.clone()), (VAULTED, a.clone()), (VAULTED, b.clone())]));
    assert!(receiver.heard().iter().position(|one| one.1 == b) < Some(2), "they do not wait for each other");
    house.wait_until(next);
    house.send_all(&messenger, 10).await;
    let rest = receiver.heard().split_off(3);
    assert_eq!(rest, heard(&[(VAULTED, a.clone()), (VAULTED, a.clone()), (READY, a)]));
    assert_eq!(house.outbox.status(100).await.unwrap().waiting, 0);
}

/// Of a place given and an end written down at the same time, whichever comes second decides anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_put_while_the_one_before_comes_to_its_end_is_not_left_behind() {
    const EACH: usize = 300;
    let house = Arc::new(House::new().await);
    let receiver = FakeReceiver::willing().await;
    let people = [house.enroll(1).await, house.enroll(2).await, house.enroll(3).await];
    let messenger = house.messenger(&receiver);
    for person in people {
        let house = house.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                house.tell(&person, EventKind::EnrollmentVaulted).await;
            }
        });
    }
    let placing = house.clone();
    let places = tokio::spawn(async move {
        loop {
            placing.outbox.place().await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let sending = async {
        while receiver.arrived().len() < 3 * EACH {
            messenger.send_due().await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), sending).await.expect("one was left behind");
    places.abort();
    assert_eq!(house.outbox.status(100).await.unwrap().waiting, 0);
    for person in people {
        let about = person.reference.to_string();
        let own = receiver.arrived().into_iter().filter(|one| one.about() == about);
        let ids: Vec<_> = own.map(|one| one.id()).collect();
        assert!(ids.is_sorted(), "in the order of their places");
    }
}

#[tokio::test]
async fn a_poisoned_event_is_laid_aside_after_its_time_its_order_goes_on_and_it_can_be_told_again() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let poisoned = Arc::new(AtomicBool::new(true));
    let bad = poisoned.clone();
    let receiver =
        FakeReceiver::answering(
            move |one| {
                if one.kind() == VAULTED && bad.load(Ordering::SeqCst) { 422 } else { 200 }
            },
        )
        .await;
    let messenger = house.messenger(&receiver);
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.tell(&ines, EventKind::EnrollmentReady).await;
    let begin = model::Clock::now(&house.clock);
    house.send_all(&messenger, 200).await;
    assert!(model::Clock::now(&house.clock).duration_since(begin).unsigned_abs() >= DAY * 7);
    let arrived = receiver.arrived();
    assert_eq!(arrived.last().unwrap().kind(), READY);
    let tries = arrived.len() - 1;
    assert!((20..60).contains(&tries), "{tries} tries in 7 days");
    assert!(arrived[..tries].iter().all(|one| one.id() == arrived[0].id()), "each time with the same id");

    let dead = house.outbox.events(None, Some(State::Dead), 10).await.unwrap().items;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].delivery.trouble.as_deref(), Some("http-422"));
    assert_eq!(house.outbox.status(10).await.unwrap().dead, 1);
    poisoned.store(false, Ordering::SeqCst);
    house.outbox.replay(&EventId::parse(&dead[0].message.id).unwrap()).await.unwrap();
    house.send_all(&messenger, 2).await;
    let last = receiver.arrived().pop().unwrap();
    assert_eq!((last.kind(), last.id()), (VAULTED, arrived[0].id()));
    assert_eq!(house.outbox.status(10).await.unwrap().dead, 0);
}

#[tokio::test]
async fn a_receiver_that_wants_none_of_it_is_not_asked_again() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let receiver = FakeReceiver::answering(|one| if one.kind() == VAULTED { 410 } else { 204 }).await;
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.tell(&ines, EventKind::EnrollmentReady).await;
    house.send_all(&house.messenger(&receiver), 3).await;
    let kinds: Vec<_> = receiver.heard().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [VAULTED, READY]);
    assert_eq!(house.outbox.status(10).await.unwrap().dead, 1);
}

#[tokio::test]
async fn a_replay_waits_for_nobody_and_nobody_for_it() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let again = Arc::new(AtomicBool::new(false));
    let refused = again.clone();
    let receiver = FakeReceiver::answering(move |one| {
        if one.kind() == VAULTED && refused.load(Ordering::SeqCst) { 500 } else { 204 }
    })
    .await;
    let messenger = house.messenger(&receiver);
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.send_all(&messenger, 2).await;
    let id = EventId::parse(&receiver.arrived()[0].id()).unwrap();
    again.store(true, Ordering::SeqCst);
    house.outbox.replay(&id).await.unwrap();
    house.tell(&ines, EventKind::EnrollmentReady).await;
    messenger.send_due().await.unwrap();
    let kinds: Vec<_> = receiver.heard().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.len(), 3);
    assert!(kinds[1..].contains(&READY.to_owned()), "{kinds:?}");
}

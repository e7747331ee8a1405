//! What is sent, how it is signed, how many at once, and what a receiver that is away costs.

use crate::{
    house::{House, SECRET},
    receiver::FakeReceiver,
};
use notify::{EventKind, OutboxConfig, State};
use standardwebhooks::Webhook;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

const OTHER: &str = "whsec_bm90LXRoZS1zYW1lLXNlY3JldC1hcy1iZWZvcmU=";

/// The signatures that another implementation makes of what arrived.
fn theirs(secret: &str, arrived: &crate::receiver::Arrived) -> String {
    let timestamp = arrived.header("webhook-timestamp").parse().unwrap();
    Webhook::new(secret).unwrap().sign(&arrived.id(), timestamp, &arrived.raw).unwrap()
}

#[tokio::test]
async fn an_event_is_sent_as_standard_webhooks_says() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let receiver = FakeReceiver::willing().await;
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.messenger(&receiver).send_due().await.unwrap();
    let arrived = &receiver.arrived()[0];
    assert!(arrived.head.starts_with("POST /events HTTP/1.1\r\n"), "{}", arrived.head);
    assert_eq!(arrived.header("content-type"), "application/json");
    assert_eq!(arrived.header("webhook-timestamp"), "1795262400");
    assert_eq!(arrived.header("webhook-signature"), theirs(SECRET, arrived));
    assert_eq!(arrived.body["id"], arrived.id());
    assert_eq!(arrived.body["type"], "enrollment.vaulted");
    assert_eq!(arrived.body["timestamp"], "2026-11-21T12:00:00Z");
    assert_eq!(arrived.body["simulated"], true);
    assert_eq!(arrived.body["data"]["userReference"], "ines");
}

#[tokio::test]
async fn a_changed_secret_signs_the_next_event_and_while_there_are_two_both_do() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let receiver = FakeReceiver::willing().await;
    let messenger = house.messenger(&receiver);
    for secrets in [&[SECRET][..], &[OTHER, SECRET], &[OTHER]] {
        house.secrets.set(secrets);
        house.tell(&ines, EventKind::EnrollmentReady).await;
        messenger.send_due().await.unwrap();
        let arrived = receiver.arrived().pop().unwrap();
        let expected: Vec<_> = secrets.iter().map(|secret| theirs(secret, &arrived)).collect();
        assert_eq!(arrived.header("webhook-signature"), expected.join(" "));
    }
    assert_eq!(receiver.arrived().len(), 3);
}

#[tokio::test]
async fn nothing_is_sent_unsigned() {
    let house = House::new().await;
    let receiver = FakeReceiver::willing().await;
    let messenger = house.messenger(&receiver);
    house.tell(&house.enroll(1).await, EventKind::EnrollmentReady).await;
    *house.secrets.0.lock().unwrap() = None;
    let next = messenger.send_due().await.unwrap().unwrap();
    house.wait_until(next);
    house.secrets.set(&[]);
    let next = messenger.send_due().await.unwrap().unwrap();
    assert_eq!(receiver.arrived().len(), 0);
    house.secrets.set(&[SECRET]);
    house.wait_until(next);
    messenger.send_due().await.unwrap();
    assert_eq!(receiver.arrived().len(), 1);
}

#[tokio::test]
async fn eight_are_under_way_at_once_and_never_more() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (here, peak) = (now.clone(), most.clone());
    let full = Arc::new(tokio::sync::Barrier::new(8));
    let receiver = FakeReceiver::scripted(move |_| {
        let (here, peak, full) = (here.clone(), peak.clone(), full.clone());
        Box::pin(async move {
            peak.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            full.wait().await;
            // Whoever else is on its way arrives meanwhile.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            here.fetch_sub(1, Ordering::SeqCst);
            "HTTP/1.1 204 X\r\n".to_owned()
        })
    })
    .await;
    let house = House::new().await;
    for number in 0..24 {
        let person = house.enroll(number).await;
        house.tell(&person, EventKind::EnrollmentReady).await;
    }
    let messenger = house.messenger(&receiver);
    let all = house.send_all(&messenger, 5);
    tokio::time::timeout(Duration::from_mins(1), all).await.expect("fewer than eight at once");
    assert_eq!(most.load(Ordering::SeqCst), 8);
    assert_eq!(receiver.arrived().len(), 24);
}

#[tokio::test]
async fn a_receiver_that_is_away_is_asked_now_and_then_and_gets_everything_when_it_is_back() {
    const PEOPLE: u8 = 60;
    let house = House::new().await;
    let away = Arc::new(AtomicBool::new(true));
    let is_away = away.clone();
    let receiver =
        FakeReceiver::answering(move |_| if is_away.load(Ordering::SeqCst) { 503 } else { 204 }).await;
    let messenger = house.messenger(&receiver);
    for number in 0..PEOPLE {
        let person = house.enroll(number).await;
        house.tell(&person, EventKind::EnrollmentReady).await;
    }
    let begin = model::Clock::now(&house.clock);
    while model::Clock::now(&house.clock).duration_since(begin) < jiff::SignedDuration::from_hours(1) {
        let next = messenger.send_due().await.unwrap().unwrap();
        house.wait_until(next);
    }
    let asked = receiver.arrived().len();
    assert!((60..80).contains(&asked), "asked {asked} times within an hour");
    assert!(messenger.watch().is_away());
    away.store(false, Ordering::SeqCst);
    house.clock.advance(Duration::from_mins(30));
    house.send_all(&messenger, 100).await;
    assert!(!messenger.watch().is_away());
    assert_eq!(house.outbox.status(100).await.unwrap().waiting, 0);
    assert_eq!(receiver.arrived().len(), asked + usize::from(PEOPLE));
}

#[tokio::test]
async fn a_receiver_that_says_when_it_wants_to_be_asked_again_is_not_asked_before() {
    let house = House::new().await;
    let receiver =
        FakeReceiver::scripted(|_| Box::pin(async { "HTTP/1.1 429 X\r\nRetry-After: 900\r\n".to_owned() }))
            .await;
    let messenger = house.messenger(&receiver);
    house.tell(&house.enroll(1).await, EventKind::EnrollmentReady).await;
    let begin = model::Clock::now(&house.clock);
    let next = messenger.send_due().await.unwrap().unwrap();
    assert_eq!(next.duration_since(begin), jiff::SignedDuration::from_secs(900));
    house.clock.advance(Duration::from_secs(899));
    messenger.send_due().await.unwrap();
    assert_eq!(receiver.arrived().len(), 1);
    house.clock.advance(Duration::from_secs(1));
    messenger.send_due().await.unwrap();
    assert_eq!(receiver.arrived().len(), 2);
}

#[tokio::test]
async fn the_messenger_works_until_it_is_told_to_stop_and_finishes_what_is_under_way() {
    let house = House::with(OutboxConfig { has_receiver: true, ..OutboxConfig::default() }).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (arriving, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let go_on = Arc::new(tokio::sync::Semaphore::new(0));
    let held = go_on.clone();
    let receiver = FakeReceiver::scripted(move |_| {
        let (arriving, held) = (arriving.clone(), held.clone());
        Box::pin(async move {
            arriving.send(()).unwrap();
            held.acquire().await.unwrap().forget();
            "HTTP/1.1 204 X\r\n".to_owned()
        })
    })
    .await;
    let messenger = house.messenger(&receiver);
    let working = tokio::spawn(async move { messenger.run(stopped).await });
    house.tell(&house.enroll(1).await, EventKind::EnrollmentReady).await;
    arrived.recv().await.unwrap();
    stop.send_replace(true);
    tokio::task::yield_now().await;
    assert!(!working.is_finished());
    go_on.add_permits(1);
    tokio::time::timeout(Duration::from_secs(20), working).await.unwrap().unwrap();
    let listed = house.outbox.events(None, None, 10).await.unwrap().items;
    assert_eq!(listed[0].delivery.state, State::Delivered);
    assert!(!listed[0].message.simulated);
}

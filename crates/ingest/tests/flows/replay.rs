//! Looking through the inbox, and judging once more.

use crate::{
    forget::kill,
    house::{House, callback, reference, user},
};
use audit::Actor;
use ingest::{CallbackOutcome, CallbackState, IngestError, Meter, ReplayedMany};
use model::CallbackId;
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

fn operator() -> Actor {
    Actor::token("ops", "operator")
}

#[tokio::test]
async fn a_dead_callback_is_judged_once_more_and_does_what_it_would_have_done() {
    let house = House::new().await;
    house.announce(1, "ines").await;
    let id = house.receive(&callback(reference(1), "ines")).await;
    kill(&house, id).await;
    house.drive().await;
    assert_eq!(house.outcome(id).await, None, "nobody judges a dead one by itself");

    let shown = house.ingest().replay(id, operator()).await.unwrap();
    assert_eq!((shown.state, shown.replayable), (CallbackState::Pending, true));
    house.drive().await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Received));
    assert!(house.now().queue.dead_letters(None, 10).await.unwrap().is_empty());
    assert!(house.book().await.iter().any(|entry| entry.starts_with("CallbackReplayed")));
}

#[tokio::test]
async fn a_replay_of_what_was_judged_is_refused_and_changes_nothing() {
    let house = House::new().await;
    let id = house.receive(&callback(reference(1), "ines")).await;
    house.drive().await;
    let before = house.ingest().callback(id).await.unwrap();
    let refused = house.ingest().replay(id, operator()).await;
    assert!(matches!(refused, Err(IngestError::BodyGone)), "{refused:?}");
    assert_eq!(house.ingest().callback(id).await.unwrap(), before);
    let nobody = CallbackId::from_bytes([9; 16]);
    assert!(matches!(house.ingest().replay(nobody, operator()).await, Err(IngestError::UnknownCallback)));
}

#[tokio::test]
async fn a_dead_callback_that_is_replayed_outlives_the_end_of_its_epoch() {
    let house = House::new().await;
    house.announce(1, "ines").await;
    let id = house.receive(&callback(reference(1), "ines")).await;
    kill(&house, id).await;
    house.drive_for(Duration::from_hours(3)).await;
    house.ingest().replay(id, operator()).await.unwrap();
    house.drive().await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Received));
}

#[tokio::test]
async fn replaying_all_takes_the_dead_ones_and_passes_by_those_without_a_body() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for number in 1..=3 {
        let id = house.receive(&callback(reference(number), "ines")).await;
        kill(&house, id).await;
        ids.push(id);
    }
    house.clock.advance(Duration::from_hours(29 * 24));
    let late = house.receive(&callback(reference(4), "ines")).await;
    kill(&house, late).await;
    // The first three are kept no longer: their bodies are given up.
    house.drive_for(Duration::from_hours(26)).await;
    let waiting = house.receive(&callback(reference(5), "ines")).await;
    let done = house.ingest().replay_all(CallbackState::Dead, &operator()).await.unwrap();
    assert_eq!(done, ReplayedMany { replayed: 1, gone: 3, more: false });
    house.drive().await;
    assert_eq!(house.outcome(late).await, Some(CallbackOutcome::Foreign));
    assert_eq!(house.outcome(waiting).await, Some(CallbackOutcome::Foreign));
    assert_eq!(house.outcome(ids[0]).await, None);
    let done = house.ingest().replay_all(CallbackState::Pending, &operator()).await.unwrap();
    assert_eq!(done, ReplayedMany::default());
}

#[tokio::test]
async fn pages_list_each_callback_once_and_say_nothing_about_anybody() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for number in 1..=7 {
        ids.push(house.receive(&callback(reference(number), "ines-of-the-bank")).await);
        house.clock.advance(Duration::from_secs(1));
    }
    house.drive().await;
    kill_later(&house, &mut ids).await;
    let (mut seen, mut after, mut text) = (Vec::new(), None, String::new());
    loop {
        let page = house.ingest().callbacks(None, after, 3).await.unwrap();
        text.push_str(&json!(page.items).to_string());
        seen.extend(page.items.iter().map(|item| item.callback_id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    seen.sort_unstable_by_key(|id| *id.as_bytes());
    ids.sort_unstable_by_key(|id| *id.as_bytes());
    assert_eq!(seen, ids);
    for personal in ["ines", "evil.example", &reference(1).to_string(), "shop-1"] {
        assert!(!text.contains(personal), "{personal}: {text}");
    }
    let dead = house.ingest().callbacks(Some(CallbackState::Dead), None, 10).await.unwrap();
    assert_eq!(dead.items.len(), 1);
    assert_eq!((dead.items[0].replayable, dead.next), (true, None));
}

/// One more, which is given up.
async fn kill_later(house: &House, ids: &mut Vec<CallbackId>) {
    let id = house.receive(&callback(reference(8), "ines-of-the-bank")).await;
    kill(house, id).await;
    ids.push(id);
}

#[derive(Default)]
struct Counter(Mutex<Vec<String>>);

impl Meter for Counter {
    fn callback(&self, outcome: CallbackOutcome) {
        self.0.lock().unwrap().push(outcome.as_str().to_owned());
    }
    fn vaulted(&self, after: Duration) {
        self.0.lock().unwrap().push(format!("vaulted {}", after.as_secs()));
    }
    fn ready(&self, after: Duration) {
        self.0.lock().unwrap().push(format!("ready {}", after.as_secs()));
    }
}

#[tokio::test]
async fn what_is_durable_is_counted_once_from_the_first_sign_and_from_the_release() {
    let house = House::new().await;
    let counter = Arc::new(Counter::default());
    let ingest = house.another().metered(Arc::clone(&counter) as Arc<dyn Meter>);
    house.jumio.holds(reference(1), crate::jumio::Scan::approved("ines", b"a face"));
    ingest.announce(reference(1), &user("ines"), Actor::System).await.unwrap();
    ingest.receive(&callback(reference(1), "ines"), ingest::TokenScope::Portal, None).await.unwrap();
    queue::testing::drive(&house.now().queue, &[&ingest]).await;
    house.clock.advance(Duration::from_secs(100));
    let release = ingest::Release { replaces: None, by_admin: false, by: Actor::System };
    ingest.release(&reference(1), &release).await.unwrap();
    queue::testing::drive_for(&house.now().queue, &[&ingest], &house.clock, Duration::from_secs(30)).await;
    let seen_counts = counter.0.lock().unwrap().clone();
    assert_eq!(seen_counts.len(), 3, "{seen_counts:?}");
    assert_eq!(seen_counts[..2], ["received", "vaulted 0"]);
    let seconds: u64 = seen_counts[2].strip_prefix("ready ").unwrap().parse().unwrap();
    assert!(seconds < 60, "seen_counts from the release: {seconds}");
}

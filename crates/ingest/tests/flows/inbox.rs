//! Durable before 200, sealed under the hour, and gone with the hour.

use crate::{
    house::{House, callback, reference},
    jumio::Scan,
};
use ingest::{CallbackOutcome, CallbackState, TokenScope};
use model::EnrollmentState;
use queue::testing::assert_no_jobs_left;
use records::tables;
use std::{sync::Arc, time::Duration};
use store::faulty::CommitFault;
use tokio::task::JoinSet;
use vault::{SlotKind, SlotStatus, SlotView};

async fn epochs(house: &House) -> Vec<SlotView> {
    let page = house.now().vault.slots(0).await.unwrap();
    page.views.into_iter().filter(|view| view.kind == SlotKind::InboxEpoch).collect()
}

#[tokio::test]
async fn a_callback_that_cannot_be_stored_is_never_acknowledged() {
    let mut house = House::new().await;
    house.onboard(1, "ines").await;
    house.receive(b"the first of the hour").await;
    for fault in [CommitFault::AmbiguousBefore, CommitFault::NoSpace] {
        house.store.fail_commit(1, fault);
        let body = callback(reference(1), "ines");
        assert!(house.ingest().receive(&body, TokenScope::Portal, None).await.is_err());
        house.restart().await;
    }
    assert_eq!(house.store.inner().dump().iter().filter(|(table, ..)| *table == tables::INBOX).count(), 1);
}

#[tokio::test]
async fn what_was_acknowledged_is_judged_by_the_next_process() {
    let mut house = House::new().await;
    house.onboard(1, "ines").await;
    let id = house.receive(&callback(reference(1), "ines")).await;
    house.restart().await;
    house.drive().await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Received));
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn callers_at_the_same_time_make_one_epoch() {
    let house = House::new().await;
    let body = callback(reference(1), "ines");
    let receive = || house.ingest().receive(&body, TokenScope::Portal, None);
    let (a, b, c, d) = tokio::join!(receive(), receive(), receive(), receive());
    for received in [a, b, c, d] {
        received.unwrap();
    }
    assert_eq!(epochs(&house).await.len(), 1);
}

#[tokio::test]
async fn the_hours_slot_is_burnt_when_the_hour_is_over_and_all_is_settled() {
    let house = House::new().await;
    house.receive(&callback(reference(1), "ines")).await;
    house.drive_for(Duration::from_mins(59)).await;
    assert_eq!(epochs(&house).await[0].status, SlotStatus::Live);
    house.drive_for(Duration::from_mins(3)).await;
    assert_eq!(epochs(&house).await[0].status, SlotStatus::Burnt);
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn what_is_still_pending_moves_to_the_current_hour_before_its_slot_is_burnt() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan::approved("ines", b"face"));
    let mut body = callback(reference(1), "ines");
    body.extend_from_slice(b"&filler=");
    body.resize(200_000, b'x');
    let id = house.receive(&body).await;
    house.minutes(90);
    assert_eq!(house.ingest().close_epochs().await.unwrap(), 1);
    let slots = epochs(&house).await;
    assert_eq!(slots.iter().filter(|slot| slot.status == SlotStatus::Burnt).count(), 1);
    assert_eq!(slots.iter().filter(|slot| slot.status == SlotStatus::Live).count(), 1);
    house.announce(1, "ines").await;
    house.drive().await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Received));
    let parts = house.store.inner().dump().iter().filter(|(table, ..)| *table == tables::INBOX_PARTS).count();
    assert_eq!(parts, 0, "the body is gone with the judgement");
}

#[tokio::test]
async fn an_epoch_that_was_closed_takes_no_callback_although_it_is_still_in_memory() {
    let house = House::new().await;
    house.receive(&callback(reference(1), "ines")).await;
    house.minutes(60);
    house.another().close_epochs().await.unwrap();
    // The clock jumps back into the hour whose key this service still holds.
    house.clock.turn_back(Duration::from_mins(5));
    let id = house.receive(&callback(reference(1), "ines")).await;
    house.drive().await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Foreign));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hours_that_end_while_callbacks_come_in_and_are_judged_lose_none() {
    let house = Arc::new(House::new().await);
    house.onboard(1, "ines").await;
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let house = house.clone();
        tasks.spawn(async move {
            let mut received = Vec::new();
            for _ in 0..40 {
                received.push(house.receive(&callback(reference(1), "ines")).await);
            }
            received
        });
    }
    for _ in 0..2 {
        let house = house.clone();
        tasks.spawn(async move {
            for _ in 0..30 {
                house.minutes(13);
                house.run().await.unwrap();
                tokio::task::yield_now().await;
            }
            Vec::new()
        });
    }
    let received = tasks.join_all().await.concat();
    assert_eq!(received.len(), 160);
    house.drive_for(Duration::from_hours(3)).await;
    for id in received {
        assert!(house.outcome(id).await.is_some());
    }
    assert!(epochs(&house).await.iter().all(|epoch| epoch.status == SlotStatus::Burnt));
}

#[tokio::test]
async fn neither_the_store_nor_a_settled_row_holds_a_word_of_the_callback() {
    let house = House::new().await;
    let id = house.receive(&callback(reference(1), "ines-4711")).await;
    let words = [&b"ines-4711"[..], b"Ines", b"shop-1", b"00000000-0000-4000-8000-000000000001"];
    let holds = |word: &[u8]| {
        let rows = house.store.inner().dump();
        rows.iter().any(|(_, key, row)| {
            let contains = |bytes: &[u8]| bytes.windows(word.len()).any(|window| window == word);
            contains(key) || contains(&row.value)
        })
    };
    assert!(!words.iter().any(|word| holds(word)));
    house.drive().await;
    assert!(!words.iter().any(|word| holds(word)));
    let row = house.ingest().callback(id).await.unwrap().unwrap();
    assert_eq!(row.state, CallbackState::Foreign);
    assert!(!format!("{row:?}").contains("Ines"));
}

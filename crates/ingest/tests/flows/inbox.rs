//! Durable before 200, sealed under the hour, and gone with the hour.

use crate::{
    house::{House, callback, reference},
    jumio::Scan,
};
use ingest::{CallbackOutcome, CallbackState, TokenScope};
use model::{CallbackId, EnrollmentState, Timestamp};
use queue::{JobKey, Kind, testing::assert_no_jobs_left};
use records::{Index, Table, tables};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use store::faulty::CommitFault;
use tokio::task::JoinSet;
use vault::{SlotKind, SlotStatus, SlotView};

pub(crate) async fn epochs(house: &House) -> Vec<SlotView> {
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

#[tokio::test]
async fn an_hour_that_lies_ahead_is_closed_when_the_clock_was_put_back() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan::approved("ines", b"face"));
    let id = house.receive(&callback(reference(1), "ines")).await;
    house.clock.turn_back(Duration::from_hours(5));
    let _current = house.receive(&callback(reference(2), "juan")).await;
    assert_eq!(house.ingest().close_epochs().await.unwrap(), 1);
    let slots = epochs(&house).await;
    assert_eq!(slots.iter().filter(|slot| slot.status == SlotStatus::Burnt).count(), 1);
    assert_eq!(house.ingest().close_epochs().await.unwrap(), 0, "the current one stays");
    house.announce(1, "ines").await;
    // Its job was laid down for the time that the clock showed.
    house.drive_for(Duration::from_hours(6)).await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::AlreadyKnown), "and nothing is lost");
}

#[tokio::test]
async fn judged_callbacks_are_removed_after_thirty_days_and_not_before() {
    let house = House::new().await;
    let mut old = Vec::new();
    for body in [&callback(reference(1), "ines")[..], b"nothing of Jumio's"] {
        for _ in 0..600 {
            old.push(house.receive(body).await);
        }
    }
    house.drive_for(Duration::from_hours(29 * 24)).await;
    let rows = || house.store.inner().dump().iter().filter(|row| row.0 == tables::INBOX).count();
    let index = || house.store.inner().dump().iter().filter(|row| row.0 == tables::INBOX_BY_STATE).count();
    house.receive(b"of the twenty-ninth day").await;
    house.drive_for(Duration::from_hours(2)).await;
    assert_eq!(rows(), 1201);
    house.clock.advance(Duration::from_hours(48));
    house.receive(b"of the thirty-first day").await;
    house.drive_for(Duration::from_hours(2)).await;
    assert_eq!((rows(), index()), (2, 2));
    assert!(house.ingest().callback(old[0]).await.unwrap().is_none());
    assert_no_jobs_left(&house.now().queue).await;
}

static INBOX: Table<(CallbackId,), Value> = Table::new(tables::INBOX, "inbox");
static BY_STATE: Index<(u8, Timestamp, CallbackId)> = Index::new(tables::INBOX_BY_STATE);

#[tokio::test]
async fn the_body_of_a_dead_one_is_given_up_after_thirty_days_and_its_row_stays() {
    let house = House::new().await;
    let mut body = callback(reference(1), "ines");
    body.extend_from_slice(b"&filler=");
    body.resize(100_000, b'x');
    let id = house.receive(&body).await;
    // As if it had failed for as long as things are tried.
    let records = house.now().register.records();
    let read = INBOX.get(records, &(id,)).await.unwrap().unwrap();
    let mut row = read.value.clone();
    row["state"] = "dead".into();
    let mut commit = records.commit();
    commit.update(&INBOX, &(id,), &read, &row);
    commit.unindex(&BY_STATE, &(1, house.time(), id));
    commit.index(&BY_STATE, &(5, house.time(), id));
    assert!(house.now().queue.cancel(&mut commit, &JobKey::new(Kind::Callback, &id)).await.unwrap());
    commit.submit().await.unwrap();
    house.clock.advance(Duration::from_hours(29 * 24));
    house.drive_for(Duration::from_hours(1)).await;
    let parts = || house.store.inner().dump().iter().filter(|row| row.0 == tables::INBOX_PARTS).count();
    let live = async || epochs(&house).await.iter().filter(|slot| slot.status == SlotStatus::Live).count();
    assert!(parts() > 0 && live().await == 1, "it moves from hour to hour");
    house.drive_for(Duration::from_hours(26)).await;
    assert_eq!((parts(), live().await), (0, 0));
    let state = house.ingest().callback(id).await.unwrap().unwrap().state;
    assert_eq!(state, CallbackState::Dead);
    assert_no_jobs_left(&house.now().queue).await;
}

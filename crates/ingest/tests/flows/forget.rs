//! Forgetting: after a purge no raw callback opens any more, in the store or in any copy of it.

use crate::{
    house::{House, callback, reference, user},
    inbox::epochs,
    jumio::Scan,
};
use audit::Actor;
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use ingest::{CallbackOutcome, CallbackState, Forgotten, TokenScope};
use model::{AuthenticationRef, CallbackId, EnrollmentState, Timestamp};
use queue::{JobKey, Kind, testing::assert_no_jobs_left};
use records::{Index, Table, tables};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use store::{Range, faulty::FaultyStore};
use tokio::task::JoinSet;
use vault::{SlotRef, SlotStatus};

static INBOX: Table<(CallbackId,), Value> = Table::new(tables::INBOX, "inbox");
static PARTS: Table<(CallbackId, u64), Value> = Table::new(tables::INBOX_PARTS, "inbox-parts");
static EPOCHS: Table<(u64,), Value> = Table::new(tables::INBOX_EPOCHS, "inbox-epochs");
static BY_STATE: Index<(u8, Timestamp, CallbackId)> = Index::new(tables::INBOX_BY_STATE);

const MANY: usize = 10_000;

/// A raw callback as a copy of the store holds it: an old segment, a backup.
pub(crate) struct Copied {
    id: CallbackId,
    sealed: Vec<u8>,
    slot: SlotRef,
}

/// All raw callbacks that are in the store now.
pub(crate) async fn copies(house: &House) -> Vec<Copied> {
    let records = house.now().register.records();
    let bytes = |value: &Value| BASE64_STANDARD_NO_PAD.decode(value.as_str().unwrap()).unwrap();
    let mut copies = Vec::new();
    for ((id,), read) in INBOX.scan(records, &Range::default(), MANY).await.unwrap() {
        if read.value["body"].is_null() {
            continue;
        }
        let mut sealed = bytes(&read.value["body"]);
        for part in 0..read.value["parts"].as_u64().unwrap() {
            sealed.extend(bytes(&PARTS.get(records, &(id, part)).await.unwrap().unwrap().value));
        }
        let number = read.value["epoch"].as_u64().unwrap();
        let epoch = EPOCHS.get(records, &(number,)).await.unwrap().unwrap();
        let slot = serde_json::from_value(epoch.value["slot"].clone()).unwrap();
        copies.push(Copied { id, sealed, slot });
    }
    copies
}

/// How many of them open with the keys of today.
pub(crate) async fn opening(house: &House, copies: &[Copied]) -> usize {
    let mut opening = 0;
    for copied in copies {
        if let Ok(key) = house.now().vault.epoch_key(copied.slot).await {
            opening += usize::from(key.open(copied.id.as_bytes(), &copied.sealed).is_ok());
        }
    }
    opening
}

pub(crate) async fn forget(house: &House, number: u8) -> u32 {
    house.ingest().forget(&reference(number), &[]).await.unwrap().bodies
}

/// A callback that is too large for one row.
pub(crate) fn large(number: u8, name: &str) -> Vec<u8> {
    let mut body = callback(reference(number), name);
    body.extend_from_slice(b"&filler=");
    body.resize(120_000, b'x');
    body
}

fn authentication_ref(number: u8) -> AuthenticationRef {
    format!("aaaaaaaa-0000-4000-8000-0000000000{number:02x}").parse().unwrap()
}

/// A callback about the result of an authentication.
pub(crate) fn result(number: u8, enrollment: Option<u8>) -> Vec<u8> {
    let enrollment =
        enrollment.map(|number| format!("&enrollmentTransactionReference={}", reference(number)));
    format!(
        "callBackType=NETVERIFY_AUTHENTICATION&transactionReference={}{}&transactionResult=PASSED&userReference=ines",
        authentication_ref(number),
        enrollment.unwrap_or_default()
    )
    .into_bytes()
}

/// As if the callback had failed for as long as things are tried: its job is a dead letter.
pub(crate) async fn kill(house: &House, id: CallbackId) {
    let (records, queue) = (house.now().register.records(), &house.now().queue);
    let key = JobKey::new(Kind::Callback, &id);
    let mut others = Vec::new();
    let lease = loop {
        let lease = queue.lease_due(&[Kind::Callback], Duration::from_mins(1)).await.unwrap().unwrap();
        if *lease.key() == key {
            break lease;
        }
        others.push(lease);
    };
    for other in others {
        other.release().await.unwrap();
    }
    let read = INBOX.get(records, &(id,)).await.unwrap().unwrap();
    let mut row = read.value.clone();
    row["state"] = "dead".into();
    let received = row["received_at"].as_str().unwrap().parse().unwrap();
    let mut commit = records.commit();
    commit.update(&INBOX, &(id,), &read, &row);
    commit.unindex(&BY_STATE, &(1, received, id));
    commit.index(&BY_STATE, &(5, received, id));
    lease.give_up(&mut commit, "for the test").await.unwrap();
    commit.submit().await.unwrap();
}

#[tokio::test]
async fn what_was_received_before_a_purge_opens_in_no_copy_of_the_store_after_it() {
    let house = House::new().await;
    let mut old = Vec::new();
    // Judged long since: nothing of it is in the row.
    house.receive(&callback(reference(1), "ines")).await;
    old.extend(copies(&house).await);
    house.drive().await;
    let pending = house.receive(&large(1, "ines")).await;
    let dead = house.receive(&callback(reference(1), "ines")).await;
    kill(&house, dead).await;
    old.extend(copies(&house).await);
    assert_eq!((old.len(), opening(&house, &old).await), (3, 3));

    assert_eq!(forget(&house, 1).await, 2);
    assert_eq!(opening(&house, &old).await, 0);
    assert!(copies(&house).await.is_empty());
    for id in [pending, dead] {
        let row = house.ingest().callback(id).await.unwrap().unwrap();
        assert_eq!((row.state, row.outcome), (CallbackState::Settled, Some(CallbackOutcome::Tombstone)));
        assert!(row.about.is_some());
    }
    assert!(house.now().queue.dead_letters(None, 10).await.unwrap().is_empty());
    assert_eq!(forget(&house, 1).await, 0, "and again");
    house.drive_for(Duration::from_hours(2)).await;
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn results_of_the_persons_authentications_go_too_whichever_reference_they_name() {
    let house = House::new().await;
    for body in [result(1, None), result(2, Some(1)), result(3, Some(9)), result(4, None)] {
        house.receive(&body).await;
    }
    let old = copies(&house).await;
    let known = [authentication_ref(1), authentication_ref(7)];
    let forgotten = house.ingest().forget(&reference(1), &known).await.unwrap();
    assert_eq!(forgotten, Forgotten { bodies: 2 });
    assert_eq!((opening(&house, &old).await, copies(&house).await.len()), (0, 2));
}

#[tokio::test]
async fn what_waits_about_others_is_judged_after_the_round() {
    let house = House::new().await;
    house.jumio.holds(reference(2), Scan::approved("juan", b"face"));
    house.receive(&callback(reference(1), "ines")).await;
    let pending = house.receive(&large(2, "juan")).await;
    let dead = house.receive(&large(3, "lena")).await;
    kill(&house, dead).await;
    let malformed = house.receive(b"callBackType=NETVERIFYID&idFirstName=Ines").await;
    let other = house.receive(b"callBackType=SOMETHING&idFirstName=Ines").await;
    assert_eq!(forget(&house, 1).await, 1);
    assert_eq!(copies(&house).await.len(), 2, "what names nobody is judged at once");
    house.announce(2, "juan").await;
    house.drive().await;
    assert_eq!(house.outcome(pending).await, Some(CallbackOutcome::Received));
    assert_eq!(house.outcome(malformed).await, Some(CallbackOutcome::Malformed));
    assert_eq!(house.outcome(other).await, Some(CallbackOutcome::Foreign));
    let row = house.ingest().callback(dead).await.unwrap().unwrap();
    assert_eq!((row.state, row.outcome), (CallbackState::Dead, None));
    assert_eq!(house.now().queue.dead_letters(None, 10).await.unwrap().len(), 1);
    assert_eq!(opening(&house, &copies(&house).await).await, 1);
}

#[tokio::test]
async fn nothing_is_burnt_where_nothing_can_be_about_the_person() {
    let house = House::new().await;
    forget(&house, 1).await;
    assert!(epochs(&house).await.is_empty(), "there is nothing to burn");
    house.receive(&callback(reference(2), "juan")).await;
    forget(&house, 1).await;
    assert_eq!(epochs(&house).await.len(), 2, "nobody knows what was received");
    for number in [1, 3, 4] {
        let before = house.store.commits();
        forget(&house, number).await;
        assert_eq!((house.store.commits(), epochs(&house).await.len()), (before, 2));
    }
    // The body that was moved is about this one, wherever it lies by now.
    let old = copies(&house).await;
    assert_eq!((forget(&house, 2).await, opening(&house, &old).await), (1, 0));
    // Received again: again nobody knows.
    house.receive(&callback(reference(2), "juan")).await;
    let old = copies(&house).await;
    house.drive().await;
    assert_eq!((forget(&house, 2).await, opening(&house, &old).await), (0, 0));
}

#[tokio::test]
async fn a_restarted_process_does_not_take_an_epoch_for_empty() {
    let mut house = House::new().await;
    house.receive(&callback(reference(2), "juan")).await;
    house.minutes(60);
    house.receive(&callback(reference(1), "ines")).await;
    let old = copies(&house).await;
    // The start moves what is left of the hour before into the epoch of this one.
    house.restart().await;
    assert_eq!(forget(&house, 1).await, 1);
    assert_eq!((opening(&house, &old).await, copies(&house).await.len()), (0, 1));
}

#[tokio::test]
async fn an_hour_that_ends_during_a_round_carries_nobody_past_it() {
    for yields in 0..60 {
        let house = Arc::new(House::new().await);
        house.receive(&callback(reference(1), "ines")).await;
        house.minutes(60);
        let closer = house.clone();
        let closing = tokio::spawn(async move { closer.ingest().close_epochs().await });
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        forget(&house, 1).await;
        assert!(copies(&house).await.is_empty(), "after {yields}");
        closing.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn callers_at_the_same_time_share_a_round_and_each_learns_of_its_own() {
    let house = Arc::new(House::new().await);
    for number in 0..32 {
        for _ in 0..number % 3 {
            house.receive(&callback(reference(number), "ines")).await;
        }
    }
    let old = copies(&house).await;
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let house = house.clone();
        tasks.spawn(async move { (number, forget(&house, number).await) });
    }
    for (number, bodies) in tasks.join_all().await {
        assert_eq!(bodies, u32::from(number % 3), "{number}");
    }
    assert_eq!(opening(&house, &old).await, 0);
    // One round each would have moved the others' bodies from epoch to epoch.
    assert!(epochs(&house).await.len() <= 2, "{} epochs", epochs(&house).await.len());
}

#[tokio::test]
async fn who_leads_a_round_and_goes_away_leaves_nobody_without_an_answer() {
    for yields in 0..40 {
        let house = Arc::new(House::new().await);
        house.receive(&callback(reference(1), "ines")).await;
        house.receive(&callback(reference(2), "juan")).await;
        let old = copies(&house).await;
        let call = |number| {
            let house = house.clone();
            tokio::spawn(async move { forget(&house, number).await })
        };
        let (leader, follower) = (call(1), call(2));
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        leader.abort();
        follower.await.unwrap();
        forget(&house, 1).await;
        assert_eq!((opening(&house, &old).await, copies(&house).await.len()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callbacks_are_received_and_judged_while_rounds_go_on() {
    let house = Arc::new(House::new().await);
    house.onboard(1, "ines").await;
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let house = house.clone();
        tasks.spawn(async move {
            let mut received = Vec::new();
            for _ in 0..40 {
                received.push(house.receive(&callback(reference(1), "ines")).await);
            }
            received
        });
    }
    for number in 2..5 {
        let house = house.clone();
        tasks.spawn(async move {
            for _ in 0..20 {
                forget(&house, number).await;
                house.run().await.unwrap();
            }
            Vec::new()
        });
    }
    let received = tasks.join_all().await.concat();
    assert_eq!(received.len(), 120);
    house.drive_for(Duration::from_hours(3)).await;
    for id in received {
        assert!(house.outcome(id).await.is_some());
    }
    assert!(epochs(&house).await.iter().all(|epoch| epoch.status == SlotStatus::Burnt));
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn an_old_store_that_is_put_back_brings_no_callback_back() {
    let mut house = House::new().await;
    let id = house.receive(&large(1, "ines")).await;
    let backup = house.store.inner().snapshot();
    forget(&house, 1).await;
    house.process = None;
    house.store = Arc::new(FaultyStore::new(backup));
    house.start().await.unwrap();
    house.announce(1, "ines").await;
    house.drive_for(Duration::from_hours(2)).await;
    let row = house.ingest().callback(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.outcome), (CallbackState::Dead, None));
    assert!(copies(&house).await.is_empty());
    let id = house.receive(&callback(reference(1), "ines")).await;
    house.drive().await;
    assert!(house.outcome(id).await.is_some(), "and the door is open");
}

#[tokio::test]
async fn a_body_that_does_not_open_keeps_nobodys_epoch_from_its_end() {
    let house = House::new().await;
    let id = house.receive(&callback(reference(1), "ines")).await;
    let records = house.now().register.records();
    let read = INBOX.get(records, &(id,)).await.unwrap().unwrap();
    let mut row = read.value.clone();
    row["body"] = BASE64_STANDARD_NO_PAD.encode([7; 200]).into();
    let mut commit = records.commit();
    commit.update(&INBOX, &(id,), &read, &row);
    commit.submit().await.unwrap();
    assert_eq!(forget(&house, 2).await, 0);
    assert_eq!(epochs(&house).await[0].status, SlotStatus::Burnt);
    assert_eq!(house.ingest().callback(id).await.unwrap().unwrap().state, CallbackState::Dead);
}

#[tokio::test]
async fn rows_about_a_purged_person_that_stay_say_nothing_about_the_person() {
    let house = House::new().await;
    let source = Some("192.0.2.7".parse().unwrap());
    let scope = TokenScope::Portal;
    house.ingest().receive(&callback(reference(1), "ines-4711"), scope, source).await.unwrap();
    house.drive().await;
    house.ingest().receive(&large(1, "ines-4711"), scope, source).await.unwrap();
    house.ingest().receive(&result(1, Some(1)), scope, source).await.unwrap();
    assert_eq!(forget(&house, 1).await, 2);
    let rows = INBOX.scan(house.now().register.records(), &Range::default(), MANY).await.unwrap();
    assert_eq!(rows.len(), 3);
    for (_, read) in rows {
        let row = read.value.to_string().to_lowercase();
        let words = ["ines", "4711", "shop-1", "-4000-", "00000000000", &reference(1).to_string()];
        assert!(!words.iter().any(|word| row.contains(word)), "{row}");
        assert!(read.value["body"].is_null() && read.value["parts"] == 0);
        let fields: Vec<_> = read.value.as_object().unwrap().keys().map(String::as_str).collect();
        let known = [
            "about",
            "body",
            "epoch",
            "outcome",
            "parts",
            "received_at",
            "scope",
            "settled_at",
            "source",
            "state",
            "unknown_values",
        ];
        assert_eq!(fields, known, "a new field must be looked at before it stays");
    }
}

#[tokio::test]
async fn a_user_who_is_named_alone_is_not_enough_to_forget_anothers_callback() {
    let house = House::new().await;
    house.onboard(2, "ines").await;
    let id = house.receive(&callback(reference(2), "ines")).await;
    assert_eq!(forget(&house, 1).await, 0);
    house.drive().await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Received));
    let announced = house.ingest().announce(reference(2), &user("ines"), Actor::System).await.unwrap();
    assert_eq!(announced.state, EnrollmentState::Vaulted);
}

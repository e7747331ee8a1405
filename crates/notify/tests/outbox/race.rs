//! A place is given while the event before it comes to its end: whichever is second decides anew.

use crate::{
    house::{House, about},
    receiver::FakeReceiver,
};
use notify::EventKind;
use records::tables;
use std::{sync::Arc, time::Duration};
use store::{Batch, Change};
use tokio::sync::{Semaphore, mpsc, watch};

/// A receiver that says when something arrives, and answers when it may.
async fn patient() -> (FakeReceiver, mpsc::UnboundedReceiver<String>, Arc<Semaphore>) {
    let (arriving, arrived) = mpsc::unbounded_channel();
    let may_answer = Arc::new(Semaphore::new(0));
    let held = may_answer.clone();
    let receiver = FakeReceiver::scripted(move |one| {
        let (arriving, held) = (arriving.clone(), held.clone());
        Box::pin(async move {
            arriving.send(one.kind().to_owned()).unwrap();
            held.acquire().await.unwrap().forget();
            "HTTP/1.1 204 X\r\n".to_owned()
        })
    })
    .await;
    (receiver, arrived, may_answer)
}

/// Gives places.
fn places(batch: &Batch) -> bool {
    batch.writes.iter().any(|w| w.table == tables::EVENTS_STATE && matches!(w.change, Change::Put(_)))
}

/// Writes the end of an event down.
fn settles(batch: &Batch) -> bool {
    let is = |table, change: fn(&Change) -> bool| {
        batch.writes.iter().any(|write| write.table == table && change(&write.change))
    };
    is(tables::EVENTS, |change| matches!(change, Change::Put(_)))
        && is(tables::EVENTS_DUE, |change| *change == Change::Delete)
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("one was left behind")
}

#[tokio::test]
async fn an_event_that_gets_its_place_while_the_one_before_ends_is_sent() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let (receiver, mut arrived, may_answer) = patient().await;
    let (stop, stopped) = watch::channel(false);
    let messenger = house.messenger(&receiver);
    let working = tokio::spawn(async move { messenger.run(stopped).await });
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    assert_eq!(in_time(arrived.recv()).await.unwrap(), "enrollment.vaulted");
    // It is decided that the second one waits for the first. Before that is written down, the first one is taken.
    let mut committed = house.hooked.committed.subscribe();
    let answer = may_answer.clone();
    house.hooked.before(places, async move {
        let before = *committed.borrow_and_update();
        answer.add_permits(1);
        committed.wait_for(|count| *count > before).await.unwrap();
    });
    house.tell(&ines, EventKind::EnrollmentReady).await;
    assert_eq!(in_time(arrived.recv()).await.unwrap(), "enrollment.ready");
    may_answer.add_permits(1);
    stop.send_replace(true);
    in_time(working).await.unwrap();
}

#[tokio::test]
async fn an_event_that_ends_while_the_next_one_gets_its_place_calls_it() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let receiver = FakeReceiver::willing().await;
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.outbox.place().await.unwrap();
    // It is decided that nobody comes after the first one. Before that is written down, somebody does.
    let outbox = house.outbox.clone();
    let messenger = house.messenger(&receiver);
    let mut late = house.commit();
    house.outbox.put(&mut late, about(&ines, EventKind::EnrollmentReady)).await.unwrap();
    house.hooked.before(settles, async move {
        late.submit().await.unwrap();
        outbox.place().await.unwrap();
    });
    for _ in 0..5 {
        messenger.send_due().await.unwrap();
    }
    let kinds: Vec<_> = receiver.heard().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["enrollment.vaulted", "enrollment.ready"]);
}

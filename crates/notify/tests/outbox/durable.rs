//! No event without its commit, no commit without its event; crashes.

use crate::{
    house::{House, about},
    receiver::FakeReceiver,
};
use notify::EventKind;
use records::{Table, tables};
use store::faulty::CommitFault;

/// A record of the flow's own.
static OTHERS: Table<(u64,), u64> = Table::new(tables::META, "meta");

#[tokio::test]
async fn an_event_is_told_if_and_only_if_its_commit_is_durable() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let records = house.register.records();

    // Dropped.
    let mut commit = house.commit();
    house.outbox.put(&mut commit, about(&ines, EventKind::EnrollmentVaulted)).await.unwrap();
    drop(commit);
    assert_eq!(house.kinds_shown().await, []);

    // Overtaken.
    let mut first = house.commit();
    first.insert(&OTHERS, &(7,), &1);
    first.submit().await.unwrap();
    let mut second = house.commit();
    second.insert(&OTHERS, &(7,), &2);
    house.outbox.put(&mut second, about(&ines, EventKind::EnrollmentVaulted)).await.unwrap();
    assert!(second.submit().await.unwrap_err().is_conflict());
    assert_eq!(house.kinds_shown().await, []);

    // Cut off by a crash, after which nobody in the process knows: the record and the event are both there.
    let mut third = house.commit();
    third.insert(&OTHERS, &(8,), &3);
    house.outbox.put(&mut third, about(&ines, EventKind::EnrollmentReady)).await.unwrap();
    house.store.fail_commit(1, CommitFault::AmbiguousAfter);
    assert!(third.submit().await.is_err());
    house.store.restart();
    assert!(OTHERS.get(records, &(8,)).await.unwrap().is_some());
    assert_eq!(house.kinds_shown().await, [EventKind::EnrollmentReady]);
}

#[tokio::test]
async fn a_crash_between_the_sending_and_its_mark_sends_it_again_under_the_same_id() {
    let mut house = House::new().await;
    let ines = house.enroll(1).await;
    let store = house.store.clone();
    let crashing = std::sync::atomic::AtomicBool::new(true);
    let receiver = FakeReceiver::answering(move |_| {
        if crashing.swap(false, std::sync::atomic::Ordering::SeqCst) {
            // The next commit is the one that would say that it was taken.
            store.fail_commit(1, CommitFault::AmbiguousBefore);
        }
        204
    })
    .await;
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    house.tell(&ines, EventKind::EnrollmentReady).await;
    assert!(house.messenger(&receiver).send_due().await.is_err());
    assert_eq!(receiver.arrived().len(), 1);
    house.restart();
    house.send_all(&house.messenger(&receiver), 3).await;
    let arrived = receiver.arrived();
    let kinds: Vec<_> = arrived.iter().map(super::receiver::Arrived::kind).collect();
    assert_eq!(kinds, ["enrollment.vaulted", "enrollment.vaulted", "enrollment.ready"]);
    assert_eq!(arrived[0].id(), arrived[1].id());
    assert_eq!(arrived[0].raw, arrived[1].raw);
    assert_ne!(arrived[1].id(), arrived[2].id());
}

#[tokio::test]
async fn wherever_a_process_dies_every_event_is_told_and_the_order_is_kept() {
    for nth in 1..=8 {
        let mut house = House::new().await;
        let ines = house.enroll(1).await;
        let receiver = FakeReceiver::willing().await;
        for kind in [EventKind::EnrollmentVaulted, EventKind::EnrollmentReady, EventKind::EnrollmentReplaced]
        {
            house.tell(&ines, kind).await;
        }
        let fault = if nth % 2 == 0 { CommitFault::AmbiguousAfter } else { CommitFault::AmbiguousBefore };
        house.store.fail_commit(nth, fault);
        let messenger = house.messenger(&receiver);
        while let Ok(Some(next)) = messenger.send_due().await {
            house.wait_until(next);
        }
        house.restart();
        house.send_all(&house.messenger(&receiver), 5).await;
        let mut kinds: Vec<_> = receiver.heard().into_iter().map(|(kind, _)| kind).collect();
        kinds.dedup();
        let all = ["enrollment.vaulted", "enrollment.ready", "enrollment.replaced"];
        assert_eq!(kinds, all, "commit {nth}");
        assert_eq!(house.outbox.status(10).await.unwrap().waiting, 0, "commit {nth}");
    }
}

#[tokio::test]
async fn what_was_taken_while_the_disk_is_full_is_not_sent_over_and_over() {
    let house = House::new().await;
    let ines = house.enroll(1).await;
    let store = house.store.clone();
    let receiver = FakeReceiver::answering(move |_| {
        store.set_no_space(true);
        204
    })
    .await;
    house.tell(&ines, EventKind::EnrollmentVaulted).await;
    let messenger = house.messenger(&receiver);
    let sending = tokio::time::timeout(std::time::Duration::from_secs(20), messenger.send_due());
    let next = sending.await.expect("it is sent without end").unwrap().unwrap();
    assert_eq!(receiver.arrived().len(), 1);
    assert!(next > model::Clock::now(&house.clock));
}

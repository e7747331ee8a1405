//! What Jumio still has is deleted there, at once or later, and the receipts say which.

use crate::house::{House, seconds, transaction};
use audit::Action;
use jumio::scripted::{Endpoint, Script};
use model::{AuthenticationState, EnrollmentState as S};
use queue::{JobKey, Kind, testing};
use receipt::{JumioState, StatementKind};
use vault::{SlotKind, SlotStatus};

/// Slots of erasures that still hold.
async fn open_erasure_slots(house: &House) -> usize {
    let page = house.now().vault.slots(0).await.unwrap();
    let open = |view: &&vault::SlotView| view.kind == SlotKind::Erasure && view.status != SlotStatus::Burnt;
    page.views.iter().filter(open).count()
}

async fn vaulted() -> House {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Vaulted, |_| {}).await;
    for number in [1, 2] {
        house.authenticate(1, Some(number), AuthenticationState::Passed).await;
    }
    house
}

#[tokio::test]
async fn when_jumio_answers_at_once_the_first_receipt_says_done_with_its_statuses() {
    let house = vaulted().await;
    let view = house.purge(1).await.unwrap();
    let statement = house.checked(view.receipt.as_ref().unwrap());
    assert_eq!(view.jumio_deletion, JumioState::Done);
    assert_eq!(view.jumio_receipt, None);
    let deletion = statement.jumio_deletion;
    assert_eq!((deletion.state, deletion.left), (JumioState::Done, 0));
    assert_eq!(deletion.evidence.original, [(200, 1)].into());
    assert_eq!(deletion.evidence.authentications, [(404, 2)].into());
    assert!(deletion.deleted_at.is_some());
    assert_eq!(open_erasure_slots(&house).await, 0, "nobody has to know the references any more");
    testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn when_jumio_is_away_the_receipt_says_pending_and_a_second_one_follows() {
    let house = vaulted().await;
    house.jumio.script(Endpoint::DeleteScan, Script::unavailable());
    house.jumio.script(Endpoint::DeleteAuthentication, Script::unavailable());
    let first = house.purge(1).await.unwrap();
    assert_eq!(house.state(1).await, S::Purged, "what is here is destroyed all the same");
    let statement = house.checked(first.receipt.as_ref().unwrap());
    assert_eq!((statement.jumio_deletion.state, statement.jumio_deletion.left), (JumioState::Pending, 3));
    assert_eq!(open_erasure_slots(&house).await, 1);
    house.pass(seconds(60)).await;
    let second = house.purge(1).await.unwrap();
    assert_eq!(second.receipt, first.receipt, "the first never changes");
    assert_eq!(second.jumio_deletion, JumioState::Done);
    let statement = house.checked(second.jumio_receipt.as_ref().unwrap());
    assert_eq!(statement.kind, StatementKind::PurgeJumio);
    assert_eq!(statement.follows, Some(receipt::fingerprint([first.receipt.as_deref().unwrap()])));
    assert_eq!(statement.jumio_deletion.evidence.original, [(200, 1)].into());
    assert_eq!(open_erasure_slots(&house).await, 0);
    let book = house.book().await;
    assert_eq!(book.iter().filter(|listed| listed.entry.action == Action::PurgeAtJumio).count(), 1);
    testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn a_jumio_that_does_not_answer_keeps_nobody_waiting_longer_than_the_patience() {
    let house = vaulted().await;
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::DeleteScan, script);
    let caller = house.purging(1);
    house.jumio.called(Endpoint::DeleteScan, 1).await;
    assert_eq!(house.state(1).await, S::Purging);
    house.clock.advance(seconds(3));
    let view = caller.await.unwrap().unwrap();
    assert_eq!(view.jumio_deletion, JumioState::Pending);
    drop(gate);
    house.drive().await;
    assert_eq!(house.purge(1).await.unwrap().jumio_deletion, JumioState::Done);
}

#[tokio::test]
async fn one_that_jumio_refuses_holds_no_other_up_and_ends_as_a_dead_letter_that_can_be_revived() {
    let house = vaulted().await;
    let refused = transaction(1);
    house.jumio.script(Endpoint::DeleteAuthentication, Script::refused(403).only(&refused).for_ever());
    let first = house.purge(1).await.unwrap();
    let left = house.checked(first.receipt.as_ref().unwrap()).jumio_deletion;
    assert_eq!((left.state, left.left), (JumioState::Pending, 1), "the others are deleted");
    house.pass(seconds(80 * 3600)).await;
    let given_up = house.purge(1).await.unwrap();
    assert_eq!(given_up.jumio_deletion, JumioState::Pending);
    assert!(given_up.jumio_trouble.is_some() && given_up.jumio_receipt.is_none());
    let job = JobKey::new(Kind::JumioDeletion, &house.key(1));
    assert_eq!(house.now().queue.dead_letters(None, 10).await.unwrap()[0].key, job);
    house.jumio.clear_scripts();
    let mut commit = house.register().records().commit();
    house.now().queue.revive(&mut commit, &job).await.unwrap();
    commit.submit().await.unwrap();
    house.drive().await;
    let done = house.purge(1).await.unwrap();
    assert_eq!((done.jumio_deletion, done.jumio_trouble), (JumioState::Done, None));
    assert!(done.jumio_receipt.is_some());
}

#[tokio::test]
async fn an_original_that_was_seen_gone_is_not_asked_for_again() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Ready, |_| {}).await;
    let view = house.purge(1).await.unwrap();
    assert!(house.jumio.journal().is_empty());
    let deletion = house.checked(view.receipt.as_ref().unwrap()).jumio_deletion;
    assert_eq!((deletion.state, deletion.deleted_at), (JumioState::Done, None));
    assert!(deletion.evidence.original_seen_gone_at.is_some());
}

#[tokio::test]
async fn hundreds_of_authentications_go_page_by_page() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Ready, |_| {}).await;
    for number in 0..150 {
        house.authenticate(1, Some(number), AuthenticationState::Passed).await;
    }
    let view = house.purge(1).await.unwrap();
    let statement = house.checked(view.receipt.as_ref().unwrap());
    assert_eq!(statement.destroyed.authentications, 150);
    assert_eq!(statement.jumio_deletion.evidence.authentications, [(404, 150)].into());
    assert_eq!(house.inbox.asked.lock().unwrap()[0].1.len(), 150);
}

//! The process ends at every point of a run, and the next one goes on.

use crate::{
    house::{House, callback, reference},
    jumio::Scan,
};
use audit::Actor;
use ingest::{Release, TokenScope};
use model::EnrollmentState;
use queue::testing::assert_no_jobs_left;
use std::time::Duration;
use store::faulty::CommitFault;
use vault::Step;

/// Announces, receives, runs, releases and runs, whatever ends the process in between. Returns how often it ended.
async fn story(house: &mut House) -> usize {
    let mut ends = 0;
    let body = callback(reference(1), "ines");
    for part in ["announce", "callback", "run", "release", "run"] {
        loop {
            let ingest = house.ingest();
            let is_done = match part {
                "announce" => {
                    ingest.announce(reference(1), &crate::house::user("ines"), Actor::System).await.is_ok()
                }
                "callback" => ingest.receive(&body, TokenScope::Portal, None).await.is_ok(),
                "release" => {
                    let release = Release { replaces: None, by_admin: false, by: Actor::System };
                    ingest.release(&reference(1), &release).await.is_ok()
                }
                _ => house.run().await.is_ok(),
            };
            // A vault in trouble ends the program, whatever the part made of it.
            if !is_done || house.now().vault.trouble().is_some() {
                ends += 1;
                assert!(ends < 10, "it does not get further");
                house.restart().await;
            }
            if is_done {
                break;
            }
        }
    }
    ends
}

async fn is_as_it_should_be(house: &House) {
    // A fault that was not reached belongs to no run.
    house.store.restart();
    house.now().vault.fail_sync(0);
    // What a failure put off, and the epochs' hours.
    house.drive_for(Duration::from_hours(3)).await;
    let view = house.view(1).await;
    assert_eq!((view.state, view.current), (EnrollmentState::Ready, true));
    assert_eq!(house.facemap(1).await, b"the face of ines");
    assert_eq!(house.jumio.effects(reference(1)), 1);
    let book = house.book().await;
    let begins = book.iter().filter(|entry| *entry == "OriginalDeletion None").count();
    assert!(house.jumio.calls("DELETE") <= begins, "every DELETE was written down before");
    assert_eq!(book.iter().filter(|entry| *entry == "EnrollmentReady Some(Done)").count(), 1);
    let journal = house.jumio.journal();
    let at = |call: &str| journal.iter().position(|entry| entry == call).unwrap();
    assert!(at("details") < at("facemap") && at("facemap") < at("DELETE") && at("DELETE") < at("gone?"));
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn a_run_that_ends_before_or_after_any_commit_gets_ready_with_one_deletion() {
    for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
        for nth in 1.. {
            let mut house = House::new().await;
            house.jumio.holds(reference(1), Scan::approved("ines", b"the face of ines"));
            house.store.fail_commit(nth, fault);
            let ends = story(&mut house).await;
            is_as_it_should_be(&house).await;
            if ends == 0 {
                assert!(nth > 20, "the faults were reached: {nth}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_commit_that_conflicts_is_decided_again_and_nothing_is_lost() {
    for nth in 1..40 {
        let mut house = House::new().await;
        house.jumio.holds(reference(1), Scan::approved("ines", b"the face of ines"));
        house.store.fail_commit(nth, CommitFault::Conflict);
        story(&mut house).await;
        is_as_it_should_be(&house).await;
    }
}

#[tokio::test]
async fn a_full_disk_at_any_commit_puts_off_and_loses_nothing() {
    for nth in 1..40 {
        let mut house = House::new().await;
        house.jumio.holds(reference(1), Scan::approved("ines", b"the face of ines"));
        house.store.fail_commit(nth, CommitFault::NoSpace);
        story(&mut house).await;
        is_as_it_should_be(&house).await;
    }
}

#[tokio::test]
async fn a_run_that_ends_at_any_step_of_the_vault_gets_ready_with_one_deletion() {
    for step in vault::STEPS {
        let mut house = House::new().await;
        house.jumio.holds(reference(1), Scan::approved("ines", b"the face of ines"));
        house.announce(1, "ines").await;
        house.now().vault.fail_at(Some(step));
        let _stopped = house.run().await;
        house.restart().await;
        house.drive_for(Duration::from_mins(20)).await;
        house.release(1).await.unwrap();
        is_as_it_should_be(&house).await;
    }
}

#[tokio::test]
async fn a_sync_of_the_slots_that_fails_ends_the_process_and_the_next_one_gets_ready_with_one_deletion() {
    for nth in 1.. {
        let mut house = House::new().await;
        house.jumio.holds(reference(1), Scan::approved("ines", b"the face of ines"));
        house.now().vault.fail_sync(nth);
        let ends = story(&mut house).await;
        is_as_it_should_be(&house).await;
        if ends == 0 {
            assert!(nth > 7, "the faults were reached: {nth}");
            break;
        }
    }
}

#[tokio::test]
async fn a_read_that_fails_anywhere_ends_the_process_and_the_next_one_gets_ready_with_one_deletion() {
    for nth in 1.. {
        let mut house = House::new().await;
        house.jumio.holds(reference(1), Scan::approved("ines", b"the face of ines"));
        house.store.fail_read(nth);
        let before = house.store.reads();
        story(&mut house).await;
        let reads = house.store.reads() - before;
        is_as_it_should_be(&house).await;
        if nth > reads {
            assert!(nth > 50, "the faults were reached: {nth}");
            break;
        }
    }
}

/// `ENOSPC`, `EIO`.
const REFUSALS: [i32; 2] = [28, 5];

#[tokio::test]
async fn a_content_that_cannot_be_written_waits_and_its_original_is_deleted_after_it_is_safe() {
    for errno in REFUSALS {
        for step in [
            Step::KeyDurable,
            Step::TemporaryHalf,
            Step::TemporaryDurable,
            Step::Renamed,
            Step::ContentDurable,
        ] {
            let mut house = House::new().await;
            house.jumio.holds(reference(1), Scan::approved("ines", b"the face of ines"));
            house.announce(1, "ines").await;
            // Released in advance: from the vaulting on nothing keeps the original from being deleted.
            house.release(1).await.unwrap();
            house.now().vault.refuse_at(step, errno);
            house.drive_for(Duration::from_hours(80)).await;
            let at = format!("{errno} at {step:?}");
            assert_eq!(
                house.state(1).await,
                EnrollmentState::Fetching,
                "{at}: it waits, and is not given up"
            );
            assert_eq!(house.jumio.calls("DELETE"), 0, "{at}");
            house.now().vault.fail_at(None);
            is_as_it_should_be(&house).await;
            house.restart().await;
            assert_eq!(house.contents(), 1, "{at}: no temporary file stays");
            is_as_it_should_be(&house).await;
        }
    }
}

/// Runs a refused deletion until it is given up, an hour at a time; the read `nth` of the part `of` fails. Returns
/// how many parts it took.
async fn refused_until_given_up(of: Option<usize>, nth: u64) -> Option<usize> {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.jumio.refuses_deletion();
    house.release(1).await.unwrap();
    for part in 0..400 {
        if of == Some(part) {
            house.store.fail_read(nth);
        }
        // What could not be given back comes back when its lease has run out.
        let _failed = house.run().await;
        house.store.restart();
        if house.state(1).await == EnrollmentState::Failed {
            return Some(part);
        }
        house.minutes(60);
    }
    None
}

#[tokio::test]
async fn a_read_that_fails_at_the_last_try_leaves_nothing_vaulted_without_a_job() {
    let last = refused_until_given_up(None, 0).await.unwrap();
    for nth in 1..=20 {
        assert!(refused_until_given_up(Some(last), nth).await.is_some(), "the read {nth} failed");
    }
}

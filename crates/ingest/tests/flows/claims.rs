//! The claim on a user: who has it may delete, it is never taken from one whose original may be gone, and whoever waits
//! for it is woken.

use crate::house::{House, reference, user};
use ::jumio::JumioError;
use ingest::{DeleteOriginal, IngestConfig};
use model::EnrollmentState;
use queue::{JobKey, Kind, testing::jobs_left};
use records::EnrollmentKey;
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

/// Polls a future at most so often: it stands still there while others go on.
async fn polled<F: Future>(mut future: Pin<&mut F>, times: usize) -> Option<F::Output> {
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls >= times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn claimed(house: &House, name: &str) -> Option<EnrollmentKey> {
    let register = &house.now().register;
    let row = register.user(register.records().user_key(&user(name))).await.unwrap();
    row.and_then(|row| row.value.claimed)
}

/// The enrollment 1 has the claim and was given up, with its original untouched; 2 is released.
async fn given_up() -> House {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.drive().await;
    house.release(1).await.unwrap();
    house.jumio.goes_away(JumioError::Refused { status: 403 });
    house.drive_for(Duration::from_hours(75)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Failed);
    house.jumio.comes_back();
    house.onboard(2, "ines").await;
    house.drive().await;
    house.release(2).await.unwrap();
    house
}

async fn cancel_job(house: &House, number: u8) {
    let key = JobKey::new(Kind::Enrollment, &house.enrollment(number).await.key);
    let mut commit = house.now().register.records().commit();
    assert!(house.now().queue.cancel(&mut commit, &key).await.unwrap());
    commit.submit().await.unwrap();
}

fn deletions(house: &House) -> u32 {
    house.jumio.effects(reference(1)) + house.jumio.effects(reference(2))
}

#[tokio::test]
async fn a_claim_is_not_taken_over_from_one_that_was_revived_in_the_meantime() {
    let mut revived_first = 0;
    for times in [1, 2, 3, 4].repeat(3) {
        let house = given_up().await;
        let first = house.enrollment(1).await.key;
        let is_first = {
            let mut run = pin!(house.run());
            let ended = polled(run.as_mut(), times).await.is_some();
            let is_first = claimed(&house, "ines").await == Some(first);
            house.announce(1, "ines").await;
            if !ended {
                run.await.unwrap();
            }
            is_first
        };
        house.drive().await;
        if is_first {
            revived_first += 1;
            assert!(house.view(1).await.current, "after {times} polls");
        }
        assert_eq!(deletions(&house), 1);
    }
    assert!(revived_first > 0, "the run never stood still before the claim");
}

/// A worker stands still for so long that its enrollment is given up and another one takes its place.
#[tokio::test]
async fn a_worker_who_stood_still_deletes_nothing_after_the_claim_went_to_another() {
    let mut taken_over = 0;
    for times in (1..=16).cycle().take(32) {
        let house = House::new().await;
        for number in [1, 2] {
            house.onboard(number, "ines").await;
        }
        house.drive().await;
        house.release(1).await.unwrap();
        let mut run = pin!(house.run());
        if polled(run.as_mut(), times).await.is_some() {
            continue;
        }
        // As the worker that has the job after it would do, were it to fail for long enough.
        let mut given_up = house.enrollment(1).await;
        if given_up.row.state == EnrollmentState::Vaulted {
            given_up.row.enter(EnrollmentState::Failed, house.time());
            let mut commit = house.now().register.records().commit();
            house.now().register.update_enrollment(&mut commit, &given_up).await.unwrap();
            commit.submit().await.unwrap();
        }
        let _refused = house.release(2).await;
        house.run().await.unwrap();
        taken_over += u32::from(house.view(2).await.current);
        let _lost = run.await;
        house.drive().await;
        assert!(deletions(&house) <= 1, "after {times} polls both originals are gone");
    }
    assert!(taken_over > 0, "the other never took its place");
}

#[tokio::test]
async fn one_whose_original_may_be_gone_keeps_its_claim_unless_an_admin_says_otherwise() {
    let house = House::new().await;
    for number in [1, 2] {
        house.onboard(number, "ines").await;
    }
    house.drive().await;
    house.release(2).await.unwrap();
    house.release(1).await.unwrap();
    // Of the two, the one released first has the claim by now or soon; its deletion is carried out and never confirmed.
    house.jumio.loses_answer_of("DELETE");
    house.run().await.unwrap();
    house.jumio.refuses_deletion();
    let is_first = claimed(&house, "ines").await == Some(house.enrollment(1).await.key);
    let (gone, other) = if is_first { (1, 2) } else { (2, 1) };
    assert_eq!(house.jumio.effects(reference(gone)), 1);
    house.drive_for(Duration::from_hours(80)).await;
    assert_eq!(house.state(gone).await, EnrollmentState::Failed);
    house.jumio.allows_deletion();
    house.release(other).await.unwrap_err();
    house.drive_for(Duration::from_hours(10)).await;
    assert_eq!((house.state(other).await, deletions(&house)), (EnrollmentState::Vaulted, 1));
    house.release_with(other, Some(gone), true).await.unwrap();
    house.drive().await;
    assert!(house.view(other).await.current);
}

#[tokio::test]
async fn what_waits_for_a_claim_goes_on_when_it_is_given_up() {
    for delete_original in [DeleteOriginal::OnRelease, DeleteOriginal::AtOnce] {
        let house = House::with(IngestConfig { delete_original, ..IngestConfig::default() }).await;
        house.jumio.refuses_deletion();
        for number in [1, 2] {
            house.onboard(number, "ines").await;
        }
        house.drive().await;
        if delete_original == DeleteOriginal::OnRelease {
            let (one, two) = tokio::join!(house.release(1), house.release(2));
            one.unwrap();
            two.unwrap();
        }
        house.drive_for(Duration::from_hours(80)).await;
        house.jumio.allows_deletion();
        house.drive_for(Duration::from_hours(24)).await;
        let views = [house.view(1).await, house.view(2).await];
        assert_eq!(views.iter().filter(|view| view.current).count(), 1, "{delete_original:?}");
        assert_eq!(views.iter().filter(|view| view.state == EnrollmentState::Failed).count(), 1);
    }
}

#[tokio::test]
async fn what_waits_for_a_claim_is_looked_at_when_the_claim_becomes_the_current_one() {
    let house = House::new().await;
    for number in [1, 2] {
        house.onboard(number, "ines").await;
    }
    house.drive().await;
    house.jumio.change(reference(1), |scan| scan.lingers = 1);
    house.release(1).await.unwrap();
    house.run().await.unwrap();
    // Released to replace the one that is about to be current; the claim is not free yet.
    house.release_with(2, Some(1), true).await.unwrap();
    house.run().await.unwrap();
    assert_eq!(house.view(2).await.trouble.as_deref(), Some("another-is-current"));
    house.drive_for(Duration::from_mins(5)).await;
    assert!(house.view(2).await.current && !house.view(1).await.current);
}

#[tokio::test]
async fn a_repeated_release_or_announcement_and_a_start_look_again_at_what_waits_without_a_job() {
    for way in ["release", "announce", "start"] {
        let mut house = House::new().await;
        house.onboard(1, "ines").await;
        house.onboard(2, "juan").await;
        house.drive().await;
        house.release(1).await.unwrap();
        cancel_job(&house, 1).await;
        assert_eq!(jobs_left(&house.now().queue).await, []);
        match way {
            "release" => drop(house.release(1).await.unwrap()),
            "announce" => drop(house.announce(1, "ines").await),
            _ => house.restart().await,
        }
        assert_eq!(
            jobs_left(&house.now().queue).await.len(),
            1,
            "{way}: what is not released waits for nobody"
        );
        house.drive().await;
        assert_eq!(house.state(1).await, EnrollmentState::Ready, "{way}");
    }
}

#[tokio::test]
async fn a_start_does_not_hurry_what_has_its_job() {
    let mut house = House::new().await;
    house.onboard(1, "ines").await;
    house.jumio.refuses_deletion();
    house.release(1).await.unwrap();
    house.drive().await;
    let asked = house.jumio.calls("DELETE");
    house.restart().await;
    house.drive().await;
    assert_eq!((asked, house.jumio.calls("DELETE")), (1, 1));
}

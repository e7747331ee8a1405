//! Deletion is irreversible: it never runs on hope.

use crate::house::{House, reference};
use ::jumio::JumioError;
use ingest::{DeleteOriginal, IngestConfig};
use model::EnrollmentState;
use std::time::Duration;
use store::faulty::CommitFault;

#[tokio::test]
async fn nothing_is_deleted_without_a_release_however_long_it_takes() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.drive_for(Duration::from_hours(24 * 30)).await;
    assert_eq!((house.state(1).await, house.jumio.calls("DELETE")), (EnrollmentState::Vaulted, 0));
}

#[tokio::test]
async fn a_release_before_the_vaulting_is_remembered_and_may_be_repeated() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    let first = house.release(1).await.unwrap();
    house.minutes(1);
    assert_eq!(house.release(1).await.unwrap().released_at, first.released_at);
    assert!(house.jumio.journal().is_empty());
    house.drive().await;
    assert_eq!(house.jumio.journal(), ["status", "details", "facemap", "DELETE", "gone?"]);
    assert_eq!(house.release(1).await.unwrap().state, EnrollmentState::Ready);
    house.drive().await;
    assert_eq!(house.jumio.calls("DELETE"), 1);
}

#[tokio::test]
async fn at_once_deletes_as_soon_as_it_is_vaulted_and_read_back() {
    let config = IngestConfig { delete_original: DeleteOriginal::AtOnce, ..IngestConfig::default() };
    let house = House::with(config).await;
    house.onboard(1, "ines").await;
    house.drive().await;
    assert_eq!(house.jumio.journal(), ["status", "details", "facemap", "DELETE", "gone?"]);
    assert_eq!(house.state(1).await, EnrollmentState::Ready);
}

#[tokio::test]
async fn a_facemap_that_the_disk_lost_or_changed_keeps_its_original_for_ever() {
    for harm in [|bytes: &mut Vec<u8>| bytes.clear(), |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1] {
        let house = House::new().await;
        house.onboard(1, "ines").await;
        house.drive().await;
        house.harm_contents(harm);
        house.release(1).await.unwrap();
        house.drive_for(Duration::from_hours(100)).await;
        let view = house.view(1).await;
        assert_eq!((view.state, view.trouble.as_deref()), (EnrollmentState::Failed, Some("vault")));
        assert_eq!(house.jumio.calls("DELETE"), 0);
    }
}

#[tokio::test]
async fn without_a_durable_audit_entry_nothing_is_deleted() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.drive().await;
    house.release(1).await.unwrap();
    // Lease, claim, lease: the next commit is the begin of the deletion.
    house.store.fail_commit(4, CommitFault::NoSpace);
    let deletions =
        |book: &[String]| book.iter().filter(|entry| entry.starts_with("OriginalDeletion")).count();
    house.run().await.unwrap();
    assert_eq!((house.jumio.calls("DELETE"), deletions(&house.book().await)), (0, 0));
    house.drive_for(Duration::from_mins(1)).await;
    assert_eq!((house.jumio.calls("DELETE"), deletions(&house.book().await)), (1, 2));
    assert_eq!(house.state(1).await, EnrollmentState::Ready);
}

#[tokio::test]
async fn a_deletion_whose_answer_got_lost_is_asked_for_again_and_404_is_what_was_wanted() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.release(1).await.unwrap();
    house.jumio.loses_answer_of("DELETE");
    house.drive_for(Duration::from_mins(1)).await;
    assert_eq!((house.jumio.calls("DELETE"), house.jumio.effects(reference(1))), (2, 1));
    assert_eq!(house.state(1).await, EnrollmentState::Ready);
    assert!(house.book().await.contains(&"OriginalDeletion Some(Unknown)".to_owned()));
}

#[tokio::test]
async fn a_deletion_that_jumio_refuses_leaves_it_vaulted_and_at_last_a_dead_letter_that_can_be_revived() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.drive().await;
    house.release(1).await.unwrap();
    house.jumio.goes_away(JumioError::Refused { status: 403 });
    house.drive_for(Duration::from_hours(70)).await;
    let view = house.view(1).await;
    assert_eq!((view.state, view.trouble.as_deref()), (EnrollmentState::Vaulted, Some("jumio-refused")));
    house.drive_for(Duration::from_hours(5)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Failed);
    house.jumio.comes_back();
    house.announce(1, "ines").await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Ready);
}

#[tokio::test]
async fn a_hand_over_that_was_given_up_holds_up_no_other_enrollment_of_the_user() {
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
    house.drive().await;
    assert!(house.view(2).await.current);
    // Revived, it is a second enrollment like any other.
    house.announce(1, "ines").await;
    house.drive().await;
    let first = house.view(1).await;
    assert_eq!((first.state, first.current), (EnrollmentState::Vaulted, false));
    assert_eq!(house.jumio.effects(reference(1)), 0, "its original is kept");
}

#[tokio::test]
async fn an_original_that_lingers_is_looked_at_again_and_nothing_is_ready_before_it_is_gone() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.jumio.change(reference(1), |scan| scan.lingers = 3);
    house.release(1).await.unwrap();
    house.drive().await;
    let view = house.view(1).await;
    assert_eq!((view.state, view.current), (EnrollmentState::Vaulted, false));
    assert_eq!(view.trouble.as_deref(), Some("original-still-there"));
    house.drive_for(Duration::from_mins(5)).await;
    assert_eq!((house.state(1).await, house.jumio.calls("DELETE")), (EnrollmentState::Ready, 1));
}

#[tokio::test]
async fn a_deletion_without_effect_is_asked_for_again_after_an_hour() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.jumio.change(reference(1), |scan| scan.lingers = 130);
    house.release(1).await.unwrap();
    house.drive_for(Duration::from_hours(3)).await;
    assert_eq!((house.state(1).await, house.jumio.calls("DELETE")), (EnrollmentState::Ready, 2));
}

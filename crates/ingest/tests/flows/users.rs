//! A user has one current enrollment, and nobody takes it over.

use crate::house::{House, reference};
use ingest::{DeleteOriginal, IngestConfig, IngestError};
use model::{AuthenticationState, EnrollmentState};
use records::{Table, UserKey, tables};
use serde_json::Value;
use std::time::Duration;

async fn ready(house: &House, number: u8, name: &str) {
    house.onboard(number, name).await;
    house.release(number).await.unwrap();
    house.drive().await;
    assert_eq!(house.state(number).await, EnrollmentState::Ready);
}

#[tokio::test]
async fn a_second_enrollment_cannot_take_over_not_even_at_once() {
    for delete_original in [DeleteOriginal::OnRelease, DeleteOriginal::AtOnce] {
        let house = House::with(IngestConfig { delete_original, ..IngestConfig::default() }).await;
        ready(&house, 1, "victim").await;
        house.onboard(2, "victim").await;
        house.drive().await;
        let refused = house.release(2).await;
        assert!(matches!(refused, Err(IngestError::ReplacementNeedsProof)));
        let refused = house.release_with(2, Some(1), false).await;
        assert!(matches!(refused, Err(IngestError::ReplacementNeedsProof)));
        house.drive_for(Duration::from_hours(48)).await;
        assert_eq!(house.state(2).await, EnrollmentState::Vaulted);
        assert_eq!(house.jumio.effects(reference(2)), 0, "its original is kept");
        assert!(house.view(1).await.current);
    }
}

#[tokio::test]
async fn only_a_recent_passed_of_the_same_user_against_the_old_one_is_a_proof() {
    let house = House::new().await;
    ready(&house, 1, "ines").await;
    ready(&house, 3, "juan").await;
    house.onboard(2, "ines").await;
    house.drive().await;
    house.authenticated(1, "ines", AuthenticationState::Failed, Duration::from_mins(5)).await;
    house.authenticated(3, "juan", AuthenticationState::Passed, Duration::from_mins(5)).await;
    house.authenticated(1, "ines", AuthenticationState::Passed, Duration::from_hours(25)).await;
    let refused = house.release_with(2, Some(1), false).await;
    assert!(matches!(refused, Err(IngestError::ReplacementNeedsProof)));
    for not_current in [2, 3, 9] {
        let refused = house.release_with(2, Some(not_current), true).await;
        assert!(matches!(refused, Err(IngestError::ReplacesNotCurrent)), "{not_current}");
    }

    house.minutes(1);
    house.authenticated(1, "ines", AuthenticationState::Passed, Duration::from_hours(23)).await;
    house.release_with(2, Some(1), false).await.unwrap();
    house.drive().await;
    let (old, new) = (house.view(1).await, house.view(2).await);
    assert_eq!((new.state, new.current, old.current), (EnrollmentState::Ready, true, false));
    assert_eq!(old.replaced_by, Some(reference(2)));
    for (number, replaced) in [(1, true), (2, false)] {
        let view = house.now().vault.view(house.enrollment(number).await.row.slot).await.unwrap();
        assert_eq!(view.replaced, replaced, "the slot says so too, for whoever has no records");
    }
    assert!(house.book().await.contains(&"EnrollmentReplaced Some(Done)".to_owned()));
    assert_eq!(house.release_with(2, Some(1), false).await.unwrap().state, EnrollmentState::Ready);
}

#[tokio::test]
async fn an_admin_replaces_without_a_proof() {
    let house = House::new().await;
    ready(&house, 1, "ines").await;
    house.onboard(2, "ines").await;
    house.release_with(2, Some(1), true).await.unwrap();
    house.drive().await;
    assert!(house.view(2).await.current && !house.view(1).await.current);
}

#[tokio::test]
async fn of_two_released_at_the_same_time_one_gets_current_and_only_that_one_loses_its_original() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.onboard(2, "ines").await;
    house.drive().await;
    let (one, two) = tokio::join!(house.release(1), house.release(2));
    one.unwrap();
    two.unwrap();
    let (a, b) = tokio::join!(house.run(), house.run());
    a.unwrap();
    b.unwrap();
    house.drive().await;
    let states = [house.view(1).await, house.view(2).await];
    let is_ready = |view: &&ingest::EnrollmentView| view.state == EnrollmentState::Ready && view.current;
    assert_eq!(states.iter().filter(is_ready).count(), 1);
    assert_eq!(house.jumio.effects(reference(1)) + house.jumio.effects(reference(2)), 1);
    let other = states.iter().find(|view| !view.current).unwrap();
    assert_eq!(
        (other.state, other.trouble.as_deref()),
        (EnrollmentState::Vaulted, Some("another-is-current"))
    );
}

#[tokio::test]
async fn of_two_replacements_of_the_same_old_one_only_one_wins() {
    let house = House::new().await;
    ready(&house, 1, "ines").await;
    house.onboard(2, "ines").await;
    house.onboard(3, "ines").await;
    house.drive().await;
    let (two, three) =
        tokio::join!(house.release_with(2, Some(1), true), house.release_with(3, Some(1), true));
    two.unwrap();
    three.unwrap();
    let (a, b) = tokio::join!(house.run(), house.run());
    a.unwrap();
    b.unwrap();
    house.drive().await;
    let current = [house.view(1).await.current, house.view(2).await.current, house.view(3).await.current];
    assert_eq!(current.iter().filter(|current| **current).count(), 1);
    assert!(!current[0]);
    assert_eq!(house.jumio.effects(reference(2)) + house.jumio.effects(reference(3)), 1);
}

#[tokio::test]
async fn unknown_references_are_told_apart() {
    let house = House::new().await;
    assert!(matches!(house.release(1).await, Err(IngestError::Unknown)));
    assert!(matches!(house.ingest().get(&reference(1)).await, Err(IngestError::Unknown)));
}

static USERS: Table<(UserKey,), Value> = Table::new(tables::USERS, "users");

/// Whoever writes to the store's disk can take a row out without any key.
#[tokio::test]
async fn a_users_row_that_was_taken_out_makes_no_room_for_a_second_enrollment() {
    let house = House::new().await;
    ready(&house, 1, "victim").await;
    let records = house.now().register.records();
    let user = house.enrollment(1).await.row.user.unwrap();
    let row = USERS.get(records, &(user,)).await.unwrap().unwrap();
    let mut commit = records.commit();
    commit.remove(&USERS, &(user,), &row);
    commit.submit().await.unwrap();

    house.onboard(2, "victim").await;
    house.release(2).await.unwrap();
    house.drive_for(Duration::from_hours(1)).await;
    assert_eq!(house.state(2).await, EnrollmentState::Vaulted);
    assert_eq!(house.jumio.effects(reference(2)), 0, "its original is kept");
}

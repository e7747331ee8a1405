//! What is left of a purged person gives nothing out.

use crate::house::{House, reference, user};
use model::EnrollmentState as S;
use records::{EnrollmentKey, Table, tables};
use register::{EnrollmentRow, RegisterError};

#[tokio::test]
async fn from_purging_on_nothing_about_the_person_is_given_out() {
    for state in [S::Purging, S::Purged] {
        let house = House::new().await;
        let enrollment = house.enroll(1, 1, S::Ready).await;
        assert!(enrollment.private.is_some());
        house.enter(1, state).await;
        let left = house.enrollment(1).await;
        assert!(left.private.is_none(), "though the slot is not burnt yet");
        house.vault.burn(enrollment.row.slot).await.unwrap();
        let left = house.enrollment(1).await;
        assert_eq!((left.row.state, left.private), (state, None));
        let by_user = register::EnrollmentFilter { user: Some(user(1)), ..Default::default() };
        assert_eq!(house.register.enrollments(&by_user, 5).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_burnt_slot_under_a_living_row_is_an_error() {
    let house = House::new().await;
    let enrollment = house.enroll(1, 1, S::Ready).await;
    house.vault.burn(enrollment.row.slot).await.unwrap();
    let error = house.register.enrollment(&reference(1)).await.unwrap_err();
    assert!(matches!(error, RegisterError::Vault(vault::VaultError::Burnt)));
}

#[tokio::test]
async fn a_living_row_without_its_person_is_damaged() {
    static ENROLLMENTS: Table<(EnrollmentKey,), EnrollmentRow> =
        Table::new(tables::ENROLLMENTS, "enrollments");
    let house = House::new().await;
    let enrollment = house.enroll(1, 1, S::Ready).await;
    let records = house.register.records();
    let read = ENROLLMENTS.get(records, &(enrollment.key,)).await.unwrap().unwrap();
    let mut commit = records.commit();
    commit.update(
        &ENROLLMENTS,
        &(enrollment.key,),
        &read,
        &EnrollmentRow { private: None, ..enrollment.row },
    );
    commit.submit().await.unwrap();
    let error = house.register.enrollment(&reference(1)).await.unwrap_err();
    assert!(matches!(error, RegisterError::Damaged));
}

#[tokio::test]
async fn an_authentication_of_a_burnt_person_names_nobody() {
    let house = House::new().await;
    let enrollment = house.enroll(1, 1, S::Ready).await;
    let authentication = house.authenticate(&enrollment, 11).await;
    house.vault.burn(enrollment.row.slot).await.unwrap();
    let left = house.register.authentication(authentication.id).await.unwrap().unwrap();
    assert_eq!(left.private, None);
    assert_eq!(left.row.user, enrollment.row.user.unwrap(), "a pseudonym is left");
}

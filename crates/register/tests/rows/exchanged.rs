//! Rows and parts of rows that are somebody else's are errors, never persons.

use crate::house::{House, reference, user};
use model::{AuthenticationId, AuthenticationRef, EnrollmentState::Ready};
use records::{EnrollmentKey, Key, Table, TransactionKey, tables};
use register::{
    AuthenticationPrivate, AuthenticationRow, Enrollment, EnrollmentFilter, EnrollmentPrivate, EnrollmentRow,
    RegisterError, UserRow,
};
use serde::{Serialize, de::DeserializeOwned};
use store::{TableId, Versioned};

static ENROLLMENTS: Table<(EnrollmentKey,), EnrollmentRow> = Table::new(tables::ENROLLMENTS, "enrollments");
static AUTHENTICATIONS: Table<(AuthenticationId,), AuthenticationRow> =
    Table::new(tables::AUTHENTICATIONS, "authentications");
static BY_TRANSACTION: Table<(TransactionKey,), AuthenticationId> =
    Table::new(tables::AUTHENTICATIONS_BY_TRANSACTION, "authentications-by-transaction");

async fn two() -> (House, Enrollment, Enrollment) {
    let house = House::new().await;
    let (one, two) = (house.enroll(1, 1, Ready).await, house.enroll(2, 2, Ready).await);
    (house, one, two)
}

/// Writes a row anew, as somebody with the records' key could.
async fn rewrite<K: Key, V: Serialize + DeserializeOwned + Clone>(
    house: &House,
    table: &Table<K, V>,
    key: K,
    edit: impl FnOnce(&mut V),
) {
    let records = house.register.records();
    let read = table.get(records, &key).await.unwrap().unwrap();
    let mut value = read.value.clone();
    edit(&mut value);
    let mut commit = records.commit();
    commit.update(table, &key, &read, &value);
    commit.submit().await.unwrap();
}

async fn first(house: &House) -> RegisterError {
    house.register.enrollment(&reference(1)).await.unwrap_err()
}

fn is_damaged_record(error: &RegisterError) -> bool {
    matches!(error, RegisterError::Records(records::RecordsError::Damaged { .. }))
}

fn stored(house: &House, table: TableId, key: &[u8]) -> Versioned {
    house.store.dump().into_iter().find(|row| row.0 == table && row.1 == key).unwrap().2
}

#[tokio::test]
async fn rows_that_change_places_do_not_open() {
    let (house, one, two) = two().await;
    let (one, two) = ((one.key,).encode(), (two.key,).encode());
    let (first_row, second_row) =
        (stored(&house, tables::ENROLLMENTS, &one), stored(&house, tables::ENROLLMENTS, &two));
    house.store.tamper(tables::ENROLLMENTS, &one, second_row);
    house.store.tamper(tables::ENROLLMENTS, &two, first_row);
    assert!(is_damaged_record(&first(&house).await));
}

#[tokio::test]
async fn fields_about_a_person_open_in_their_own_row_and_slot_only() {
    let (house, one, two) = two().await;
    let (private, slot) = (two.row.private.clone(), two.row.slot);
    rewrite(&house, &ENROLLMENTS, (one.key,), |row| row.private = private.clone()).await;
    assert!(matches!(first(&house).await, RegisterError::Damaged), "another's fields");
    rewrite(&house, &ENROLLMENTS, (one.key,), |row| row.slot = slot).await;
    assert!(matches!(first(&house).await, RegisterError::Damaged), "another's fields and slot");
    rewrite(&house, &ENROLLMENTS, (one.key,), |row| row.private = one.row.private).await;
    assert!(matches!(first(&house).await, RegisterError::Damaged), "another's slot");
}

#[tokio::test]
async fn the_row_must_say_itself_whose_it_is() {
    let (house, one, two) = two().await;
    let other_user = two.row.user;
    rewrite(&house, &ENROLLMENTS, (one.key,), |row| row.user = other_user).await;
    assert!(matches!(first(&house).await, RegisterError::WrongPerson), "another's user");
    rewrite(&house, &ENROLLMENTS, (one.key,), |row| row.user = None).await;
    assert!(matches!(first(&house).await, RegisterError::WrongPerson), "nobody's");
    let good = one.private.clone().unwrap();
    for lie in [
        EnrollmentPrivate { reference: reference(2), ..good.clone() },
        EnrollmentPrivate { user_reference: Some(user(2)), ..good.clone() },
        EnrollmentPrivate { user_reference: None, ..good },
    ] {
        let forged = house.forged(one.row.slot, "enrollment", &(one.key,).encode(), &lie).await;
        let own_user = one.row.user;
        rewrite(&house, &ENROLLMENTS, (one.key,), |row| {
            row.user = own_user;
            row.private = Some(forged);
        })
        .await;
        assert!(matches!(first(&house).await, RegisterError::WrongPerson), "{lie:?}");
    }
}

#[tokio::test]
async fn a_users_row_that_names_somebody_elses_enrollment_is_an_error() {
    let (house, _one, two) = two().await;
    let user_key = house.register.records().user_key(&user(1));
    let mut commit = house.register.records().commit();
    let row = UserRow { current: Some(two.key), claimed: None };
    house.register.put_user(&mut commit, user_key, None, &row);
    commit.submit().await.unwrap();
    let error = house.register.current_enrollment(&user(1)).await.unwrap_err();
    assert!(matches!(error, RegisterError::WrongPerson));
}

#[tokio::test]
async fn an_authentication_must_say_itself_whose_it_is() {
    let (house, one, two) = two().await;
    let (mine, other) = (house.authenticate(&one, 11).await, house.authenticate(&two, 12).await);
    let edits: [fn(&mut AuthenticationRow, &AuthenticationRow); 3] = [
        |row, other| row.enrollment = other.enrollment,
        |row, other| row.user = other.user,
        |row, other| row.transaction = other.transaction,
    ];
    for edit in edits {
        rewrite(&house, &AUTHENTICATIONS, (mine.id,), |row| edit(row, &other.row)).await;
        let error = house.register.authentication(mine.id).await.unwrap_err();
        assert!(matches!(error, RegisterError::WrongPerson));
        rewrite(&house, &AUTHENTICATIONS, (mine.id,), |row| *row = mine.row.clone()).await;
    }
    for edit in [
        |row: &mut AuthenticationRow, other: &AuthenticationRow| row.private.clone_from(&other.private),
        |row: &mut AuthenticationRow, other: &AuthenticationRow| row.slot = other.slot,
    ] {
        rewrite(&house, &AUTHENTICATIONS, (mine.id,), |row| edit(row, &other.row)).await;
        let error = house.register.authentication(mine.id).await.unwrap_err();
        assert!(matches!(error, RegisterError::Damaged));
        rewrite(&house, &AUTHENTICATIONS, (mine.id,), |row| *row = mine.row.clone()).await;
    }
    let lie = AuthenticationPrivate { id: other.id, ..mine.private.clone().unwrap() };
    let forged = house.forged(one.row.slot, "authentication", &(mine.id,).encode(), &lie).await;
    rewrite(&house, &AUTHENTICATIONS, (mine.id,), |row| row.private = Some(forged)).await;
    let error = house.register.authentication(mine.id).await.unwrap_err();
    assert!(matches!(error, RegisterError::WrongPerson));
}

#[tokio::test]
async fn a_reference_that_leads_to_another_authentication_is_an_error() {
    let (house, one, two) = two().await;
    let (mine, other) = (house.authenticate(&one, 11).await, house.authenticate(&two, 12).await);
    let asked: AuthenticationRef = mine.private.as_ref().unwrap().reference.unwrap();
    let found = house.register.authentication_by_reference(&asked).await.unwrap().unwrap();
    assert_eq!(found.id, mine.id);
    let key = house.register.records().transaction_key(&asked);
    rewrite(&house, &BY_TRANSACTION, (key,), |id| *id = other.id).await;
    let error = house.register.authentication_by_reference(&asked).await.unwrap_err();
    assert!(matches!(error, RegisterError::WrongPerson));
}

#[tokio::test]
async fn one_reference_of_jumios_belongs_to_one_authentication() {
    let (house, one, _two) = two().await;
    house.authenticate(&one, 11).await;
    let second = house.begin(&one, 12).await;
    assert!(house.name(second, 11).await.unwrap_err().is_conflict());
    house.name(second, 12).await.unwrap();
}

#[tokio::test]
async fn debug_shows_nobody() {
    let (house, one, _two) = two().await;
    let authentication = house.authenticate(&one, 11).await;
    let shown = format!("{one:?} {authentication:?} {:?}", house.register.enrollment(&reference(9)).await);
    for secret in ["user-1", "shop-1", "netverify.com"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_row_that_is_damaged_or_somebody_elses_hides_no_other_from_a_list() {
    let (house, one, _two) = two().await;
    let three = house.enroll(3, 1, Ready).await;
    let everybody = EnrollmentFilter::default();
    let of_user = EnrollmentFilter { user: Some(user(1)), ..EnrollmentFilter::default() };
    let in_state = EnrollmentFilter { state: Some(Ready), ..EnrollmentFilter::default() };
    let place = (one.key,).encode();
    let good = stored(&house, tables::ENROLLMENTS, &place);
    for harm in ["exchanged", "damaged"] {
        if harm == "exchanged" {
            let private = three.row.private.clone();
            rewrite(&house, &ENROLLMENTS, (one.key,), |row| row.private = private).await;
        } else {
            let value = vec![7; good.value.len()].into();
            house.store.tamper(tables::ENROLLMENTS, &place, Versioned { value, ..good.clone() });
        }
        for limit in [1, 2, 50] {
            for (filter, others) in [(&everybody, 2), (&of_user, 1), (&in_state, 2)] {
                let (mut filter, mut seen) = (filter.clone(), 0);
                loop {
                    let page = house.register.enrollments(&filter, limit).await.unwrap();
                    assert!(page.iter().all(|listed| listed.key != one.key));
                    seen += page.len();
                    filter.after = page.last().map(|last| last.key).or(filter.after);
                    if page.len() < limit {
                        break;
                    }
                }
                assert_eq!(seen, others, "{harm}, pages of {limit}");
            }
        }
        first(&house).await;
    }
}

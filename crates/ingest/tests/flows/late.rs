//! What nobody could name at Jumio when its person was purged is deleted there once a callback names it.

use crate::house::{House, reference};
use ::jumio::JumioError;
use ingest::{CallbackOutcome, TokenScope};
use model::{AuthenticationId, AuthenticationRef, AuthenticationState, EnrollmentState};
use queue::{JobKey, Kind, testing::jobs_left};
use register::UnnamedRow;
use std::time::Duration;

fn result(transaction: &str, onboarding: Option<u8>) -> Vec<u8> {
    let mut body = format!(
        "transactionReference={transaction}&transactionResult=PASSED&callBackType=NETVERIFY_AUTHENTICATION"
    );
    if let Some(number) = onboarding {
        body = format!("{body}&enrollmentTransactionReference={}", reference(number));
    }
    body.into_bytes()
}

const THEIRS: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// A purged person with one authentication that nobody could name.
async fn purged(house: &House) -> AuthenticationId {
    house.onboard(1, "ines").await;
    house.drive().await;
    let register = &house.now().register;
    let mut found = house.enrollment(1).await;
    house.now().vault.burn(found.row.slot).await.unwrap();
    found.row.enter(EnrollmentState::Purged, house.time());
    found.private = None;
    let id = AuthenticationId::from_bytes([7; 16]);
    let until = house.time() + Duration::from_hours(24);
    let row = UnnamedRow { enrollment: found.key, until, status: None };
    let mut commit = register.records().commit();
    register.update_enrollment(&mut commit, &found).await.unwrap();
    register.put_unnamed(&mut commit, id, None, &row);
    commit.submit().await.unwrap();
    id
}

async fn status(house: &House) -> Option<u16> {
    house.now().register.all_unnamed().await.unwrap()[0].1.value.status
}

/// The porch's answer, and what became of the callback if it was let in.
async fn arrives(house: &House, body: &[u8], scope: TokenScope) -> Option<CallbackOutcome> {
    if !house.ingest().scope_matches(body, scope).await.unwrap() {
        return None;
    }
    let id = house.ingest().receive(body, scope, None).await.unwrap();
    house.run().await.unwrap();
    house.outcome(id).await
}

#[tokio::test]
async fn a_late_callback_with_the_transactions_own_token_leads_to_its_deletion_at_jumio() {
    let house = House::new().await;
    let scope = TokenScope::Authentication(purged(&house).await);
    let outcome = arrives(&house, &result(THEIRS, Some(1)), scope).await;
    assert_eq!(outcome, Some(CallbackOutcome::Tombstone));
    assert_eq!(house.jumio.calls("delete-authentication"), 1);
    assert_eq!(status(&house).await, Some(404), "this Jumio knows of none");
    let job = JobKey::new(Kind::JumioDeletion, &house.enrollment(1).await.key);
    assert!(jobs_left(&house.now().queue).await.contains(&job), "the purge takes it over");
    assert_eq!(arrives(&house, &result(THEIRS, Some(1)), scope).await, None, "once only");
}

#[tokio::test]
async fn while_jumio_is_away_the_callback_waits_and_nothing_is_lost() {
    let house = House::new().await;
    let scope = TokenScope::Authentication(purged(&house).await);
    house.jumio.goes_away(JumioError::Unavailable { what: "connection" });
    let id = house.ingest().receive(&result(THEIRS, Some(1)), scope, None).await.unwrap();
    house.drive_for(Duration::from_mins(10)).await;
    assert_eq!((house.outcome(id).await, status(&house).await), (None, None));
    house.jumio.comes_back();
    house.drive_for(Duration::from_hours(1)).await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Tombstone));
    assert_eq!(status(&house).await, Some(404));
}

#[tokio::test]
async fn no_other_token_no_other_person_and_no_later_day_deletes_anything() {
    let house = House::new().await;
    let id = purged(&house).await;
    let scope = TokenScope::Authentication(id);
    arrives(&house, &result(THEIRS, Some(1)), TokenScope::Portal).await;
    let other = TokenScope::Authentication(AuthenticationId::from_bytes([8; 16]));
    assert_eq!(arrives(&house, &result(THEIRS, Some(1)), other).await, None);
    arrives(&house, &result(THEIRS, Some(2)), scope).await;
    // A transaction that the vault knows is somebody's, whatever a callback says.
    house.onboard(3, "juan").await;
    house.drive().await;
    let known = house.authenticated(3, "juan", AuthenticationState::Initiated, Duration::ZERO).await;
    let register = &house.now().register;
    let mut open = register.authentication(known).await.unwrap().unwrap();
    let juans: AuthenticationRef = "aaaaaaaa-0000-4000-8000-000000000009".parse().unwrap();
    open.private.as_mut().unwrap().reference = Some(juans);
    let mut commit = register.records().commit();
    register.update_authentication(&mut commit, &open).await.unwrap();
    commit.submit().await.unwrap();
    // Past the porch, which refuses it too.
    house.ingest().receive(&result(&juans.to_string(), Some(1)), scope, None).await.unwrap();
    house.run().await.unwrap();
    house.minutes(24 * 60 + 1);
    assert_eq!(arrives(&house, &result(THEIRS, Some(1)), scope).await, None, "a day is over");
    assert_eq!((house.jumio.calls("delete-authentication"), status(&house).await), (0, None));
}

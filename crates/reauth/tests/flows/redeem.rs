//! A result is accepted once, for the user and the request that it belongs to, while it is young.

use crate::house::{House, asks, jumio_reference, seconds, user};
use audit::{Action, Actor};
use model::{AuthenticationResult, AuthenticationState, UserReference};
use reauth::{AuthenticationRequest, AuthenticationView, Initiated, ReauthError};

async fn with_result(request: AuthenticationRequest, result: AuthenticationResult) -> (House, Initiated) {
    let house = House::new().await;
    house.enroll(1).await;
    let answer = house.ask(request).await.unwrap();
    house.jumio.finish(jumio_reference(&answer), result);
    house.pass(seconds(30)).await;
    (house, answer)
}

async fn passed() -> (House, Initiated) {
    with_result(asks(1), AuthenticationResult::Passed).await
}

async fn redeem(
    house: &House,
    answer: &Initiated,
    user: &UserReference,
    request: Option<&str>,
) -> Result<AuthenticationView, ReauthError> {
    let id = answer.authentication.authentication_id.to_string();
    house.reauth().redeem(&id, user, request, Actor::System).await
}

#[tokio::test]
async fn a_passed_result_is_redeemed_once_and_the_book_knows() {
    let (house, answer) = passed().await;
    let view = redeem(&house, &answer, &user(1), None).await.unwrap();
    assert!(view.redeemed_at.is_some());
    for _ in 0..2 {
        let again = redeem(&house, &answer, &user(1), None).await;
        assert!(matches!(again, Err(ReauthError::AlreadyRedeemed)));
    }
    let book = house.book().await;
    assert_eq!(book.iter().filter(|l| l.entry.action == Action::AuthenticationRedeemed).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_at_the_same_time_one_succeeds() {
    let (house, answer) = passed().await;
    let id = answer.authentication.authentication_id.to_string();
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (reauth, id) = (house.reauth().clone(), id.clone());
            tokio::spawn(async move { reauth.redeem(&id, &user(1), None, Actor::System).await })
        })
        .collect();
    let mut accepted = 0;
    for one in all {
        match one.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(error) => assert!(matches!(error, ReauthError::AlreadyRedeemed), "{error:?}"),
        }
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn jumios_reference_names_it_too() {
    let (house, answer) = passed().await;
    let reference = jumio_reference(&answer).to_string();
    house.reauth().redeem(&reference, &user(1), None, Actor::System).await.unwrap();
    assert!(matches!(redeem(&house, &answer, &user(1), None).await, Err(ReauthError::AlreadyRedeemed)));
}

#[tokio::test]
async fn a_result_is_too_old_after_five_minutes_and_not_before() {
    let (house, answer) = passed().await;
    house.clock.advance(seconds(300));
    assert!(matches!(redeem(&house, &answer, &user(1), None).await, Err(ReauthError::ResultTooOld)));
    let (house, answer) = passed().await;
    house.clock.advance(seconds(299));
    redeem(&house, &answer, &user(1), None).await.unwrap();
}

#[tokio::test]
async fn another_users_result_is_not_even_known() {
    let (house, answer) = passed().await;
    house.enroll(2).await;
    for other in [user(2), user(3)] {
        let error = redeem(&house, &answer, &other, None).await.unwrap_err();
        assert!(matches!(error, ReauthError::UnknownAuthentication));
    }
    let nobody = house.reauth().redeem("not-an-id", &user(1), None, Actor::System).await;
    assert!(matches!(nobody, Err(ReauthError::UnknownAuthentication)));
    redeem(&house, &answer, &user(1), None).await.unwrap();
}

#[tokio::test]
async fn a_result_belongs_to_its_request_reference() {
    let request = AuthenticationRequest { request_reference: Some("order-1".into()), ..asks(1) };
    let (house, answer) = with_result(request, AuthenticationResult::Passed).await;
    for other in [None, Some("order-2"), Some("")] {
        let error = redeem(&house, &answer, &user(1), other).await.unwrap_err();
        assert!(matches!(error, ReauthError::OtherRequest));
    }
    redeem(&house, &answer, &user(1), Some("order-1")).await.unwrap();
    let (house, answer) = passed().await;
    let error = redeem(&house, &answer, &user(1), Some("order-1")).await.unwrap_err();
    assert!(matches!(error, ReauthError::OtherRequest));
}

#[tokio::test]
async fn only_a_passed_one_is_redeemed() {
    for (result, state) in [
        (AuthenticationResult::Created, AuthenticationState::Initiated),
        (AuthenticationResult::Started, AuthenticationState::Initiated),
        (AuthenticationResult::Failed, AuthenticationState::Failed),
        (AuthenticationResult::Invalid, AuthenticationState::Invalid),
        (AuthenticationResult::Expired, AuthenticationState::Expired),
    ] {
        let (house, answer) = with_result(asks(1), result).await;
        let error = redeem(&house, &answer, &user(1), None).await.unwrap_err();
        assert!(matches!(error, ReauthError::NotPassed(is) if is == state), "{error:?}");
    }
}

#[tokio::test]
async fn without_a_durable_record_nothing_is_accepted() {
    use store::faulty::CommitFault;
    let (mut house, answer) = passed().await;
    house.store.fail_commit(1, CommitFault::NoSpace);
    redeem(&house, &answer, &user(1), None).await.unwrap_err();
    house.store.fail_commit(1, CommitFault::AmbiguousAfter);
    redeem(&house, &answer, &user(1), None).await.unwrap_err();
    house.restart().await;
    assert!(matches!(redeem(&house, &answer, &user(1), None).await, Err(ReauthError::AlreadyRedeemed)));
}

#[tokio::test]
async fn a_result_that_was_confirmed_long_after_its_window_is_not_young() {
    let house = House::new().await;
    house.enroll(1).await;
    let answer = house.ask(asks(1)).await.unwrap();
    house.pass(seconds(900 + 301)).await;
    // Jumio tells only now, as after an outage.
    house.jumio.finish(jumio_reference(&answer), AuthenticationResult::Passed);
    let id = answer.authentication.authentication_id.to_string();
    let view = house.reauth().get(&id, seconds(5)).await.unwrap();
    assert_eq!(view.state, AuthenticationState::Passed, "confirmed in this very moment");
    assert!(matches!(redeem(&house, &answer, &user(1), None).await, Err(ReauthError::ResultTooOld)));
}

#[tokio::test]
async fn a_clock_that_was_put_back_does_not_make_a_result_young_again() {
    let (house, answer) = passed().await;
    house.clock.turn_back(std::time::Duration::from_hours(1));
    assert!(matches!(redeem(&house, &answer, &user(1), None).await, Err(ReauthError::ResultTooOld)));
}

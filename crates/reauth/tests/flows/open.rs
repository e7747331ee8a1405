//! What a request meets: an open transaction, the end of its window, an enrollment that cannot be used.

use crate::house::{House, asks, asks_web, jumio_reference, reference, seconds, user, web};
use jumio::{
    WebFields,
    scripted::{Endpoint, Script},
};
use model::{AuthenticationResult, AuthenticationState, EnrollmentState};
use reauth::{AuthenticationRequest, IfOpen, Initiated, ReauthError};

fn replacing(request: AuthenticationRequest) -> AuthenticationRequest {
    AuthenticationRequest { if_open: IfOpen::Replace, ..request }
}

async fn state(house: &House, answer: &Initiated) -> AuthenticationState {
    house.get(answer.authentication.authentication_id).await.state
}

fn fields() -> WebFields {
    WebFields {
        success_url: Some("https://www.example.com/done".into()),
        error_url: Some("https://www.example.com/error".into()),
        locale: Some("de".into()),
        token_lifetime_in_minutes: Some(10),
    }
}

#[tokio::test]
async fn the_same_parameters_get_the_open_one_and_an_app_gets_a_browsers() {
    let house = House::new().await;
    house.enroll(1).await;
    let full = AuthenticationRequest { journey: web(&fields()), ..asks(1) };
    let first = house.ask(full.clone()).await.unwrap();
    let named = AuthenticationRequest { enrollment: Some(reference(1)), ..full };
    for request in [named, asks(1)] {
        let again = house.ask(request).await.unwrap();
        assert!(again.deduplicated);
        assert_eq!(again.authentication, first.authentication);
    }
    assert_eq!(house.posts(), 1);
}

#[tokio::test]
async fn what_differs_is_named() {
    let house = House::new().await;
    house.enroll(1).await;
    house.ask(AuthenticationRequest { journey: web(&fields()), ..asks(1) }).await.unwrap();
    let others = [
        (WebFields { success_url: None, ..fields() }, "successUrl"),
        (WebFields { error_url: None, ..fields() }, "errorUrl"),
        (WebFields { locale: Some("fr".into()), ..fields() }, "locale"),
        (WebFields { token_lifetime_in_minutes: Some(11), ..fields() }, "tokenLifetimeInMinutes"),
    ];
    for (fields, name) in others {
        let request = AuthenticationRequest { journey: web(&fields), ..asks(1) };
        let Err(ReauthError::AuthenticationOpen { differs, .. }) = house.ask(request).await else {
            panic!("{name}")
        };
        assert_eq!(differs, [name]);
    }
    let request = AuthenticationRequest { request_reference: Some("order-1".into()), ..asks(1) };
    let Err(ReauthError::AuthenticationOpen { differs, .. }) = house.ask(request).await else { panic!() };
    assert_eq!(differs, ["requestReference"]);
    assert_eq!(house.posts(), 1);
}

#[tokio::test]
async fn a_browser_cannot_have_an_apps_transaction_unless_it_says_reuse() {
    let house = House::new().await;
    house.enroll(1).await;
    let first = house.ask(asks(1)).await.unwrap();
    let Err(ReauthError::AuthenticationOpen { open, differs }) = house.ask(asks_web(1)).await else {
        panic!()
    };
    assert_eq!((*open, differs), (first.authentication.clone(), vec!["channel"]));
    let reuse = AuthenticationRequest { if_open: IfOpen::Reuse, ..asks_web(1) };
    let reused = house.ask(reuse).await.unwrap();
    assert!(reused.deduplicated);
    assert_eq!((reused.authentication, house.posts()), (first.authentication, 1));
}

#[tokio::test]
async fn a_window_lasts_fifteen_minutes_and_not_longer() {
    let house = House::new().await;
    house.enroll(1).await;
    let first = house.ask(asks(1)).await.unwrap();
    house.clock.advance(seconds(899));
    assert!(house.ask(asks(1)).await.unwrap().deduplicated);
    house.clock.advance(seconds(1));
    let second = house.ask(asks(1)).await.unwrap();
    assert!(!second.deduplicated);
    assert_ne!(jumio_reference(&first), jumio_reference(&second));
}

#[tokio::test]
async fn a_token_that_ends_before_the_window_ends_the_reuse() {
    let house = House::new().await;
    house.enroll(1).await;
    let short = WebFields { token_lifetime_in_minutes: Some(5), ..WebFields::default() };
    let request = AuthenticationRequest { journey: web(&short), ..asks(1) };
    let first = house.ask(request.clone()).await.unwrap();
    assert!(first.authentication.redirect_url.is_some());
    house.clock.advance(seconds(299));
    assert!(house.ask(request.clone()).await.unwrap().deduplicated);
    house.clock.advance(seconds(1));
    assert_eq!(house.get(first.authentication.authentication_id).await.redirect_url, None);
    assert!(!house.ask(request).await.unwrap().deduplicated);
}

#[tokio::test]
async fn a_final_result_ends_the_window_early() {
    let house = House::new().await;
    house.enroll(1).await;
    let first = house.ask(asks(1)).await.unwrap();
    house.jumio.finish(jumio_reference(&first), AuthenticationResult::Failed);
    house.pass(seconds(30)).await;
    assert_eq!(state(&house, &first).await, AuthenticationState::Failed);
    assert!(!house.ask(asks(1)).await.unwrap().deduplicated);
}

#[tokio::test]
async fn the_old_one_is_superseded_only_when_the_new_one_is_initiated() {
    let house = House::new().await;
    house.enroll(1).await;
    let old = house.ask(asks(1)).await.unwrap();
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let asking = house.asking(replacing(asks_web(1)));
    house.jumio.called(Endpoint::InitiateAuthentication, 2).await;
    assert_eq!(state(&house, &old).await, AuthenticationState::Initiated);
    gate.open();
    let new = asking.await.unwrap().unwrap();
    assert_eq!(state(&house, &old).await, AuthenticationState::Superseded);
    assert_eq!(state(&house, &new).await, AuthenticationState::Initiated);
    let book = house.book().await;
    assert!(book.iter().any(|listed| listed.entry.action == audit::Action::AuthenticationSuperseded));
}

#[tokio::test]
async fn a_replacement_that_is_refused_leaves_the_old_one_open() {
    let house = House::new().await;
    house.enroll(1).await;
    let old = house.ask(asks(1)).await.unwrap();
    for script in [Script::refused(400), Script::unavailable(), Script::rate_limited(Some(seconds(1)))] {
        house.jumio.script(Endpoint::InitiateAuthentication, script);
        house.ask(replacing(asks_web(1))).await.unwrap_err();
        assert_eq!(state(&house, &old).await, AuthenticationState::Initiated);
        let again = house.ask(asks(1)).await.unwrap();
        assert!(again.deduplicated);
        assert_eq!(again.authentication, old.authentication);
        house.clock.advance(seconds(2));
    }
}

#[tokio::test]
async fn a_replacement_with_an_unknown_outcome_supersedes_nothing_and_hands_out_nothing() {
    let house = House::new().await;
    house.enroll(1).await;
    let old = house.ask(asks(1)).await.unwrap();
    house.jumio.script(Endpoint::InitiateAuthentication, Script::request_lost());
    assert!(matches!(house.ask(replacing(asks(1))).await, Err(ReauthError::OutcomeUnknown { .. })));
    assert_eq!(state(&house, &old).await, AuthenticationState::Initiated);
    // Whether the old one still works nobody knows, so it is not given out again.
    assert!(matches!(house.ask(asks(1)).await, Err(ReauthError::OutcomeUnknown { .. })));
    // If it does, its result counts.
    house.jumio.finish(jumio_reference(&old), AuthenticationResult::Passed);
    house.pass(seconds(30)).await;
    assert_eq!(state(&house, &old).await, AuthenticationState::Passed);
}

#[tokio::test]
async fn three_replacements_an_hour_and_no_more() {
    let house = House::new().await;
    house.enroll(1).await;
    house.ask(asks(1)).await.unwrap();
    for _ in 0..3 {
        house.clock.advance(seconds(60));
        assert!(!house.ask(replacing(asks(1))).await.unwrap().deduplicated);
    }
    house.clock.advance(seconds(60));
    let Err(ReauthError::TooManyReplacements { retry_after }) = house.ask(replacing(asks(1))).await else {
        panic!()
    };
    assert_eq!(retry_after, seconds(57 * 60));
    assert_eq!(house.posts(), 4);
    house.enroll(2).await;
    house.ask(asks(2)).await.unwrap();
    assert!(!house.ask(replacing(asks(2))).await.unwrap().deduplicated, "counted per enrollment");
}

#[tokio::test]
async fn what_is_not_ready_is_not_used() {
    use EnrollmentState as S;
    let house = House::new().await;
    for (number, state) in (1..).zip(S::ALL.iter().copied().filter(|state| *state != S::Ready)) {
        house.enroll_as(number, user(number), state).await;
        let answers = [
            house.ask(asks(number)).await,
            house.ask(AuthenticationRequest { enrollment: Some(reference(number)), ..asks(number) }).await,
        ];
        for answer in answers {
            let error = answer.unwrap_err();
            let right = match state {
                S::Vaulted => matches!(error, ReauthError::AwaitingRelease),
                S::Purging | S::Purged => matches!(error, ReauthError::Purged),
                S::AwaitingUser | S::Received | S::Confirming | S::Fetching => {
                    matches!(error, ReauthError::NotReady(is) if is == state)
                }
                _ => matches!(error, ReauthError::NotEligible { state: is, .. } if is == state),
            };
            assert!(right, "{state}: {error:?}");
        }
    }
    assert_eq!(house.posts(), 0);
}

#[tokio::test]
async fn an_enrollment_that_was_replaced_is_not_used() {
    let house = House::new().await;
    house.enroll(1).await;
    let other = house.key(2);
    house.edit_enrollment(1, |enrollment| enrollment.row.replaced_by = Some(other)).await;
    assert!(matches!(house.ask(asks(1)).await, Err(ReauthError::NotEligible { .. })));
}

#[tokio::test]
async fn a_facemap_that_a_purge_has_closed_is_neither_opened_nor_posted() {
    let house = House::new().await;
    let slot = house.enroll(1).await.row.slot;
    house.now().vault.drain(slot).await;
    assert!(matches!(house.ask(asks(1)).await, Err(ReauthError::Purged)));
    assert_eq!(house.posts(), 0);
}

#[tokio::test]
async fn references_that_do_not_belong_together_are_not_told_apart_from_unknown_ones() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    for enrollment in [Some(reference(2)), Some(reference(3))] {
        let error = house.ask(AuthenticationRequest { enrollment, ..asks(1) }).await.unwrap_err();
        assert!(matches!(error, ReauthError::UnknownEnrollment), "{error:?}");
    }
    assert!(matches!(house.ask(asks(3)).await, Err(ReauthError::UnknownEnrollment)));
    assert_eq!(house.posts(), 0);
}

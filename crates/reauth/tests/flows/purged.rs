//! From the moment in which a person is being purged nothing about the person is read, redeemed or used.

use crate::house::{House, asks, asks_web, jumio_reference, seconds, user};
use audit::Actor;
use jumio::scripted::{Endpoint, Script};
use model::{AuthenticationResult, AuthenticationState, Clock as _, EnrollmentState};
use reauth::{Initiated, ReauthError};
use std::time::Duration;

/// What the first commit of a purge does: the state, and the window goes.
async fn begin_purge(house: &House, number: u64) {
    let register = house.register();
    let mut enrollment = house.enrollment(number).await;
    enrollment.row.enter(EnrollmentState::Purging, house.clock.now());
    let mut commit = register.records().commit();
    register.update_enrollment(&mut commit, &enrollment).await.unwrap();
    if let Some(window) = register.window(enrollment.key).await.unwrap() {
        register.remove_window(&mut commit, enrollment.key, &window);
    }
    commit.submit().await.unwrap();
}

async fn passed() -> (House, Initiated) {
    let house = House::new().await;
    house.enroll(1).await;
    let answer = house.ask(asks_web(1)).await.unwrap();
    house.jumio.finish(jumio_reference(&answer), AuthenticationResult::Passed);
    house.pass(seconds(30)).await;
    (house, answer)
}

#[tokio::test]
async fn what_passed_is_neither_shown_nor_redeemed_from_purging_on() {
    let (house, answer) = passed().await;
    let names = [answer.authentication.authentication_id.to_string(), jumio_reference(&answer).to_string()];
    assert_eq!(
        house.reauth().get(&names[0], Duration::ZERO).await.unwrap().state,
        AuthenticationState::Passed
    );
    begin_purge(&house, 1).await;
    for name in &names {
        let shown = house.reauth().get(name, seconds(5)).await;
        assert!(matches!(shown, Err(ReauthError::Purged)), "though the slot is not burnt yet");
        let redeemed = house.reauth().redeem(name, &user(1), None, Actor::System).await;
        assert!(matches!(redeemed, Err(ReauthError::Purged)));
    }
    assert!(house.reauth().list(&user(1), None, None, 10).await.unwrap().is_empty());
    let passed = house.reauth().list_in(AuthenticationState::Passed, None, 10).await.unwrap();
    assert!(passed.is_empty());
    assert!(matches!(house.ask(asks(1)).await, Err(ReauthError::Purged)));
}

#[tokio::test]
async fn what_a_post_in_flight_creates_is_written_down_for_the_purge_and_handed_to_nobody() {
    let house = House::new().await;
    let enrollment = house.enroll(1).await;
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let asking = house.asking(asks_web(1));
    house.jumio.called(Endpoint::InitiateAuthentication, 1).await;
    begin_purge(&house, 1).await;
    let draining = {
        let vault = house.now().vault.clone();
        tokio::spawn(async move { vault.drain(enrollment.row.slot).await })
    };
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!draining.is_finished(), "the purge waits for the post");
    gate.open();
    draining.await.unwrap();
    let found = house.register().authentications_to_purge(enrollment.key, 10).await.unwrap();
    let created = house.started()[0].reference;
    assert_eq!(found[0].reference, Some(created), "at once when the purge may go on");
    assert!(matches!(asking.await.unwrap(), Err(ReauthError::Purged)));
    assert!(house.register().window(enrollment.key).await.unwrap().is_none(), "the window stays away");
    queue::testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn a_result_that_arrives_after_the_purge_began_changes_nothing() {
    let house = House::new().await;
    let enrollment = house.enroll(1).await;
    let answer = house.ask(asks(1)).await.unwrap();
    house.jumio.finish(jumio_reference(&answer), AuthenticationResult::Passed);
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::Authentication, script);
    let (reauth, id) = (house.reauth().clone(), answer.authentication.authentication_id.to_string());
    house.clock.advance(seconds(10));
    let waiting = tokio::spawn(async move { reauth.get(&id, seconds(25)).await });
    house.jumio.called(Endpoint::Authentication, 1).await;
    begin_purge(&house, 1).await;
    gate.open();
    assert!(matches!(waiting.await.unwrap(), Err(ReauthError::Purged)));
    let found = house.register().authentications_to_purge(enrollment.key, 10).await.unwrap();
    let id = found[0].id;
    let row = house.register().authentication(id).await.unwrap().unwrap().row;
    assert_eq!((row.state, row.completed_at), (AuthenticationState::Initiated, None));
}

#[tokio::test]
async fn whoever_names_a_tombstone_is_told_that_it_is_one() {
    let house = House::new().await;
    house.enroll(1).await;
    begin_purge(&house, 1).await;
    let register = house.register();
    let enrollment = house.enrollment(1).await;
    let mut commit = register.records().commit();
    register.tombstone(&mut commit, &enrollment, house.clock.now()).await.unwrap();
    commit.submit().await.unwrap();
    let mut named = asks(1);
    named.enrollment = Some(crate::house::reference(1));
    assert!(matches!(house.ask(named).await, Err(ReauthError::Purged)));
}

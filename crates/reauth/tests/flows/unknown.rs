//! A post whose outcome nobody knows: it was handed to nobody, is not repeated by itself, and nothing passes it.

use crate::house::{House, asks, jumio_reference, seconds};
use jumio::{
    JumioError,
    scripted::{Endpoint, Script},
};
use model::{AuthenticationResult, AuthenticationState};
use queue::testing;
use reauth::{Initiated, ReauthError};
use std::time::Duration;

fn retry_after(answer: Result<Initiated, ReauthError>) -> Duration {
    match answer {
        Err(ReauthError::OutcomeUnknown { retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

async fn post(house: &House, script: Script) -> Result<Initiated, ReauthError> {
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    house.ask(asks(1)).await
}

#[tokio::test]
async fn repeats_hear_the_same_until_the_settle_time_is_over_and_then_there_is_a_new_post() {
    let house = House::new().await;
    house.enroll(1).await;
    assert_eq!(retry_after(post(&house, Script::answer_lost()).await), seconds(30));
    for left in [30, 20, 10] {
        assert_eq!(retry_after(house.ask(asks(1)).await), seconds(left));
        house.pass(seconds(10)).await;
        assert_eq!(house.posts(), 1, "nothing is posted by itself");
    }
    assert!(!house.ask(asks(1)).await.unwrap().deduplicated);
    assert_eq!(house.posts(), 2);
}

#[tokio::test]
async fn each_in_a_row_doubles_the_settle_time_and_a_known_outcome_ends_the_row() {
    let house = House::new().await;
    house.enroll(1).await;
    for settle in [30, 60, 120, 240] {
        assert_eq!(retry_after(post(&house, Script::request_lost()).await), seconds(settle));
        house.clock.advance(seconds(settle));
    }
    post(&house, Script::unavailable()).await.unwrap_err();
    assert_eq!(retry_after(post(&house, Script::answer_lost()).await), seconds(480), "nothing became known");
    house.clock.advance(seconds(480));
    post(&house, Script::refused(400)).await.unwrap_err();
    assert_eq!(retry_after(post(&house, Script::answer_lost()).await), seconds(30), "a refusal is known");
    house.clock.advance(seconds(30));
    let answer = house.ask(asks(1)).await.unwrap();
    house.jumio.finish(jumio_reference(&answer), AuthenticationResult::Expired);
    house.pass(seconds(30)).await;
    assert_eq!(retry_after(post(&house, Script::answer_lost()).await), seconds(30));
}

#[tokio::test]
async fn every_answer_that_leaves_the_outcome_open_counts_as_unknown() {
    let house = House::new().await;
    house.enroll(1).await;
    let errors = [
        JumioError::Ambiguous { what: "timeout", status: None },
        JumioError::Ambiguous { what: "server error", status: Some(503) },
        JumioError::Malformed { what: "no reference" },
    ];
    for error in errors {
        retry_after(post(&house, Script::act_and_fail(error.clone())).await);
        let posts = house.posts();
        retry_after(house.ask(asks(1)).await);
        assert_eq!(house.posts(), posts, "{error:?}");
        house.clock.advance(Duration::from_hours(5));
    }
}

#[tokio::test]
async fn what_was_certainly_not_created_can_be_asked_for_at_once() {
    let house = House::new().await;
    house.enroll(1).await;
    let refused = post(&house, Script::refused(403)).await.unwrap_err();
    assert!(matches!(refused, ReauthError::JumioRefused { status: 403 }));
    let away = post(&house, Script::unavailable()).await.unwrap_err();
    assert!(matches!(away, ReauthError::JumioUnavailable));
    let guarded = post(&house, Script::fail(JumioError::Guarded { what: "the facemap" })).await.unwrap_err();
    assert!(matches!(guarded, ReauthError::NotSent { what: "the facemap" }));
    let limited = post(&house, Script::rate_limited(Some(seconds(7)))).await.unwrap_err();
    assert!(matches!(limited, ReauthError::BudgetSpent { retry_after } if retry_after == seconds(7)));
    house.clock.advance(seconds(8));
    assert!(!house.ask(asks(1)).await.unwrap().deduplicated);
}

/// The transaction exists at Jumio, the person passes it there, and a callback wakes the job: nothing passes here.
#[tokio::test]
async fn no_result_makes_an_unknown_one_pass() {
    let house = House::new().await;
    house.enroll(1).await;
    retry_after(post(&house, Script::answer_lost()).await);
    let created = house.started()[0].reference;
    house.jumio.finish(created, AuthenticationResult::Passed);
    let unknown = house.reauth().list(&crate::house::user(1), None, None, 10).await.unwrap().remove(0);
    assert_eq!(unknown.state, AuthenticationState::Unknown);
    assert_eq!(unknown.authentication_transaction_reference, None);
    let job = queue::JobKey::new(queue::Kind::Authentication, &unknown.authentication_id);
    let mut commit = house.register().records().commit();
    let (queue, now) = (&house.now().queue, model::Clock::now(&house.clock));
    queue.schedule(&mut commit, &job, now, serde_json::Value::Null).await.unwrap();
    commit.submit().await.unwrap();
    house.pass(Duration::from_hours(2)).await;
    assert_eq!(house.get(unknown.authentication_id).await.state, AuthenticationState::Unknown);
    assert_eq!(house.jumio.count(Endpoint::Authentication), 0, "there is nothing to ask");
    assert!(matches!(
        house.reauth().find(&created.to_string()).await,
        Err(ReauthError::UnknownAuthentication)
    ));
    let user = crate::house::user(1);
    let redeemed = house
        .reauth()
        .redeem(&unknown.authentication_id.to_string(), &user, None, audit::Actor::System)
        .await;
    assert!(matches!(redeemed, Err(ReauthError::NotPassed(AuthenticationState::Unknown))));
    testing::assert_no_jobs_left(queue).await;
}

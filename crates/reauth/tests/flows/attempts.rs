//! A person is sent to Jumio so many times within so many hours, over all channels, and no more.

use crate::house::{House, asks, asks_web, config, seconds, until, user};
use crate::links::new_link;
use audit::{Action, Actor};
use jiff::SignedDuration;
use jumio::scripted::{Endpoint, Script};
use model::Clock as _;
use queue::Limit;
use reauth::{
    Attempts, AuthenticationRequest, BusyWhy, IfOpen, Pressed, ReauthConfig, ReauthError, Unlocked,
};
use std::time::Duration;

const WINDOW: Duration = Duration::from_mins(20);
const DAY: Duration = Duration::from_hours(24);

async fn house() -> House {
    let attempts = Attempts { most: 3, within: SignedDuration::from_hours(24) };
    let house = House::with(ReauthConfig { attempts, ..config() }, vec![Limit::per_second(1000)]).await;
    for number in 1..=2 {
        house.enroll(number).await;
    }
    house
}

/// One that Jumio creates, and its window passes.
async fn tries(house: &House, request: AuthenticationRequest) {
    house.ask(request).await.unwrap();
    house.clock.advance(WINDOW);
}

async fn refused(house: &House) -> Duration {
    match house.ask(asks(1)).await {
        Err(ReauthError::TooManyAttempts { retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

async fn noted(house: &House, action: Action) -> usize {
    house.book().await.iter().filter(|listed| listed.entry.action == action).count()
}

async fn told(house: &House) -> usize {
    house.events().await.iter().filter(|kind| kind.as_str() == "user.locked").count()
}

#[tokio::test]
async fn attempts_of_every_channel_count_and_the_refusal_is_told_once() {
    let mut house = house().await;
    let link = house.reauth().create_link(new_link(1), Actor::System).await.unwrap().url.unwrap();
    let token = link.rsplit('/').next().unwrap();
    tries(&house, asks(1)).await;
    tries(&house, AuthenticationRequest { batch: true, ..asks_web(1) }).await;
    assert!(matches!(house.reauth().press(token).await, Pressed::Redirect(_)));
    assert!(
        matches!(house.reauth().press(token).await, Pressed::Redirect(_)),
        "one that is open is given out"
    );
    house.clock.advance(WINDOW);
    assert_eq!(
        (noted(&house, Action::UserLocked).await, told(&house).await),
        (0, 0),
        "nobody was refused yet"
    );

    assert_eq!(refused(&house).await, DAY.checked_sub(3 * WINDOW).unwrap());
    match house.reauth().press(token).await {
        Pressed::Busy(busy) => {
            assert_eq!(
                (busy.why, busy.retry_after),
                (BusyWhy::TooOften, DAY.checked_sub(3 * WINDOW).unwrap())
            );
        }
        other => panic!("{other:?}"),
    }
    let batch = house.ask(AuthenticationRequest { batch: true, ..asks(1) }).await;
    assert!(matches!(batch, Err(ReauthError::TooManyAttempts { .. })));
    house.restart().await;
    refused(&house).await;
    assert_eq!((noted(&house, Action::UserLocked).await, told(&house).await), (1, 1));
    assert_eq!(house.posts(), 3);
    tries(&house, asks(2)).await;

    // The first of them no longer counts: one more is allowed, and the next refusal is news again.
    house.clock.advance(DAY.checked_sub(4 * WINDOW).unwrap());
    house.ask(asks(1)).await.unwrap();
    house.clock.advance(Duration::from_mins(15));
    refused(&house).await;
    assert_eq!((noted(&house, Action::UserLocked).await, told(&house).await), (2, 2));
}

#[tokio::test]
async fn what_jumio_did_not_create_is_no_attempt() {
    let house = house().await;
    for script in [Script::unavailable(), Script::refused(400), Script::answer_lost(), Script::request_lost()]
    {
        house.jumio.script(Endpoint::InitiateAuthentication, script);
        house.ask(asks(1)).await.unwrap_err();
        house.clock.advance(WINDOW);
    }
    for _ in 0..3 {
        tries(&house, asks(1)).await;
    }
    refused(&house).await;
}

#[tokio::test]
async fn a_replacement_is_an_attempt_and_many_at_once_get_no_more_than_there_are() {
    let house = house().await;
    tries(&house, asks(1)).await;
    tries(&house, asks(1)).await;
    let asking: Vec<_> = (0..10)
        .map(|n| {
            let request_reference = Some(format!("order-{n}"));
            house.asking(AuthenticationRequest { request_reference, if_open: IfOpen::Replace, ..asks(1) })
        })
        .collect();
    until("nobody posts", || asking.iter().all(tokio::task::JoinHandle::is_finished)).await;
    let mut started = 0;
    for asked in asking {
        match asked.await.unwrap() {
            Ok(_) => started += 1,
            Err(ReauthError::TooManyAttempts { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((started, house.posts()), (1, 3));
}

#[tokio::test]
async fn an_operator_forgives_them() {
    let house = house().await;
    for _ in 0..3 {
        tries(&house, asks(1)).await;
    }
    refused(&house).await;
    assert!(house.reauth().locked_for(&user(1)).await.unwrap().is_some());
    let unlocked = house.reauth().unlock(&user(1), Actor::System).await.unwrap();
    assert_eq!(unlocked, Unlocked { user_reference: user(1), forgiven: 3, was_locked: true });
    assert_eq!(house.reauth().locked_for(&user(1)).await.unwrap(), None);
    for _ in 0..3 {
        tries(&house, asks(1)).await;
    }
    refused(&house).await;
    assert_eq!(noted(&house, Action::UserUnlocked).await, 1);
    let nothing = house.reauth().unlock(&user(2), Actor::System).await.unwrap();
    assert_eq!((nothing.forgiven, nothing.was_locked), (0, false));
    let unknown = house.reauth().unlock(&user(9), Actor::System).await;
    assert!(matches!(unknown, Err(ReauthError::UnknownUser)));
}

#[tokio::test]
async fn an_attempt_is_as_durable_as_the_transaction() {
    let mut house = house().await;
    for _ in 0..3 {
        tries(&house, asks(1)).await;
        house.restart().await;
    }
    refused(&house).await;
    assert_eq!(house.clock.now().as_second() % 60, 0, "the clock stood still meanwhile");
    house.clock.advance(seconds(1));
    refused(&house).await;
}

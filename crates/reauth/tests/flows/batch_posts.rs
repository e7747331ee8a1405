//! Batches of transactions: through the same window as everybody, yielding to whoever stands at the door.

use crate::{
    batch_house::{ends, go_on, items, order, seen, start, transactions, users, work},
    house::{House, asks, asks_web, config, seconds},
};
use audit::Actor;
use jumio::scripted::{Endpoint, Script};
use model::{AuthenticationResult as R, AuthenticationState};
use queue::Limit;
use reauth::{Attempts, ReauthConfig};
use register::{BatchState, ItemOutcome as O, ItemReason as W, ItemState as I};
use std::time::Duration;

async fn town(people: u64) -> House {
    let house = House::new().await;
    for number in 1..=people {
        house.enroll(number).await;
    }
    house
}

#[tokio::test]
async fn everybody_is_posted_once_and_results_are_counted() {
    let house = town(20).await;
    let wanted = order(serde_json::json!({ "delivery": "transaction", "requestReference": "spring" }));
    let id = start(&house, &wanted, users(1..=20)).await;
    go_on(&house, seconds(5)).await;
    assert_eq!(house.posts(), 20);
    for item in items(&house, id).await {
        assert_eq!((item.state, item.outcome), (I::Initiated, Some(O::Open)));
        let found = house.get(item.authentication_id.unwrap()).await;
        assert_eq!(found.user_reference, item.user_reference);
        assert_eq!(found.request_reference, Some(format!("spring-{}", item.number)));
        assert!(item.url.is_some() && item.url == found.redirect_url);
    }
    for (n, started) in house.started().iter().enumerate() {
        house.jumio.finish(started.reference, if n == 0 { R::Failed } else { R::Passed });
    }
    go_on(&house, seconds(60)).await;
    let view = seen(&house, id).await;
    assert_eq!(view.outcomes, [(O::Failed, 1), (O::Passed, 19)].into());
    assert_eq!((view.state, view.open), (BatchState::Completed, 0));
}

#[tokio::test]
async fn whoever_has_a_transaction_open_needs_no_other_one() {
    let house = town(2).await;
    let open = house.ask(asks_web(1)).await.unwrap().authentication.authentication_id;
    let id = start(&house, &transactions(), users([1, 2])).await;
    go_on(&house, seconds(2)).await;
    assert_eq!(house.posts(), 2);
    let first = &items(&house, id).await[0];
    assert_eq!((first.state, first.authentication_id), (I::Deduplicated, Some(open)));
    house.jumio.finish(house.started()[0].reference, R::Passed);
    go_on(&house, seconds(60)).await;
    assert_eq!(ends(&house, id).await[0], (I::Deduplicated, None, Some(O::Passed)));
}

#[tokio::test]
async fn a_batchs_transaction_yields_to_whoever_stands_at_the_door() {
    let house = town(1).await;
    let id = start(&house, &transactions(), users([1])).await;
    go_on(&house, seconds(2)).await;
    let own = items(&house, id).await[0].authentication_id.unwrap();
    // Other parameters, and no ifOpen: a batch's own is in nobody's way.
    let asked = house.ask(asks_web(1)).await.unwrap();
    assert!(!asked.deduplicated);
    assert_eq!(house.get(own).await.state, AuthenticationState::Superseded);
    let view = seen(&house, id).await;
    assert_eq!((view.outcomes, view.open), ([(O::Superseded, 1)].into(), 0));
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_not_repeated() {
    let house = town(3).await;
    house.jumio.script(Endpoint::InitiateAuthentication, Script::answer_lost());
    let id = start(&house, &transactions(), users(1..=3)).await;
    go_on(&house, Duration::from_mins(5)).await;
    let unknown = ends(&house, id).await.iter().filter(|end| end.1 == Some(W::OutcomeUnknown)).count();
    assert_eq!((unknown, house.posts()), (1, 3));
}

#[tokio::test]
async fn what_jumio_refuses_has_failed_and_says_with_which_status() {
    let house = town(2).await;
    house.jumio.script(Endpoint::InitiateAuthentication, Script::refused(400));
    let id = start(&house, &transactions(), users(1..=2)).await;
    go_on(&house, seconds(5)).await;
    let items = items(&house, id).await;
    let failed: Vec<_> = items.iter().filter(|item| item.state == I::Failed).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].reason, failed[0].jumio_status), (Some(W::JumioRefused), Some(400)));
}

#[tokio::test]
async fn wrong_credentials_fail_nobody_and_stall_the_batch() {
    let house = town(3).await;
    house.jumio.script(Endpoint::InitiateAuthentication, Script::refused(401).for_ever());
    let id = start(&house, &transactions(), users(1..=3)).await;
    go_on(&house, seconds(30)).await;
    let view = seen(&house, id).await;
    assert_eq!((view.states[&I::Queued], view.waits_for.as_deref()), (3, Some("jumio-refuses-credentials")));
    house.jumio.clear_scripts();
    go_on(&house, Duration::from_mins(2)).await;
    assert_eq!(seen(&house, id).await.states[&I::Initiated], 3);
}

#[tokio::test]
async fn a_batch_that_cannot_go_on_says_why_and_goes_on_by_itself() {
    let house = town(20).await;
    house.jumio.script(Endpoint::InitiateAuthentication, Script::unavailable().for_ever());
    let id = start(&house, &transactions(), users(1..=20)).await;
    go_on(&house, Duration::from_mins(4)).await;
    let view = seen(&house, id).await;
    assert_eq!((view.waits_for.as_deref(), view.stalled), (Some("jumio-unavailable"), false));
    let tries = house.posts();
    assert!(tries < 150, "tried {tries} times in four minutes");
    go_on(&house, Duration::from_mins(2)).await;
    let view = seen(&house, id).await;
    assert_eq!((view.stalled, view.stalled_because.as_deref()), (true, Some("jumio-unavailable")));
    assert_eq!((view.rate_per_minute, view.seconds_left), (Some(0.0), None));
    house.jumio.clear_scripts();
    go_on(&house, Duration::from_mins(2)).await;
    let view = seen(&house, id).await;
    assert_eq!((view.states[&I::Initiated], view.stalled, view.waits_for), (20, false, None));
}

#[tokio::test]
async fn too_many_attempts_are_said_and_not_repeated() {
    let attempts = Attempts { most: 1, within: jiff::SignedDuration::from_hours(24) };
    let house = House::with(ReauthConfig { attempts, ..config() }, vec![Limit::per_second(1000)]).await;
    house.enroll(1).await;
    house.ask(asks(1)).await.unwrap();
    house.jumio.finish(house.started()[0].reference, R::Failed);
    house.pass(seconds(60)).await;
    let id = start(&house, &transactions(), users([1])).await;
    go_on(&house, seconds(5)).await;
    assert_eq!(ends(&house, id).await[0], (I::Skipped, Some(W::TooManyAttempts), None));
    assert_eq!(house.posts(), 1);
}

#[tokio::test]
async fn a_pause_comes_after_what_is_in_hand_and_a_stop_too() {
    let house = House::with(config(), vec![Limit::per_second(3)]).await;
    for number in 1..=40 {
        house.enroll(number).await;
    }
    let id = start(&house, &transactions(), users(1..=40)).await;
    let mut steps = 0;
    work(&house, seconds(20), Duration::from_millis(100), || {
        steps += 1;
        if steps == 30 {
            let reauth = house.reauth().clone();
            tokio::spawn(async move { reauth.pause_batch(id, Actor::System).await.unwrap() });
        }
    })
    .await;
    let posts = house.posts();
    assert!((9..25).contains(&posts), "{posts} in three seconds, and what was in hand");
    go_on(&house, seconds(60)).await;
    assert_eq!(house.posts(), posts);
    let view = seen(&house, id).await;
    assert_eq!(view.states[&I::Initiated], posts as u64);
    assert_eq!(view.states[&I::Initiated] + view.states[&I::Queued], 40);
    house.reauth().resume_batch(id, Actor::System).await.unwrap();
    steps = 0;
    work(&house, seconds(30), Duration::from_millis(100), || {
        steps += 1;
        if steps == 10 {
            house.reauth().stop_batches();
        }
    })
    .await;
    let more = house.posts() - posts;
    assert!((1..=12).contains(&more), "a stopping service finishes what is in hand: {more}");
}

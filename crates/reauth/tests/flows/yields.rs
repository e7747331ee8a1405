//! A batch's own transaction yields to whoever stands at the door, and never the other way round.

use crate::house::{House, asks, asks_web, jumio_reference, seconds};
use audit::Action;
use model::{AuthenticationResult as R, AuthenticationState as S};
use reauth::{AuthenticationRequest, IfOpen, Initiated, ReauthError};

fn of_batch(number: u64) -> AuthenticationRequest {
    let request_reference = Some("batch-1".to_owned());
    AuthenticationRequest { batch: true, request_reference, ..asks_web(number) }
}

async fn by_batch() -> (House, Initiated) {
    let house = House::new().await;
    house.enroll(1).await;
    let answer = house.ask(of_batch(1)).await.unwrap();
    (house, answer)
}

async fn state(house: &House, answer: &Initiated) -> S {
    house.get(answer.authentication.authentication_id).await.state
}

#[tokio::test]
async fn whoever_asks_for_something_else_takes_its_place_and_it_counts_as_no_replacement() {
    let (house, batch) = by_batch().await;
    let mut last = batch;
    for n in 0..6 {
        let asked = house.ask(asks(1)).await.unwrap();
        assert!(!asked.deduplicated);
        assert_eq!(state(&house, &last).await, S::Superseded, "round {n}");
        house.jumio.finish(jumio_reference(&asked), R::Failed);
        house.pass(seconds(30)).await;
        last = house.ask(of_batch(1)).await.unwrap();
    }
    // Three real replacements are still allowed, and the fourth is not.
    let replace = |n: u32| AuthenticationRequest {
        request_reference: Some(n.to_string()),
        if_open: IfOpen::Replace,
        ..asks(1)
    };
    for n in 0..4 {
        house.ask(replace(n)).await.unwrap();
    }
    let refused = house.ask(replace(4)).await;
    assert!(matches!(refused, Err(ReauthError::TooManyReplacements { .. })), "{refused:?}");
    let superseded = |listed: &&audit::Listed| listed.entry.action == Action::AuthenticationSuperseded;
    assert!(house.book().await.iter().filter(superseded).count() >= 7, "each is written down");
}

#[tokio::test]
async fn whoever_asks_for_the_same_gets_it_and_then_it_yields_no_more() {
    let (house, batch) = by_batch().await;
    let same = AuthenticationRequest { batch: false, ..of_batch(1) };
    let asked = house.ask(same).await.unwrap();
    assert!(asked.deduplicated);
    assert_eq!(asked.authentication.authentication_id, batch.authentication.authentication_id);
    let other = house.ask(asks_web(1)).await;
    assert!(matches!(other, Err(ReauthError::AuthenticationOpen { .. })), "{other:?}");
    assert_eq!((state(&house, &batch).await, house.posts()), (S::Initiated, 1));
}

#[tokio::test]
async fn a_batch_takes_nobodys_place() {
    let house = House::new().await;
    house.enroll(1).await;
    let asked = house.ask(asks(1)).await.unwrap();
    let refused = house.ask(of_batch(1)).await;
    assert!(matches!(refused, Err(ReauthError::AuthenticationOpen { .. })), "{refused:?}");
    assert_eq!((state(&house, &asked).await, house.posts()), (S::Initiated, 1));
    // Nor another batch's.
    let (house, batch) = by_batch().await;
    let other = AuthenticationRequest { request_reference: Some("batch-2".to_owned()), ..of_batch(1) };
    assert!(matches!(house.ask(other).await, Err(ReauthError::AuthenticationOpen { .. })));
    assert_eq!((state(&house, &batch).await, house.posts()), (S::Initiated, 1));
}

#[tokio::test]
async fn of_many_at_the_door_one_takes_its_place_and_the_others_get_the_same() {
    let (house, batch) = by_batch().await;
    let asking: Vec<_> = (0..10).map(|_| house.asking(asks(1))).collect();
    let mut ids = Vec::new();
    for asked in asking {
        ids.push(asked.await.unwrap().unwrap().authentication.authentication_id);
    }
    ids.dedup();
    assert_eq!((ids.len(), house.posts()), (1, 2));
    assert_eq!(state(&house, &batch).await, S::Superseded);
}

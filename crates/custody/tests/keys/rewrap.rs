//! Everything comes under the active key, page by page, through restarts and failures.

use crate::house::{House, admin, reference};
use audit::{Action, Outcome, Part};
use custody::RewrapState;
use model::FacemapBytes;
use seal::{KeyProvider as _, Pseudonym};
use std::time::Duration;
use vault::{PAGE, SlotKind};

#[tokio::test]
async fn a_rewrap_brings_every_slot_and_the_held_keys_under_the_active_key() {
    let mut house = House::new().await;
    let people = [house.vaulted(1).await, house.vaulted(2).await, house.vaulted(3).await];
    assert_eq!(house.keys().rewrap_state().await.unwrap(), None);
    let old = house.active();
    house.shelf.stick(true);
    let new = house.keys().rotate(admin()).await.unwrap().id;
    house.shelf.stick(false);
    let ordered = house.keys().rewrap(admin()).await.unwrap();
    assert_eq!((ordered.state, ordered.key, ordered.done, ordered.total), (RewrapState::Running, new, 0, 3));
    house.drive().await;
    let done = house.keys().rewrap_state().await.unwrap().unwrap();
    assert_eq!((done.state, done.done, done.total, done.damaged), (RewrapState::Done, 3, 3, 0));
    assert_eq!((done.started_at, done.finished_at), (house.time(), Some(house.time())));
    assert_eq!((house.under(old).await, house.under(new).await), (Some((0, false)), Some((3, true))));
    house.keys().remove(old, admin()).await.unwrap();
    house.restart().await;
    for person in &people {
        assert!(house.opens(person).await);
    }
    let book = house.book(Action::KeysRewrapped).await;
    assert_eq!(book.len(), 2);
    assert!(book.iter().all(|entry| entry.0 == Part::Note && entry.1 == Some(Outcome::Done)));
    assert!(book[0].2.contains(&"step=ordered".to_owned()) && book[1].2.contains(&"step=ended".to_owned()));
}

#[tokio::test]
async fn a_second_time_there_is_nothing_to_do() {
    let house = House::new().await;
    house.vaulted(1).await;
    house.keys().rotate(admin()).await.unwrap();
    for (done, round) in [(1, 1), (0, 2)] {
        house.keys().rewrap(admin()).await.unwrap();
        house.drive().await;
        let state = house.keys().rewrap_state().await.unwrap().unwrap();
        assert_eq!((state.state, state.done, state.total), (RewrapState::Done, done, done), "time {round}");
    }
}

#[tokio::test]
async fn a_rewrap_goes_on_after_a_restart_where_it_was() {
    let mut house = House::new().await;
    let first = house.vaulted(1).await;
    house.others(PAGE as usize).await;
    let second = house.vaulted(2).await;
    assert!(first.slot.index < PAGE && second.slot.index >= PAGE);
    let old = house.active();
    house.keys().rotate(admin()).await.unwrap();
    house.keys().rewrap(admin()).await.unwrap();
    house.one_page().await;
    assert_eq!(house.under(old).await, Some((1, false)));
    house.restart().await;
    let state = house.keys().rewrap_state().await.unwrap().unwrap();
    assert_eq!((state.state, state.done, state.total), (RewrapState::Running, 1, 2));
    // Ordered once more it is the same one, and goes on at once.
    assert_eq!(house.keys().rewrap(admin()).await.unwrap(), state);
    assert_eq!(house.drive().await, 1, "the second page, and not the first again");
    let state = house.keys().rewrap_state().await.unwrap().unwrap();
    assert_eq!((state.state, state.done, state.total), (RewrapState::Done, 2, 2));
    assert!(house.opens(&first).await && house.opens(&second).await);
}

#[tokio::test]
async fn a_rewrap_follows_a_key_that_is_made_meanwhile() {
    let house = House::new().await;
    let first = house.vaulted(1).await;
    house.others(PAGE as usize).await;
    let second = house.vaulted(2).await;
    house.keys().rotate(admin()).await.unwrap();
    house.keys().rewrap(admin()).await.unwrap();
    house.one_page().await;
    let last = house.keys().rotate(admin()).await.unwrap().id;
    house.drive().await;
    let state = house.keys().rewrap_state().await.unwrap().unwrap();
    assert_eq!((state.state, state.key), (RewrapState::Done, last));
    assert_eq!(house.under(last).await, Some((2, true)));
    assert!(house.opens(&first).await && house.opens(&second).await);
}

#[tokio::test]
async fn what_does_not_open_is_left_as_it_was_and_said_and_stops_nothing_else() {
    let house = House::new().await;
    house.vaulted(1).await;
    let lost = house.active();
    let old = house.keys().rotate(admin()).await.unwrap().id;
    let person = house.vaulted(2).await;
    house.keys().rotate(admin()).await.unwrap();
    // Somebody else lost the first key.
    house.provider.remove(lost).await.unwrap();
    house.keys().rewrap(admin()).await.unwrap();
    house.drive().await;
    let state = house.keys().rewrap_state().await.unwrap().unwrap();
    assert_eq!((state.state, state.done, state.total, state.damaged), (RewrapState::Incomplete, 1, 2, 1));
    assert_eq!((house.under(lost).await, house.under(old).await), (Some((1, false)), Some((0, false))));
    assert!(house.opens(&person).await);
    assert_eq!(house.book(Action::KeysRewrapped).await[1].1, Some(Outcome::Failed));
}

#[tokio::test]
async fn while_the_provider_is_away_a_rewrap_waits_and_then_goes_on() {
    let house = House::new().await;
    let person = house.vaulted(1).await;
    house.keys().rotate(admin()).await.unwrap();
    house.keys().rewrap(admin()).await.unwrap();
    house.provider.inner.go_away();
    house.drive_for(Duration::from_hours(100)).await;
    let state = house.keys().rewrap_state().await.unwrap().unwrap();
    assert_eq!((state.state, state.done), (RewrapState::Running, 0), "nobody gives up on it");
    house.provider.inner.come_back();
    // Ordered again, it does not wait for its next try.
    house.keys().rewrap(admin()).await.unwrap();
    house.drive().await;
    assert_eq!(house.keys().rewrap_state().await.unwrap().unwrap().state, RewrapState::Done);
    assert!(house.opens(&person).await);
}

#[tokio::test]
async fn a_rewrap_that_was_given_up_says_so_and_can_be_ordered_again() {
    let house = House::new().await;
    house.vaulted(1).await;
    let old = house.active();
    house.shelf.stick(true);
    house.keys().rotate(admin()).await.unwrap();
    house.keys().rewrap(admin()).await.unwrap();
    house.drive_for(Duration::from_hours(100)).await;
    let state = house.keys().rewrap_state().await.unwrap().unwrap();
    assert_eq!(state.state, RewrapState::Failed);
    assert!(state.finished_at.is_some());
    assert_eq!(house.under(old).await, Some((0, true)), "the held keys could not be stored");
    house.shelf.stick(false);
    house.keys().rewrap(admin()).await.unwrap();
    house.drive().await;
    assert_eq!(house.keys().rewrap_state().await.unwrap().unwrap().state, RewrapState::Done);
    house.keys().remove(old, admin()).await.unwrap();
}

#[tokio::test]
async fn an_order_waits_for_what_is_being_put_under_the_old_key() {
    let house = House::new().await;
    house.vaulted(1).await;
    let old = house.active();
    house.provider.close();
    let vault = house.now().vault.clone();
    let late = vault.prepare(SlotKind::Facemap, Pseudonym::from_bytes([3; 32])).await.unwrap();
    let putting = {
        let facemap = FacemapBytes::new(vec![3; 2000]);
        tokio::spawn(async move { vault.put(late, &reference(3), b"", facemap).await })
    };
    house.provider.reached().await;
    house.provider.rotate().await.unwrap();
    let mut ordering = Box::pin(house.keys().rewrap(admin()));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut ordering).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    house.provider.open();
    putting.await.unwrap().unwrap();
    assert_eq!(ordering.await.unwrap().total, 2);
    house.drive().await;
    let state = house.keys().rewrap_state().await.unwrap().unwrap();
    assert_eq!((state.state, state.done), (RewrapState::Done, 2));
    assert_eq!(house.under(old).await, Some((0, false)));
}

//! Lists and indexes: complete, in order, page by page, and true after every change.

use crate::house::{House, reference, user};
use model::{AuthenticationState, Clock as _, EnrollmentState as S, Timestamp};
use register::{EnrollmentFilter, WindowRow};
use std::{collections::BTreeSet, time::Duration};

async fn listed(house: &House, filter: EnrollmentFilter, page: usize) -> Vec<u64> {
    let mut filter = filter;
    let mut seen = Vec::new();
    for _ in 0..100 {
        let found = house.register.enrollments(&filter, page).await.unwrap();
        assert!(found.len() <= page);
        filter.after = found.last().map(|enrollment| enrollment.key);
        let number = |n: &u64, key| house.key(*n) == key;
        seen.extend(found.iter().map(|e| (1..100).find(|n| number(n, e.key)).unwrap()));
        if found.len() < page {
            return seen;
        }
    }
    panic!("the list does not end");
}

fn of(number: u64) -> EnrollmentFilter {
    EnrollmentFilter { user: Some(user(number)), ..EnrollmentFilter::default() }
}

fn within(state: S) -> EnrollmentFilter {
    EnrollmentFilter { state: Some(state), ..EnrollmentFilter::default() }
}

/// Ten of user 1 and five of user 2, taking turns.
async fn crowd() -> House {
    let house = House::new().await;
    for number in 1..=15 {
        house.enroll(number, if number % 3 == 0 { 2 } else { 1 }, S::Vaulted).await;
    }
    house
}

#[tokio::test]
async fn every_page_size_lists_everybody_once_and_in_order() {
    let house = crowd().await;
    for page in [1, 2, 3, 5, 7, 15, 50] {
        assert_eq!(listed(&house, of(1), page).await, [1, 2, 4, 5, 7, 8, 10, 11, 13, 14], "pages of {page}");
        assert_eq!(listed(&house, of(2), page).await, [3, 6, 9, 12, 15]);
        assert_eq!(listed(&house, within(S::Vaulted), page).await, (1..=15).collect::<Vec<_>>());
        let all: BTreeSet<u64> =
            listed(&house, EnrollmentFilter::default(), page).await.into_iter().collect();
        assert_eq!(all, (1..=15).collect());
        assert_eq!(listed(&house, of(3), page).await, [] as [u64; 0]);
    }
}

#[tokio::test]
async fn the_indexes_follow_a_change_of_state() {
    let house = crowd().await;
    for number in [2, 3, 7] {
        house.enter(number, S::Ready).await;
    }
    assert_eq!(listed(&house, within(S::Ready), 2).await, [2, 3, 7], "in the order of entering");
    assert_eq!(listed(&house, within(S::Vaulted), 4).await.len(), 12);
    let both = EnrollmentFilter { state: Some(S::Ready), ..of(1) };
    assert_eq!(listed(&house, both, 1).await, [2, 7]);
    let (count, oldest) = house.register.count_enrollments(S::Ready, 100).await.unwrap();
    assert_eq!((count, oldest), (3, Some(house.enrollment(2).await.row.since)));
    assert_eq!(house.register.count_enrollments(S::Vaulted, 5).await.unwrap().0, 5);
    assert_eq!(house.register.count_enrollments(S::Vaulted, 100).await.unwrap().0, 12);
    let before = house.enrollment(7).await.row.since;
    let waiting = house.register.enrollments_in(S::Ready, before, 10).await.unwrap();
    assert_eq!(waiting, [house.key(2), house.key(3)]);
}

#[tokio::test]
async fn the_indexes_follow_a_user_who_becomes_known() {
    let house = House::new().await;
    let mut enrollment = house.enroll(1, 1, S::Received).await;
    enrollment.row.user = Some(house.register.records().user_key(&user(2)));
    enrollment.private.as_mut().unwrap().user_reference = Some(user(2));
    house.update(&enrollment).await.unwrap();
    assert_eq!(listed(&house, of(1), 10).await, [] as [u64; 0]);
    assert_eq!(listed(&house, of(2), 10).await, [1]);
}

/// The row under the cursor goes on to another state between two pages.
#[tokio::test]
async fn a_list_misses_nobody_when_its_last_one_moves_on() {
    for next in [S::Received, S::Ready] {
        let house = crowd().await;
        let mut filter = within(S::Vaulted);
        let page = house.register.enrollments(&filter, 4).await.unwrap();
        filter.after = page.last().map(|enrollment| enrollment.key);
        house.enter(4, next).await;
        let rest: BTreeSet<u64> = listed(&house, filter, 4).await.into_iter().collect();
        assert!(rest.is_superset(&(5..=15).collect()), "{next}: {rest:?}");
        assert!(!rest.contains(&4));
    }
}

#[tokio::test]
async fn a_change_to_what_somebody_else_changed_is_refused() {
    let house = crowd().await;
    let (first, second) = (house.enrollment(1).await, house.enrollment(1).await);
    house.update(&first).await.unwrap();
    assert!(house.update(&second).await.unwrap_err().is_conflict());
    let mut commit = house.register.records().commit();
    house.register.require_enrollment(&mut commit, &second);
    assert!(commit.submit().await.unwrap_err().is_conflict());
    let mut commit = house.register.records().commit();
    house.register.require_enrollment(&mut commit, &house.enrollment(1).await);
    commit.submit().await.unwrap();
}

#[tokio::test]
async fn a_reference_is_taken_once_for_ever() {
    let house = House::new().await;
    let first = house.enroll(1, 1, S::Purged).await;
    assert!(first.private.is_none());
    let mut row = first.row.clone();
    row.state = S::Received;
    let private = house.enroll(2, 1, S::Ready).await.private.unwrap();
    let again = register::EnrollmentPrivate { reference: reference(1), ..private };
    let mut commit = house.register.records().commit();
    house.register.insert_enrollment(&mut commit, row, &again).await.unwrap();
    assert!(commit.submit().await.unwrap_err().is_conflict(), "not even a tombstone gives way");
}

#[tokio::test]
async fn authentications_are_listed_by_user_enrollment_and_state() {
    let house = House::new().await;
    let (one, two) = (house.enroll(1, 1, S::Ready).await, house.enroll(2, 2, S::Ready).await);
    let mut mine = Vec::new();
    for number in 10..17 {
        mine.push(house.authenticate(&one, number).await);
        house.authenticate(&two, number + 100).await;
    }
    let ids: Vec<_> = mine.iter().map(|a| a.id).collect();
    for page in [1, 2, 3, 7, 50] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let found = house.register.authentications_of_user(&user(1), None, after, page).await.unwrap();
            after = found.last().map(|a| a.id).or(after);
            seen.extend(found.iter().map(|a| a.id));
            if found.len() < page {
                break;
            }
        }
        assert_eq!(seen, ids, "pages of {page}");
    }
    let since = mine[3].row.created_at;
    assert_eq!(house.register.authentications_of(one.key, since, 50).await.unwrap(), ids[3..]);
    assert_eq!(house.register.authentications_of(one.key, Timestamp::MIN, 2).await.unwrap(), ids[..2]);
    let mut passed = mine[5].clone();
    passed.row.enter(AuthenticationState::Passed, house.clock.now());
    let mut commit = house.register.records().commit();
    house.register.update_authentication(&mut commit, &passed).await.unwrap();
    commit.submit().await.unwrap();
    let state = AuthenticationState::Passed;
    let found = house.register.authentications_of_user(&user(1), Some(state), None, 2).await.unwrap();
    assert_eq!(found.iter().map(|a| a.id).collect::<Vec<_>>(), [ids[5]]);
    assert_eq!(house.register.authentications_in(state, None, 9).await.unwrap(), [ids[5]]);
    let initiating = AuthenticationState::Initiating;
    assert_eq!(house.register.count_authentications(initiating, 50).await.unwrap().0, 13);
}

#[tokio::test]
async fn windows_are_listed_page_by_page() {
    let house = House::new().await;
    let mut keys = Vec::new();
    for number in 1..=5 {
        house.clock.advance(Duration::from_secs(1));
        let key = house.key(number);
        let mut commit = house.register.records().commit();
        house.register.put_window(&mut commit, key, None, &WindowRow::free());
        commit.submit().await.unwrap();
        keys.push(key);
    }
    keys.sort_unstable();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = house.register.windows(after, 2).await.unwrap();
        after = page.last().map(|(key, _)| *key);
        seen.extend(page.iter().map(|(key, _)| *key));
        if page.len() < 2 {
            break;
        }
    }
    assert_eq!(seen, keys);
}

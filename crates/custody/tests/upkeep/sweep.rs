//! Whose time is over is destroyed, within bounds, and nobody else.

use crate::{
    house::{House, reference, user},
    keep::{all_vaulted, days, hold, house, purged, retention, state, told, upkeep, vaulted},
};
use audit::{Action, Actor, Outcome};
use custody::{CustodyError, RetentionConfig, RetentionState as R, WhyDue};
use model::{Clock as _, EnrollmentState as S, Timestamp};
use register::EnrollmentRow;
use std::{collections::BTreeMap, time::Duration};
use store::{Store as _, faulty::CommitFault};

const HOUR: Duration = Duration::from_mins(61);

async fn person(house: &House, number: u64, state: S, edit: impl FnOnce(&mut EnrollmentRow, Timestamp)) {
    let now = house.clock.now();
    house.enroll_as(number, number, state, |row| edit(row, now)).await;
}

/// One for each side of each bound, with 100 days of age and 30 of idleness.
async fn mixed() -> House {
    let both = RetentionConfig { max_age_days: 100, max_fraction_per_day: 1.0, ..retention() };
    let house = house(both).await;
    person(&house, 1, S::Ready, |row, now| row.vaulted_at = Some(now - days(29))).await;
    person(&house, 2, S::Ready, |row, now| row.vaulted_at = Some(now - days(31))).await;
    person(&house, 3, S::Ready, |row, now| {
        (row.vaulted_at, row.last_used_at) = (Some(now - days(90)), Some(now - days(1)));
    })
    .await;
    person(&house, 4, S::Ready, |row, now| {
        (row.vaulted_at, row.last_used_at) = (Some(now - days(101)), Some(now - days(1)));
    })
    .await;
    person(&house, 5, S::Ready, |row, now| {
        (row.vaulted_at, row.onboarded_at) = (Some(now - days(2)), Some(now - days(101)));
    })
    .await;
    person(&house, 6, S::Vaulted, |row, now| row.vaulted_at = Some(now - days(31))).await;
    // No facemap: nothing of it is here.
    person(&house, 7, S::AwaitingUser, |row, now| row.created_at = now - days(500)).await;
    person(&house, 8, S::Ready, |row, now| row.vaulted_at = Some(now - days(40))).await;
    hold(&house, 8).await.unwrap();
    house
}

#[tokio::test]
async fn age_and_idleness_decide_and_nobody_else_is_destroyed() {
    let house = mixed().await;
    upkeep(&house).await;
    assert_eq!(purged(&house, 1, 9).await, [2, 4, 5, 6]);
    let view = house.custody().purge(&reference(2), crate::house::order()).await.unwrap();
    let statement = house.checked(view.receipt.as_ref().unwrap());
    assert_eq!((statement.reason.as_str(), statement.by.kind.as_str()), ("retention", "system"));
    assert_eq!(state(&house).await, R::Waiting);
    assert_eq!(told(&house, Action::RetentionSweep).await, [(Some(Outcome::Done), None)]);
}

#[tokio::test]
async fn what_would_be_destroyed_on_a_day_is_listed_with_its_reason_and_its_hold() {
    let house = mixed().await;
    let on = |day: Timestamp| {
        let house = &house;
        async move {
            let (mut found, mut after) = (BTreeMap::new(), None);
            loop {
                let page = house.custody().retention_on(day, after, 2).await.unwrap();
                assert!(page.items.len() <= 2);
                for item in page.items {
                    let who = item.user_reference.unwrap().as_str().to_owned();
                    assert!(found.insert(who, (item.why, item.hold.is_some())).is_none());
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => return found,
                }
            }
        }
    };
    let named = |who: &[(u64, WhyDue, bool)]| -> BTreeMap<String, (WhyDue, bool)> {
        who.iter().map(|(number, why, held)| (user(*number).as_str().to_owned(), (*why, *held))).collect()
    };
    let (age, idle) = (WhyDue::Age, WhyDue::Idle);
    let now = house.clock.now();
    let today = [(2, idle, false), (4, age, false), (5, age, false), (6, idle, false), (8, idle, true)];
    assert_eq!(on(now).await, named(&today));
    let in_a_week = [&today[..], &[(1, idle, false)]].concat();
    assert_eq!(on(now + days(7)).await, named(&in_a_week));
    let in_a_fortnight = [&in_a_week[..], &[(3, age, false)]].concat();
    assert_eq!(on(now + days(14)).await, named(&in_a_fortnight));
    assert!(on(now - days(60)).await.is_empty());
    assert!(purged(&house, 1, 9).await.is_empty(), "a list destroys nobody");
}

#[tokio::test]
async fn zero_days_are_for_ever() {
    let house = house(RetentionConfig { max_idle_days: 0, ..retention() }).await;
    vaulted(&house, 1, days(5000)).await;
    upkeep(&house).await;
    assert_eq!(state(&house).await, R::Off);
    assert!(purged(&house, 1, 2).await.is_empty());
    assert!(house.book().await.is_empty());
}

#[tokio::test]
async fn more_than_a_day_may_bring_is_not_begun_until_an_admin_allows_it() {
    let house = house(RetentionConfig { max_fraction_per_day: 0.1, ..retention() }).await;
    all_vaulted(&house, 1, 4, days(31)).await;
    all_vaulted(&house, 4, 21, days(1)).await;
    assert!(matches!(
        house.custody().allow_retention(Actor::Operator, None).await,
        Err(CustodyError::NothingToAllow)
    ));
    upkeep(&house).await;
    let status = house.custody().retention_status().await.unwrap();
    assert_eq!((status.state, status.due, status.limit, status.total), (R::Stopped, 3, 2, 20));
    assert!(purged(&house, 1, 21).await.is_empty(), "not even as many as it might");
    assert_eq!(
        told(&house, Action::RetentionSweep).await,
        [(Some(Outcome::Refused), Some("stopped".into()))]
    );
    house.pass(days(3)).await;
    assert!(purged(&house, 1, 21).await.is_empty());
    assert_eq!(told(&house, Action::RetentionSweep).await.len(), 1, "it asks once");

    let admin = Actor::token("tok1", "admin");
    let differs = house.custody().allow_retention(admin.clone(), Some(2)).await;
    assert!(matches!(differs, Err(CustodyError::TotalDiffers { expected: 2, is: 3 })));
    house.custody().allow_retention(admin, Some(3)).await.unwrap();
    house.drive().await;
    assert_eq!(purged(&house, 1, 21).await, [1, 2, 3]);
    // Three of twenty: those that follow have their own day.
    vaulted(&house, 21, days(31)).await;
    house.pass(HOUR).await;
    assert_eq!(purged(&house, 21, 22).await, [21]);
}

#[tokio::test]
async fn an_admins_word_covers_as_many_as_were_counted_and_no_more() {
    let house = house(RetentionConfig { max_fraction_per_day: 0.1, ..retention() }).await;
    all_vaulted(&house, 1, 4, days(31)).await;
    all_vaulted(&house, 4, 21, days(1)).await;
    upkeep(&house).await;
    all_vaulted(&house, 21, 31, days(31)).await;
    house.custody().allow_retention(Actor::Operator, None).await.unwrap();
    house.drive().await;
    assert!(purged(&house, 1, 31).await.is_empty(), "thirteen were not allowed, three were");
    assert_eq!(house.custody().retention_status().await.unwrap().due, 13);
    house.custody().allow_retention(Actor::Operator, Some(13)).await.unwrap();
    house.drive().await;
    assert_eq!(purged(&house, 1, 31).await.len(), 13);
    // The word is used up: five more are above the bound again.
    all_vaulted(&house, 31, 36, days(31)).await;
    house.pass(HOUR).await;
    assert!(purged(&house, 31, 36).await.is_empty());
    assert_eq!(state(&house).await, R::Stopped);
}

#[tokio::test]
async fn in_any_day_no_more_than_the_fraction_is_destroyed_by_itself() {
    let house = house(RetentionConfig { max_fraction_per_day: 0.1, ..retention() }).await;
    // Every three hours the time of one more of forty is over.
    for number in 1..=40 {
        vaulted(&house, number, Duration::from_hours(30 * 24 - 3 * number)).await;
    }
    house.custody().start_upkeep().await.unwrap();
    let mut destroyed_at: Vec<usize> = Vec::new();
    for _ in 0..100 {
        house.pass(Duration::from_hours(1)).await;
        destroyed_at.push(purged(&house, 1, 41).await.len());
        if state(&house).await == R::Stopped {
            break;
        }
    }
    assert_eq!(*destroyed_at.last().unwrap(), 4, "a tenth of forty; the fifth within the day stops it");
    assert_eq!(state(&house).await, R::Stopped);
    // When the first of them are a day old, as many are due at once as a day may bring: it goes on by itself only then.
    house.pass(days(1)).await;
    assert!(purged(&house, 1, 41).await.len() <= 8);
}

#[tokio::test]
async fn one_a_day_goes_even_where_the_fraction_is_less_than_one() {
    let house = house(RetentionConfig { max_fraction_per_day: 0.01, ..retention() }).await;
    vaulted(&house, 1, days(31)).await;
    vaulted(&house, 2, days(1)).await;
    upkeep(&house).await;
    assert_eq!(purged(&house, 1, 3).await, [1]);
}

#[tokio::test]
async fn a_sweep_that_is_interrupted_anywhere_goes_on_and_never_above_its_bound() {
    for nth in 1..60 {
        let mut house = house(RetentionConfig { max_fraction_per_day: 0.5, ..retention() }).await;
        all_vaulted(&house, 1, 6, days(31)).await;
        all_vaulted(&house, 6, 13, days(1)).await;
        house.custody().start_upkeep().await.unwrap();
        house.store.fail_commit(nth, CommitFault::AmbiguousAfter);
        let driven = {
            let custody = house.custody().clone();
            let queue = house.now().queue.clone();
            tokio::spawn(async move { queue::testing::drive(&queue, &[&custody]).await }).await
        };
        let was_hit = house.store.trouble().is_some();
        drop(driven);
        house.restart().await;
        upkeep(&house).await;
        house.pass(days(2)).await;
        assert_eq!(purged(&house, 1, 13).await, [1, 2, 3, 4, 5], "commit {nth}");
        if !was_hit {
            assert!(nth > 20, "{nth}");
            return;
        }
    }
}

#[tokio::test]
async fn a_sweep_that_goes_on_after_a_restart_keeps_to_the_bound_of_that_day() {
    let mut was_met = false;
    for nth in (10..60).step_by(4) {
        let mut house = house(RetentionConfig { max_fraction_per_day: 1.0, ..retention() }).await;
        all_vaulted(&house, 1, 6, days(31)).await;
        all_vaulted(&house, 6, 13, days(1)).await;
        house.config.erasures_at_once = 1;
        house.restart().await;
        house.custody().start_upkeep().await.unwrap();
        house.store.fail_commit(nth, CommitFault::AmbiguousAfter);
        let (custody, queue) = (house.custody().clone(), house.now().queue.clone());
        // The drive ends with the store's failure, as a process would.
        let _ended = tokio::spawn(async move { queue::testing::drive(&queue, &[&custody]).await }).await;
        house.config.retention.max_fraction_per_day = 0.1;
        house.restart().await;
        let before = house.custody().retention_status().await.unwrap();
        if before.state != R::Destroying {
            continue;
        }
        was_met = true;
        upkeep(&house).await;
        let most = before.destroyed_lately.max(1);
        assert!(purged(&house, 1, 13).await.len() as u64 <= most, "{nth}: more than {most}");
    }
    assert!(was_met, "a restart in the middle must be met");
}

/// Uses somebody as soon as the sweep's begin is in the book. Whether the use came first.
async fn use_at_the_begin(house: &House, number: u64) -> bool {
    let (register, key) = (house.register(), house.key(number));
    // The house's own begin and finish stand there before.
    while house.now().audit.head().await.unwrap().position <= 2 {
        tokio::task::yield_now().await;
    }
    let Ok(Some(mut found)) = register.enrollment_by_key(key).await else { return false };
    if found.row.state != S::Ready {
        return false;
    }
    found.row.last_used_at = Some(house.clock.now());
    let mut commit = register.records().commit();
    register.update_enrollment(&mut commit, &found).await.is_ok() && commit.submit().await.is_ok()
}

#[tokio::test]
async fn somebody_who_is_used_at_the_last_moment_is_not_destroyed() {
    let mut use_came_first = 0;
    for _ in 0..30 {
        let house = house(retention()).await;
        vaulted(&house, 1, days(31)).await;
        vaulted(&house, 2, days(1)).await;
        house.custody().start_upkeep().await.unwrap();
        let (came_first, ()) = tokio::join!(use_at_the_begin(&house, 1), house.drive());
        if came_first {
            assert_eq!(house.state(1).await, S::Ready);
            let told = told(&house, Action::Purge).await;
            assert_eq!(told.last().unwrap().0, Some(Outcome::Refused), "{told:?}");
            use_came_first += 1;
        } else {
            assert_eq!(house.state(1).await, S::Purged);
        }
    }
    assert!(use_came_first > 0, "the use must come first at least once");
}

#[tokio::test]
async fn a_row_that_does_not_open_hides_nobody_from_the_sweep() {
    let house = house(retention()).await;
    all_vaulted(&house, 1, 4, days(31)).await;
    all_vaulted(&house, 4, 9, days(1)).await;
    let key = house.key(2).0;
    let mut row = house.store.get(records::tables::ENROLLMENTS, key.as_bytes()).await.unwrap().unwrap();
    let mut value = row.value.to_vec();
    value[40] ^= 1;
    row.value = value.into();
    house.store.inner().tamper(records::tables::ENROLLMENTS, key.as_bytes(), row);
    upkeep(&house).await;
    assert_eq!(house.state(1).await, S::Purged);
    assert_eq!(house.state(3).await, S::Purged);
}

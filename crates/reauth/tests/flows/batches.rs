//! Batches of links: everybody once, whoever cannot go says why, and nothing is begun that was not meant.

use crate::{
    batch_house::{ends, items, links, order, seen, start, try_start, users},
    house::{House, asks_web, reference, seconds, user},
};
use audit::{Action, Actor};
use model::{AuthenticationResult as R, Clock as _, EnrollmentState as S, LinkState};
use reauth::{BatchRequest, NewItem, Pressed, ReauthError, Who};
use register::{BatchState, ItemOutcome as O, ItemReason as W, ItemState as I};
use serde_json::json;
use std::time::Duration;
use store::faulty::CommitFault;

fn token(url: &str) -> &str {
    url.strip_prefix("https://vault.example.com/r/").unwrap()
}

async fn press(house: &House, url: &str) {
    let pressed = house.reauth().press(token(url)).await;
    assert!(matches!(pressed, Pressed::Redirect(_)), "{pressed:?}");
}

/// Enrollments in every state that matters, one of each; number 1 is ready.
async fn town() -> House {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll_as(2, user(2), S::Vaulted).await;
    house.enroll_as(3, user(3), S::Received).await;
    house.enroll_as(4, user(4), S::Ineligible).await;
    house.enroll(5).await;
    house.edit_enrollment(5, |found| found.row.replaced_by = Some(found.key)).await;
    house
}

#[tokio::test]
async fn everybody_gets_one_link_and_whoever_cannot_says_why() {
    let house = town().await;
    let accepted = try_start(&house, &links(), users([1, 2, 3, 4, 5, 99, 1])).await.unwrap();
    let counted = &accepted.counted;
    assert_eq!((counted.total, counted.unknown, counted.repeated), (5, 1, 1));
    assert_eq!((&counted.unknown_at, &counted.repeated_at), (&vec![6], &vec![7]));
    assert_eq!((counted.ready, counted.awaiting_release, counted.not_ready), (1, 1, 1));
    assert_eq!((counted.not_eligible, counted.replaced), (1, 1));
    let id = accepted.batch_id.unwrap();
    house.pass(seconds(1)).await;
    let skipped = |why| (I::Skipped, Some(why), None);
    assert_eq!(
        ends(&house, id).await,
        [
            (I::Linked, None, Some(O::NotPressed)),
            skipped(W::AwaitingRelease),
            skipped(W::NotReady),
            skipped(W::NotEligible),
            skipped(W::Replaced),
            skipped(W::Unknown),
            skipped(W::Repeated),
        ]
    );
    let view = seen(&house, id).await;
    assert_eq!((view.state, view.total, view.open), (BatchState::Issued, 5, 1));
    assert_eq!((view.states[&I::Linked], view.states[&I::Skipped], view.states[&I::Queued]), (1, 6, 0));
    let first = &items(&house, id).await[0];
    assert_eq!(first.user_reference, Some(user(1)));
    let link = house.reauth().link(first.link_id.unwrap()).await.unwrap();
    assert_eq!(link.url, first.url);
    assert_eq!(link.purpose.as_deref(), Some("Confirm that it is you"));
    assert_eq!(house.posts(), 0, "a link costs Jumio nothing");
}

#[tokio::test]
async fn a_list_of_enrollments_means_these_and_no_others() {
    let house = town().await;
    let named = |number| NewItem::from(Who::Enrollment(reference(number)));
    let id = start(&house, &links(), vec![named(1), named(5), named(77)]).await;
    house.pass(seconds(1)).await;
    let ends = ends(&house, id).await;
    assert_eq!(ends[0].0, I::Linked);
    assert_eq!(ends[1], (I::Skipped, Some(W::Replaced), None));
    assert_eq!(ends[2], (I::Skipped, Some(W::Unknown), None));
}

#[tokio::test]
async fn what_a_line_says_of_itself_goes_before_what_the_order_says() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    let own = NewItem {
        who: Who::User(user(1)),
        locale: Some("de".to_owned()),
        request_reference: Some("transfer-7".to_owned()),
    };
    let wanted = order(json!({ "requestReference": "spring", "locale": "fr" }));
    let id = start(&house, &wanted, vec![own, Who::User(user(2)).into()]).await;
    house.pass(seconds(1)).await;
    let items = items(&house, id).await;
    assert_eq!(items[0].request_reference.as_deref(), Some("transfer-7"));
    assert_eq!(items[1].request_reference.as_deref(), Some("spring-2"));
    for (item, locale) in items.iter().zip(["de", "fr"]) {
        let link = house.register().link(item.link_id.unwrap()).await.unwrap().unwrap();
        assert_eq!(link.private.unwrap().locale.as_deref(), Some(locale));
    }
}

#[tokio::test]
async fn a_dry_run_counts_and_leaves_nothing() {
    let house = town().await;
    let before = house.book().await.len();
    let wanted = order(json!({ "dryRun": true }));
    let counted = try_start(&house, &wanted, users([1, 2, 99])).await.unwrap();
    assert_eq!((counted.batch_id, counted.counted.total, counted.counted.unknown), (None, 2, 1));
    assert!(house.register().batches(None, 10).await.unwrap().is_empty());
    assert_eq!(house.book().await.len(), before);
}

#[tokio::test]
async fn other_people_than_were_counted_begin_nothing() {
    let house = town().await;
    let wanted = order(json!({ "expectTotal": 3 }));
    let error = try_start(&house, &wanted, users([1, 2])).await.unwrap_err();
    assert!(matches!(error, ReauthError::TotalDiffers { expected: 3, is: 2 }), "{error}");
    nothing_is_left(&house).await;
}

/// What was not begun is removed by itself.
async fn nothing_is_left(house: &House) {
    for _ in 0..1000 {
        if house.register().batches(None, 10).await.unwrap().is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(house.register().batches(None, 10).await.unwrap().is_empty());
    for number in 1..=5 {
        assert!(house.register().items_to_purge(house.key(number), 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_was_not_written_to_its_end_is_seen_by_nobody_and_removed() {
    let mut house = town().await;
    // A store with people and without a book would not open again.
    house.ask(asks_web(1)).await.unwrap();
    let many = || users((0..600).map(|n| 1 + n % 5));
    let (source, terms) = house.reauth().check_batch(&links()).unwrap();
    let mut writing =
        house.reauth().prepare_batch(source, terms.clone(), false, Actor::System).await.unwrap();
    for (number, item) in (1..).zip(many()) {
        writing.add(number, item).await.unwrap();
    }
    let (id, _) = house.register().batches(None, 10).await.unwrap().remove(0);
    assert!(matches!(house.reauth().batch(id).await, Err(ReauthError::UnknownBatch)));
    drop(writing);
    nothing_is_left(&house).await;

    let mut writing = house.reauth().prepare_batch(source, terms, false, Actor::System).await.unwrap();
    for (number, item) in (1..).zip(many()) {
        writing.add(number, item).await.unwrap();
    }
    // What is under way comes to its end; then the process dies, and nobody removes anything.
    crate::batch_house::rest(&house).await;
    house.store.fail_commit(1, CommitFault::AmbiguousBefore);
    drop(writing);
    crate::batch_house::rest(&house).await;
    house.restart().await;
    assert_eq!(house.register().batches(None, 10).await.unwrap().len(), 1);
    assert_eq!(house.reauth().remove_unprepared().await.unwrap(), 1);
    nothing_is_left(&house).await;
}

#[tokio::test]
async fn orders_that_are_none_are_refused_with_their_limits() {
    let house = House::new().await;
    let pointers = |wanted: serde_json::Value| match house.reauth().check_batch(&order(wanted)) {
        Err(ReauthError::Invalid(broken)) => {
            broken.iter().map(|one| format!("{} {}", one.pointer, one.rule)).collect::<Vec<_>>().join("\n")
        }
        other => panic!("{other:?}"),
    };
    assert!(pointers(json!({ "filter": {} })).contains("/filter needs at least one"));
    assert!(pointers(json!({ "filter": { "vaultedBefore": "2999-01-01T00:00:00Z" } })).contains("future"));
    assert!(pointers(json!({ "enrollments": [] })).contains("/enrollments"));
    assert!(pointers(json!({ "enrollments": [], "userReferences": ["x"] })).contains("several"));
    assert!(
        pointers(json!({ "expiresAt": "2020-01-01T00:00:00Z" }))
            .contains("/expiresAt must be in the future, and at most 30 days")
    );
    assert!(pointers(json!({ "channel": "mobile" })).contains("/channel"));
    assert!(
        pointers(json!({ "delivery": "transaction", "purpose": "x" }))
            .contains("/purpose is for the delivery link")
    );
    assert!(pointers(json!({ "perMinute": 0 })).contains("/perMinute must be from 1 to 100000"));
    assert!(pointers(json!({ "locale": "tlh" })).contains("/locale"));
    assert!(pointers(json!({ "requestReference": "é" })).contains("/requestReference"));
}

#[tokio::test]
async fn a_million_is_the_most_and_the_first_one_more_is_told_the_limit() {
    let house = House::new().await;
    let limit = "at most 1000000 items";
    let list = BatchRequest { user_references: Some(vec![user(1); 1_000_001]), ..links() };
    assert!(house.reauth().check_batch(&list).unwrap_err().to_string().contains(limit));
    let (source, terms) = house.reauth().check_batch(&links()).unwrap();
    let mut writing = house.reauth().prepare_batch(source, terms, true, Actor::System).await.unwrap();
    let same = users([1]).remove(0);
    for number in 1..=1_000_000 {
        writing.add(number, same.clone()).await.unwrap();
    }
    assert!(writing.add(1_000_001, same).await.unwrap_err().to_string().contains(limit));
}

#[tokio::test]
async fn a_filter_finds_whom_it_means() {
    let house = House::new().await;
    let now = house.clock.now();
    let days = |days: i64| Some(now - jiff::SignedDuration::from_hours(24 * days));
    for (number, vaulted, used) in [(1, 400, None), (2, 400, Some(10)), (3, 500, Some(399)), (4, 3, None)] {
        house.enroll(number).await;
        house
            .edit_enrollment(number, |found| {
                found.row.vaulted_at = days(vaulted);
                found.row.last_used_at = used.and_then(days);
            })
            .await;
    }
    house.enroll_as(5, user(5), S::Vaulted).await;
    house.edit_enrollment(5, |found| found.row.vaulted_at = days(500)).await;
    let found = async |filter: serde_json::Value| {
        let accepted = try_start(&house, &order(json!({ "filter": filter })), Vec::new()).await.unwrap();
        let items = items(&house, accepted.batch_id.unwrap()).await;
        let mut users: Vec<_> = items.iter().map(|item| item.user_reference.clone().unwrap()).collect();
        users.sort();
        users
    };
    let year = days(365).unwrap();
    assert_eq!(found(json!({ "lastAuthenticatedBefore": year })).await, [user(1), user(3)]);
    assert_eq!(found(json!({ "vaultedBefore": year })).await, [user(1), user(2), user(3)]);
    let both = json!({ "vaultedBefore": days(450).unwrap(), "lastAuthenticatedBefore": year });
    assert_eq!(found(both).await, [user(3)]);
}

#[tokio::test]
async fn what_comes_of_links_is_counted_and_told_at_the_end() {
    let house = House::new().await;
    for number in 1..=4 {
        house.enroll(number).await;
    }
    let id = start(&house, &links(), users(1..=4)).await;
    house.pass(seconds(1)).await;
    let urls: Vec<_> = items(&house, id).await.into_iter().map(|item| item.url.unwrap()).collect();
    press(&house, &urls[0]).await;
    press(&house, &urls[1]).await;
    press(&house, &urls[2]).await;
    assert_eq!(seen(&house, id).await.outcomes, [(O::NotPressed, 1), (O::Open, 3)].into());
    let started = house.started();
    for (n, result) in [(0, R::Passed), (1, R::Failed)] {
        house.jumio.finish(started[n].reference, result);
    }
    house.pass(seconds(60)).await;
    let outcomes = [(O::NotPressed, 1), (O::Open, 1), (O::Passed, 1), (O::Failed, 1)].into();
    let view = seen(&house, id).await;
    assert_eq!((view.outcomes, view.open, view.state), (outcomes, 3, BatchState::Issued));
    // Whoever failed may press again, until the link is over.
    house.pass(Duration::from_hours(4 * 24)).await;
    let view = seen(&house, id).await;
    let outcomes = [(O::Passed, 1), (O::Failed, 1), (O::Expired, 2)].into();
    assert_eq!((view.outcomes, view.open, view.state), (outcomes, 0, BatchState::Completed));
    assert!(view.completed_at.is_some());
    let told = house.book().await.into_iter().filter(|one| one.entry.action == Action::Batch).count();
    assert_eq!(told, 2, "ordered, completed");
    queue::testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn a_cancelled_batch_withdraws_what_nobody_has_pressed_and_nothing_else() {
    let house = House::new().await;
    for number in 1..=5 {
        house.enroll(number).await;
    }
    let wanted = order(json!({ "perMinute": 60 }));
    let id = start(&house, &wanted, users(1..=5)).await;
    house.pass(seconds(2)).await;
    let (linked, urls): (Vec<_>, Vec<_>) = items(&house, id)
        .await
        .into_iter()
        .filter(|item| item.state == I::Linked)
        .map(|item| (item.link_id.unwrap(), item.url.unwrap()))
        .unzip();
    assert!((2..=4).contains(&linked.len()), "a link a second: {}", linked.len());
    press(&house, &urls[0]).await;
    house.reauth().cancel_batch(id, Actor::System).await.unwrap();
    house.pass(seconds(1)).await;
    let ends = ends(&house, id).await;
    assert_eq!(ends[0], (I::Linked, None, Some(O::Open)));
    for end in &ends[1..linked.len()] {
        assert_eq!(*end, (I::Cancelled, Some(W::Withdrawn), Some(O::Withdrawn)));
    }
    for end in &ends[linked.len()..] {
        assert_eq!(*end, (I::Cancelled, None, None));
    }
    assert_eq!(house.reauth().link(linked[0]).await.unwrap().state, LinkState::Pressed);
    assert_eq!(house.reauth().link(linked[1]).await.unwrap().state, LinkState::Withdrawn);
    assert!(matches!(house.reauth().press(token(&urls[1])).await, Pressed::Dead));
    assert_eq!(seen(&house, id).await.state, BatchState::Cancelled);
    house.reauth().cancel_batch(id, Actor::System).await.unwrap();
    let again = house.reauth().resume_batch(id, Actor::System).await;
    assert!(matches!(again, Err(ReauthError::BatchOver(BatchState::Cancelled))), "{again:?}");
}

#[tokio::test]
async fn a_paused_batch_stands_until_it_is_resumed() {
    let house = House::new().await;
    for number in 1..=3 {
        house.enroll(number).await;
    }
    let id = start(&house, &links(), users(1..=3)).await;
    house.reauth().pause_batch(id, Actor::System).await.unwrap();
    house.pass(Duration::from_hours(1)).await;
    let view = seen(&house, id).await;
    assert_eq!((view.state, view.states[&I::Queued]), (BatchState::Paused, 3));
    assert_eq!((view.rate_per_minute, view.seconds_left, view.stalled), (None, None, false));
    house.reauth().resume_batch(id, Actor::System).await.unwrap();
    house.pass(seconds(1)).await;
    assert_eq!(seen(&house, id).await.states[&I::Linked], 3);
}

#[tokio::test]
async fn a_purge_reaches_an_item_before_and_after_its_turn() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    let wanted = order(json!({ "perMinute": 1, "requestReference": "spring" }));
    let id = start(&house, &wanted, users([1, 2])).await;
    house.pass(seconds(1)).await;
    let before = ends(&house, id).await;
    assert_eq!((before[0].0, before[1].0), (I::Linked, I::Queued));
    for number in [1, 2] {
        house.edit_enrollment(number, |found| found.row.enter(S::Purging, house.clock.now())).await;
        let (register, key) = (house.register(), house.key(number));
        let mut commit = register.records().commit();
        for place in register.items_to_purge(key, 10).await.unwrap() {
            register.forget_item(&mut commit, key, place).await.unwrap();
        }
        commit.submit().await.unwrap();
        assert!(register.items_to_purge(key, 10).await.unwrap().is_empty());
    }
    house.pass(Duration::from_mins(2)).await;
    let items = items(&house, id).await;
    assert_eq!((items[0].state, items[0].outcome), (I::Linked, Some(O::Purged)));
    assert_eq!((items[1].state, items[1].reason), (I::Skipped, Some(W::Purged)));
    for item in &items {
        let told = serde_json::to_string(item).unwrap();
        assert!(!told.contains("user-") && !told.contains("spring") && item.link_id.is_none(), "{told}");
    }
    assert_eq!(seen(&house, id).await.state, BatchState::Completed);
}

#[tokio::test]
async fn pages_hold_everybody_once_whatever_the_state() {
    let house = town().await;
    let many = users((0..1000).map(|n| if n < 5 { n + 1 } else { 1000 + n }));
    let id = start(&house, &links(), many).await;
    house.pass(seconds(1)).await;
    for (state, expected) in
        [(None, 1000), (Some(I::Skipped), 999), (Some(I::Linked), 1), (Some(I::Failed), 0)]
    {
        let (mut after, mut numbers) = (None, Vec::new());
        loop {
            let page = house.reauth().batch_items(id, state, after, 37, false).await.unwrap();
            numbers.extend(page.iter().map(|item| item.number));
            assert!(
                page.iter().all(|item| state.is_none_or(|state| item.state == state) && item.url.is_none())
            );
            let Some(last) = page.last() else { break };
            after = Some(last.number);
        }
        assert_eq!(numbers.len(), expected, "{state:?}");
        assert!(numbers.windows(2).all(|two| two[0] < two[1]));
    }
}

#[tokio::test]
async fn an_open_transaction_at_the_door_is_left_alone_by_a_link() {
    let house = House::new().await;
    house.enroll(1).await;
    let open = house.ask(asks_web(1)).await.unwrap();
    let id = start(&house, &links(), users([1])).await;
    house.pass(seconds(1)).await;
    assert_eq!(ends(&house, id).await[0].0, I::Linked);
    let is = house.get(open.authentication.authentication_id).await.state;
    assert_eq!(is, model::AuthenticationState::Initiated);
}

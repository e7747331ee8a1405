//! What keeps a facemap in: a purge, a spent budget, a book that cannot be written, keys that are away.

use crate::house::{House, asks, config, seconds};
use audit::{Action, Outcome};
use jumio::scripted::{Endpoint, Script};
use model::{Clock as _, EnrollmentState};
use queue::Limit;
use reauth::ReauthError;
use register::{RecoveryKind, RecoveryRow};
use store::faulty::CommitFault;

#[tokio::test]
async fn a_purge_that_begins_before_the_post_wins() {
    let limits = vec![Limit { count: 1, within: seconds(5) }];
    let house = House::with(config(), limits).await;
    house.enroll(1).await;
    house.enroll(2).await;
    house.ask(asks(1)).await.unwrap();
    let commits = house.store.commits();
    let asking = house.asking(asks(2));
    // It was found usable, its window is claimed, and it waits for the budget.
    crate::house::until("the window is claimed", || house.store.commits() > commits).await;
    let now = house.clock.now();
    house.edit_enrollment(2, |enrollment| enrollment.row.enter(EnrollmentState::Purging, now)).await;
    crate::house::until("it is told", || {
        house.clock.advance(seconds(1));
        asking.is_finished()
    })
    .await;
    assert!(matches!(asking.await.unwrap(), Err(ReauthError::Purged)));
    assert_eq!(house.posts(), 1, "the first one's");
}

#[tokio::test]
async fn a_spent_budget_is_said_at_once_and_gives_the_window_back() {
    let limits = vec![Limit { count: 1, within: seconds(60) }];
    let house = House::with(config(), limits).await;
    house.enroll(1).await;
    house.enroll(2).await;
    house.ask(asks(1)).await.unwrap();
    let calls = house.now().provider.calls();
    for _ in 0..2 {
        let Err(ReauthError::BudgetSpent { retry_after }) = house.ask(asks(2)).await else { panic!() };
        assert!(retry_after > seconds(59) && retry_after <= seconds(62), "{retry_after:?}");
    }
    assert_eq!((house.posts(), house.now().provider.calls()), (1, calls), "nothing was decrypted");
    house.clock.advance(seconds(62));
    assert!(!house.ask(asks(2)).await.unwrap().deduplicated);
}

#[tokio::test]
async fn jumios_429_is_kept_to() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    house.jumio.script(Endpoint::InitiateAuthentication, Script::rate_limited(Some(seconds(60))));
    house.ask(asks(1)).await.unwrap_err();
    assert!(matches!(house.ask(asks(2)).await, Err(ReauthError::BudgetSpent { .. })), "for everybody");
    assert_eq!(house.posts(), 1);
}

#[tokio::test]
async fn without_the_book_nothing_is_decrypted_and_nothing_posted() {
    const BOOK: u64 = 3;
    let house = House::new().await;
    house.enroll(1).await;
    let calls = house.now().provider.calls();
    house.store.fail_commit(BOOK, CommitFault::NoSpace);
    assert!(matches!(house.ask(asks(1)).await, Err(ReauthError::Audit(_))));
    assert_eq!((house.posts(), house.now().provider.calls()), (0, calls));
    house.ask(asks(1)).await.unwrap();
    assert_eq!((house.posts(), house.now().provider.calls()), (1, calls + 1));
}

#[tokio::test]
async fn without_the_keys_nothing_is_posted_and_the_window_is_free() {
    let house = House::new().await;
    house.enroll(1).await;
    house.now().provider.go_away();
    assert!(matches!(house.ask(asks(1)).await, Err(ReauthError::Vault(_))));
    house.now().provider.come_back();
    assert_eq!(house.posts(), 0);
    let book = house.book().await;
    let last = &book.last().unwrap().entry;
    assert_eq!((last.action, last.outcome), (Action::AuthenticationPosted, Some(Outcome::Failed)));
    house.ask(asks(1)).await.unwrap();
}

#[tokio::test]
async fn a_damaged_facemap_is_not_posted() {
    let house = House::new().await;
    house.enroll(1).await;
    house.damage_contents();
    assert!(matches!(house.ask(asks(1)).await, Err(ReauthError::Vault(_))));
    assert_eq!(house.posts(), 0);
}

#[tokio::test]
async fn a_burnt_slot_gives_nothing_out_and_ends_the_following() {
    let house = House::new().await;
    let enrollment = house.enroll(1).await;
    let answer = house.ask(asks(1)).await.unwrap();
    house
        .edit_enrollment(1, |enrollment| {
            enrollment.row.state = EnrollmentState::Purged;
            enrollment.private = None;
        })
        .await;
    house.now().vault.burn(enrollment.row.slot).await.unwrap();
    assert!(matches!(house.ask(asks(1)).await, Err(ReauthError::Purged)));
    let id = answer.authentication.authentication_id.to_string();
    assert!(matches!(house.reauth().get(&id, seconds(0)).await, Err(ReauthError::Purged)));
    house.pass(seconds(60)).await;
    assert_eq!(house.jumio.count(Endpoint::Authentication), 0);
    queue::testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn after_a_rebuild_nothing_is_begun_until_what_was_open_at_jumio_is_over() {
    let house = House::new().await;
    house.enroll(1).await;
    let now = house.clock.now();
    let row = RecoveryRow {
        since: now,
        kind: RecoveryKind::Rebuild,
        reauth_blocked_until: now + seconds(900),
        acknowledged_at: None,
        lost: Vec::new(),
    };
    let mut commit = house.register().records().commit();
    house.register().put_recovery(&mut commit, None, &row);
    commit.submit().await.unwrap();
    house.clock.advance(seconds(600));
    let Err(ReauthError::Recovering { retry_after }) = house.ask(asks(1)).await else { panic!() };
    assert_eq!((retry_after, house.posts()), (seconds(300), 0));
    house.clock.advance(seconds(300));
    assert!(!house.ask(asks(1)).await.unwrap().deduplicated, "acknowledged or not");
}

//! The process dies, or the store fails, at every commit of an initiate: never two posts by themselves, never a success
//! that is not durable.

use crate::house::{House, asks, jumio_reference, seconds, user};
use jumio::scripted::{Endpoint, Script};
use model::AuthenticationState;
use reauth::{AuthenticationRequest, IfOpen, Initiated, ReauthError};
use store::faulty::CommitFault;

/// The commits of an initiate that nothing disturbs, in order.
const CLAIM: u64 = 1;
const POSTING: u64 = 4;
const SETTLE: u64 = 5;

async fn enrolled() -> House {
    let house = House::new().await;
    house.enroll(1).await;
    house
}

fn is_unknown(answer: &Result<Initiated, ReauthError>) -> bool {
    matches!(answer, Err(ReauthError::OutcomeUnknown { .. }))
}

#[tokio::test]
async fn an_initiate_has_five_commits() {
    let house = enrolled().await;
    let before = house.store.commits();
    house.ask(asks(1)).await.unwrap();
    assert_eq!(house.store.commits() - before, SETTLE);
}

#[tokio::test]
async fn a_crash_before_posting_posts_nothing_and_releases_the_claim() {
    for commit in CLAIM..=POSTING {
        let mut house = enrolled().await;
        house.store.fail_commit(commit, CommitFault::AmbiguousBefore);
        house.ask(asks(1)).await.unwrap_err();
        assert_eq!(house.posts(), 0, "commit {commit}");
        assert_eq!(house.restart().await, 0, "commit {commit}");
        let answer = house.ask(asks(1)).await.unwrap();
        assert!(!answer.deduplicated);
        assert_eq!(house.posts(), 1);
    }
    for commit in CLAIM..POSTING {
        let mut house = enrolled().await;
        house.store.fail_commit(commit, CommitFault::AmbiguousAfter);
        house.ask(asks(1)).await.unwrap_err();
        assert_eq!((house.posts(), house.restart().await), (0, 0), "commit {commit}");
        house.ask(asks(1)).await.unwrap();
        assert_eq!(house.posts(), 1);
    }
}

/// `posting` is durable: whether the request left or not, a restart must take it for sent.
#[tokio::test]
async fn a_crash_after_posting_is_an_unknown_outcome_and_never_a_second_post() {
    for (commit, fault, posts) in
        [(POSTING, CommitFault::AmbiguousAfter, 0), (SETTLE, CommitFault::AmbiguousBefore, 1)]
    {
        let mut house = enrolled().await;
        house.store.fail_commit(commit, fault);
        house.ask(asks(1)).await.unwrap_err();
        assert_eq!(house.posts(), posts);
        assert_eq!(house.restart().await, 1, "one outcome became unknown");
        for _ in 0..3 {
            assert!(is_unknown(&house.ask(asks(1)).await));
            house.pass(seconds(9)).await;
            assert_eq!(house.posts(), posts);
        }
        let lost = house.reauth().list(&user(1), None, None, 10).await.unwrap();
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].state, AuthenticationState::Unknown);
        house.pass(seconds(3)).await;
        assert!(!house.ask(asks(1)).await.unwrap().deduplicated);
        assert_eq!(house.posts(), posts + 1);
    }
}

#[tokio::test]
async fn a_success_that_may_not_be_durable_is_told_to_nobody() {
    let mut house = enrolled().await;
    house.store.fail_commit(SETTLE, CommitFault::AmbiguousAfter);
    assert!(is_unknown(&house.ask(asks(1)).await));
    assert_eq!(house.restart().await, 0);
    let answer = house.ask(asks(1)).await.unwrap();
    assert!(answer.deduplicated);
    assert_eq!((house.posts(), jumio_reference(&answer)), (1, house.started()[0].reference));
}

#[tokio::test]
async fn a_full_disk_at_any_commit_posts_at_most_once_and_passes() {
    for commit in CLAIM..=SETTLE {
        let house = enrolled().await;
        house.store.fail_commit(commit, CommitFault::NoSpace);
        let answer = house.ask(asks(1)).await;
        assert!(answer.is_err(), "commit {commit}");
        let posts = usize::from(commit == SETTLE);
        assert_eq!(house.posts(), posts, "commit {commit}");
        if commit == SETTLE {
            assert!(is_unknown(&answer));
            assert!(is_unknown(&house.ask(asks(1)).await), "Jumio has it, and it was handed to nobody");
            assert_eq!(house.posts(), posts);
            house.clock.advance(seconds(30));
        }
        house.ask(asks(1)).await.unwrap();
        assert_eq!(house.posts(), posts + 1, "commit {commit}");
    }
}

/// The window cannot even be given back: the claim is found without its holder, and taken back.
#[tokio::test]
async fn a_claim_without_a_holder_is_released_without_a_restart() {
    let house = enrolled().await;
    house.store.fail_commit(POSTING, CommitFault::NoSpace);
    house.store.fail_commit(POSTING + 1, CommitFault::NoSpace);
    house.ask(asks(1)).await.unwrap_err();
    assert_eq!(house.posts(), 0);
    house.ask(asks(1)).await.unwrap();
    assert_eq!(house.posts(), 1);
}

#[tokio::test]
async fn a_conflict_at_any_commit_is_no_reason_to_post_twice() {
    for commit in CLAIM..=SETTLE {
        let house = enrolled().await;
        house.store.fail_commit(commit, CommitFault::Conflict);
        house.ask(asks(1)).await.unwrap();
        assert_eq!(house.posts(), 1, "commit {commit}");
        assert!(house.ask(asks(1)).await.unwrap().deduplicated);
    }
}

#[tokio::test]
async fn a_crash_while_replacing_leaves_the_old_one_open_or_the_outcome_unknown() {
    for commit in CLAIM..=SETTLE {
        for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
            let mut house = enrolled().await;
            let old = house.ask(asks(1)).await.unwrap();
            house.store.fail_commit(commit, fault);
            house.ask(AuthenticationRequest { if_open: IfOpen::Replace, ..asks(1) }).await.unwrap_err();
            let posts = house.posts();
            let unknown = house.restart().await;
            let after = house.ask(asks(1)).await;
            let old_state = house.get(old.authentication.authentication_id).await.state;
            let settled = (commit, fault) == (SETTLE, CommitFault::AmbiguousAfter);
            let posting_durable =
                (commit, fault) == (POSTING, CommitFault::AmbiguousAfter) || commit == SETTLE;
            if settled {
                assert_ne!(jumio_reference(&after.unwrap()), jumio_reference(&old));
                assert_eq!(old_state, AuthenticationState::Superseded);
            } else if posting_durable {
                assert!(is_unknown(&after), "{commit} {fault:?}");
                assert_eq!((unknown, old_state), (1, AuthenticationState::Initiated));
            } else {
                assert_eq!(after.unwrap().authentication, old.authentication, "{commit} {fault:?}");
                assert_eq!(unknown, 0);
            }
            assert_eq!(house.posts(), posts, "{commit} {fault:?}: nothing is posted by itself");
        }
    }
}

#[tokio::test]
async fn a_refusal_that_cannot_be_recorded_is_an_unknown_outcome() {
    let mut house = enrolled().await;
    house.jumio.script(Endpoint::InitiateAuthentication, Script::refused(403));
    house.store.fail_commit(SETTLE, CommitFault::AmbiguousBefore);
    assert!(is_unknown(&house.ask(asks(1)).await));
    assert_eq!(house.restart().await, 1);
    assert!(is_unknown(&house.ask(asks(1)).await));
    assert_eq!(house.posts(), 1);
}

/// Another process took this one for gone, which it was not: what it learns later is handed to nobody.
#[tokio::test]
async fn an_outcome_that_was_called_unknown_stays_unknown() {
    let house = enrolled().await;
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let asking = house.asking(asks(1));
    house.jumio.called(Endpoint::InitiateAuthentication, 1).await;
    let other = house.another_process().await;
    assert_eq!(other.reauth.recover_all().await.unwrap(), 1);
    gate.open();
    assert!(is_unknown(&asking.await.unwrap()));
    let id = house.reauth().list(&user(1), None, None, 1).await.unwrap()[0].authentication_id;
    assert_eq!(house.get(id).await.state, AuthenticationState::Unknown);
    assert!(is_unknown(&house.ask(asks(1)).await));
}

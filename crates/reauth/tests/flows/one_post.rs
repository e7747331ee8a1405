//! However many ask at the same time: one post, and equal answers.

use crate::house::{House, asks, asks_web, config, face, jumio_reference, reference, seconds, until};
use async_trait::async_trait;
use audit::Actor;
use jumio::scripted::{Endpoint, Gate, Script};
use model::AuthenticationState;
use queue::Limit;
use reauth::{AuthenticationRequest, IfOpen, Initiated, ReauthConfig, ReauthError};
use records::tables;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use store::{Batch, Range, Row, Store, StoreError, TableId, Version, Versioned};
use tokio::sync::Barrier;

const MANY: usize = 100;

type Answers = Vec<Result<Initiated, ReauthError>>;

/// Lets a hundred ask while the first one's post is held, and gives back what they hear.
async fn all_at_once(house: &House, script: Script, ask: impl Fn(usize) -> AuthenticationRequest) -> Answers {
    let (script, gate) = script.held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let first = house.asking(ask(0));
    house.jumio.called(Endpoint::InitiateAuthentication, 1).await;
    let others: Vec<_> = (1..MANY).map(|n| house.asking(ask(n))).collect();
    everybody_waits(house, gate).await;
    let mut answers = vec![first.await.unwrap()];
    for other in others {
        answers.push(other.await.unwrap());
    }
    answers
}

async fn everybody_waits(house: &House, gate: Gate) {
    until("all others wait", || house.reauth().callers_waiting() == MANY - 1).await;
    gate.open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_simultaneous_requests_lead_to_one_post_and_equal_answers() {
    let house = House::new().await;
    house.enroll(1).await;
    let answers = all_at_once(&house, Script::act(), |_| asks_web(1)).await;
    assert_eq!(house.posts(), 1);
    let first = answers[0].as_ref().unwrap();
    assert!(!first.deduplicated);
    for answer in &answers[1..] {
        let answer = answer.as_ref().unwrap();
        assert!(answer.deduplicated);
        assert_eq!(answer.authentication, first.authentication);
    }
    assert!(first.authentication.redirect_url.is_some());
    let sent = &house.started()[0];
    assert_eq!((sent.request.enrollment, &sent.facemap), (reference(1), &face(1)));
    assert_eq!(house.reauth().posts_under_way(), 0);
}

/// A store whose first hundred readers of a window all see the same before any of them goes on.
struct Together {
    inner: Arc<dyn Store>,
    readers: AtomicUsize,
    barrier: Barrier,
}

#[async_trait]
impl Store for Together {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        let found = self.inner.get(table, key).await;
        if table == tables::WINDOWS && self.readers.fetch_add(1, Ordering::SeqCst) < MANY {
            self.barrier.wait().await;
        }
        found
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.inner.scan(table, range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        self.inner.commit(batch).await
    }

    async fn export(&self, sink: Box<dyn store::ExportSink>) -> Result<store::Transferred, StoreError> {
        self.inner.export(sink).await
    }

    async fn import(
        &self,
        last: Version,
        source: Box<dyn store::ImportSource>,
    ) -> Result<store::Transferred, StoreError> {
        self.inner.import(last, source).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_all_found_the_window_free_lead_to_one_post_and_equal_answers() {
    for refused in [false, true] {
        let house = House::new().await;
        house.enroll(1).await;
        let script = if refused { Script::refused(403) } else { Script::act() };
        let (script, gate) = script.held();
        house.jumio.script(Endpoint::InitiateAuthentication, script);
        let (inner, readers) = (house.store.clone(), AtomicUsize::new(0));
        let store = Together { inner, readers, barrier: Barrier::new(MANY) };
        let reauth = house.reopened(Arc::new(store)).await.reauth;
        let ask = |_| {
            let reauth = reauth.clone();
            tokio::spawn(async move { reauth.initiate(asks(1), Actor::System).await })
        };
        let all: Vec<_> = (0..MANY).map(ask).collect();
        until("all others wait", || reauth.callers_waiting() == MANY - 1).await;
        gate.open();
        let mut references = HashSet::new();
        for one in all {
            match one.await.unwrap() {
                Ok(answer) => drop(references.insert(Some(jumio_reference(&answer)))),
                Err(ReauthError::JumioRefused { status: 403 }) => drop(references.insert(None)),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((house.posts(), references.len()), (1, 1));
        assert_eq!(references.contains(&None), refused);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_everybodys_and_was_asked_for_once() {
    let house = House::new().await;
    house.enroll(1).await;
    let answers = all_at_once(&house, Script::refused(403), |_| asks(1)).await;
    assert_eq!(house.posts(), 1);
    for answer in answers {
        assert!(matches!(answer, Err(ReauthError::JumioRefused { status: 403 })), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_is_everybodys_and_was_posted_once() {
    let house = House::new().await;
    house.enroll(1).await;
    let answers = all_at_once(&house, Script::answer_lost(), |_| asks(1)).await;
    assert_eq!(house.posts(), 1);
    for answer in answers {
        let Err(ReauthError::OutcomeUnknown { retry_after }) = answer else { panic!("{answer:?}") };
        assert_eq!(retry_after, seconds(30));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_other_parameters_are_told_and_post_nothing() {
    let house = House::new().await;
    house.enroll(1).await;
    let ask = |n: usize| AuthenticationRequest {
        request_reference: (n > 0).then(|| format!("order-{n}")),
        ..asks_web(1)
    };
    let answers = all_at_once(&house, Script::act(), ask).await;
    assert_eq!(house.posts(), 1);
    let first = answers[0].as_ref().unwrap();
    for answer in &answers[1..] {
        let Err(ReauthError::AuthenticationOpen { open, differs }) = answer else { panic!("{answer:?}") };
        assert_eq!((**open).clone(), first.authentication);
        assert_eq!(*differs, ["requestReference"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_replacements_replace_once() {
    let house = House::new().await;
    house.enroll(1).await;
    let old = house.ask(asks(1)).await.unwrap();
    let replace = |_| AuthenticationRequest { if_open: IfOpen::Replace, ..asks(1) };
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let first = house.asking(replace(0));
    house.jumio.called(Endpoint::InitiateAuthentication, 2).await;
    let others: Vec<_> = (1..MANY).map(|n| house.asking(replace(n))).collect();
    everybody_waits(&house, gate).await;
    let first = first.await.unwrap().unwrap();
    assert_ne!(first.authentication.authentication_id, old.authentication.authentication_id);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().authentication, first.authentication);
    }
    assert_eq!(house.posts(), 2);
    // Later it is replaced again: that is what was asked for.
    house.clock.advance(seconds(1));
    assert!(!house.ask(replace(0)).await.unwrap().deduplicated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_do_not_wait_for_each_other() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    let (script, gate) = Script::act().only(&reference(1)).held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let first = house.asking(asks(1));
    house.jumio.called(Endpoint::InitiateAuthentication, 1).await;
    assert!(!house.ask(asks(2)).await.unwrap().deduplicated);
    gate.open();
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_a_post_that_settles() {
    let house = House::new().await;
    house.enroll(1).await;
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let caller = house.asking(asks(1));
    house.jumio.called(Endpoint::InitiateAuthentication, 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(house.reauth().posts_under_way(), 1);
    gate.open();
    until("the post is over", || house.reauth().posts_under_way() == 0).await;
    let answer = house.ask(asks(1)).await.unwrap();
    assert!(answer.deduplicated);
    assert_eq!((house.posts(), jumio_reference(&answer)), (1, house.started()[0].reference));
}

#[tokio::test]
async fn who_waits_longer_than_the_wait_is_told_to_come_back() {
    let house = House::new().await;
    house.enroll(1).await;
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let first = house.asking(asks(1));
    house.jumio.called(Endpoint::InitiateAuthentication, 1).await;
    let second = house.asking(asks(1));
    until("the second waits", || house.reauth().callers_waiting() == 1).await;
    house.clock.advance(seconds(9));
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    house.clock.advance(seconds(1));
    until("it is told", || second.is_finished()).await;
    assert!(matches!(second.await.unwrap(), Err(ReauthError::InProgress)));
    gate.open();
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn no_more_facemaps_are_taken_out_than_may_be_and_nobody_waits_for_that_for_ever() {
    let house =
        House::with(ReauthConfig { most_facemaps: 1, ..config() }, vec![Limit::per_second(1000)]).await;
    house.enroll(1).await;
    house.enroll(2).await;
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let first = house.asking(asks(1));
    house.jumio.called(Endpoint::InitiateAuthentication, 1).await;
    let second = house.asking(asks(2));
    until("the second has begun", || house.reauth().posts_under_way() == 2).await;
    // Its deadline began before its claim: by now it is ten seconds away at most.
    until("it gives up", || {
        house.clock.advance(seconds(1));
        second.is_finished()
    })
    .await;
    assert!(matches!(second.await.unwrap(), Err(ReauthError::InProgress)));
    gate.open();
    first.await.unwrap().unwrap();
    assert_eq!(house.posts(), 1);
    house.ask(asks(2)).await.unwrap();
}

#[tokio::test]
async fn the_book_knows_of_every_facemap_that_was_taken_out() {
    let house = House::new().await;
    house.enroll(1).await;
    let token = Actor::token("t1", "backend");
    let answer = house.reauth().initiate(asks(1), token.clone()).await.unwrap();
    let book = house.book().await;
    let said: Vec<_> = book.iter().map(|l| (l.entry.action, l.entry.outcome, &l.entry.actor)).collect();
    assert_eq!(
        said,
        [
            (audit::Action::AuthenticationPosted, None, &token),
            (audit::Action::AuthenticationPosted, Some(audit::Outcome::Done), &token)
        ]
    );
    let state = house.get(answer.authentication.authentication_id).await.state;
    assert_eq!(state, AuthenticationState::Initiated);
}

//! A request with a key is carried out once, whatever becomes of the process, and its answer goes with whom it names.

use super::House;
use crate::{ANSWER_CHARS, Begun, Finished, Idempotency, KeyedRequest, Running};
use records::{EnrollmentKey, tables};
use std::{sync::Arc, time::Duration};
use store::{Range, Store as _, faulty::CommitFault};

const DAY: Duration = Duration::from_hours(24);

fn book(house: &House) -> Idempotency {
    Idempotency::new(house.records.clone(), Arc::new(house.clock.clone()), true)
}

/// A book of one of several processes on the same store.
fn shared(house: &House) -> Idempotency {
    Idempotency::new(house.records.clone(), Arc::new(house.clock.clone()), false)
}

fn request(book: &Idempotency, key: &str, body: &str) -> KeyedRequest {
    of(book, ["backend", "/v1/verifications", key], &[body.as_bytes()])
}

fn of(book: &Idempotency, [caller, route, key]: [&str; 3], body: &[&[u8]]) -> KeyedRequest {
    let mut digest = book.digest(&[b"query"]);
    for piece in body {
        digest.update(piece);
    }
    book.request(caller, route, key).with(digest)
}

async fn begin(book: &Idempotency, request: &KeyedRequest) -> Begun {
    book.begin(request, false).await.unwrap()
}

async fn first(book: &Idempotency, request: &KeyedRequest) -> Running {
    match begin(book, request).await {
        Begun::First(running) => running,
        other => panic!("not the first: {other:?}"),
    }
}

fn answered(answer: &str, about: &[EnrollmentKey]) -> Finished {
    Finished { status: 201, answer: Some(answer.to_owned()), about: about.to_vec(), digest: None }
}

async fn rows(house: &House) -> [usize; 3] {
    let mut counts = [0; 3];
    let all = [tables::IDEMPOTENCY, tables::IDEMPOTENCY_BY_TIME, tables::IDEMPOTENCY_BY_ENROLLMENT];
    for (count, table) in counts.iter_mut().zip(all) {
        *count = house.store.inner().scan(table, &Range::default(), 1000).await.unwrap().len();
    }
    counts
}

fn person(house: &House, number: u8) -> EnrollmentKey {
    let reference = format!("00000000-0000-4000-8000-0000000000{number:02x}").parse().unwrap();
    house.records.enrollment_key(&reference)
}

#[tokio::test]
async fn the_same_request_is_answered_as_before_and_another_is_refused() {
    let house = House::new();
    let book = book(&house);
    let asked = request(&book, "key-1", "body");
    let running = first(&book, &asked).await;
    assert!(matches!(begin(&book, &asked).await, Begun::InUse));
    assert!(matches!(begin(&book, &request(&book, "key-1", "other")).await, Begun::Differs));
    book.finish(running, answered("so be it", &[])).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(begin(&book, &asked).await, Begun::Answered(answer) if answer == "so be it"));
        assert!(matches!(begin(&book, &request(&book, "key-1", "other")).await, Begun::Differs));
    }
}

#[tokio::test]
async fn a_key_is_of_one_caller_and_one_route() {
    let house = House::new();
    let book = book(&house);
    let asked = [["a", "/v1/x", "k"], ["b", "/v1/x", "k"], ["a", "/v1/y", "k"], ["a/v1", "/x", "k"]];
    let mut held = Vec::new();
    for scope in asked {
        held.push(first(&book, &of(&book, scope, &[b"body"])).await);
    }
}

#[tokio::test]
async fn a_body_is_the_same_however_it_was_cut_on_its_way_and_another_with_any_other_byte() {
    let house = House::new();
    let book = book(&house);
    let body: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let scope = ["a", "/v1/x", "k"];
    let _running = first(&book, &of(&book, scope, &[&body])).await;
    for cut in [0, 1, 65_535, 65_536, 65_537, 131_072, 199_999] {
        let (head, tail) = body.split_at(cut);
        assert!(matches!(begin(&book, &of(&book, scope, &[head, b"", tail])).await, Begun::InUse), "{cut}");
    }
    for at in [0, 65_536, 199_999] {
        let mut other = body.clone();
        other[at] ^= 1;
        assert!(matches!(begin(&book, &of(&book, scope, &[&other])).await, Begun::Differs), "{at}");
    }
    let longer = [&body[..], b"\0"];
    assert!(matches!(begin(&book, &of(&book, scope, &longer)).await, Begun::Differs));
    let mut beside = book.digest(&[b"another query"]);
    beside.update(&body);
    assert!(matches!(begin(&book, &book.request("a", "/v1/x", "k").with(beside)).await, Begun::Differs));
}

#[tokio::test]
async fn a_body_may_be_read_only_while_the_request_is_carried_out() {
    let house = House::new();
    let book = book(&house);
    let unread = || book.request("a", "/v1/x", "k");
    assert!(!book.knows(&unread()).await.unwrap());
    let running = first(&book, &unread()).await;
    assert!(book.knows(&unread()).await.unwrap());
    // Whoever was as quick, and whoever has read his body, is told that somebody is at it.
    assert!(matches!(begin(&book, &unread()).await, Begun::InUse));
    assert!(matches!(begin(&book, &of(&book, ["a", "/v1/x", "k"], &[b"body"])).await, Begun::InUse));
    let mut digest = book.digest(&[b"query"]);
    digest.update(b"body");
    book.finish(running, Finished { digest: Some(digest), ..answered("done", &[]) }).await.unwrap();
    let same = of(&book, ["a", "/v1/x", "k"], &[b"bo", b"dy"]);
    assert!(matches!(begin(&book, &same).await, Begun::Answered(_)));
    assert!(matches!(begin(&book, &of(&book, ["a", "/v1/x", "k"], &[b"other"])).await, Begun::Differs));
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_carries_it_out() {
    let house = House::new();
    let books = [shared(&house), shared(&house)];
    let asked: Vec<_> = (0..20)
        .map(|n: usize| {
            let book = books[n % 2].clone();
            tokio::spawn(async move { begin(&book, &request(&book, "k", "b")).await })
        })
        .collect();
    let mut firsts = Vec::new();
    for asked in asked {
        match asked.await.unwrap() {
            Begun::First(running) => firsts.push(running),
            Begun::InUse => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(firsts.len(), 1);
}

#[tokio::test]
async fn a_key_that_is_given_free_can_be_used_for_anything() {
    let house = House::new();
    let book = book(&house);
    let running = first(&book, &request(&book, "k", "one")).await;
    book.free(running).await.unwrap();
    assert_eq!(rows(&house).await, [0, 0, 0]);
    first(&book, &request(&book, "k", "two")).await;
}

#[tokio::test]
async fn what_a_dead_process_was_at_is_done_again_only_where_that_does_no_harm() {
    let house = House::new();
    let dead = book(&house);
    let asked = request(&dead, "k", "b");
    std::mem::forget(first(&dead, &asked).await);
    let next = book(&house);
    for _ in 0..2 {
        assert!(matches!(begin(&next, &asked).await, Begun::Interrupted));
    }
    assert!(matches!(begin(&next, &request(&next, "k", "other")).await, Begun::Differs));
    let Begun::First(running) = next.begin(&asked, true).await.unwrap() else { panic!("it may be repeated") };
    assert!(matches!(next.begin(&asked, true).await.unwrap(), Begun::InUse));
    next.finish(running, answered("done", &[])).await.unwrap();
    assert!(matches!(begin(&next, &asked).await, Begun::Answered(_)));
}

#[tokio::test]
async fn what_was_dropped_half_way_counts_as_interrupted_in_the_same_process_too() {
    let house = House::new();
    let book = book(&house);
    let asked = request(&book, "k", "b");
    drop(first(&book, &asked).await);
    assert!(matches!(begin(&book, &asked).await, Begun::Interrupted));
}

#[tokio::test]
async fn another_process_that_lives_is_left_alone_for_a_while() {
    let house = House::new();
    let (one, two) = (shared(&house), shared(&house));
    let asked = request(&one, "k", "b");
    let running = first(&one, &asked).await;
    assert!(matches!(two.begin(&asked, true).await.unwrap(), Begun::InUse));
    house.clock.advance(Duration::from_mins(6));
    let Begun::First(taken_over) = two.begin(&asked, true).await.unwrap() else { panic!("taken for dead") };
    // Whoever was taken for dead writes nothing any more.
    one.finish(running, answered("late", &[])).await.unwrap();
    two.finish(taken_over, answered("in time", &[])).await.unwrap();
    assert!(matches!(begin(&one, &asked).await, Begun::Answered(answer) if answer == "in time"));
}

#[tokio::test]
async fn a_day_later_the_key_is_unknown_and_nothing_is_left_of_it() {
    let house = House::new();
    let book = book(&house);
    let asked = request(&book, "k", "b");
    let running = first(&book, &asked).await;
    book.finish(running, answered("a", &[person(&house, 1), person(&house, 1), person(&house, 2)]))
        .await
        .unwrap();
    assert_eq!(rows(&house).await, [1, 1, 2]);
    house.clock.advance(DAY.checked_sub(Duration::from_secs(1)).unwrap());
    assert!(!book.expire().await.unwrap());
    assert!(matches!(begin(&book, &asked).await, Begun::Answered(_)));
    house.clock.advance(Duration::from_secs(2));
    // Whether or not it was removed already.
    let running = first(&book, &asked).await;
    book.free(running).await.unwrap();
    first(&book, &asked).await;
    house.clock.advance(DAY + Duration::from_secs(1));
    assert!(!book.expire().await.unwrap());
    assert_eq!(rows(&house).await, [0, 0, 0]);
}

#[tokio::test]
async fn whoever_is_forgotten_is_in_no_answer_any_more_and_nothing_is_done_twice_for_it() {
    let house = House::new();
    let book = book(&house);
    let (gone, stays) = (person(&house, 1), person(&house, 2));
    for n in 0..150 {
        let about = if n % 2 == 0 { vec![gone, stays] } else { vec![stays] };
        let running = first(&book, &request(&book, &format!("key-{n}"), "b")).await;
        book.finish(running, answered("somebody", &about)).await.unwrap();
    }
    assert_eq!(book.forget(gone).await.unwrap(), 75);
    assert_eq!(book.forget(gone).await.unwrap(), 0);
    for n in 0..150 {
        let begun = begin(&book, &request(&book, &format!("key-{n}"), "b")).await;
        assert_eq!(matches!(begun, Begun::Forgotten), n % 2 == 0, "{begun:?}");
    }
    // Not even whether it was this body.
    assert!(matches!(begin(&book, &request(&book, "key-0", "other")).await, Begun::Forgotten));
    assert_eq!(rows(&house).await, [150, 150, 75]);
    house.clock.advance(DAY + Duration::from_secs(1));
    while book.expire().await.unwrap() {}
    assert_eq!(rows(&house).await, [0, 0, 0]);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_kept_and_the_request_not_repeated() {
    let house = House::new();
    let book = book(&house);
    let asked = request(&book, "k", "b");
    let running = first(&book, &asked).await;
    book.finish(running, answered(&"x".repeat(ANSWER_CHARS + 1), &[])).await.unwrap();
    assert!(matches!(begin(&book, &asked).await, Begun::Done(201)));
    let asked = request(&book, "k2", "b");
    let running = first(&book, &asked).await;
    book.finish(running, answered(&"x".repeat(ANSWER_CHARS), &[])).await.unwrap();
    assert!(matches!(begin(&book, &asked).await, Begun::Answered(_)));
}

#[tokio::test]
async fn nothing_is_begun_that_is_not_durable() {
    let house = House::new();
    let book = book(&house);
    let asked = request(&book, "k", "b");
    house.store.set_no_space(true);
    assert!(book.begin(&asked, false).await.is_err());
    house.store.set_no_space(false);
    let running = first(&book, &asked).await;
    house.store.fail_commit(house.store.commits() + 1, CommitFault::Conflict);
    book.finish(running, answered("a", &[])).await.unwrap();
    assert!(matches!(begin(&book, &asked).await, Begun::Answered(_)));
}

#[tokio::test]
async fn the_store_holds_neither_key_nor_body_nor_a_hash_that_could_be_guessed() {
    let house = House::new();
    let book = book(&house);
    let running = first(&book, &request(&book, "order-4711", "a small body")).await;
    book.finish(running, answered("the answer", &[person(&house, 1)])).await.unwrap();
    let other = House::new();
    let theirs = Idempotency::new(
        records::Records::new(
            other.store.clone(),
            Arc::new(seal::HeldKeys::for_tests(2)),
            Arc::new(model::rng::SeededRng::new(1)),
        ),
        Arc::new(other.clock.clone()),
        true,
    );
    assert_ne!(request(&book, "k", "b").id(), request(&theirs, "k", "b").id(), "keyed");
    for table in [tables::IDEMPOTENCY, tables::IDEMPOTENCY_BY_TIME, tables::IDEMPOTENCY_BY_ENROLLMENT] {
        for row in house.store.inner().scan(table, &Range::default(), 10).await.unwrap() {
            for bytes in [row.key, row.value.value] {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                for told in ["order-4711", "small body", "the answer"] {
                    assert!(!text.contains(told));
                }
            }
        }
    }
}

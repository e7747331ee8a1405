//! Begin, finish, note: what is written when, and what is not done without it.

use super::{House, begin, note, person};
use crate::{Action, AuditError, Details, Filter, Outcome, Part};
use records::tables;
use std::collections::BTreeSet;
use store::{StoreError, faulty::CommitFault};

#[tokio::test]
async fn a_begin_is_durable_and_in_the_chain_before_it_answers() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let stroke = book.begin(begin(1)).await.unwrap();
    let after = house.crash();
    let entries =
        after.open().await.unwrap().entries(0, Some(stroke.position()), &Filter::default(), 10).await;
    let entries = entries.unwrap().items;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].entry.part, Part::Begin);
    assert_eq!(entries[0].entry.subject, Some(person(1)));
    assert_eq!(entries[0].entry.outcome, None);
}

#[tokio::test]
async fn a_begin_that_the_store_does_not_take_is_an_error_and_stands_nowhere() {
    let house = House::new();
    let book = house.open().await.unwrap();
    house.store.set_no_space(true);
    let error = book.begin(begin(1)).await.unwrap_err();
    assert!(matches!(&error, AuditError::Unavailable(_)) && error.is_retryable(), "{error}");
    assert!(error.to_string().starts_with("audit-unavailable"));
    house.store.set_no_space(false);
    assert_eq!(house.rows(tables::AUDIT).await, 0);
    assert_eq!(book.begin(begin(2)).await.unwrap().position(), 1);
}

#[tokio::test]
async fn a_begin_with_an_unknown_outcome_is_an_error_and_is_closed_at_the_next_start_if_it_was_written() {
    for (fault, entries) in [(CommitFault::AmbiguousBefore, 0), (CommitFault::AmbiguousAfter, 2)] {
        let house = House::new();
        let book = house.open().await.unwrap();
        house.store.fail_commit(1, fault);
        let error = book.begin(begin(1)).await.unwrap_err();
        assert!(matches!(error, AuditError::Unavailable(_)), "{error}");
        let after = house.crash();
        let book = after.open().await.unwrap();
        let page = book.entries(0, None, &Filter::default(), 10).await.unwrap();
        assert_eq!(page.items.len(), entries);
        assert!(page.items.last().is_none_or(|last| last.entry.outcome == Some(Outcome::Interrupted)));
        assert!(book.verify().await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn a_finish_is_written_with_the_flows_commit_or_not_at_all() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let stroke = book.begin(begin(1)).await.unwrap();
    let mut dropped = house.records.commit();
    book.finish(&mut dropped, &stroke, Outcome::Done);
    drop(dropped);
    book.append_pending().await.unwrap();
    assert_eq!(book.head().await.unwrap().position, 1);
    let mut commit = house.records.commit();
    book.finish_with(&mut commit, &stroke, Outcome::Refused, Details::new().with("status", 401));
    commit.submit().await.unwrap();
    book.append_pending().await.unwrap();
    let page = book.entries(1, None, &Filter::default(), 10).await.unwrap();
    let finish = &page.items[0].entry;
    assert_eq!(finish.part, Part::Finish { begin: 1 });
    assert_eq!((finish.action, finish.subject), (Action::OriginalDeletion, Some(person(1))));
    assert_eq!((finish.outcome, finish.details.get("status")), (Some(Outcome::Refused), Some("401")));
    assert_eq!(house.rows(tables::AUDIT_OPEN).await, 0);
    assert_eq!(house.rows(tables::AUDIT_PENDING).await, 0);
}

#[tokio::test]
async fn of_two_commits_that_finish_the_same_stroke_one_conflicts() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let stroke = book.begin(begin(1)).await.unwrap();
    let mut first = house.records.commit();
    book.finish(&mut first, &stroke, Outcome::Done);
    let mut second = house.records.commit();
    book.finish(&mut second, &stroke, Outcome::Failed);
    first.submit().await.unwrap();
    assert!(second.submit().await.unwrap_err().is_conflict());
    book.append_pending().await.unwrap();
    assert_eq!(book.head().await.unwrap().position, 2);
}

#[tokio::test]
async fn an_act_without_a_finish_is_closed_as_interrupted_at_the_next_start_and_once() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let _unfinished = book.begin(begin(1)).await.unwrap();
    let after = house.crash();
    let book = after.open().await.unwrap();
    let page = book.entries(1, None, &Filter::default(), 10).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].entry.part, Part::Finish { begin: 1 });
    assert_eq!(page.items[0].entry.outcome, Some(Outcome::Interrupted));
    let head = book.head().await.unwrap();
    assert_eq!(after.crash().open().await.unwrap().head().await.unwrap(), head);
}

#[tokio::test]
async fn a_crash_between_a_flows_commit_and_its_place_in_the_chain_loses_no_entry_and_interrupts_none() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let stroke = book.begin(begin(1)).await.unwrap();
    let mut commit = house.records.commit();
    book.finish(&mut commit, &stroke, Outcome::Done);
    book.note(&mut commit, note(2));
    commit.submit().await.unwrap();
    let after = house.crash();
    assert_eq!(
        after.rows(tables::AUDIT_PENDING).await,
        2,
        "the crash must come before the entries have positions"
    );
    let book = after.open().await.unwrap();
    let page = book.entries(1, None, &Filter::default(), 10).await.unwrap();
    let outcomes: Vec<_> = page.items.iter().map(|item| item.entry.outcome).collect();
    assert_eq!(outcomes, [Some(Outcome::Done), Some(Outcome::Done)]);
    assert_eq!(page.items[1].entry.action, Action::Released);
}

#[tokio::test]
async fn a_finish_alone_closes_the_stroke() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let stroke = book.begin(begin(1)).await.unwrap();
    book.finish_alone(&stroke, Outcome::Failed, Details::new()).await.unwrap();
    let book = house.crash().open().await.unwrap();
    let page = book.entries(1, None, &Filter::default(), 10).await.unwrap();
    assert_eq!(page.items[0].entry.outcome, Some(Outcome::Failed));
    assert_eq!(page.items.len(), 1);
}

#[tokio::test]
async fn a_caller_who_is_gone_leaves_its_begin_open_and_the_others_answered() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let mut gone = Box::pin(book.begin(begin(1)));
    assert!(futures_poll_once(gone.as_mut()).await.is_none());
    drop(gone);
    let stroke = book.begin(begin(2)).await.unwrap();
    assert_eq!(stroke.position(), 2);
    assert_eq!(house.rows(tables::AUDIT_OPEN).await, 2);
}

async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_acts_at_once_chain_without_a_gap() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let acts: Vec<_> = (0..200)
        .map(|n| {
            let (book, records) = (book.clone(), house.records.clone());
            tokio::spawn(async move {
                let stroke = book.begin(begin(n)).await.unwrap();
                let mut commit = records.commit();
                book.finish(&mut commit, &stroke, Outcome::Done);
                commit.submit().await.unwrap();
                stroke.position()
            })
        })
        .collect();
    let mut begins = BTreeSet::new();
    for act in acts {
        begins.insert(act.await.unwrap());
    }
    book.append_pending().await.unwrap();
    assert_eq!(begins.len(), 200);
    let report = book.verify().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.checked, book.head().await.unwrap().position), (400, 400));
    let page = book.entries(0, None, &Filter::default(), 500).await.unwrap();
    for item in &page.items {
        if let Part::Finish { begin } = item.entry.part {
            assert!(begin < item.position && begins.remove(&begin), "{item:?}");
        }
    }
    assert!(begins.is_empty(), "every begin has its finish");
}

#[tokio::test]
async fn begins_at_the_same_time_share_a_commit() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let before = house.store.commits();
    let begins: Vec<_> = (0..90)
        .map(|n| {
            let book = book.clone();
            tokio::spawn(async move { book.begin(begin(n)).await.map(|stroke| stroke.position()) })
        })
        .collect();
    for begin in begins {
        begin.await.unwrap().unwrap();
    }
    assert!(house.store.commits() - before <= 2, "{} commits", house.store.commits() - before);
}

#[tokio::test]
async fn a_group_that_fails_fails_all_its_begins() {
    let house = House::new();
    let book = house.open().await.unwrap();
    house.store.set_no_space(true);
    let begins: Vec<_> = (0..20)
        .map(|n| {
            let book = book.clone();
            tokio::spawn(async move { book.begin(begin(n)).await.map(|stroke| stroke.position()) })
        })
        .collect();
    for begin in begins {
        assert!(matches!(begin.await.unwrap(), Err(AuditError::Unavailable(_))));
    }
}

#[tokio::test]
async fn an_appender_whose_head_was_moved_by_another_builds_its_group_again() {
    let house = House::new();
    let book = house.open().await.unwrap();
    house.store.fail_commit(1, CommitFault::Conflict);
    assert_eq!(book.begin(begin(1)).await.unwrap().position(), 1);
    for nth in 1..=3 {
        house.store.fail_commit(nth, CommitFault::Conflict);
    }
    let error = book.begin(begin(2)).await.unwrap_err();
    assert_eq!(error, AuditError::Unavailable(StoreError::Conflict.into()));
}

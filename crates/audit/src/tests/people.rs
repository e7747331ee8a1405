//! Entries are found by whom they are about, and the index that finds them is held against the chain.

use super::{House, begin, note, person};
use crate::{Audit, AuditError, Details, Finding, Outcome, chain::BY_SUBJECT};
use records::{Key as _, tables};
use store::{Batch, Condition, Store as _};

async fn positions(book: &Audit, n: u8) -> Vec<u64> {
    let page = book.entries_about(person(n), 0, 100).await.unwrap();
    page.items.iter().map(|item| item.position).collect()
}

async fn findings(house: &House) -> Vec<Finding> {
    crate::verify(&house.records, &house.anchor()).await.unwrap().findings
}

/// Enrollment 1 of user 9, enrollment 2 of user 9, enrollment 3 of nobody known: entries 1 to 5.
async fn written() -> (House, Audit) {
    let house = House::new();
    let book = house.open().await.unwrap();
    for entry in [note(1).of_user(person(9)), note(2).of_user(person(9)), note(3).of_user(None)] {
        let mut commit = house.records.commit();
        book.note(&mut commit, entry);
        commit.submit().await.unwrap();
        book.append_pending().await.unwrap();
    }
    let stroke = book.begin(begin(1).of_user(person(9))).await.unwrap();
    book.finish_alone(&stroke, Outcome::Done, Details::new()).await.unwrap();
    book.close().await.unwrap();
    (house, book)
}

#[tokio::test]
async fn entries_are_found_by_enrollment_and_by_user_and_nobody_elses_are() {
    let (house, book) = written().await;
    assert_eq!(positions(&book, 1).await, [1, 4, 5]);
    assert_eq!(positions(&book, 2).await, [2]);
    assert_eq!(positions(&book, 3).await, [3]);
    assert_eq!(positions(&book, 9).await, [1, 2, 4, 5]);
    assert_eq!(positions(&book, 4).await, [0_u64; 0]);
    assert_eq!(findings(&house).await, []);
}

#[tokio::test]
async fn pages_about_somebody_bring_every_entry_once() {
    let (_house, book) = written().await;
    for limit in 1..=5 {
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let page = book.entries_about(person(9), after, limit).await.unwrap();
            assert!(page.items.len() <= limit);
            seen.extend(page.items.iter().map(|item| item.position));
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!(seen, [1, 2, 4, 5], "limit {limit}");
    }
}

#[tokio::test]
async fn an_index_row_that_is_missing_too_many_or_of_somebody_else_is_found() {
    let (house, book) = written().await;
    let change = async |remove: Option<(u8, u64)>, add: Option<(u8, u64)>| {
        let mut batch = Batch::new();
        if let Some((n, position)) = remove {
            batch.delete(tables::AUDIT_BY_SUBJECT, (person(n), position).encode(), Condition::Any);
        }
        if let Some((n, position)) = add {
            batch.put(tables::AUDIT_BY_SUBJECT, (person(n), position).encode(), Condition::Any, Vec::new());
        }
        house.store.commit(batch).await.unwrap();
    };
    change(Some((9, 4)), None).await;
    assert_eq!(findings(&house).await, [Finding::IndexMissing { position: 4 }]);
    change(None, Some((9, 4))).await;
    assert_eq!(findings(&house).await, []);

    change(None, Some((4, 2))).await;
    assert_eq!(findings(&house).await, [Finding::IndexWrong { position: 2 }]);
    let error = book.entries_about(person(4), 0, 10).await.unwrap_err();
    assert_eq!(error, AuditError::Damaged { position: 2 }, "a re-pointed index is a wrong person");
    // As many rows as before, one of them somewhere else.
    change(Some((1, 1)), None).await;
    let pointed_elsewhere = [Finding::IndexMissing { position: 1 }, Finding::IndexWrong { position: 2 }];
    assert_eq!(findings(&house).await, pointed_elsewhere);
    change(Some((4, 2)), Some((1, 1))).await;

    change(None, Some((1, 77))).await;
    assert_eq!(findings(&house).await, [Finding::IndexWrong { position: 77 }]);
}

#[tokio::test]
async fn a_begin_whose_mark_was_taken_away_or_exchanged_is_found() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let _first = book.begin(begin(1)).await.unwrap();
    let second = book.begin(begin(2)).await.unwrap();
    assert_eq!(findings(&house).await, []);
    let mark = house.row(tables::AUDIT_OPEN, 1).await.unwrap();
    house.delete_row(tables::AUDIT_OPEN, 1).await;
    assert_eq!(findings(&house).await, [Finding::OpenMissing { position: 1 }]);
    house.put_row(tables::AUDIT_OPEN, 1, mark);
    // A finish that waits for its position is as good as one in the chain.
    book.finish_alone(&second, Outcome::Done, Details::new()).await.unwrap();
    assert_eq!(findings(&house).await, []);
    let mut commit = house.records.commit();
    let open = crate::chain::OPEN.get(&house.records, &(1,)).await.unwrap().unwrap();
    commit.update(&crate::chain::OPEN, &(1,), &open, &crate::Entry { subject: None, ..open.value.clone() });
    commit.submit().await.unwrap();
    assert_eq!(findings(&house).await, [Finding::OpenChanged { position: 1 }]);
}

#[tokio::test]
async fn the_index_is_written_in_the_commit_of_its_entry() {
    let (house, _book) = written().await;
    let keys = BY_SUBJECT.keys(&house.records, Vec::new(), None, 100).await.unwrap();
    assert_eq!(keys.len(), 9);
    for key in keys {
        let key = key.encode();
        let index = house.store.inner().get(tables::AUDIT_BY_SUBJECT, &key).await.unwrap().unwrap();
        let entry = house.store.inner().get(tables::AUDIT, &key[32..]).await.unwrap().unwrap();
        assert_eq!(index.version, entry.version);
    }
}

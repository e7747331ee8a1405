//! The book is read in pages, filtered, and holds nothing that it must not.

use super::{House, begin, note, person, write};
use crate::{Action, Actor, AuditError, Details, Filter, Note, Outcome};
use records::tables;
use std::time::Duration;

#[tokio::test]
async fn pages_bring_every_entry_once_and_in_order() {
    let house = House::new();
    let book = house.open().await.unwrap();
    for _ in 0..3 {
        write(&house, &book, 200).await;
    }
    for limit in [1, 7, 256, 600, 601] {
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let page = book.entries(after, None, &Filter::default(), limit).await.unwrap();
            assert!(page.items.len() <= limit);
            seen.extend(page.items.iter().map(|item| item.position));
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!(seen, (1..=600).collect::<Vec<u64>>(), "limit {limit}");
    }
    let page = book.entries(10, Some(12), &Filter::default(), 100).await.unwrap();
    assert_eq!(page.items.iter().map(|item| item.position).collect::<Vec<_>>(), [11, 12]);
}

#[tokio::test]
async fn a_filter_lets_through_what_it_names_and_nothing_else() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let start = model::Clock::now(&house.clock);
    write(&house, &book, 3).await;
    house.clock.advance(Duration::from_mins(1));
    let stroke = book.begin(begin(1)).await.unwrap();
    book.finish_alone(&stroke, Outcome::Done, Details::new()).await.unwrap();
    book.append_pending().await.unwrap();
    let found = async |filter: Filter| {
        let page = book.entries(0, None, &filter, 100).await.unwrap();
        page.items.into_iter().map(|item| item.position).collect::<Vec<_>>()
    };
    assert_eq!(found(Filter { action: Some(Action::OriginalDeletion), ..Filter::default() }).await, [4, 5]);
    assert_eq!(found(Filter { subject: Some(person(1)), ..Filter::default() }).await, [2, 4, 5]);
    assert_eq!(found(Filter { actor: Some(Actor::System), ..Filter::default() }).await, [4, 5]);
    let minute = start + Duration::from_mins(1);
    assert_eq!(found(Filter { from: Some(minute), ..Filter::default() }).await, [4, 5]);
    assert_eq!(found(Filter { until: Some(minute), ..Filter::default() }).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_damaged_entry_ends_the_reading_with_its_position() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 5).await;
    let other = house.row(tables::AUDIT, 2).await.unwrap();
    house.put_row(tables::AUDIT, 4, other);
    let error = book.entries(3, None, &Filter::default(), 10).await.unwrap_err();
    assert_eq!(error, AuditError::Damaged { position: 4 });
}

#[tokio::test]
async fn what_is_written_down_is_not_readable_on_disk() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let mut commit = house.records.commit();
    book.note(&mut commit, note(1).with("status", "conspicuous"));
    commit.submit().await.unwrap();
    let stroke = book.begin(begin(2).with("status", "conspicuous")).await.unwrap();
    assert_eq!(stroke.position(), 2);
    for (table, _, row) in house.store.inner().dump() {
        for word in ["conspicuous", "backend", "released", "original"] {
            let found = row.value.windows(word.len()).any(|bytes| bytes == word.as_bytes());
            assert!(!found, "{word} in table {table:?}");
        }
    }
}

#[test]
fn details_are_few_short_and_printable() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let details =
        names.into_iter().fold(Details::new(), |details, name| details.with(name, "x\n".repeat(500)));
    assert_eq!(details.iter().count(), 8);
    assert!(details.iter().all(|(_, value)| value.len() < 1000 && !value.contains('\n')));
}

#[tokio::test]
async fn the_largest_entries_fit_into_one_group() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let large = |n: u8| {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let text = "\u{202e}".repeat(500);
        names.into_iter().fold(note(n), |note: Note, name| note.with(name, &text))
    };
    let begins: Vec<_> = (0..100)
        .map(|n| {
            let book = book.clone();
            let begin = crate::Begin { details: large(n).details, ..begin(n) };
            tokio::spawn(async move { book.begin(begin).await.map(|stroke| stroke.position()) })
        })
        .collect();
    for n in 0..100 {
        let mut commit = house.records.commit();
        book.note(&mut commit, large(n));
        commit.submit().await.unwrap();
    }
    for begin in begins {
        begin.await.unwrap().unwrap();
    }
    book.append_pending().await.unwrap();
    assert_eq!(book.head().await.unwrap().position, 200);
}

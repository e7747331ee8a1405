//! Any single bit of any stored row of the book: flipped, it is found.

use super::{House, begin, write};
use crate::{Details, Outcome, Sink};
use model::rng::SeededRng;
use records::tables;
use store::{Batch, Condition, Store as _, TableId, Versioned};

const TABLES: [TableId; 6] = [
    tables::AUDIT,
    tables::AUDIT_PENDING,
    tables::AUDIT_HEAD,
    tables::AUDIT_OPEN,
    tables::AUDIT_BY_SUBJECT,
    tables::AUDIT_SINK,
];

/// A book with rows in all its tables: an epoch, an open begin, an entry without a position, a sink's cursor.
async fn full() -> House {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 20).await;
    book.close().await.unwrap();
    let now = model::Clock::now(&house.clock);
    let why = crate::NewEpoch::Restored;
    crate::begin_epoch(&house.records, &house.anchor(), why, crate::Actor::Operator, 1, now).await.unwrap();
    let book = house.open().await.unwrap();
    write(&house, &book, 20).await;
    let stroke = book.begin(begin(1)).await.unwrap();
    let _open = book.begin(begin(2)).await.unwrap();
    {
        let sink = Box::pin(book.run_sink(Sink::JsonLines(house.folder.path().join("audit.jsonl"))));
        let cursor = async {
            while house.rows(tables::AUDIT_SINK).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { () = sink => {} () = cursor => {} }
    }
    book.finish_alone(&stroke, Outcome::Done, Details::new()).await.unwrap();
    house
}

#[tokio::test]
async fn a_hundred_random_single_bit_flips_are_all_found() {
    let house = full().await;
    let is_clean = async || crate::verify(&house.records, &house.anchor()).await.unwrap().is_clean();
    assert!(is_clean().await);
    let rows: Vec<_> =
        house.store.inner().dump().into_iter().filter(|(table, ..)| TABLES.contains(table)).collect();
    for table in TABLES {
        assert!(rows.iter().any(|(of, ..)| *of == table), "{table:?} is empty");
    }
    let rng = SeededRng::new(4711);
    let below = |end: usize| usize::try_from(rng.below(end as u64)).unwrap();
    for n in 0..100 {
        // Each table in turn; in the key where there is no value.
        let table = TABLES[n % TABLES.len()];
        let of_table: Vec<_> = rows.iter().filter(|(of, ..)| *of == table).collect();
        let (table, key, row) = of_table[below(of_table.len())];
        let (mut new_key, mut value) = (key.clone(), row.value.to_vec());
        let bytes = if value.is_empty() { &mut new_key } else { &mut value };
        let (byte, bit) = (below(bytes.len()), below(8));
        bytes[byte] ^= 1 << bit;
        let mut batch = Batch::new();
        batch.delete(*table, key.clone(), Condition::Any);
        house.store.inner().commit(batch).await.unwrap();
        house.store.inner().tamper(*table, &new_key, Versioned { value: value.into(), ..row.clone() });
        assert!(!is_clean().await, "flip {n}: {table:?} byte {byte} bit {bit}");
        let mut batch = Batch::new();
        batch.delete(*table, new_key, Condition::Any);
        house.store.inner().commit(batch).await.unwrap();
        house.store.inner().tamper(*table, key, row.clone());
    }
    assert!(is_clean().await);
}

#[tokio::test]
async fn any_flipped_bit_of_the_anchor_is_found() {
    let house = full().await;
    let bytes = std::fs::read(house.anchor()).unwrap();
    for bit in 0..8 * bytes.len() {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(house.anchor(), changed).unwrap();
        let report = crate::verify(&house.records, &house.anchor()).await.unwrap();
        assert_eq!(report.findings, [crate::Finding::AnchorDamaged], "bit {bit}");
    }
}

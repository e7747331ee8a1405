//! Every promise of the book, on a store in memory and a real anchor file.

mod anchor;
mod damage;
mod epochs;
mod flips;
mod people;
mod reading;
mod sinks;
mod strokes;

use crate::{Action, Actor, Audit, AuditError, Begin, Note};
use model::{clock::MockClock, rng::SeededRng};
use records::Records;
use seal::{HeldKeys, Pseudonym};
use std::{path::PathBuf, sync::Arc, time::Duration};
use store::{
    Batch, Condition, Range, Store as _, TableId, Versioned, faulty::FaultyStore, memory::MemoryStore,
};

/// A vault's worth of what the book stands on.
struct House {
    store: Arc<FaultyStore<MemoryStore>>,
    records: Records,
    clock: MockClock,
    folder: Arc<tempfile::TempDir>,
}

impl House {
    fn new() -> Self {
        Self::on(MemoryStore::new(), Arc::new(tempfile::tempdir().unwrap()), 1)
    }

    fn on(store: MemoryStore, folder: Arc<tempfile::TempDir>, keys: u64) -> Self {
        let store = Arc::new(FaultyStore::new(store));
        let keys = Arc::new(HeldKeys::for_tests(keys));
        let records = Records::new(store.clone(), keys, Arc::new(SeededRng::new(7)));
        Self { store, records, clock: MockClock::at("2026-11-21T12:00:00Z"), folder }
    }

    fn anchor(&self) -> PathBuf {
        self.folder.path().join("anchor")
    }

    async fn open(&self) -> Result<Audit, AuditError> {
        Audit::open(self.records.clone(), self.anchor(), Arc::new(self.clock.clone())).await
    }

    /// What a crash at this moment leaves: the store as it is durable, the anchor file as it is, nothing else.
    fn crash(&self) -> Self {
        let next = Self::on(self.store.inner().snapshot(), self.folder.clone(), 1);
        next.clock.advance(Duration::from_mins(1));
        next
    }

    async fn row(&self, table: TableId, position: u64) -> Option<Versioned> {
        self.store.inner().get(table, &position.to_be_bytes()).await.unwrap()
    }

    fn put_row(&self, table: TableId, position: u64, row: Versioned) {
        self.store.inner().tamper(table, &position.to_be_bytes(), row);
    }

    async fn delete_row(&self, table: TableId, position: u64) {
        let mut batch = Batch::new();
        batch.delete(table, position.to_be_bytes().to_vec(), Condition::Any);
        self.store.inner().commit(batch).await.unwrap();
    }

    async fn rows(&self, table: TableId) -> usize {
        self.store.inner().scan(table, &Range::default(), 10_000).await.unwrap().len()
    }
}

fn person(n: u8) -> Pseudonym {
    Pseudonym::from_bytes([n; 32])
}

fn begin(n: u8) -> Begin {
    Begin::about(Action::OriginalDeletion, person(n), Actor::System)
}

fn note(n: u8) -> Note {
    Note::about(Action::Released, person(n), Actor::token("t1", "backend"))
}

/// Writes `count` notes, each in a commit of its own, and gives them their positions.
async fn write(house: &House, book: &Audit, count: u8) {
    for n in 0..count {
        let mut commit = house.records.commit();
        book.note(&mut commit, note(n));
        commit.submit().await.unwrap();
    }
    book.append_pending().await.unwrap();
}

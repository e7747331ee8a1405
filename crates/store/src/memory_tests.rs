//! The memory engine against the suite, and against a model that is too simple to be wrong.

use crate::{
    Batch, Condition, Range, Store, StoreError, TableId, Version, conformance::Subject, memory::MemoryStore,
};
use async_trait::async_trait;
use proptest::{collection::vec, prelude::*};
use std::sync::Arc;

#[derive(Default)]
struct InMemory(Option<Arc<MemoryStore>>);

#[async_trait]
impl Subject for InMemory {
    type Store = MemoryStore;

    async fn open(&mut self) -> Arc<MemoryStore> {
        self.0.take().unwrap_or_default()
    }

    async fn close(&mut self, store: Arc<MemoryStore>) {
        // Only what a snapshot holds outlives the stop.
        self.0 = Some(Arc::new(store.snapshot()));
    }
}

crate::conformance_tests!(InMemory::default());

#[tokio::test]
async fn a_snapshot_does_not_follow_the_store() {
    let store = MemoryStore::new();
    let snapshot = store.snapshot();
    let mut batch = Batch::new();
    batch.put(TableId(1), b"k".to_vec(), Condition::Absent, "v");
    store.commit(batch).await.unwrap();
    assert!(snapshot.dump().is_empty());
    assert_eq!(store.dump().len(), 1);
}

/// Rows in no order, looked through one by one.
#[derive(Default)]
struct Model {
    rows: Vec<(u8, Vec<u8>, u64, Vec<u8>)>,
    commits: u64,
}

#[derive(Debug, Clone)]
struct Step {
    table: u8,
    key: Vec<u8>,
    /// 0 absent, 1 any, 2 the current version, 3 a version of before.
    condition: u8,
    /// `None` deletes.
    value: Option<Vec<u8>>,
    write: bool,
}

impl Model {
    fn find(&self, table: u8, key: &[u8]) -> Option<&(u8, Vec<u8>, u64, Vec<u8>)> {
        self.rows.iter().find(|row| row.0 == table && row.1 == key)
    }

    fn condition(&self, step: &Step) -> Condition {
        let current = self.find(step.table, &step.key).map_or(1, |row| row.2);
        match step.condition {
            0 => Condition::Absent,
            1 => Condition::Any,
            2 => Condition::Version(Version(current)),
            _ => Condition::Version(Version(current - 1)),
        }
    }

    fn commit(&mut self, steps: &[Step]) -> Result<(), StoreError> {
        for (at, step) in steps.iter().enumerate() {
            if steps[..at].iter().any(|other| (other.table, &other.key) == (step.table, &step.key)) {
                return Err(StoreError::RepeatedKey);
            }
        }
        for step in steps {
            let row = self.find(step.table, &step.key);
            let holds = match step.condition {
                0 => row.is_none(),
                1 => true,
                2 => row.is_some(),
                _ => false,
            };
            if !holds {
                return Err(StoreError::Conflict);
            }
        }
        self.commits += 1;
        for step in steps.iter().filter(|step| step.write) {
            self.rows.retain(|row| (row.0, &row.1) != (step.table, &step.key));
            if let Some(value) = &step.value {
                self.rows.push((step.table, step.key.clone(), self.commits, value.clone()));
            }
        }
        Ok(())
    }

    fn scan(&self, table: u8, range: &Range, limit: usize) -> Vec<(Vec<u8>, u64, Vec<u8>)> {
        let mut found: Vec<_> = self
            .rows
            .iter()
            .filter(|row| row.0 == table && row.1.starts_with(&range.prefix))
            .filter(|row| range.after.as_ref().is_none_or(|after| row.1 > *after))
            .filter(|row| range.before.as_ref().is_none_or(|before| row.1 < *before))
            .map(|row| (row.1.clone(), row.2, row.3.clone()))
            .collect();
        found.sort();
        found.truncate(limit);
        found
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(0xff)], 0..3)
}

fn step() -> impl Strategy<Value = Step> {
    (1..3_u8, key(), 0..4_u8, proptest::option::of(vec(any::<u8>(), 0..3)), prop::bool::weighted(0.9))
        .prop_map(|(table, key, condition, value, write)| Step { table, key, condition, value, write })
}

fn range() -> impl Strategy<Value = (Range, usize)> {
    (key(), proptest::option::of(key()), proptest::option::of(key()), 0..6_usize)
        .prop_map(|(prefix, after, before, limit)| (Range { prefix, after, before }, limit))
}

proptest! {
    #[test]
    fn memory_and_the_model_agree(commits in vec(vec(step(), 1..4), 1..30), ranges in vec(range(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, mut model) = (MemoryStore::new(), Model::default());
            for steps in commits {
                let mut batch = Batch::new();
                for step in &steps {
                    let condition = model.condition(step);
                    match &step.value {
                        _ if !step.write => batch.require(TableId(step.table), step.key.clone(), condition),
                        Some(value) => {
                            batch.put(TableId(step.table), step.key.clone(), condition, value.clone());
                        }
                        None => batch.delete(TableId(step.table), step.key.clone(), condition),
                    }
                }
                let expected = model.commit(&steps).map(|()| Version(model.commits));
                prop_assert_eq!(store.commit(batch).await, expected);
                for (range, limit) in &ranges {
                    for table in [1, 2] {
                        let rows = store.scan(TableId(table), range, *limit).await.unwrap();
                        let rows: Vec<_> = rows
                            .into_iter()
                            .map(|r| (r.key.to_vec(), r.value.version.0, r.value.value.to_vec()))
                            .collect();
                        prop_assert_eq!(rows, model.scan(table, range, *limit));
                    }
                }
            }
            Ok(())
        })?;
    }
}

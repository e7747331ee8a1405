//! The suite of all engines, and random commits side by side with the memory engine.

use super::config;
use crate::SledStore;
use async_trait::async_trait;
use proptest::{collection::vec, prelude::*};
use std::sync::Arc;
use store::{Batch, Condition, Range, Store, TableId, Version, conformance::Subject, memory::MemoryStore};
use tempfile::TempDir;

struct OnDisk(TempDir);

impl OnDisk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Subject for OnDisk {
    type Store = SledStore;

    async fn open(&mut self) -> Arc<SledStore> {
        Arc::new(SledStore::open(config(self.0.path())).unwrap())
    }

    async fn close(&mut self, store: Arc<SledStore>) {
        store.close().await;
    }
}

store::conformance_tests!(OnDisk::new());

#[derive(Debug, Clone)]
struct Step {
    key: Vec<u8>,
    condition: u8,
    value: Option<Vec<u8>>,
    write: bool,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(0xff)], 0..4)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        (4090..13_000_usize, any::<u8>()).prop_map(|(n, byte)| vec![byte; n])
    ]
}

fn step() -> impl Strategy<Value = Step> {
    (key(), 0..4_u8, proptest::option::weighted(0.7, value()), prop::bool::weighted(0.9))
        .prop_map(|(key, condition, value, write)| Step { key, condition, value, write })
}

async fn batch(memory: &MemoryStore, steps: &[Step]) -> Batch {
    let table = TableId(3);
    let mut batch = Batch::new();
    for step in steps {
        let current = memory.get(table, &step.key).await.unwrap().map_or(Version(1), |row| row.version);
        let condition = match step.condition {
            0 => Condition::Absent,
            1 => Condition::Any,
            2 => Condition::Version(current),
            _ => Condition::Version(Version(current.0 - 1)),
        };
        match &step.value {
            _ if !step.write => batch.require(table, step.key.clone(), condition),
            Some(value) => batch.put(table, step.key.clone(), condition, value.clone()),
            None => batch.delete(table, step.key.clone(), condition),
        }
    }
    batch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn sled_and_memory_agree_on_everything_also_after_reopening(
        rounds in vec(vec(vec(step(), 1..5), 1..20), 1..3),
        range in (key(), proptest::option::of(key()), proptest::option::of(key()), 0..30_usize),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let memory = MemoryStore::new();
            let (prefix, after, before, limit) = range;
            let range = Range { prefix, after, before };
            for commits in rounds {
                let sled = SledStore::open(config(folder.path())).unwrap();
                for steps in commits {
                    let batch = batch(&memory, &steps).await;
                    prop_assert_eq!(sled.commit(batch.clone()).await, memory.commit(batch).await);
                    let all = Range::default();
                    prop_assert_eq!(
                        sled.scan(TableId(3), &all, 99).await, memory.scan(TableId(3), &all, 99).await
                    );
                    prop_assert_eq!(
                        sled.scan(TableId(3), &range, limit).await, memory.scan(TableId(3), &range, limit).await
                    );
                }
                sled.close().await;
            }
            Ok(())
        })?;
    }
}

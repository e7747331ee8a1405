//! Every promise of the desk, on a store in memory and a clock that stands still.

mod budget;
mod budget_peer;
mod budget_rates;
mod failures;
mod idempotency;
mod jobs;
mod nudges;
mod retrievals;
mod workers;

use crate::{JobKey, Kind, Lease, Queue, QueueConfig, QueueError, RetryPolicy};
use model::{Clock as _, Timestamp, clock::MockClock, rng::SeededRng};
use records::{Commit, Records};
use seal::HeldKeys;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use store::{faulty::FaultyStore, memory::MemoryStore};

const MINUTE: Duration = Duration::from_mins(1);

struct House {
    store: Arc<FaultyStore<MemoryStore>>,
    records: Records,
    clock: MockClock,
}

impl House {
    fn new() -> Self {
        Self::on(MemoryStore::new())
    }

    fn on(store: MemoryStore) -> Self {
        let store = Arc::new(FaultyStore::new(store));
        let keys = Arc::new(HeldKeys::for_tests(1));
        let records = Records::new(store.clone(), keys, Arc::new(SeededRng::new(7)));
        Self { store, records, clock: MockClock::at("2026-11-21T12:00:00Z") }
    }

    async fn open(&self, exclusive: bool) -> Queue {
        let config = QueueConfig { exclusive, retry: RetryPolicy::default() };
        Queue::open(self.records.clone(), Arc::new(self.clock.clone()), config).await.unwrap()
    }

    fn in_(&self, wait: Duration) -> Timestamp {
        self.clock.now() + wait
    }

    async fn schedule(&self, queue: &Queue, key: &JobKey, wait: Duration) {
        self.commit(async |commit| queue.schedule(commit, key, self.in_(wait), Value::Null).await)
            .await
            .unwrap();
    }

    async fn nudge(&self, queue: &Queue, key: &JobKey) {
        self.commit(async |commit| queue.nudge(commit, key).await.map(drop)).await.unwrap();
    }

    /// One commit, in which `fill` puts what it likes.
    async fn commit(
        &self,
        fill: impl AsyncFnOnce(&mut Commit) -> Result<(), QueueError>,
    ) -> Result<(), QueueError> {
        let mut commit = self.records.commit();
        fill(&mut commit).await?;
        Ok(commit.submit().await?)
    }
}

fn job(n: u64) -> JobKey {
    JobKey::new(Kind::Enrollment, &n)
}

async fn lease(queue: &Queue) -> Option<Lease> {
    queue.lease_due(&[Kind::Enrollment], MINUTE).await.unwrap()
}

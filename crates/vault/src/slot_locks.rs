//! One operation at a time on a slot: two puts at once, or a put and a burning, would leave a key without its content.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Locks = Arc<Mutex<HashMap<u32, Arc<AsyncMutex<()>>>>>;

/// The locks that somebody holds or waits for; others are not kept.
#[derive(Default)]
pub(crate) struct SlotLocks(Locks);

/// Holds a slot until it is dropped.
pub(crate) struct SlotGuard {
    locks: Locks,
    index: u32,
    guard: Option<OwnedMutexGuard<()>>,
}

impl SlotLocks {
    pub(crate) async fn hold(&self, index: u32) -> SlotGuard {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(index).or_default())
        };
        SlotGuard { locks: Arc::clone(&self.0), index, guard: Some(lock.lock_owned().await) }
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.guard.take());
        if locks.get(&self.index).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.index);
        }
    }
}

//! One fsync for everybody who wrote before it began.

use crate::error::VaultError;
use std::{
    fs::File,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Writers take a ticket after their write; a sync that begins later covers every ticket given until then.
#[derive(Debug, Default)]
pub(crate) struct SyncGroup {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    written: u64,
    synced: u64,
    running: bool,
    failed: bool,
}

impl SyncGroup {
    /// Says that a write is done. Call it after the write, never before.
    pub(crate) fn wrote(&self) -> u64 {
        let mut state = self.lock();
        state.written += 1;
        state.written
    }

    /// The ticket of the last write.
    pub(crate) fn latest(&self) -> u64 {
        self.lock().written
    }

    /// Waits until everything up to `ticket` is durable; the first to come does the sync for all.
    pub(crate) fn settle(&self, ticket: u64, file: &File) -> Result<(), VaultError> {
        let mut state = self.lock();
        loop {
            if state.failed {
                return Err(VaultError::Poisoned);
            }
            if state.synced >= ticket {
                return Ok(());
            }
            if !state.running {
                break;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.running = true;
        let covers = state.written;
        drop(state);
        let outcome = file.sync_data();
        let mut state = self.lock();
        state.running = false;
        match outcome {
            Ok(()) => state.synced = covers,
            // The kernel may have dropped the pages: a second sync would succeed without having written them.
            Err(_) => state.failed = true,
        }
        let failed = state.failed;
        drop(state);
        self.changed.notify_all();
        if failed { Err(VaultError::Poisoned) } else { Ok(()) }
    }

    /// After a failed write: nothing is trusted any more.
    pub(crate) fn poison(&self) -> VaultError {
        self.lock().failed = true;
        self.changed.notify_all();
        VaultError::Poisoned
    }

    /// Refuses once anything has failed.
    pub(crate) fn check(&self) -> Result<(), VaultError> {
        if self.lock().failed { Err(VaultError::Poisoned) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

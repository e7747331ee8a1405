//! One fsync for everybody who wrote before it began.

use crate::error::VaultError;
use std::{
    fs::File,
    io,
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
    #[cfg(test)]
    syncs: u64,
    /// How many syncs from now on one fails for a test; 0 for none.
    #[cfg(any(test, feature = "test-util"))]
    fails_in: u64,
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
        let outcome = self.may_sync().and_then(|()| file.sync_data());
        let mut state = self.lock();
        state.running = false;
        #[cfg(test)]
        {
            state.syncs += 1;
        }
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

    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn fail(&self, nth: u64) {
        self.lock().fails_in = nth;
    }

    #[cfg(any(test, feature = "test-util"))]
    fn may_sync(&self) -> io::Result<()> {
        let mut state = self.lock();
        let is_due = state.fails_in == 1;
        state.fails_in = state.fails_in.saturating_sub(1);
        if is_due { Err(io::Error::other("a planned fault")) } else { Ok(()) }
    }

    #[cfg(not(any(test, feature = "test-util")))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the same call as in tests, where it can fail"
    )]
    #[inline]
    fn may_sync(&self) -> io::Result<()> {
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sync_serves_everybody_who_wrote_before_it_and_nobody_who_writes_after() {
        let file = tempfile::tempfile().unwrap();
        let group = SyncGroup::default();
        let tickets: Vec<_> = (0..10).map(|_| group.wrote()).collect();
        for ticket in tickets {
            group.settle(ticket, &file).unwrap();
        }
        assert_eq!(group.lock().syncs, 1);
        let late = group.wrote();
        group.settle(late, &file).unwrap();
        assert_eq!(group.lock().syncs, 2);
    }

    #[test]
    fn after_a_failed_sync_nothing_is_believed_any_more() {
        // A pipe cannot be synced.
        let (_reader, writer) = std::io::pipe().unwrap();
        let broken = File::from(std::os::fd::OwnedFd::from(writer));
        let good = tempfile::tempfile().unwrap();
        let group = SyncGroup::default();
        let ticket = group.wrote();
        assert!(matches!(group.settle(ticket, &broken), Err(VaultError::Poisoned)));
        assert!(matches!(group.settle(ticket, &good), Err(VaultError::Poisoned)));
        let next = group.wrote();
        assert!(matches!(group.settle(next, &good), Err(VaultError::Poisoned)));
        assert!(matches!(group.check(), Err(VaultError::Poisoned)));
    }
}

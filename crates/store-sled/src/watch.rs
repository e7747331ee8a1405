//! A look now and then at a commit that does not come back.

use crate::shared::Shared;
use std::{
    sync::{
        Weak,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

const EVERY: Duration = Duration::from_secs(1);

/// Looks until `ended` is disconnected.
///
/// When a write fails in one of sled's own threads, that thread notes the error but does not always wake the thread that
/// waits in `flush()`. Another `flush()` finds the note, fails at once, and wakes the waiting one.
pub(crate) fn run(shared: &Weak<Shared>, ended: &Receiver<()>) {
    while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        let Some(shared) = shared.upgrade() else { return };
        if shared.busy_for().is_some_and(|busy| busy > EVERY)
            && let Some(db) = shared.db()
            && db.context.global_error().is_err()
        {
            // It fails, that is its purpose.
            let _error = db.flush();
        }
    }
}

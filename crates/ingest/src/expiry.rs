//! How long callbacks are kept: rows of judged ones, and bodies of those that could not be judged.

use crate::{
    Ingest, IngestError,
    inbox::{BY_STATE, CallbackState, INBOX},
};
use model::Timestamp;
use records::Key as _;
use std::time::Duration;
use store::Range;

/// After this a judged callback's row is removed, and the body of one that could not be judged is given up.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);
/// Rows that are removed in one run; what is left is for the next.
const MOST_PER_RUN: usize = 1000;
/// Rows that are removed in one commit.
const PER_COMMIT: usize = 100;

impl Ingest {
    /// What was received before this is no longer kept.
    pub(crate) fn inbox_horizon(&self) -> Timestamp {
        self.clock.now() - KEPT_FOR
    }

    /// Removes judged callbacks from before the horizon, oldest first. Whether there may be more.
    pub(crate) async fn expire_callbacks(&self) -> Result<bool, IngestError> {
        let mut left = MOST_PER_RUN;
        for state in [CallbackState::Settled, CallbackState::Foreign, CallbackState::Malformed] {
            let prefix = (state.number(),).encode();
            let before = Some((state.number(), self.inbox_horizon()).encode());
            let range = Range { prefix, after: None, before };
            while left > 0 {
                let keys = BY_STATE.scan(self.records(), &range, left.min(PER_COMMIT)).await?;
                if keys.is_empty() {
                    break;
                }
                left -= keys.len();
                let mut commit = self.records().commit();
                for key in keys {
                    if let Some(read) = INBOX.get(self.records(), &(key.2,)).await? {
                        commit.remove(&INBOX, &(key.2,), &read);
                    }
                    commit.unindex(&BY_STATE, &key);
                }
                commit.submit().await?;
            }
        }
        Ok(left == 0)
    }
}

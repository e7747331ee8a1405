//! How the batches stand: counted once, for `/metrics` and for `/v1/status`.

use reauth::Reauth;
use register::{BatchState, ItemState, Register, RegisterError};
use std::collections::BTreeMap;

/// Batches that are looked at.
const MOST_BATCHES: usize = 1000;

/// Batches by state, and the items of those that are not at their end.
#[derive(Debug, Default)]
pub(crate) struct BatchesSeen {
    by_state: BTreeMap<&'static str, u64>,
    items: BTreeMap<&'static str, u64>,
    /// Those that should go on and have not for five minutes.
    pub(crate) stalled: u64,
}

impl BatchesSeen {
    /// Looks at the first thousand.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub(crate) async fn look(register: &Register, reauth: &Reauth) -> Result<Self, RegisterError> {
        let mut seen = Self::default();
        for (id, read) in register.batches(None, MOST_BATCHES).await? {
            let state = read.value.state;
            *seen.by_state.entry(state.as_str()).or_default() += 1;
            if matches!(state, BatchState::Completed | BatchState::Cancelled) {
                continue;
            }
            for state in ItemState::ALL {
                *seen.items.entry(state.as_str()).or_default() += read.value.counts.of(*state);
            }
            seen.stalled += u64::from(reauth.batch(id).await.is_ok_and(|view| view.stalled));
        }
        Ok(seen)
    }

    /// How many are in this state.
    pub(crate) fn batches(&self, state: BatchState) -> u64 {
        self.by_state.get(state.as_str()).copied().unwrap_or(0)
    }

    /// How many items of those that are not at their end.
    pub(crate) fn items(&self, state: ItemState) -> u64 {
        self.items.get(state.as_str()).copied().unwrap_or(0)
    }
}

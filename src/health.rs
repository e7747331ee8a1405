//! Whether the service can do its work, and what is in its way.

use crate::shutdown::{Ending, Phase};
use std::sync::Arc;
use store::Store;

/// What `/readyz` asks.
pub(crate) struct Health {
    store: Arc<dyn Store>,
    ending: Ending,
}

impl Health {
    pub(crate) fn new(store: Arc<dyn Store>, ending: Ending) -> Self {
        Self { store, ending }
    }

    /// Whether work should be sent here.
    pub(crate) fn is_ready(&self) -> bool {
        self.store.trouble().is_none() && self.ending.phase() == Phase::Running
    }

    /// What is wrong, in words.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let mut troubles: Vec<String> =
            self.store.trouble().map(|error| error.to_string()).into_iter().collect();
        if self.ending.phase() > Phase::Running {
            troubles.push("the service is stopping".to_owned());
        }
        troubles
    }
}

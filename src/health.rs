//! Whether the service can do its work, and what is in its way.

use crate::{
    keys_watch::WatchedProvider,
    shutdown::{Ending, Phase},
};
use std::sync::Arc;
use store::Store;

/// What is in the way of a service that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// For programs: the code that a request gets which meets it.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) text: String,
}

/// What `/readyz` asks.
pub(crate) struct Health {
    store: Arc<dyn Store>,
    keys: Arc<WatchedProvider>,
    ending: Ending,
}

impl Health {
    pub(crate) fn new(store: Arc<dyn Store>, keys: Arc<WatchedProvider>, ending: Ending) -> Self {
        Self { store, keys, ending }
    }

    /// What keeps work from being done here, the gravest first.
    fn all(&self) -> Vec<Trouble> {
        let stopping = (self.ending.phase() > Phase::Running)
            .then(|| Trouble { reason: "stopping", text: "the service is stopping".to_owned() });
        let store = self.store.trouble();
        let store = store.map(|error| Trouble { reason: "store-unavailable", text: error.to_string() });
        let keys = self.keys.trouble().map(|text| Trouble { reason: "keys-unavailable", text });
        [stopping, store, keys].into_iter().flatten().collect()
    }

    /// What is looked at, and whether it works.
    pub(crate) fn parts(&self) -> [(&'static str, bool); 2] {
        [("store", self.store.trouble().is_none()), ("keys", self.keys.trouble().is_none())]
    }

    /// Why work should not be sent here, if so.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.all().first().map(|trouble| trouble.reason)
    }

    /// What is wrong, in words.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.all().into_iter().map(|trouble| trouble.text).collect()
    }
}

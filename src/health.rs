//! Whether the service can do its work, and what is in its way.

use crate::{
    keys_watch::WatchedProvider,
    shutdown::{Ending, Phase},
};
use std::sync::Arc;
use store::Store;
use vault::Vault;

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
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) keys: Arc<WatchedProvider>,
    pub(crate) ending: Ending,
    /// What must be free on the disk of the contents as well.
    pub(crate) min_free_bytes: u64,
}

impl Health {
    /// What keeps work from being done here, the gravest first.
    fn all(&self) -> Vec<Trouble> {
        let stopping = (self.ending.phase() > Phase::Running)
            .then(|| Trouble { reason: "stopping", text: "the service is stopping".to_owned() });
        let store = self.store.trouble();
        let store = store.map(|error| Trouble { reason: "store-unavailable", text: error.to_string() });
        let slots = self.vault.trouble();
        let slots =
            slots.map(|error| Trouble { reason: "store-unavailable", text: format!("slots: {error}") });
        let keys = self.keys.trouble().map(|text| Trouble { reason: "keys-unavailable", text });
        [stopping, store, slots, keys].into_iter().flatten().collect()
    }

    /// What is looked at, and whether it works.
    pub(crate) fn parts(&self) -> [(&'static str, bool); 3] {
        [
            ("store", self.store.trouble().is_none()),
            ("slots", self.vault.trouble().is_none()),
            ("keys", self.keys.trouble().is_none()),
        ]
    }

    /// Why work should not be sent here, if so.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.all().first().map(|trouble| trouble.reason)
    }

    /// What is wrong, in words.
    pub(crate) fn troubles(&self) -> Vec<String> {
        // Onboardings wait meanwhile, and nothing is lost: a full disk of the contents keeps nobody out.
        let contents = self.vault.contents_lack_space(self.min_free_bytes).then(|| {
            "contents: their disk has too little free space; free some, facemaps are stored then".to_owned()
        });
        self.all().into_iter().map(|trouble| trouble.text).chain(contents).collect()
    }
}

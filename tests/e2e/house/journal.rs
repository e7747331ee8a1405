//! What the simulated Jumio saw, in order.

use sandbox::{Endpoint, Entry, EntryKind, Running};
use std::time::SystemTime;

/// The journal at one moment.
pub(crate) struct Journal(pub(crate) Vec<Entry>);

impl Journal {
    pub(crate) fn of(sandbox: &Running) -> Self {
        let page = sandbox.control.journal(0);
        assert_eq!(page.dropped, 0, "the journal has lost its beginning");
        Self(page.entries)
    }

    /// Requests of the vault's that name a transaction, itself or as the enrollment of an authentication.
    pub(crate) fn about(&self, reference: &str) -> Vec<&Entry> {
        let names = |entry: &&Entry| {
            [&entry.note.reference, &entry.note.enrollment]
                .into_iter()
                .flatten()
                .any(|named| named == reference)
        };
        self.requests().filter(names).collect()
    }

    /// Every request of the vault's.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Entry> {
        let theirs = |entry: &&Entry| {
            entry.kind == EntryKind::Request && !matches!(entry.endpoint, Endpoint::Control | Endpoint::Page)
        };
        self.0.iter().filter(theirs)
    }

    /// The first request of a kind about a transaction that was answered so.
    pub(crate) fn first(&self, reference: &str, endpoint: Endpoint, status: u16) -> Option<&Entry> {
        self.about(reference)
            .into_iter()
            .find(|entry| entry.endpoint == endpoint && entry.note.status == Some(status))
    }

    /// Requests of a kind about a transaction, however they were answered.
    pub(crate) fn count(&self, reference: &str, endpoint: Endpoint) -> usize {
        self.about(reference).into_iter().filter(|entry| entry.endpoint == endpoint).count()
    }
}

/// A time of the journal.
pub(crate) fn at(entry: &Entry) -> SystemTime {
    entry.time.into()
}

/// A time of an answer's.
pub(crate) fn time(text: &str) -> SystemTime {
    let parsed: jiff::Timestamp = text.parse().unwrap();
    parsed.into()
}

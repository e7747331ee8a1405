//! The journal: what came in, what was answered or refused and why, which callbacks went out and what came back.
//!
//! Entries are only appended. Facemaps appear as SHA-256 digests, never as bytes; personal fields, tokens and
//! credentials never.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::endpoint::Endpoint;

/// Most entries kept; the oldest make room and are counted in `dropped`.
pub(crate) const MAX_ENTRIES: usize = 20_000;

/// What an entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EntryKind {
    /// A request that arrived, with its answer. Written once the request was processed.
    Request,
    /// A transaction became final: by a person, by control, by time or by supersession.
    Outcome,
    /// A callback is about to be sent, or is not sent and why.
    CallbackSent,
    /// What the receiver answered, or how sending failed.
    CallbackAnswered,
}

/// One line of the journal. Absent fields are left out of the JSON.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Entry {
    /// Position, from 1; never reused, not even when the journal is cleared.
    pub seq: u64,
    /// The sandbox's time.
    pub time: Timestamp,
    /// What the entry tells of.
    pub kind: EntryKind,
    /// Which endpoint it is about.
    pub endpoint: Endpoint,
    /// Everything else.
    #[serde(flatten)]
    pub note: Note,
}

/// The details of an entry, as far as they apply.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Note {
    /// The transaction's reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// For authentications: the original verification's reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment: Option<String>,
    /// The status that was answered, or that the receiver of a callback answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// SHA-256 of the facemap that was served or posted, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facemap_digest: Option<String>,
    /// Why a request was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The fault that acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The outcome or result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// For callbacks: the type. For others: a word more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// For `callback-answered`: the `seq` of its `callback-sent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// For callbacks: why it was not sent or got no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Some entries, and where to go on.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JournalPage {
    /// The entries after the asked position, oldest first.
    pub entries: Vec<Entry>,
    /// Ask with `after` = this for what comes next.
    pub next: u64,
    /// How many entries were dropped in all because the journal is capped.
    pub dropped: u64,
}

#[derive(Default)]
pub(crate) struct Journal {
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    entries: VecDeque<Entry>,
    last: u64,
    dropped: u64,
}

impl Journal {
    /// Appends an entry and returns its position.
    pub(crate) fn write(&self, time: Timestamp, kind: EntryKind, endpoint: Endpoint, note: Note) -> u64 {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.last += 1;
        let seq = book.last;
        if book.entries.len() >= MAX_ENTRIES {
            book.entries.pop_front();
            book.dropped += 1;
        }
        book.entries.push_back(Entry { seq, time, kind, endpoint, note });
        seq
    }

    /// What was written after position `after`.
    pub(crate) fn after(&self, after: u64) -> JournalPage {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let entries: Vec<Entry> = book.entries.iter().filter(|entry| entry.seq > after).cloned().collect();
        JournalPage { entries, next: book.last, dropped: book.dropped }
    }

    /// Forgets all entries; positions go on.
    pub(crate) fn clear(&self) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.entries.clear();
        book.dropped = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_capped_and_says_how_much_it_dropped() {
        let journal = Journal::default();
        for _ in 0..MAX_ENTRIES + 5 {
            journal.write(Timestamp::UNIX_EPOCH, EntryKind::Request, Endpoint::Page, Note::default());
        }
        let page = journal.after(0);
        assert_eq!((page.entries.len(), page.dropped), (MAX_ENTRIES, 5));
        assert_eq!(page.entries[0].seq, 6);
        journal.clear();
        assert_eq!(
            journal.write(Timestamp::UNIX_EPOCH, EntryKind::Request, Endpoint::Page, Note::default()),
            page.next + 1
        );
    }
}

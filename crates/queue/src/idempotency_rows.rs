//! Requests with keys as they rest.

use model::Timestamp;
use records::{Commit, EnrollmentKey, Index, KeyPart, Record, Table, tables};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

pub(crate) static REQUESTS: Table<(RequestId,), Row> = Table::new(tables::IDEMPOTENCY, "idempotency");
pub(crate) static BY_TIME: Index<(Timestamp, RequestId)> = Index::new(tables::IDEMPOTENCY_BY_TIME);
pub(crate) static BY_ENROLLMENT: Index<(EnrollmentKey, RequestId)> =
    Index::new(tables::IDEMPOTENCY_BY_ENROLLMENT);

/// A request by the keyed hash of who asks, where, and with which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub(crate) [u8; 32]);

impl KeyPart for RequestId {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let (head, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(Self(*head))
    }
}

/// What rests of a request: neither its key nor its body, only keyed hashes of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) state: State,
    /// Of the body and what belongs to it; `None` once forgotten.
    pub(crate) digest: Option<String>,
    pub(crate) expires_at: Timestamp,
    /// The enrollments that the answer names.
    pub(crate) about: Vec<EnrollmentKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Running {
        process: u64,
        since: Timestamp,
    },
    Answered {
        answer: String,
    },
    /// Carried out, and the answer was not kept.
    Done {
        status: u16,
    },
    /// Somebody whom the answer named was purged.
    Forgotten,
}

/// Writes a row and moves its rows in the indexes. A commit may name a row once, so one that stays is left alone.
pub(crate) fn put(commit: &mut Commit, id: RequestId, read: Option<&Record<Row>>, row: &Row) {
    let old = read.map(|read| &read.value);
    if old.map(|old| old.expires_at) != Some(row.expires_at) {
        if let Some(old) = old {
            commit.unindex(&BY_TIME, &(old.expires_at, id));
        }
        commit.index(&BY_TIME, &(row.expires_at, id));
    }
    let before: HashSet<EnrollmentKey> = old.into_iter().flat_map(|old| old.about.iter().copied()).collect();
    let after: HashSet<EnrollmentKey> = row.about.iter().copied().collect();
    for gone in before.difference(&after) {
        commit.unindex(&BY_ENROLLMENT, &(*gone, id));
    }
    for new in after.difference(&before) {
        commit.index(&BY_ENROLLMENT, &(*new, id));
    }
    commit.upsert(&REQUESTS, &(id,), read, row);
}

pub(crate) fn remove(commit: &mut Commit, id: RequestId, read: &Record<Row>) {
    commit.unindex(&BY_TIME, &(read.value.expires_at, id));
    let about: HashSet<EnrollmentKey> = read.value.about.iter().copied().collect();
    for enrollment in about {
        commit.unindex(&BY_ENROLLMENT, &(enrollment, id));
    }
    commit.remove(&REQUESTS, &(id,), read);
}

//! What the simulated Jumio saw, in order: the story's witness.

use sandbox::{Endpoint, Entry, EntryKind, Running};

/// Requests about a transaction, in the order in which they arrived: endpoint and status.
pub(super) fn requests(sandbox: &Running, reference: &str) -> Vec<(Endpoint, u16)> {
    about(sandbox, reference)
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::Request)
        .map(|entry| (entry.endpoint, entry.note.status.unwrap_or_default()))
        .collect()
}

/// Requests of a kind that name an enrollment.
pub(super) fn count(sandbox: &Running, endpoint: Endpoint, enrollment: &str) -> usize {
    let entries = sandbox.control.journal(0).entries;
    let is_one = |entry: &&Entry| {
        entry.kind == EntryKind::Request
            && entry.endpoint == endpoint
            && entry.note.enrollment.as_deref() == Some(enrollment)
            && entry.note.status == Some(200)
    };
    entries.iter().filter(is_one).count()
}

/// The place in the journal of the first such request with this status.
pub(super) fn position(sandbox: &Running, reference: &str, endpoint: Endpoint, status: u16) -> Option<u64> {
    about(sandbox, reference)
        .into_iter()
        .find(|entry| {
            entry.kind == EntryKind::Request
                && entry.endpoint == endpoint
                && entry.note.status == Some(status)
        })
        .map(|entry| entry.seq)
}

fn about(sandbox: &Running, reference: &str) -> Vec<Entry> {
    let entries = sandbox.control.journal(0).entries;
    let is_about = |entry: &Entry| {
        entry.note.reference.as_deref() == Some(reference)
            || entry.note.enrollment.as_deref() == Some(reference)
    };
    entries.into_iter().filter(is_about).collect()
}

/// Authentications against an enrollment that were deleted at Jumio.
pub(super) fn deletions(sandbox: &Running, enrollment: &str) -> usize {
    let entries = sandbox.control.journal(0).entries;
    let initiated: Vec<_> = entries
        .iter()
        .filter(|entry| entry.note.enrollment.as_deref() == Some(enrollment))
        .filter_map(|entry| entry.note.reference.clone())
        .collect();
    let is_one = |entry: &&Entry| {
        entry.endpoint == Endpoint::DeleteAuthentication
            && entry.note.status == Some(200)
            && entry.note.reference.as_ref().is_some_and(|reference| initiated.contains(reference))
    };
    entries.iter().filter(is_one).count()
}

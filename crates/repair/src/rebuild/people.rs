//! The rows that slots and contents stand for, and which of a user's enrollments is the current one.

use super::plan::Kept;
use model::{EnrollmentOrigin, EnrollmentState, Timestamp};
use records::{EnrollmentKey, Records, UserKey};
use register::{EnrollmentPrivate, EnrollmentRow};
use std::collections::HashMap;
use vault::SlotStatus;

/// An enrollment as it is to be written.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) key: EnrollmentKey,
    pub(crate) row: EnrollmentRow,
    pub(crate) private: EnrollmentPrivate,
}

/// The enrollment that a whole facemap stands for.
///
/// The state follows from the slot: live, and Jumio's original gone, is `ready`; everything else that is whole is
/// `vaulted` and has to be released again, because nobody knows whether it was. A prepared slot is made live by the next
/// start, once its record is there (§3.6).
pub(crate) fn from_slot(records: &Records, kept: &Kept, now: Timestamp) -> Person {
    let view = &kept.view;
    let key = records.enrollment_key(&kept.found.reference);
    let note = kept.note.as_ref();
    let user = note.map(|note| records.user_key(&note.user_reference));
    let is_ready = view.status == SlotStatus::Live && view.original_deleted && user.is_some();
    let state = if is_ready { EnrollmentState::Ready } else { EnrollmentState::Vaulted };
    let origin = note.map_or(EnrollmentOrigin::Announced, |note| note.origin);
    let mut row = EnrollmentRow::new(state, origin, now, view.slot, user);
    row.created_at = note.map_or(view.prepared_at, |note| note.created_at);
    row.facemap_bytes = Some(kept.found.contents.bytes);
    row.vaulted_at = Some(view.prepared_at);
    if is_ready {
        row.released_at = Some(view.prepared_at);
        row.original_deleted_at = Some(view.prepared_at);
    }
    row.hold = view.hold;
    // When it was last used is lost. Counted from now on, nobody who came back every day is destroyed for idleness.
    row.last_used_at = is_ready.then_some(now);
    let private = EnrollmentPrivate {
        reference: kept.found.reference,
        user_reference: note.map(|note| note.user_reference.clone()),
        customer_internal_reference: note.and_then(|note| note.customer_internal_reference.clone()),
        contents: Some(kept.found.contents),
        replaced_by: None,
        attestation: None,
    };
    Person { key, row, private }
}

/// What a backup knows of the same enrollment is taken over, as far as it does not contradict slot and content.
pub(crate) fn enrich(person: &mut Person, known: EnrollmentRow, private: EnrollmentPrivate, now: Timestamp) {
    let made = &person.row;
    let mut row = EnrollmentRow {
        hold: made.hold,
        slot: made.slot,
        facemap_bytes: made.facemap_bytes,
        vaulted_at: known.vaulted_at.or(made.vaulted_at),
        ..known
    };
    match (row.state, made.state) {
        // Since the backup the original was deleted at Jumio.
        (EnrollmentState::Vaulted, EnrollmentState::Ready) => {
            row.enter(EnrollmentState::Ready, now);
            row.released_at = row.released_at.or(made.released_at);
            row.original_deleted_at = row.original_deleted_at.or(made.original_deleted_at);
        }
        (EnrollmentState::Vaulted | EnrollmentState::Ready, _) => {}
        // Since the backup the facemap came.
        _ => row.enter(made.state, now),
    }
    // The slot says it, whatever the backup says.
    if made.state != EnrollmentState::Ready && row.state == EnrollmentState::Ready {
        row.enter(EnrollmentState::Vaulted, now);
    }
    row.trouble = None;
    let contents = person.private.contents;
    let user_reference = person.private.user_reference.take().or(private.user_reference);
    row.user = made.user.or(row.user);
    person.private = EnrollmentPrivate { contents, user_reference, ..private };
    person.row = row;
}

/// Of each user the current enrollment: ready, not replaced, and the first that got so (§3.15).
#[derive(Debug, Default)]
pub(crate) struct Currents(HashMap<UserKey, (Timestamp, u64, EnrollmentKey)>);

impl Currents {
    /// Looks at an enrollment.
    pub(crate) fn see(&mut self, person: &Person, is_replaced: bool) {
        let Some(user) = person.row.user else { return };
        if person.row.state != EnrollmentState::Ready || is_replaced {
            return;
        }
        let candidate = (person.row.created_at, person.row.slot.generation, person.key);
        let best = self.0.entry(user).or_insert(candidate);
        if (candidate.0, candidate.1) < (best.0, best.1) {
            *best = candidate;
        }
    }

    /// The current enrollment of a user.
    pub(crate) fn of(&self, user: UserKey) -> Option<EnrollmentKey> {
        self.0.get(&user).map(|(_, _, key)| *key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (UserKey, EnrollmentKey)> {
        self.0.iter().map(|(user, (_, _, key))| (*user, *key))
    }
}

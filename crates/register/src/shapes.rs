//! How the register's rows hang together: what a walk over the whole store holds them against.

use crate::{
    AuthenticationRow, EnrollmentRow, ItemRow, LinkRow, UnnamedRow, UserRow, WindowRow, WindowState,
    attempts, authentication as authentications, batch, enrollment as enrollments, identity, link, recovery,
    unnamed, user, window,
};
use model::{AuthenticationId, BatchId, EnrollmentState, LinkId};
use records::{EnrollmentKey, Shape, SlotMark, Ties, TransactionKey, UserKey, tables};
use vault::SlotRef;

/// The shapes of the register's tables.
#[must_use]
pub fn shapes() -> Vec<Shape> {
    vec![
        Shape::table(&identity::IDENTITY, |_, _| Ties::none()),
        Shape::table(&recovery::RECOVERY, |_, _| Ties::none()),
        Shape::table(&enrollments::ENROLLMENTS, enrollment_ties),
        Shape::index(&enrollments::BY_USER, "enrollments-by-user", |key| {
            Ties::none().leads_to(tables::ENROLLMENTS, &(key.2,))
        }),
        Shape::index(&enrollments::BY_STATE, "enrollments-by-state", |key| {
            Ties::none().leads_to(tables::ENROLLMENTS, &(key.2,))
        }),
        Shape::table(&user::USERS, user_ties),
        Shape::table(&authentications::AUTHENTICATIONS, authentication_ties),
        Shape::table(&authentications::BY_TRANSACTION, |_: &(TransactionKey,), id: &AuthenticationId| {
            Ties::none().leads_to(tables::AUTHENTICATIONS, &(*id,))
        }),
        Shape::index(&authentications::BY_ENROLLMENT, "authentications-by-enrollment", |key| {
            Ties::none().leads_to(tables::AUTHENTICATIONS, &(key.2,))
        }),
        Shape::index(&authentications::BY_USER, "authentications-by-user", |key| {
            Ties::none().leads_to(tables::AUTHENTICATIONS, &(key.2,))
        }),
        Shape::index(&authentications::BY_STATE, "authentications-by-state", |key| {
            Ties::none().leads_to(tables::AUTHENTICATIONS, &(key.2,))
        }),
        Shape::table(&window::WINDOWS, window_ties),
        Shape::table(&link::LINKS, link_ties),
        Shape::index(&link::BY_USER, "links-by-user", |key| Ties::none().leads_to(tables::LINKS, &(key.2,))),
        Shape::index(&link::BY_ENROLLMENT, "links-by-enrollment", |key| {
            Ties::none().leads_to(tables::LINKS, &(key.2,))
        }),
        Shape::table(&attempts::ATTEMPTS, |_, _| Ties::none()),
        Shape::table(&unnamed::UNNAMED, |_, row: &UnnamedRow| {
            Ties::none().needs(tables::ERASURES, &(row.enrollment,))
        }),
        Shape::table(&batch::BATCHES, |_, _| Ties::none()),
        Shape::table(&batch::ITEMS, item_ties),
        Shape::index(&batch::BY_STATE, "batch-items-by-state", |key: &(BatchId, u8, u64)| {
            Ties::none().leads_to(tables::BATCH_ITEMS, &(key.0, key.2))
        }),
        Shape::index(&batch::CHANGED, "batch-items-changed", |key| {
            Ties::none().needs(tables::BATCH_ITEMS, key)
        }),
        Shape::index(&batch::BY_ENROLLMENT, "batch-items-by-enrollment", |key| {
            Ties::none().leads_to(tables::BATCH_ITEMS, &(key.1, key.2))
        }),
    ]
}

fn mark(slot: SlotRef) -> SlotMark {
    (slot.index, slot.generation, *slot.facemap.as_bytes())
}

fn enrollment_ties(key: &(EnrollmentKey,), row: &EnrollmentRow) -> Ties {
    let (key,) = *key;
    let mut ties = Ties::none().indexed(tables::ENROLLMENTS_BY_STATE, &row.state_key(key));
    // A tombstone's slot is burnt, and may be somebody else's by now.
    if !matches!(row.state, EnrollmentState::Purging | EnrollmentState::Purged) {
        ties = ties.slot(mark(row.slot));
    }
    if let Some(user) = row.user_key(key) {
        ties = ties.indexed(tables::ENROLLMENTS_BY_USER, &user);
    }
    for other in [row.replaces, row.replaced_by].into_iter().flatten() {
        ties = ties.needs(tables::ENROLLMENTS, &(other,));
    }
    ties
}

fn user_ties(_: &(UserKey,), row: &UserRow) -> Ties {
    [row.current, row.claimed]
        .into_iter()
        .flatten()
        .fold(Ties::none(), |ties, key| ties.needs(tables::ENROLLMENTS, &(key,)))
}

fn authentication_ties(key: &(AuthenticationId,), row: &AuthenticationRow) -> Ties {
    let (id,) = *key;
    let mut ties = Ties::none()
        .indexed(tables::AUTHENTICATIONS_BY_STATE, &row.state_key(id))
        .indexed(tables::AUTHENTICATIONS_BY_USER, &(row.user, row.created_at, id))
        .indexed(tables::AUTHENTICATIONS_BY_ENROLLMENT, &(row.enrollment, row.created_at, id))
        .needs(tables::ENROLLMENTS, &(row.enrollment,));
    if let Some(transaction) = row.transaction {
        ties = ties.indexed(tables::AUTHENTICATIONS_BY_TRANSACTION, &(transaction,));
    }
    ties
}

fn link_ties(key: &(LinkId,), row: &LinkRow) -> Ties {
    let (id,) = *key;
    Ties::none()
        .indexed(tables::LINKS_BY_USER, &(row.user, row.created_at, id))
        .indexed(tables::LINKS_BY_ENROLLMENT, &(row.enrollment, row.created_at, id))
        .needs(tables::ENROLLMENTS, &(row.enrollment,))
}

fn item_ties(key: &(BatchId, u64), row: &ItemRow) -> Ties {
    let (id, number) = *key;
    let ties = Ties::none()
        .indexed(tables::BATCH_ITEMS_BY_STATE, &(id, batch::state_number(row.state), number))
        .needs(tables::BATCHES, &(id,));
    match row.enrollment {
        Some(enrollment) => ties
            .indexed(tables::BATCH_ITEMS_BY_ENROLLMENT, &(enrollment, id, number))
            .needs(tables::ENROLLMENTS, &(enrollment,)),
        None => ties,
    }
}

fn window_ties(key: &(EnrollmentKey,), row: &WindowRow) -> Ties {
    let ties = Ties::none().needs(tables::ENROLLMENTS, key);
    match row.state {
        // A claim comes before its authentication is written.
        WindowState::Free | WindowState::Claimed { .. } => ties,
        WindowState::Posting { by, .. }
        | WindowState::Initiated { by, .. }
        | WindowState::Unknown { by, .. } => ties.needs(tables::AUTHENTICATIONS, &(by,)),
    }
}

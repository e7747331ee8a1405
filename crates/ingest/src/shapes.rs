//! How the inbox's rows hang together: what a walk over the whole store holds them against.

use crate::inbox::{BY_STATE, Bytes, EPOCHS, EpochRow, INBOX, InboxRow, PARTS};
use model::CallbackId;
use records::{Shape, Ties, tables};

/// The shapes of the inbox's tables.
#[must_use]
pub fn shapes() -> Vec<Shape> {
    vec![
        Shape::table(&INBOX, inbox_ties),
        Shape::index(&BY_STATE, "inbox-by-state", |key| Ties::none().leads_to(tables::INBOX, &(key.2,))),
        Shape::table(&PARTS, |key: &(CallbackId, u64), _: &Bytes| {
            Ties::none().leads_to(tables::INBOX, &(key.0,))
        }),
        Shape::table(&EPOCHS, |_: &(u64,), row: &EpochRow| {
            let slot = row.slot;
            Ties::none().slot((slot.index, slot.generation, *slot.facemap.as_bytes()))
        }),
    ]
}

fn inbox_ties(key: &(CallbackId,), row: &InboxRow) -> Ties {
    let (id,) = *key;
    let mut ties = Ties::none().indexed(tables::INBOX_BY_STATE, &(row.state.number(), row.received_at, id));
    for part in 0..row.parts {
        ties = ties.indexed(tables::INBOX_PARTS, &(id, part));
    }
    if row.body.is_some() {
        ties = ties.needs(tables::INBOX_EPOCHS, &(row.epoch,));
    }
    ties
}

//! How the outbox's rows hang together: what a walk over the whole store holds them against.

use crate::row::{BY_ORDER, BY_STATE, DUE, EVENTS, EventRow, HEAD, PENDING};
use records::{Shape, Ties, tables};

/// The shapes of the outbox's tables.
#[must_use]
pub fn shapes() -> Vec<Shape> {
    vec![
        Shape::table(&PENDING, |_, _| Ties::none()),
        Shape::table(&EVENTS, |key: &(u64,), row| event_ties(key.0, row)),
        Shape::table(&HEAD, |_, _| Ties::none()),
        Shape::index(&DUE, "events-due", |key| Ties::none().leads_to(tables::EVENTS, &(key.1,))),
        Shape::index(&BY_STATE, "events-by-state", |key| Ties::none().leads_to(tables::EVENTS, &(key.1,))),
        Shape::index(&BY_ORDER, "events-by-order", |key| Ties::none().leads_to(tables::EVENTS, &(key.2,))),
    ]
}

/// An event needs no slot: that of whom it is about may be burnt, and then it is told to nobody.
fn event_ties(place: u64, row: &EventRow) -> Ties {
    let mut ties = Ties::none();
    if let Some(due) = row.due {
        ties = ties.indexed(tables::EVENTS_DUE, &(due, place));
    }
    if let Some(number) = row.state.number() {
        ties = ties.indexed(tables::EVENTS_BY_STATE, &(number, place));
    }
    if let Some(order) = row.told.order {
        ties = ties.indexed(tables::EVENTS_BY_ORDER, &(order.0, row.lane(), place));
    }
    ties
}

//! The book's tables, for a walk over the whole store. What hangs together in the chain is [`crate::verify`]'s to check.

use crate::{
    book::PENDING,
    chain::{BY_SUBJECT, CHAIN, HEAD, OPEN},
    sink::CURSORS,
};
use records::{Shape, Ties};

/// The shapes of the book's tables.
#[must_use]
pub fn shapes() -> Vec<Shape> {
    vec![
        Shape::table(&CHAIN, |_, _| Ties::none()),
        Shape::table(&HEAD, |_, _| Ties::none()),
        Shape::table(&PENDING, |_, _| Ties::none()),
        Shape::table(&OPEN, |_, _| Ties::none()),
        Shape::table(&CURSORS, |_, _| Ties::none()),
        Shape::index(&BY_SUBJECT, "audit-by-subject", |_| Ties::none()),
    ]
}

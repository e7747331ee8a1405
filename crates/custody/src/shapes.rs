//! How custody's rows hang together: what a walk over the whole store holds them against. Every table of this room is
//! here; one that is not is told of as unknown.

use crate::{hold, keys, purge, retention};
use records::{EnrollmentKey, Shape, Ties, tables};

/// The shapes of custody's tables.
#[must_use]
pub fn shapes() -> Vec<Shape> {
    let mut shapes = purge::shapes();
    shapes.push(Shape::table(&hold::HOLDS, |key: &(EnrollmentKey,), _| {
        Ties::none().needs(tables::ENROLLMENTS, key)
    }));
    shapes.push(retention::shape());
    shapes.push(keys::shape());
    shapes
}

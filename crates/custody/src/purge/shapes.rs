//! How the rows of purges hang together.

use super::{
    many::{ITEMS, PURGES, PurgeId},
    row::{ERASURES, ErasureRow, REMOTE, RemoteKey},
};
use records::{EnrollmentKey, Shape, Ties, tables};

/// The shapes of the tables of purges.
pub(crate) fn shapes() -> Vec<Shape> {
    vec![
        Shape::table(&PURGES, |_, _| Ties::none()),
        Shape::table(&ITEMS, |key: &(PurgeId, EnrollmentKey), _| {
            Ties::none().needs(tables::PURGES, &(key.0,))
        }),
        Shape::table(&ERASURES, |key: &(EnrollmentKey,), row: &ErasureRow| {
            let ties = Ties::none().needs(tables::ENROLLMENTS, key);
            match row.remote_slot.filter(|_| row.jumio.left > 0) {
                Some(slot) => ties.slot((slot.index, slot.generation, *slot.facemap.as_bytes())),
                None => ties,
            }
        }),
        Shape::table(&REMOTE, |key: &RemoteKey, _| Ties::none().needs(tables::ERASURES, &(key.0,))),
    ]
}

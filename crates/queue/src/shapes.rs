//! How the queue's rows hang together: what a walk over the whole store holds them against.

use crate::{
    JobKey,
    budget_rows::{HEAD, SENT},
    dead::DEAD,
    idempotency_rows::{self as idempotency, BY_ENROLLMENT, BY_TIME, REQUESTS},
    job::{DUE, JOBS, Job},
    key::DueKey,
};
use records::{EnrollmentKey, Shape, Ties, tables};
use std::collections::BTreeSet;

/// The shapes of the queue's tables.
#[must_use]
pub fn shapes() -> Vec<Shape> {
    vec![
        Shape::table(&JOBS, |key: &JobKey, job: &Job| {
            Ties::none().indexed(tables::JOBS_DUE, &DueKey::new(key, job.takeable_at()))
        }),
        Shape::index(&DUE, "jobs-due", |key: &DueKey| Ties::none().leads_to(tables::JOBS, &key.job())),
        Shape::table(&DEAD, |_, _| Ties::none()),
        Shape::index(&SENT, "budget", |_| Ties::none()),
        Shape::table(&HEAD, |_, _| Ties::none()),
        Shape::table(&REQUESTS, |key: &(idempotency::RequestId,), row: &idempotency::Row| {
            let ties = Ties::none().indexed(tables::IDEMPOTENCY_BY_TIME, &(row.expires_at, key.0));
            let about: BTreeSet<EnrollmentKey> = row.about.iter().copied().collect();
            about
                .into_iter()
                .fold(ties, |ties, one| ties.indexed(tables::IDEMPOTENCY_BY_ENROLLMENT, &(one, key.0)))
        }),
        Shape::index(&BY_TIME, "idempotency-by-time", |key| {
            Ties::none().leads_to(tables::IDEMPOTENCY, &(key.1,))
        }),
        Shape::index(&BY_ENROLLMENT, "idempotency-by-enrollment", |key| {
            Ties::none().leads_to(tables::IDEMPOTENCY, &(key.1,))
        }),
    ]
}

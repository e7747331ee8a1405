//! Names in paths. What has another form cannot be anybody's: it is not found, rather than wrong.

use super::problem::Problem;
use actix_web::http::StatusCode;
use model::{EnrollmentRef, UserReference};

/// Jumio's reference of an enrollment.
pub(crate) fn enrollment(reference: &str) -> Result<EnrollmentRef, Problem> {
    reference.parse().map_err(|_| {
        let detail = "No enrollment has a reference of this form.";
        Problem::new(StatusCode::NOT_FOUND, "unknown-enrollment", detail)
    })
}

/// The company's reference of a user.
pub(crate) fn user(reference: &str) -> Result<UserReference, Problem> {
    reference.parse().map_err(|_| {
        let detail = "No user has a reference of this form.";
        Problem::new(StatusCode::NOT_FOUND, "unknown-user", detail)
    })
}

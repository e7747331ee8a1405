//! `/v1/enrollments/{ref}/hold`: no purge and no retention meanwhile.

use super::openapi::words;
use super::{
    body::{self, Body},
    caller::Admin,
    path,
    private::Private,
    problem::Problem,
};
use actix_web::{HttpRequest, HttpResponse, web};
use custody::{CaseReference, HoldOrder};
use model::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

/// The body of a hold.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    /// The company's number of the case.
    #[schema(value_type = words::CaseReference)]
    case_reference: CaseReference,
    /// When it ends by itself; when somebody ends it if not given.
    #[schema(value_type = Option<words::Time>)]
    until: Option<Timestamp>,
}

/// Holds an enrollment, or changes the hold that is on it.
pub(crate) async fn set(
    request: HttpRequest,
    caller: Admin,
    reference: web::Path<String>,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let reference = path::enrollment(&reference)?;
    let Wanted { case_reference, until } = body::json(&request, &body)?;
    let order = HoldOrder { case_reference, until, actor: caller.actor() };
    Ok(HttpResponse::Ok().json(private.custody.hold(&reference, order).await?))
}

/// Ends a hold; where there is none, nothing happens.
pub(crate) async fn release(
    caller: Admin,
    reference: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    private.custody.release_hold(&path::enrollment(&reference)?, caller.actor()).await?;
    Ok(HttpResponse::NoContent().finish())
}

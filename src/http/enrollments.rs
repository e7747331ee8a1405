//! `/v1/enrollments`: announcing, looking up, releasing. Never the facemap.

use super::openapi::words;
use super::{
    body::{self, Body},
    caller::App,
    cursor, path,
    private::Private,
    problem::Problem,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use model::{EnrollmentRef, EnrollmentState, UserReference};
use register::EnrollmentFilter;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// The body of `POST /v1/enrollments`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Announcement {
    /// Jumio's reference of the transaction.
    #[schema(value_type = words::EnrollmentReference)]
    transaction_reference: EnrollmentRef,
    /// Whose it is.
    #[schema(value_type = words::UserReference)]
    user_reference: UserReference,
}

/// The body of a release.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wish {
    /// The enrollment whose place this one takes.
    #[schema(value_type = Option<words::EnrollmentReference>)]
    replaces: Option<EnrollmentRef>,
}

/// The query of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Of this user alone.
    #[param(value_type = Option<words::UserReference>)]
    user_reference: Option<UserReference>,
    /// In this state alone.
    #[param(value_type = Option<words::EnrollmentState>)]
    state: Option<EnrollmentState>,
    /// Where the page before ended: its `nextCursor`.
    #[param(value_type = Option<words::PageCursor>)]
    cursor: Option<String>,
    /// How many on a page.
    #[param(value_type = Option<words::PageSize>)]
    limit: Option<usize>,
}

/// Announces a transaction that was started elsewhere, or whose callback never came.
pub(crate) async fn announce(
    request: HttpRequest,
    caller: App,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let Announcement { transaction_reference, user_reference } = body::json(&request, &body)?;
    let view = private.ingest.announce(transaction_reference, &user_reference, caller.actor()).await?;
    Ok(HttpResponse::Accepted().json(view))
}

/// One enrollment.
pub(crate) async fn get(
    _caller: App,
    reference: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let view = private.ingest.get(&path::enrollment(&reference)?).await?;
    Ok(HttpResponse::Ok().json(view))
}

/// A page of enrollments: of one user for the backend, of everybody for operators.
pub(crate) async fn list(
    request: HttpRequest,
    caller: App,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let query: ListQuery = body::query(&request)?;
    if query.user_reference.is_none() && !caller.is_operator() {
        let detail = "Without userReference the list is for operators.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    let limit = body::page_size(query.limit)?;
    let after = query.cursor.as_deref().map(cursor::enrollment).transpose()?;
    let filter = EnrollmentFilter { user: query.user_reference, state: query.state, after };
    let page = private.ingest.list(&filter, limit).await?;
    let next = page.next.map(|key| cursor::of_enrollment(&key));
    Ok(HttpResponse::Ok().json(json!({ "items": page.items, "nextCursor": next })))
}

/// Releases an enrollment: the company has what it needs and accepts this person.
pub(crate) async fn release(
    request: HttpRequest,
    caller: App,
    reference: web::Path<String>,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let Wish { replaces } = body::json_or_default(&request, &body)?;
    let reference = path::enrollment(&reference)?;
    let release = ingest::Release { replaces, by_admin: caller.is_admin(), by: caller.actor() };
    let view = private.ingest.release(&reference, &release).await?;
    Ok(HttpResponse::Ok().json(view))
}

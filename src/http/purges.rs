//! `DELETE /v1/enrollments/{ref}` and `/v1/purges`: destroying one, and many.

use super::openapi::words;
use super::{
    body::{self, Body},
    caller::Admin,
    cursor, path,
    private::Private,
    problem::Problem,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use custody::{CaseReference, Order, PurgeId, PurgeReason, PurgeRequest};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

/// The query of a purge of one.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Why {
    /// Why.
    #[param(value_type = words::PurgeReason)]
    reason: PurgeReason,
    /// The company's number of the case.
    #[param(value_type = Option<words::CaseReference>)]
    case_reference: Option<CaseReference>,
}

/// The query of a page of items.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ItemsQuery {
    /// Where the page before ended: its `nextCursor`.
    #[param(value_type = Option<words::PageCursor>)]
    cursor: Option<String>,
    /// How many on a page.
    #[param(value_type = Option<words::PageSize>)]
    limit: Option<usize>,
}

/// Destroys one enrollment, and waits until it is done.
pub(crate) async fn one(
    request: HttpRequest,
    caller: Admin,
    reference: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let reference = path::enrollment(&reference)?;
    let Why { reason, case_reference } = body::query(&request)?;
    let order = Order { reason, case_reference, actor: caller.actor() };
    Ok(HttpResponse::Ok().json(private.custody.purge(&reference, order).await?))
}

/// Counts whom an order would be about, or orders it.
pub(crate) async fn many(
    request: HttpRequest,
    caller: Admin,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let wanted: PurgeRequest = body::json(&request, &body)?;
    let criterion = wanted.criterion().map_err(custody::CustodyError::from)?;
    if wanted.dry_run {
        return Ok(HttpResponse::Ok().json(private.custody.plan_purge(&criterion).await?));
    }
    let order = wanted.order(caller.actor());
    let token = wanted.confirm_token.as_deref();
    let id = private.custody.order_purge(&criterion, order, wanted.expect_total, token).await?;
    Ok(HttpResponse::Accepted().json(json!({ "purgeId": id })))
}

/// How far an order is, and its receipt.
pub(crate) async fn show(
    _caller: Admin,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(private.custody.purge_job(parse(&id)?).await?))
}

/// A page of those that an order is about, each with its own receipt.
pub(crate) async fn items(
    request: HttpRequest,
    _caller: Admin,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let ItemsQuery { cursor, limit } = body::query(&request)?;
    let limit = body::page_size(limit)?;
    let after = cursor.as_deref().map(cursor::pseudonym).transpose()?;
    let items = private.custody.purge_items(parse(&id)?, after, limit).await?;
    let next = items.last().filter(|_| items.len() == limit).map(|last| cursor::of_pseudonym(&last.subject));
    Ok(HttpResponse::Ok().json(json!({ "items": items, "nextCursor": next })))
}

fn parse(id: &str) -> Result<PurgeId, Problem> {
    id.parse().map_err(|_| {
        Problem::new(StatusCode::NOT_FOUND, "unknown-purge", "No order to purge has an id of this form.")
    })
}

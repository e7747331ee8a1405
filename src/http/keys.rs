//! `/v1/keys`: the wrapping keys, and the public half of the key that signs receipts.

use super::{
    caller::{Admin, Inspector},
    private::Private,
    problem::Problem,
};
use actix_web::{HttpResponse, http::StatusCode, web};

/// All keys: ids and counts.
pub(crate) async fn list(_caller: Inspector, private: web::Data<Private>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(private.keys.list().await?))
}

/// Makes a new wrapping key.
pub(crate) async fn rotate(caller: Admin, private: web::Data<Private>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Created().json(private.keys.rotate(caller.actor()).await?))
}

/// Orders that every slot is wrapped under the active key.
pub(crate) async fn rewrap(caller: Admin, private: web::Data<Private>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Accepted().json(private.keys.rewrap(caller.actor()).await?))
}

/// How far that is.
pub(crate) async fn rewrap_progress(
    _caller: Inspector,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let none = || Problem::new(StatusCode::NOT_FOUND, "no-rewrap", "Nobody has ordered a rewrap yet.");
    Ok(HttpResponse::Ok().json(private.keys.rewrap_state().await?.ok_or_else(none)?))
}

/// Removes a wrapping key that nothing needs any more.
pub(crate) async fn remove(
    caller: Admin,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let unknown = |_| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknown-key",
            "No key has an id of this form: 16 hexadecimal digits.",
        )
    };
    private.keys.remove(id.parse().map_err(unknown)?, caller.actor()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The key to check receipts with, as a JWK.
pub(crate) async fn receipt_key(_caller: Inspector, private: web::Data<Private>) -> HttpResponse {
    HttpResponse::Ok().json(receipt::jwk(private.register.records().keys().receipts()))
}

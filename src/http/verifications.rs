//! `POST /v1/verifications`: starts an onboarding at Jumio.

use super::{
    body::{self, Body},
    caller::App,
    private::Private,
    problem::Problem,
    strict::Strict,
};
use actix_web::{HttpRequest, HttpResponse, web};
use jumio::NewVerification;
use model::hex;
use serde_json::json;

/// Starts an ID Verification. The body has the fields of seed 000 by their own names.
pub(crate) async fn start(
    request: HttpRequest,
    caller: App,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let Strict(fields) = body::json(&request, &body)?;
    let rules = &private.verification_rules;
    let build = |intent: &[u8; 16]| {
        // Jumio's own table requires a customerInternalReference; ours is a number that says nothing.
        let checked = NewVerification::check(&fields, rules)?.or_internal_reference(&hex::encode(intent));
        checked.with_callback_url((private.verification_callback)(*intent), rules)
    };
    let started = private.ingest.start_verification(build, caller.actor()).await?;
    let warnings: Vec<_> =
        started.warnings.iter().map(|warning| json!({ "code": warning, "detail": warning.text() })).collect();
    Ok(HttpResponse::Created().json(json!({
        "transactionReference": started.transaction_reference,
        "redirectUrl": started.redirect_url.expose(),
        "timestamp": started.timestamp,
        "warnings": warnings,
    })))
}

//! `/livez` and `/readyz`: for whatever restarts the process, and for whatever sends it work.

use super::private::Private;
use actix_web::{HttpResponse, web};
use serde_json::json;

/// The process answers.
pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

/// Whether the service can do its work, and if not, what is wrong.
pub(crate) async fn ready(private: web::Data<Private>) -> HttpResponse {
    let mut troubles = private.health.troubles();
    troubles.extend(private.tokens.trouble().map(|trouble| format!("tokens: {trouble}")));
    let (mut response, status) = if private.health.is_ready() {
        (HttpResponse::Ok(), "ready")
    } else {
        (HttpResponse::ServiceUnavailable(), "not-ready")
    };
    response.json(json!({ "status": status, "simulated": private.about.simulated, "troubles": troubles }))
}

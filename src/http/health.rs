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
    // A sink that fails keeps nothing from being done: the service is ready, and says so all the same.
    let failing = private.audit.sink_lag().into_iter().filter(|lag| lag.failing_since.is_some());
    troubles.extend(failing.map(|lag| format!("audit sink {}: {} entries behind", lag.sink, lag.entries)));
    readiness(private.health.reason(), private.about.simulated, &troubles)
}

/// The answer of `/readyz`, of a service that is open and of one that is not yet.
pub(crate) fn readiness(reason: Option<&str>, simulated: bool, troubles: &[String]) -> HttpResponse {
    let (mut response, status) = match reason {
        None => (HttpResponse::Ok(), "ready"),
        Some(_) => (HttpResponse::ServiceUnavailable(), "not-ready"),
    };
    response.json(json!({ "status": status, "reason": reason, "simulated": simulated, "troubles": troubles }))
}

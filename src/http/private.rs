//! The private listener: the company's own API, and the health of the service.

use super::{
    authentications, batches, body, book, callbacks_admin, caller, dossier, enrollments, events, facemaps,
    health, holds, idempotency, keys, links, metrics, openapi, problem::Problem, purges, refused::Refused,
    retention, routes::Routes, status, upkeep, users, verifications,
};
use crate::{health::Health, metrics::Metrics, tokens::TokenBook, upkeep::Upkeep};
#[cfg(test)]
use actix_web::http::Method;
use actix_web::{ResponseError, http::StatusCode, middleware::from_fn, web};
use audit::Audit;
use custody::{Custody, Keys};
use ingest::Ingest;
use jumio::Rules;
use model::Clock;
use reauth::Reauth;
use register::Register;
use std::sync::Arc;

/// Where the API begins.
const API: &str = "/v1";

/// What the private routes need.
pub(crate) struct Private {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) reauth: Reauth,
    pub(crate) custody: Custody,
    pub(crate) keys: Keys,
    pub(crate) audit: Audit,
    pub(crate) upkeep: Upkeep,
    pub(crate) register: Register,
    pub(crate) queue: queue::Queue,
    pub(crate) outbox: notify::Outbox,
    pub(crate) receiver: notify::ReceiverWatch,
    pub(crate) budget: queue::Budget,
    pub(crate) idempotency: queue::Idempotency,
    pub(crate) tokens: TokenBook,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) verification_rules: Rules,
    /// With the hosts that `successUrl` and `errorUrl` may lead to.
    pub(crate) authentication_rules: Rules,
    /// Makes the callback address of a verification from its intent's id.
    pub(crate) verification_callback: Box<dyn Fn([u8; 16]) -> String + Send + Sync>,
    /// Bytes of a facemap at most.
    pub(crate) max_facemap: u64,
    pub(crate) refused: Arc<Refused>,
    pub(crate) retrievals: queue::Retrievals,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Arc<Health>,
    pub(crate) about: status::About,
}

/// The routes.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let not_found = || {
        web::to(async || {
            Problem::new(StatusCode::NOT_FOUND, "not-found", "There is nothing at this address.")
                .error_response()
        })
    };
    config.app_data(body::limit());
    open_routes(&mut Routes::serving("", config));
    let api = |config: &mut web::ServiceConfig| {
        let mut routes = Routes::serving(API, config);
        api_routes(&mut routes);
        custody_routes(&mut routes);
    };
    // The last to be put around stands outermost: who is calling comes first.
    let scope =
        web::scope(API).wrap(from_fn(idempotency::once)).wrap(from_fn(caller::authenticate)).configure(api);
    config.service(scope.default_service(not_found())).default_service(not_found());
}

/// Every route of this listener.
#[cfg(test)]
pub(crate) fn all_routes() -> Vec<(Method, String)> {
    let (mut open, mut api) = (Routes::listing(""), Routes::listing(API));
    open_routes(&mut open);
    api_routes(&mut api);
    custody_routes(&mut api);
    let mut all = open.into_list();
    all.extend(api.into_list());
    all
}

/// What needs no token.
fn open_routes(routes: &mut Routes<'_>) {
    routes
        .get("/livez", health::alive)
        .get("/readyz", health::ready)
        .get("/metrics", metrics::read)
        .get("/openapi.json", openapi::read);
}

/// What the company's backend and its operators come for.
fn api_routes(routes: &mut Routes<'_>) {
    routes
        .post("/verifications", verifications::start)
        .post("/enrollments", enrollments::announce)
        .get("/enrollments", enrollments::list)
        .get("/enrollments/{reference}", enrollments::get)
        .delete("/enrollments/{reference}", purges::one)
        .post("/enrollments/{reference}/release", enrollments::release)
        .put("/enrollments/{reference}/facemap", facemaps::put)
        .post("/authentications", authentications::initiate)
        .get("/authentications", authentications::list)
        .get("/authentications/{id}", authentications::get)
        .post("/authentications/{id}/redeem", authentications::redeem)
        .post("/links", links::create)
        .get("/links/{id}", links::get)
        .delete("/links/{id}", links::withdraw)
        .post("/users/{user}/unlock", users::unlock)
        .post("/batches", batches::start)
        .get("/batches/{id}", batches::show)
        .get("/batches/{id}/items", batches::items)
        .post("/batches/{id}/pause", batches::pause)
        .post("/batches/{id}/resume", batches::resume)
        .post("/batches/{id}/cancel", batches::cancel)
        .get("/events", events::list)
        .post("/events/{id}/replay", events::replay)
        .get("/callbacks", callbacks_admin::list)
        .post("/callbacks/replay", callbacks_admin::replay_all)
        .post("/callbacks/{id}/replay", callbacks_admin::replay)
        .get("/status", status::status);
}

/// What admins and auditors come for.
fn custody_routes(routes: &mut Routes<'_>) {
    routes
        .post("/purges", purges::many)
        .get("/purges/{id}", purges::show)
        .get("/purges/{id}/items", purges::items)
        .put("/enrollments/{reference}/hold", holds::set)
        .delete("/enrollments/{reference}/hold", holds::release)
        .get("/retention", retention::list)
        .get("/retention/status", retention::status)
        .post("/retention/allow", retention::allow)
        .get("/users/{user}/dossier", dossier::read)
        .get("/audit", book::list)
        .get("/audit/head", book::head)
        .get("/keys", keys::list)
        .post("/keys/rotate", keys::rotate)
        .post("/keys/rewrap", keys::rewrap)
        .get("/keys/rewrap", keys::rewrap_progress)
        .delete("/keys/{id}", keys::remove)
        .get("/receipt-key", keys::receipt_key)
        .post("/integrity-checks", upkeep::check)
        .get("/integrity-checks", upkeep::last_check)
        .post("/backups", upkeep::backup)
        .post("/recovery/acknowledge", upkeep::acknowledge);
}

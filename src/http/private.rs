//! The private listener: the company's own API, and the health of the service.

use super::{
    authentications, body, caller, enrollments, health, problem::Problem, refused::Refused, status,
    verifications,
};
use crate::{health::Health, tokens::TokenBook};
use actix_web::{ResponseError, http::StatusCode, middleware::from_fn, web};
use ingest::Ingest;
use jumio::Rules;
use model::Clock;
use reauth::Reauth;
use register::Register;
use std::sync::Arc;

/// What the private routes need.
pub(crate) struct Private {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) reauth: Reauth,
    pub(crate) register: Register,
    pub(crate) queue: queue::Queue,
    pub(crate) budget: queue::Budget,
    pub(crate) tokens: TokenBook,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) verification_rules: Rules,
    /// With the hosts that `successUrl` and `errorUrl` may lead to.
    pub(crate) authentication_rules: Rules,
    /// Makes the callback address of a verification from its intent's id.
    pub(crate) verification_callback: Box<dyn Fn([u8; 16]) -> String + Send + Sync>,
    pub(crate) refused: Arc<Refused>,
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
    config
        .app_data(body::limit())
        .route("/livez", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready))
        .service(
            web::scope("/v1")
                .wrap(from_fn(caller::authenticate))
                .route("/verifications", web::post().to(verifications::start))
                .route("/enrollments", web::post().to(enrollments::announce))
                .route("/enrollments", web::get().to(enrollments::list))
                .route("/enrollments/{reference}", web::get().to(enrollments::get))
                .route("/enrollments/{reference}/release", web::post().to(enrollments::release))
                .route("/authentications", web::post().to(authentications::initiate))
                .route("/authentications", web::get().to(authentications::list))
                .route("/authentications/{id}", web::get().to(authentications::get))
                .route("/authentications/{id}/redeem", web::post().to(authentications::redeem))
                .route("/status", web::get().to(status::status))
                .default_service(not_found()),
        )
        .default_service(not_found());
}

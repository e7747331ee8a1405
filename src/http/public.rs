//! The public listener: callbacks and links, and nothing else.

use super::{
    callbacks,
    pages::{self, Pages},
    refused::Refused,
    source::Sources,
};
use actix_web::{HttpResponse, web};
use ingest::Ingest;
use ipnet::IpNet;
use reauth::Reauth;
use seal::HeldKeys;
use std::sync::Arc;

/// What the public routes need.
pub(crate) struct Public {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) keys: Arc<HeldKeys>,
    pub(crate) require_token: bool,
    pub(crate) max_body: usize,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) refused: Arc<Refused>,
    pub(crate) reauth: Reauth,
    pub(crate) pages: Pages,
}

/// The routes. Whatever is not one of them, also another method on one of them, is 404.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let not_found = || web::to(async || HttpResponse::NotFound().finish());
    config
        .service(
            web::resource("/callbacks/jumio")
                .route(web::post().to(callbacks::without_token))
                .default_service(not_found()),
        )
        .service(
            web::resource("/callbacks/jumio/{token}")
                .route(web::post().to(callbacks::with_token))
                .default_service(not_found()),
        )
        .service(
            web::resource("/r/{link}")
                .route(web::get().to(pages::show))
                .route(web::head().to(pages::show))
                .route(web::post().to(pages::press))
                .default_service(not_found()),
        )
        .default_service(not_found());
}

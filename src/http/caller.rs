//! Who is calling the private API, and what they may do.

use super::{private::Private, problem::Problem};
use crate::tokens::{Identity, Role};
use actix_web::{
    FromRequest, HttpMessage, HttpRequest, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
    web,
};
use audit::Actor;
use std::future::{Ready, ready};

/// Lets nobody past without a valid token. The body is not read before.
pub(crate) async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let admitted =
        identify(&request).and_then(|identity| refuse_idempotency_key(&request).map(|()| identity));
    match admitted {
        Ok(identity) => {
            request.extensions_mut().insert(identity);
            Ok(next.call(request).await?.map_into_left_body())
        }
        // As a response and not as an error: an error would pass by the headers that every answer has.
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
}

/// A caller who sends this header relies on it. As long as it is not honoured, ignoring it would do things twice.
fn refuse_idempotency_key(request: &ServiceRequest) -> Result<(), Problem> {
    if request.headers().contains_key("idempotency-key") {
        let detail = "Idempotency-Key is not honoured by this version; leave it out. POST /v1/authentications is \
                      deduplicated by itself.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "idempotency-key-not-honoured", detail));
    }
    Ok(())
}

fn identify(request: &ServiceRequest) -> Result<Identity, Problem> {
    let unauthorized = || {
        let detail =
            "Send `Authorization: Bearer …` with a valid token; `facemap-vault tokens create` makes one.";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    };
    let private = request.app_data::<web::Data<Private>>().ok_or_else(unauthorized)?;
    let header = request.headers().get(header::AUTHORIZATION).ok_or_else(unauthorized)?;
    let value = header.to_str().map_err(|_| unauthorized())?;
    let (scheme, token) = value.split_once(' ').ok_or_else(unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unauthorized());
    }
    private.tokens.identify(token.trim(), private.clock.now()).ok_or_else(unauthorized)
}

fn identity_with(request: &HttpRequest, needed: &[Role]) -> Result<Identity, Problem> {
    let extensions = request.extensions();
    // The middleware stands before every route that takes a caller; without it nobody is let in.
    let identity = extensions
        .get::<Identity>()
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "This route needs a token."))?;
    if needed.iter().any(|needed| identity.role.covers(*needed)) {
        return Ok(identity.clone());
    }
    let roles: Vec<_> = needed.iter().map(ToString::to_string).collect();
    let detail = format!("This needs a token with the role {}.", roles.join(" or "));
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

/// The company's backend, or more.
pub(crate) struct App(Identity);

/// Whoever may look at how the service is doing.
pub(crate) struct Watcher;

impl FromRequest for App {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identity_with(request, &[Role::App]).map(Self))
    }
}

impl FromRequest for Watcher {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identity_with(request, &[Role::Operator, Role::Auditor]).map(|_| Self))
    }
}

impl App {
    /// The caller as the audit trail names them.
    pub(crate) fn actor(&self) -> Actor {
        Actor::token(&self.0.name, &self.0.role.to_string())
    }

    /// Whether the caller may do what only an admin may.
    pub(crate) const fn is_admin(&self) -> bool {
        self.0.role.covers(Role::Admin)
    }

    /// Whether the caller may do what an operator may.
    pub(crate) const fn is_operator(&self) -> bool {
        self.0.role.covers(Role::Operator)
    }
}

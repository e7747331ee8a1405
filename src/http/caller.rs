//! Who is calling the private API, and what they may do.

use super::{connections::AtWork, private::Private, problem::Problem};
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
    match identify(&request) {
        Ok(identity) => {
            // A known caller's connection is not a stranger's to cut.
            let _at_work = AtWork::with(request.request());
            request.extensions_mut().insert(identity);
            Ok(next.call(request).await?.map_into_left_body())
        }
        // As a response and not as an error: an error would pass by the headers that every answer has.
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
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

/// Whoever may look at how the service is doing, and at the book.
pub(crate) struct Watcher(Identity);

/// Whoever may look at keys and receipts: admins and auditors.
pub(crate) struct Inspector;

/// Whoever runs the service, or more.
pub(crate) struct Operator(Identity);

/// Somebody who may destroy, hold, import and turn keys.
pub(crate) struct Admin(Identity);

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
        ready(identity_with(request, &[Role::Operator, Role::Auditor]).map(Self))
    }
}

impl FromRequest for Inspector {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identity_with(request, &[Role::Admin, Role::Auditor]).map(|_| Self))
    }
}

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identity_with(request, &[Role::Operator]).map(Self))
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identity_with(request, &[Role::Admin]).map(Self))
    }
}

impl Watcher {
    /// The caller as the audit trail names them.
    pub(crate) fn actor(&self) -> Actor {
        actor(&self.0)
    }
}

impl Operator {
    /// The caller as the audit trail names them.
    pub(crate) fn actor(&self) -> Actor {
        actor(&self.0)
    }
}

impl Admin {
    /// The caller as the audit trail names them.
    pub(crate) fn actor(&self) -> Actor {
        actor(&self.0)
    }
}

fn actor(identity: &Identity) -> Actor {
    Actor::token(&identity.name, &identity.role.to_string())
}

impl App {
    /// The caller as the audit trail names them.
    pub(crate) fn actor(&self) -> Actor {
        actor(&self.0)
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

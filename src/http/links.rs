//! `/v1/links`: what the company sends to its users.

use super::openapi::words;
use super::{
    authentications,
    body::{self, Body},
    caller::App,
    private::Private,
    problem::Problem,
};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use jumio::{Violations, WebFields, WebJourney};
use model::{LinkId, UserReference};
use reauth::{LinkPurpose, NewLink, ReauthError};
use serde::Deserialize;
use utoipa::ToSchema;

/// The body of `POST /v1/links`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    /// The person.
    #[schema(value_type = words::UserReference)]
    user_reference: UserReference,
    /// What it is for: the person reads it.
    #[schema(value_type = Option<words::LinkPurpose>)]
    purpose: Option<LinkPurpose>,
    /// Where Jumio sends the person at the end: https, on an allowed host.
    success_url: Option<String>,
    /// The same, where it went wrong.
    error_url: Option<String>,
    /// The language of the pages, in Jumio's spelling.
    locale: Option<String>,
    /// When it ends, within 30 days; `[links] default_days` if not given.
    #[schema(value_type = Option<words::Time>)]
    expires_at: Option<Timestamp>,
    /// The company's own reference of this request.
    #[schema(value_type = Option<words::RequestReference>)]
    request_reference: Option<String>,
}

/// Makes a link.
pub(crate) async fn create(
    request: HttpRequest,
    caller: App,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let wanted: Wanted = body::json(&request, &body)?;
    let new = check(wanted, &private).map_err(|violations| Problem::violations(&violations))?;
    let made = private.reauth.create_link(new, caller.actor()).await?;
    Ok(HttpResponse::Created().json(made))
}

fn check(wanted: Wanted, private: &Private) -> Result<NewLink, Violations> {
    let fields = WebFields {
        success_url: wanted.success_url,
        error_url: wanted.error_url,
        locale: wanted.locale,
        token_lifetime_in_minutes: None,
    };
    let mut violations = Violations::none();
    authentications::check_request_reference(wanted.request_reference.as_deref(), &mut violations);
    let journey = match WebJourney::check(&fields, &private.authentication_rules) {
        Ok(journey) => journey,
        Err(more) => {
            more.iter()
                .for_each(|violation| violations.add(violation.pointer.clone(), violation.rule.clone()));
            return Err(violations);
        }
    };
    violations.or(NewLink {
        user_reference: wanted.user_reference,
        purpose: wanted.purpose,
        journey,
        expires_at: wanted.expires_at,
        request_reference: wanted.request_reference,
    })
}

/// One link.
pub(crate) async fn get(
    _caller: App,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(private.reauth.link(parsed(&id)?).await?))
}

/// Withdraws one.
pub(crate) async fn withdraw(
    caller: App,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(private.reauth.withdraw_link(parsed(&id)?, caller.actor()).await?))
}

/// What is no id is nobody's.
fn parsed(id: &str) -> Result<LinkId, ReauthError> {
    id.parse().map_err(|_| ReauthError::UnknownLink)
}

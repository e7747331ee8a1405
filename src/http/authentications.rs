//! `/v1/authentications`: initiating, looking up, redeeming.

use super::openapi::words;
use super::{
    body::{self, Body},
    caller::App,
    cursor,
    private::Private,
    problem::Problem,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use jumio::{Journey, Violations, WebFields};
use model::{AuthenticationState, Channel, EnrollmentRef, UserReference, limits};
use reauth::{AuthenticationRequest, IfOpen};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// The body of `POST /v1/authentications`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    /// The person.
    #[schema(value_type = words::UserReference)]
    user_reference: UserReference,
    /// The enrollment to compare with; the user's current one if not given.
    #[schema(value_type = Option<words::EnrollmentReference>)]
    enrollment_transaction_reference: Option<EnrollmentRef>,
    /// In a browser or in an app.
    #[schema(value_type = words::Channel)]
    channel: Channel,
    /// Where Jumio sends the person at the end: https, on an allowed host. For the web channel alone.
    success_url: Option<String>,
    /// The same, where it went wrong.
    error_url: Option<String>,
    /// The language of Jumio's page, in Jumio's spelling.
    locale: Option<String>,
    /// How long Jumio's page can be opened; 15 if not given.
    #[schema(value_type = Option<words::LifetimeMinutes>)]
    token_lifetime_in_minutes: Option<i64>,
    /// The company's own reference of this request; `redeem` asks for it again.
    #[schema(value_type = Option<words::RequestReference>)]
    request_reference: Option<String>,
    /// What to do about one that is open with other parameters.
    #[serde(default)]
    #[schema(value_type = words::IfOpen)]
    if_open: IfOpen,
}

/// The body of a redeem.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Redeem {
    /// Who is to have passed.
    #[schema(value_type = words::UserReference)]
    user_reference: UserReference,
    /// What it was made for.
    #[schema(value_type = Option<words::RequestReference>)]
    request_reference: Option<String>,
}

/// The query of one authentication.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WaitQuery {
    /// How long to wait for the result, 0 to 25. Waiting also asks Jumio, at most every 3 seconds.
    #[serde(default)]
    #[param(maximum = 25)]
    wait_seconds: u64,
}

/// The query of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Of this user alone.
    #[param(value_type = Option<words::UserReference>)]
    user_reference: Option<UserReference>,
    /// In this state alone.
    #[param(value_type = Option<words::AuthenticationState>)]
    state: Option<AuthenticationState>,
    /// Where the page before ended: its `nextCursor`.
    #[param(value_type = Option<words::PageCursor>)]
    cursor: Option<String>,
    /// How many on a page.
    #[param(value_type = Option<words::PageSize>)]
    limit: Option<usize>,
}

/// Initiates an authentication, or gives out the open one.
pub(crate) async fn initiate(
    request: HttpRequest,
    caller: App,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let wanted: Wanted = body::json(&request, &body)?;
    let checked = check(wanted, &private).map_err(|violations| Problem::violations(&violations))?;
    let answer = private.reauth.initiate(checked, caller.actor()).await?;
    let mut response = if answer.deduplicated { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(response.json(answer))
}

fn check(wanted: Wanted, private: &Private) -> Result<AuthenticationRequest, Violations> {
    let web = WebFields {
        success_url: wanted.success_url,
        error_url: wanted.error_url,
        locale: wanted.locale,
        token_lifetime_in_minutes: wanted.token_lifetime_in_minutes.or(default_lifetime(wanted.channel)),
    };
    let mut violations = Violations::none();
    check_request_reference(wanted.request_reference.as_deref(), &mut violations);
    let journey = match Journey::check(wanted.channel, &web, &private.authentication_rules) {
        Ok(journey) => journey,
        Err(more) => {
            more.iter()
                .for_each(|violation| violations.add(violation.pointer.clone(), violation.rule.clone()));
            return Err(violations);
        }
    };
    violations.or(AuthenticationRequest {
        user_reference: wanted.user_reference,
        enrollment: wanted.enrollment_transaction_reference,
        journey,
        request_reference: wanted.request_reference,
        if_open: wanted.if_open,
        batch: false,
        link: None,
    })
}

/// Jumio tells the journeys apart by the fields that only the web journey has, so one of them is always sent. Jumio drops
/// the facemap after 15 minutes: a link that lives longer leads nowhere.
fn default_lifetime(channel: Channel) -> Option<i64> {
    (channel == Channel::Web).then_some(limits::JUMIO_WINDOW_MINUTES.into())
}

pub(super) fn check_request_reference(reference: Option<&str>, violations: &mut Violations) {
    if reference.is_some_and(|text| !is_reference(text)) {
        violations.add("/requestReference", "must have 1 to 100 printable ASCII characters");
    }
}

fn is_reference(text: &str) -> bool {
    (1..=limits::USER_REFERENCE_CHARS).contains(&text.len())
        && text.bytes().all(|b| (0x20..=0x7e).contains(&b))
}

/// One authentication, by the vault's id or Jumio's reference; waits for its result if asked to.
pub(crate) async fn get(
    request: HttpRequest,
    _caller: App,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let WaitQuery { wait_seconds } = body::query(&request)?;
    if wait_seconds > limits::RESULT_WAIT_SECONDS {
        return Err(Problem::invalid("/waitSeconds", "must be from 0 to 25"));
    }
    let view = private.reauth.get(&id, Duration::from_secs(wait_seconds)).await?;
    Ok(HttpResponse::Ok().json(view))
}

/// A page of a user's authentications; for operators also of everybody's in a state.
pub(crate) async fn list(
    request: HttpRequest,
    caller: App,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let query: ListQuery = body::query(&request)?;
    let limit = body::page_size(query.limit)?;
    let after = query.cursor.as_deref().map(cursor::authentication).transpose()?;
    let items = match (&query.user_reference, query.state) {
        (Some(user), state) => private.reauth.list(user, state, after, limit).await?,
        (None, Some(state)) if caller.is_operator() => private.reauth.list_in(state, after, limit).await?,
        (None, Some(_)) => {
            let detail = "Without userReference the list is for operators.";
            return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
        }
        (None, None) => {
            return Err(Problem::invalid("/userReference", "must be given, or state by an operator"));
        }
    };
    let full = items.len() == limit;
    let next = items.last().filter(|_| full).map(|last| cursor::of_authentication(last.authentication_id));
    Ok(HttpResponse::Ok().json(json!({ "items": items, "nextCursor": next })))
}

/// Accepts a result, once.
pub(crate) async fn redeem(
    request: HttpRequest,
    caller: App,
    id: web::Path<String>,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let wanted: Redeem = body::json(&request, &body)?;
    let reference = wanted.request_reference.as_deref();
    let view = private.reauth.redeem(&id, &wanted.user_reference, reference, caller.actor()).await?;
    Ok(HttpResponse::Ok().json(view))
}

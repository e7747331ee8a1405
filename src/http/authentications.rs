//! `/v1/authentications`: initiating, looking up, redeeming.

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

/// The body of `POST /v1/authentications`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    user_reference: UserReference,
    enrollment_transaction_reference: Option<EnrollmentRef>,
    channel: Channel,
    success_url: Option<String>,
    error_url: Option<String>,
    locale: Option<String>,
    token_lifetime_in_minutes: Option<i64>,
    request_reference: Option<String>,
    #[serde(default)]
    if_open: IfOpen,
}

/// The body of a redeem.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Redeem {
    user_reference: UserReference,
    request_reference: Option<String>,
}

/// The query of one authentication.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WaitQuery {
    #[serde(default)]
    wait_seconds: u64,
}

/// The query of the list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListQuery {
    user_reference: Option<UserReference>,
    state: Option<AuthenticationState>,
    cursor: Option<String>,
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
    if wanted.request_reference.as_deref().is_some_and(|text| !is_reference(text)) {
        violations.add("/requestReference", "must have 1 to 100 printable ASCII characters");
    }
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
    })
}

/// Jumio tells the journeys apart by the fields that only the web journey has, so one of them is always sent. Jumio drops
/// the facemap after 15 minutes: a link that lives longer leads nowhere.
fn default_lifetime(channel: Channel) -> Option<i64> {
    (channel == Channel::Web).then_some(limits::JUMIO_WINDOW_MINUTES.into())
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

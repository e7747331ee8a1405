//! `/v1/events`: what happened, for companies that allow no calls inward, and for whoever looks after the deliveries.

use super::openapi::words;
use super::{body, caller::Operator, private::Private, problem::Problem};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use notify::{Cursor, EventId, NotifyError, State};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// The query of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListQuery {
    /// In this state alone.
    #[param(inline)]
    state: Option<Wanted>,
    /// Where the page before ended: its `nextCursor`.
    #[param(value_type = Option<words::PageCursor>)]
    cursor: Option<String>,
    /// How many on a page.
    #[param(value_type = Option<words::PageSize>)]
    limit: Option<usize>,
}

/// The states that can be asked for.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Wanted {
    Waiting,
    Dead,
}

/// A page of events, oldest first. Unlike other lists it has a `nextCursor` also at its end: the one to come back with.
pub(crate) async fn list(
    request: HttpRequest,
    _caller: Operator,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let query: ListQuery = body::query(&request)?;
    let limit = body::page_size(query.limit)?;
    let cursor = |text: &str| {
        let wrong = || Problem::invalid("/cursor", "must be the nextCursor of an earlier answer");
        Cursor::parse(text).ok_or_else(wrong)
    };
    let after = query.cursor.as_deref().map(cursor).transpose()?;
    let state = query.state.map(|wanted| match wanted {
        Wanted::Waiting => State::Waiting,
        Wanted::Dead => State::Dead,
    });
    let page = private.outbox.events(after, state, limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(HttpResponse::Ok().json(json!({ "items": page.items, "nextCursor": next })))
}

/// Has an event told again.
pub(crate) async fn replay(
    _caller: Operator,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let id = EventId::parse(&id).ok_or(NotifyError::UnknownEvent)?;
    Ok(HttpResponse::Accepted().json(private.outbox.replay(&id).await?))
}

impl From<NotifyError> for Problem {
    fn from(error: NotifyError) -> Self {
        use NotifyError as E;
        let text = error.to_string();
        match error {
            E::Records(error) => Self::from(&error),
            E::Register(error) => Self::from(&error),
            E::UnknownEvent => Self::new(StatusCode::NOT_FOUND, "unknown-event", text),
            E::Purged => Self::new(StatusCode::GONE, "purged", text),
            E::NoReceiver => Self::new(StatusCode::CONFLICT, "no-receiver", text),
            E::CursorOfAnotherEra => Self::new(StatusCode::GONE, "events-lost", text),
        }
    }
}

//! `/v1/callbacks`: the inbox as operators see it, and judging callbacks once more. Never a body, never anybody's data.

use super::openapi::words;
use super::{
    body::{self, Body},
    caller::Operator,
    cursor,
    private::Private,
    problem::Problem,
};
use actix_web::{HttpRequest, HttpResponse, web};
use ingest::{CallbackState, IngestError};
use model::CallbackId;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// The query of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListQuery {
    /// In this state alone.
    #[param(value_type = Option<words::CallbackState>)]
    state: Option<CallbackState>,
    /// Where the page before ended: its `nextCursor`.
    #[param(value_type = Option<words::PageCursor>)]
    cursor: Option<String>,
    /// How many on a page.
    #[param(value_type = Option<words::PageSize>)]
    limit: Option<usize>,
}

/// Which ones are to be judged once more.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    /// Those that were given up, or those that wait.
    #[serde(default)]
    #[schema(inline)]
    state: Replayable,
}

/// The states in which a callback can still be judged.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Replayable {
    #[default]
    Dead,
    Pending,
}

/// A page of callbacks: of one state, or of all.
pub(crate) async fn list(
    request: HttpRequest,
    _caller: Operator,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let query: ListQuery = body::query(&request)?;
    let limit = body::page_size(query.limit)?;
    let after = query.cursor.as_deref().map(cursor::callback).transpose()?;
    let page = private.ingest.callbacks(query.state, after, limit).await?;
    let next = page.next.map(|next| cursor::of_callback(&next));
    Ok(HttpResponse::Ok().json(json!({ "items": page.items, "nextCursor": next })))
}

/// Has one judged once more.
pub(crate) async fn replay(
    caller: Operator,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    // What is no id is nobody's.
    let id: CallbackId = id.parse().map_err(|_| IngestError::UnknownCallback)?;
    Ok(HttpResponse::Accepted().json(private.ingest.replay(id, caller.actor()).await?))
}

/// Has all judged once more that were given up, or all that wait.
pub(crate) async fn replay_all(
    request: HttpRequest,
    caller: Operator,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let Wanted { state } = body::json_or_default(&request, &body)?;
    let state = match state {
        Replayable::Dead => CallbackState::Dead,
        Replayable::Pending => CallbackState::Pending,
    };
    let done = private.ingest.replay_all(state, &caller.actor()).await?;
    let told = json!({ "replayed": done.replayed, "bodyGone": done.gone, "more": done.more });
    Ok(HttpResponse::Accepted().json(told))
}

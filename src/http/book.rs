//! `/v1/audit`: the book, read page by page, and where it ends.

use super::openapi::words;
use super::{body, caller::Watcher, cursor, private::Private, problem::Problem};
use actix_web::{HttpRequest, HttpResponse, web};
use audit::{Action, Filter, Listed};
use model::{EnrollmentRef, Timestamp, UserReference};
use records::Records;
use seal::Pseudonym;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

/// The query of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only what is about this user.
    #[param(value_type = Option<words::UserReference>)]
    user_reference: Option<UserReference>,
    /// Only what is about this enrollment; not beside userReference.
    #[param(value_type = Option<words::EnrollmentReference>)]
    enrollment_transaction_reference: Option<EnrollmentRef>,
    /// Only what is about whoever has this pseudonym: the `subject` of a receipt or entry; beside neither of both.
    #[param(value_type = Option<words::Pseudonym>)]
    subject: Option<Pseudonym>,
    /// Only the entry at this position, as a receipt names it.
    #[param(value_type = Option<words::Position>)]
    position: Option<u64>,
    /// Only this action, as `purge`.
    #[param(value_type = Option<String>)]
    action: Option<Action>,
    /// Not before this time.
    #[param(value_type = Option<words::Time>)]
    from: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<words::Time>)]
    until: Option<Timestamp>,
    /// Where the page before ended: its `nextCursor`.
    #[param(value_type = Option<words::PageCursor>)]
    cursor: Option<String>,
    /// How many on a page.
    #[param(value_type = Option<words::PageSize>)]
    limit: Option<usize>,
}

/// A page of entries, oldest first; of one user or enrollment by an index, else by walking the chain.
pub(crate) async fn list(
    request: HttpRequest,
    _caller: Watcher,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let query: ListQuery = body::query(&request)?;
    let limit = body::page_size(query.limit)?;
    let after = query.cursor.as_deref().map(cursor::position).transpose()?.unwrap_or(0);
    let subject = about(&query, private.register.records())?;
    let filter = Filter { action: query.action, from: query.from, until: query.until, ..Filter::default() };
    // About one person the index knows the way; a page may be short then, and still not be the last.
    let page = match (query.position, subject) {
        (Some(position), _) => {
            // One entry: whom it is about is told by the filter.
            let filter = Filter { subject, ..filter.clone() };
            private.audit.entries(position.saturating_sub(1), Some(position), &filter, 1).await
        }
        (None, Some(subject)) => private.audit.entries_about(subject, after, limit).await,
        (None, None) => private.audit.entries(after, None, &filter, limit).await,
    };
    let page = page.map_err(|error| Problem::from(&error))?;
    let items: Vec<Value> =
        page.items.iter().filter(|listed| filter.wants(&listed.entry)).map(entry).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "nextCursor": page.next.map(cursor::of_position) })))
}

/// Whom the list is to be about: at most one of three says it.
fn about(query: &ListQuery, records: &Records) -> Result<Option<Pseudonym>, Problem> {
    let mut said = [
        query.user_reference.as_ref().map(|user| ("/userReference", records.user_key(user).0)),
        query
            .enrollment_transaction_reference
            .as_ref()
            .map(|reference| ("/enrollmentTransactionReference", records.enrollment_key(reference).0)),
        query.subject.map(|subject| ("/subject", subject)),
    ]
    .into_iter()
    .flatten();
    let first = said.next();
    match said.next() {
        None => Ok(first.map(|(_, subject)| subject)),
        Some((pointer, _)) => Err(Problem::invalid(
            pointer,
            "must not stand beside another of userReference, enrollmentTransactionReference and subject",
        )),
    }
}

/// Where the chain ends: kept elsewhere, it shows that nothing before it was changed.
pub(crate) async fn head(_caller: Watcher, private: web::Data<Private>) -> Result<HttpResponse, Problem> {
    let head = private.audit.head().await.map_err(|error| Problem::from(&error))?;
    Ok(HttpResponse::Ok().json(json!({ "epoch": head.epoch, "position": head.position, "link": head.link })))
}

/// An entry with its place in one object.
fn entry(listed: &Listed) -> Value {
    let mut entry = json!(listed.entry);
    entry["position"] = listed.position.into();
    entry["epoch"] = listed.epoch.into();
    entry["link"] = json!(listed.link);
    entry
}

//! `/v1/retention`: what would be destroyed, when and why; and going on where the sweep has stopped itself.

use super::openapi::words;
use super::{
    body::{self, Body},
    caller::{Admin, Watcher},
    cursor,
    private::Private,
    problem::Problem,
};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::{civil::Date, tz::TimeZone};
use model::Timestamp;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// The query: a day, until whose end (in UTC) is looked, or a moment.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A day (`2027-01-31`, until its end in UTC) or a time; now if not given.
    on: Option<String>,
    /// Where the page before ended: its `nextCursor`.
    #[param(value_type = Option<words::PageCursor>)]
    cursor: Option<String>,
    /// How many on a page.
    #[param(value_type = Option<words::PageSize>)]
    limit: Option<usize>,
}

/// A page of those whose time is over then.
pub(crate) async fn list(
    request: HttpRequest,
    _caller: Watcher,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let query: Asked = body::query(&request)?;
    let limit = body::page_size(query.limit)?;
    let on = query.on.as_deref().map_or_else(|| Ok(private.clock.now()), moment)?;
    let after = query.cursor.as_deref().map(cursor::enrollment).transpose()?;
    let page = private.custody.retention_on(on, after, limit).await?;
    let next = page.next.map(|key| cursor::of_enrollment(&key));
    Ok(HttpResponse::Ok().json(json!({ "on": on, "items": page.items, "nextCursor": next })))
}

/// The number that the admin has seen.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Allowed {
    /// The number that the admin has seen: with another one nothing is allowed.
    #[schema(minimum = 0)]
    expect_total: Option<u64>,
}

/// An admin has looked, and the sweep may destroy as many as it has counted, within a day.
pub(crate) async fn allow(
    request: HttpRequest,
    caller: Admin,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let Allowed { expect_total } = body::json_or_default(&request, &body)?;
    Ok(HttpResponse::Ok().json(private.custody.allow_retention(caller.actor(), expect_total).await?))
}

/// Where the sweep stands.
pub(crate) async fn status(_caller: Watcher, private: web::Data<Private>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(private.custody.retention_status().await?))
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    let of_day = |text: &str| {
        let end = text.parse::<Date>().ok()?.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
        Some(end.timestamp())
    };
    text.parse().ok().or_else(|| of_day(text)).ok_or_else(|| {
        Problem::invalid("/on", "must be a day like 2027-01-31 or a time like 2027-01-31T12:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_looked_at_until_its_end() {
        assert_eq!(moment("2027-01-31").unwrap(), "2027-02-01T00:00:00Z".parse().unwrap());
        assert_eq!(moment("2027-01-31T12:00:00Z").unwrap(), "2027-01-31T12:00:00Z".parse().unwrap());
        assert!(moment("tomorrow").is_err());
    }
}

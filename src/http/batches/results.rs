//! `GET /v1/batches/{id}/items`: a page as JSON; or all of them, one after another, as NDJSON or CSV.

use super::parse;
use crate::http::{body, caller::App, cursor, openapi::words, private::Private, problem::Problem};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Bytes},
};
use futures_util::stream;
use model::BatchId;
use reauth::{BatchItemView, Reauth};
use register::ItemState;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// Items that are read together for a whole list.
const PAGE: usize = 500;

/// The columns of a list as CSV.
const COLUMNS: [&str; 13] = [
    "number",
    "state",
    "reason",
    "outcome",
    "jumioStatus",
    "enrollmentTransactionReference",
    "userReference",
    "requestReference",
    "linkId",
    "authenticationId",
    "url",
    "expiresAt",
    "changedAt",
];

/// The query.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ItemsQuery {
    /// In this state alone.
    #[param(value_type = Option<words::ItemState>)]
    state: Option<ItemState>,
    /// Where the page before ended: its `nextCursor`.
    #[param(value_type = Option<words::PageCursor>)]
    cursor: Option<String>,
    /// How many on a page.
    #[param(value_type = Option<words::PageSize>)]
    limit: Option<usize>,
    /// With what the person opens: whoever has that can press.
    #[serde(default)]
    with_urls: bool,
    /// A page, or all of them in lines; what `Accept` says if not given.
    #[param(inline)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Ndjson,
    Csv,
}

impl Format {
    /// What the query says; what the caller accepts otherwise.
    fn of(asked: Option<Self>, request: &HttpRequest) -> Self {
        let accept =
            request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
        let accepts = |kind: &str| {
            accept.split(',').any(|one| one.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case(kind))
        };
        asked.unwrap_or_else(|| match () {
            () if accepts("application/json") => Self::Json,
            () if accepts("application/x-ndjson") => Self::Ndjson,
            () if accepts("text/csv") => Self::Csv,
            () => Self::Json,
        })
    }
}

/// Whose items, and which.
#[derive(Clone)]
struct Wanted {
    reauth: Reauth,
    id: BatchId,
    state: Option<ItemState>,
    with_urls: bool,
    format: Format,
}

/// The items of a batch.
pub(crate) async fn items(
    request: HttpRequest,
    _caller: App,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let query: ItemsQuery = body::query(&request)?;
    let after = query.cursor.as_deref().map(cursor::position).transpose()?;
    let limit = body::page_size(query.limit)?;
    let format = Format::of(query.format, &request);
    let (state, with_urls) = (query.state, query.with_urls);
    let wanted = Wanted { reauth: private.reauth.clone(), id: parse(&id)?, state, with_urls, format };
    if format == Format::Json {
        let items = wanted.page(after, limit).await?;
        let next = items.last().filter(|_| items.len() == limit).map(|last| cursor::of_position(last.number));
        return Ok(HttpResponse::Ok().json(json!({ "items": items, "nextCursor": next })));
    }
    // The first page before the answer begins: what is wrong with the request is still said by its status.
    let first = wanted.page(after, PAGE).await?;
    let kind = if format == Format::Csv { "text/csv; charset=utf-8" } else { "application/x-ndjson" };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(kind)
        .streaming(whole(wanted, first)))
}

impl Wanted {
    async fn page(&self, after: Option<u64>, limit: usize) -> Result<Vec<BatchItemView>, Problem> {
        Ok(self.reauth.batch_items(self.id, self.state, after, limit, self.with_urls).await?)
    }
}

/// All pages, one after another. The next is read when the caller has taken the one before.
fn whole(
    wanted: Wanted,
    first: Vec<BatchItemView>,
) -> impl stream::Stream<Item = Result<Bytes, actix_web::Error>> + 'static {
    let head = if wanted.format == Format::Csv { csv_of(&[], true) } else { Bytes::new() };
    stream::try_unfold((wanted, Some(head), Some(first)), |(wanted, head, page)| async move {
        if let Some(head) = head.filter(|head| !head.is_empty()) {
            return Ok(Some((head, (wanted, None, page))));
        }
        let Some(page) = page.filter(|page| !page.is_empty()) else { return Ok(None) };
        let text = match wanted.format {
            Format::Csv => csv_of(&page, false),
            Format::Ndjson | Format::Json => ndjson_of(&page)?,
        };
        let next = match page.last().filter(|_| page.len() == PAGE) {
            Some(last) => Some(wanted.page(Some(last.number), PAGE).await?),
            None => None,
        };
        Ok(Some((text, (wanted, None, next))))
    })
}

fn ndjson_of(page: &[BatchItemView]) -> Result<Bytes, serde_json::Error> {
    let mut text = Vec::with_capacity(page.len() * 256);
    for item in page {
        serde_json::to_writer(&mut text, item)?;
        text.push(b'\n');
    }
    Ok(text.into())
}

fn csv_of(page: &[BatchItemView], head: bool) -> Bytes {
    let mut writer = csv::Writer::from_writer(Vec::with_capacity(page.len() * 256 + 256));
    // Writing into memory does not fail, and every record has as many cells as the head.
    if head {
        drop(writer.write_record(COLUMNS));
    }
    for item in page {
        drop(writer.write_record(cells(item).iter().map(|cell| defused(cell))));
    }
    writer.into_inner().unwrap_or_default().into()
}

fn cells(item: &BatchItemView) -> [String; 13] {
    let text = |value: Option<&dyn ToString>| value.map(ToString::to_string).unwrap_or_default();
    [
        item.number.to_string(),
        item.state.to_string(),
        text(item.reason.as_ref().map(|it| it as _)),
        text(item.outcome.as_ref().map(|it| it as _)),
        text(item.jumio_status.as_ref().map(|it| it as _)),
        text(item.enrollment_transaction_reference.as_ref().map(|it| it as _)),
        item.user_reference.as_ref().map(|user| user.as_str().to_owned()).unwrap_or_default(),
        item.request_reference.clone().unwrap_or_default(),
        text(item.link_id.as_ref().map(|it| it as _)),
        text(item.authentication_id.as_ref().map(|it| it as _)),
        item.url.clone().unwrap_or_default(),
        text(item.expires_at.as_ref().map(|it| it as _)),
        item.changed_at.to_string(),
    ]
}

/// A cell that no spreadsheet runs as a formula: those that begin like one get an apostrophe before them.
fn defused(cell: &str) -> String {
    let runs = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if runs { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_defused_and_others_stay_as_they_are() {
        for cell in ["=1+1", "+49 30", "-1", "@SUM(A1)", "\tx", "\rx", "=HYPERLINK(\"http://x\",\"y\")"] {
            assert_eq!(defused(cell), format!("'{cell}"));
        }
        for cell in ["", "ines", "a=b", "4711", "'=1"] {
            assert_eq!(defused(cell), cell);
        }
    }

    #[test]
    fn the_query_goes_before_what_is_accepted_and_json_before_the_rest() {
        let request = |accept: &str| {
            actix_web::test::TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request()
        };
        assert_eq!(Format::of(None, &request("*/*")), Format::Json);
        assert_eq!(Format::of(None, &request("text/csv;q=0.9, text/plain")), Format::Csv);
        assert_eq!(Format::of(None, &request("application/x-ndjson")), Format::Ndjson);
        assert_eq!(Format::of(Some(Format::Json), &request("text/csv")), Format::Json);
    }
}

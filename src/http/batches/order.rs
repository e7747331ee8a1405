//! `POST /v1/batches`: as JSON, or as a file that is read while it comes in. Nothing is begun before its end.

use super::lines::{BadLine, Lines};
use crate::http::{
    body::{self, BodyTimeout},
    caller::Operator,
    private::Private,
    problem::Problem,
};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, http::StatusCode, web};
use futures_util::StreamExt as _;
use model::limits;
use reauth::{Accepted, BatchRequest, ListOf, NewItem, Preparation, Who};
use register::BatchSource;
use std::time::Duration;

/// Orders a batch, or only counts it.
pub(crate) async fn start(
    request: HttpRequest,
    caller: Operator,
    payload: web::Payload,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let accepted = match request.content_type().to_ascii_lowercase().as_str() {
        "text/csv" => from_file(&request, caller, payload, &private).await?,
        "application/json" => from_json(&request, caller, payload, &private).await?,
        _ => {
            let detail =
                "Send the order as `application/json`, or a list as `text/csv` with the rest in the query.";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "unsupported-media-type", detail));
        }
    };
    let mut response = if accepted.dry_run { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    Ok(response.json(accepted))
}

async fn from_json(
    request: &HttpRequest,
    caller: Operator,
    payload: web::Payload,
    private: &Private,
) -> Result<Accepted, Problem> {
    // What stands in both places would be in force once, and nobody knows which.
    if !request.query_string().is_empty() {
        return Err(Problem::invalid("", "an order as JSON has no query"));
    }
    let bytes = read_whole(payload, BodyTimeout::of(request)).await?;
    let mut wanted: BatchRequest = body::json_of(&bytes)?;
    drop(bytes);
    let (source, terms) = private.reauth.check_batch(&wanted)?;
    if source == BatchSource::Csv {
        let rule = "one of enrollments, userReferences and filter says whom; there is none";
        return Err(Problem::invalid("", rule));
    }
    let (dry_run, expect) = (wanted.dry_run, wanted.expect_total);
    let mut preparation = private.reauth.prepare_batch(source, terms, dry_run, caller.actor()).await?;
    let enrollments = wanted.enrollments.take().into_iter().flatten().map(Who::Enrollment);
    let users = wanted.user_references.take().into_iter().flatten().map(Who::User);
    for (number, who) in (1..).zip(enrollments.chain(users)) {
        preparation.add(number, NewItem::from(who)).await?;
    }
    if let Some(filter) = wanted.filter {
        preparation.add_filtered(filter).await?;
    }
    Ok(preparation.finish(expect).await?)
}

async fn from_file(
    request: &HttpRequest,
    caller: Operator,
    payload: web::Payload,
    private: &Private,
) -> Result<Accepted, Problem> {
    let wanted: BatchRequest = body::query(request)?;
    let (source, terms) = private.reauth.check_batch(&wanted)?;
    if source != BatchSource::Csv {
        return Err(Problem::invalid("", "whom an order is about stands in its file, and not in the query"));
    }
    let mut preparation = private.reauth.prepare_batch(source, terms, wanted.dry_run, caller.actor()).await?;
    read_lines(payload, BodyTimeout::of(request), private, &mut preparation).await?;
    Ok(preparation.finish(wanted.expect_total).await?)
}

/// Reads the file to its end. What does not fit is named by its line, and nothing is begun.
async fn read_lines(
    mut payload: web::Payload,
    patience: Duration,
    private: &Private,
    preparation: &mut Preparation,
) -> Result<(), Problem> {
    let (mut lines, mut total, mut any) = (Lines::default(), 0, false);
    let mut items = Vec::new();
    loop {
        let bytes = next(&mut payload, patience).await?;
        let at_end = bytes.is_none();
        let bytes = bytes.unwrap_or_default();
        total += bytes.len();
        if total > limits::BATCH_FILE_BYTES {
            return Err(too_large(limits::BATCH_FILE_BYTES, "order several batches"));
        }
        let check = |of: ListOf, reference: &str, locale: Option<&str>, own: Option<&str>| {
            private.reauth.check_item(of, reference, locale, own)
        };
        let read = lines.read(&bytes, at_end, check, &mut items);
        any |= !items.is_empty();
        for (line, item) in items.drain(..) {
            preparation.add(line, item).await?;
        }
        read.map_err(|BadLine { line, rule }| {
            Problem::invalid("", format!("line {line}: {rule}; nothing was begun")).with("line", line)
        })?;
        if at_end {
            let rule = "the file has no line below its head";
            return if any { Ok(()) } else { Err(Problem::invalid("", rule)) };
        }
    }
}

/// The next bytes. A sender may be as long about a file as it likes, and not about a piece of it.
async fn next(payload: &mut web::Payload, patience: Duration) -> Result<Option<web::Bytes>, Problem> {
    match tokio::time::timeout(patience, payload.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
        Ok(Some(Err(_))) => Err(Problem::invalid("", "the body could not be read to its end")),
        Err(_elapsed) => {
            let detail = "The body did not arrive in time; nothing was done.";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail))
        }
    }
}

async fn read_whole(mut payload: web::Payload, patience: Duration) -> Result<Vec<u8>, Problem> {
    let mut whole = Vec::new();
    while let Some(bytes) = next(&mut payload, patience).await? {
        if whole.len() + bytes.len() > limits::BATCH_JSON_BYTES {
            return Err(too_large(limits::BATCH_JSON_BYTES, "send a longer list as text/csv"));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

fn too_large(limit: usize, advice: &str) -> Problem {
    let detail = format!("A body has at most {limit} bytes here; {advice}. Nothing was done.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}

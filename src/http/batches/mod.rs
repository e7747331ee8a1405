//! `/v1/batches`: ordering, looking at, pausing, resuming, cancelling; and the results.

mod lines;
mod order;
mod results;

pub(crate) use order::start;
pub(crate) use results::{ItemsQuery, items};

use super::{caller::Operator, private::Private, problem::Problem};
use actix_web::{HttpResponse, http::StatusCode, web};
use model::BatchId;

/// How far a batch is.
pub(crate) async fn show(
    _caller: Operator,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(private.reauth.batch(parse(&id)?).await?))
}

/// Takes no further item until it is resumed.
pub(crate) async fn pause(
    caller: Operator,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let id = parse(&id)?;
    private.reauth.pause_batch(id, caller.actor()).await?;
    Ok(HttpResponse::Ok().json(private.reauth.batch(id).await?))
}

/// Goes on.
pub(crate) async fn resume(
    caller: Operator,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let id = parse(&id)?;
    private.reauth.resume_batch(id, caller.actor()).await?;
    Ok(HttpResponse::Ok().json(private.reauth.batch(id).await?))
}

/// Takes no further item, and withdraws the links that nobody has pressed.
pub(crate) async fn cancel(
    caller: Operator,
    id: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let id = parse(&id)?;
    private.reauth.cancel_batch(id, caller.actor()).await?;
    Ok(HttpResponse::Ok().json(private.reauth.batch(id).await?))
}

fn parse(id: &str) -> Result<BatchId, Problem> {
    id.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "unknown-batch", "No batch has an id of this form."))
}

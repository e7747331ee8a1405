//! `GET /metrics`: for Prometheus, without a token and without anybody's data.

use super::{private::Private, problem::Problem};
use crate::metrics::Sight;
use actix_web::{HttpResponse, http::StatusCode, web};
use std::time::Duration;

/// The text format that Prometheus reads, in its standardised form.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics.
pub(crate) async fn read(private: web::Data<Private>) -> Result<HttpResponse, Problem> {
    let sight = Sight {
        ingest: &private.ingest,
        reauth: &private.reauth,
        custody: &private.custody,
        register: &private.register,
        queue: &private.queue,
        budget: &private.budget,
        retrievals: &private.retrievals,
        outbox: &private.outbox,
        receiver_away: private.receiver.is_away(),
        audit: &private.audit,
        refused: &private.refused,
        health: &private.health,
        clock: &*private.clock,
        simulated: private.about.simulated,
    };
    match private.metrics.text(&sight).await {
        Ok(text) => Ok(HttpResponse::Ok().content_type(OPEN_METRICS).body(text.to_string())),
        Err(unseen) => {
            tracing::error!("Metrics could not be counted: {unseen}");
            let detail = "Something cannot be counted at the moment; the log says what.";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", detail)
                .retry_after(Duration::from_secs(5)))
        }
    }
}

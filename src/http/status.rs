//! `GET /v1/status`: how the service is doing, without anybody's data.

use super::{caller::Watcher, private::Private, problem::Problem};
use actix_web::{HttpResponse, web};
use model::AuthenticationState;
use queue::{Kind, Lane};
use serde_json::{Map, Value, json};

/// Rows that are counted at most.
const MOST: usize = 100_000;

/// What the service is made of.
pub(crate) struct About {
    pub(crate) simulated: bool,
    pub(crate) engine: &'static str,
    pub(crate) key_provider: &'static str,
}

/// Counts, depths, the oldest that waits, refused callbacks, the budget.
pub(crate) async fn status(_caller: Watcher, private: web::Data<Private>) -> Result<HttpResponse, Problem> {
    let onboarding = private.ingest.status().await?;
    let enrollments: Map<String, Value> =
        onboarding.enrollments.iter().map(|(state, count)| (state.to_string(), json!(count))).collect();
    let callbacks: Map<String, Value> =
        onboarding.callbacks.iter().map(|(state, count)| ((*state).to_owned(), json!(count))).collect();
    Ok(HttpResponse::Ok().json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "simulated": private.about.simulated,
        "engine": private.about.engine,
        "keyProvider": private.about.key_provider,
        "troubles": private.health.troubles(),
        "enrollments": enrollments,
        "waitingForRelease": onboarding.waiting_for_release,
        "waitingForDeletion": onboarding.waiting_for_deletion,
        "callbacks": callbacks,
        "refusedCallbacks": private.refused.all(),
        "authentications": authentications(&private).await?,
        "queues": queues(&private).await?,
        "retention": private.custody.retention_status().await?,
        "auditSinks": private.audit.sink_lag(),
        "events": events(&private).await?,
        "budget": { "secondsUntilFree": private.budget.wait(Lane::Authentication).as_secs_f64() },
    })))
}

async fn authentications(private: &Private) -> Result<Map<String, Value>, Problem> {
    let mut counts = Map::new();
    for state in AuthenticationState::ALL {
        let counted = private.register.count_authentications(*state, MOST).await;
        let (count, oldest) = counted.map_err(|error| Problem::from(&error))?;
        counts.insert(state.to_string(), json!({ "count": count, "oldest": oldest }));
    }
    Ok(counts)
}

async fn events(private: &Private) -> Result<Value, Problem> {
    let mut events = json!(private.outbox.status(MOST).await?);
    events["receiverAway"] = private.receiver.is_away().into();
    Ok(events)
}

async fn queues(private: &Private) -> Result<Map<String, Value>, Problem> {
    let mut depths = Map::new();
    for kind in Kind::ALL {
        let depth = private.queue.depth(kind, MOST).await.map_err(|error| Problem::from(&error))?;
        depths.insert(
            kind.to_string(),
            json!({ "due": depth.due, "all": depth.all, "oldestDue": depth.oldest }),
        );
    }
    Ok(depths)
}

//! `GET /v1/status`: how the service is doing, without anybody's data.

use super::{caller::Watcher, private::Private, problem::Problem};
use crate::metrics::BatchesSeen;
use actix_web::{HttpResponse, web};
use model::{AuthenticationState, Timestamp};
use queue::{Kind, Lane, Limit, Usage};
use register::{BatchState, ItemState};
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
        "batches": batches(&private).await?,
        "budget": {
            "secondsUntilFree": private.budget.wait(Lane::Authentication).as_secs_f64(),
            "initiate": calls(&private.budget.usage(), private.clock.now()),
            "retrieve": calls(&private.retrievals.usage(), private.clock.now()),
        },
    })))
}

async fn batches(private: &Private) -> Result<Value, Problem> {
    let seen = BatchesSeen::look(&private.register, &private.reauth).await;
    let seen = seen.map_err(|error| Problem::from(&error))?;
    Ok(json!({
        "running": seen.batches(BatchState::Running),
        "paused": seen.batches(BatchState::Paused),
        "stalled": seen.stalled,
        "itemsWaiting": seen.items(ItemState::Queued),
    }))
}

/// How much of a budget is used, who waits for it, and until when Jumio's 429 keeps everybody waiting.
fn calls(usage: &Usage, now: Timestamp) -> Value {
    let window = |(limit, used): &(Limit, usize)| json!({ "seconds": limit.within.as_secs_f64(), "used": used, "limit": limit.count });
    let waiting = usage.waiting.iter().map(|(lane, count)| (lane.name().to_owned(), json!(count)));
    json!({
        "windows": usage.used.iter().map(window).collect::<Vec<_>>(),
        "waiting": waiting.collect::<Map<_, _>>(),
        "blockedUntil": (!usage.blocked_for.is_zero()).then(|| now + usage.blocked_for),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_budget_says_what_is_used_who_waits_and_until_when_nothing_is_sent() {
        let now: Timestamp = "2027-01-31T12:00:00Z".parse().unwrap();
        let mut usage = Usage {
            used: vec![(Limit { count: 3, within: Duration::from_secs(1) }, 2)],
            waiting: Lane::ALL.map(|lane| (lane, usize::from(lane == Lane::Batch) * 7)),
            blocked_for: Duration::from_secs(5),
        };
        let seen = calls(&usage, now);
        assert_eq!(seen["windows"], json!([{ "seconds": 1.0, "used": 2, "limit": 3 }]));
        assert_eq!(seen["waiting"], json!({ "authentication": 0, "verification": 0, "batch": 7 }));
        assert_eq!(seen["blockedUntil"], "2027-01-31T12:00:05Z");
        usage.blocked_for = Duration::ZERO;
        assert_eq!(calls(&usage, now)["blockedUntil"], Value::Null);
    }
}

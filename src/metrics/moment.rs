//! How things are at the moment: counted in the store, up to a bound, when somebody asks.

use super::{BatchesSeen, Labels, Unseen};
use crate::{health::Health, http::refused::Refused};
use audit::Audit;
use custody::Custody;
use ingest::{Count, Ingest};
use model::{AuthenticationState, Clock, Timestamp};
use notify::Outbox;
use prometheus_client::{
    metrics::{counter::ConstCounter, counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use queue::{Budget, Kind, Queue, Retrievals, Usage};
use reauth::Reauth;
use register::{BatchState, ItemState, Register};
use std::sync::atomic::AtomicU64;

/// Rows that are counted at most, of each kind.
const MOST: usize = 100_000;

/// What is looked at.
pub(crate) struct Sight<'a> {
    pub(crate) ingest: &'a Ingest,
    pub(crate) reauth: &'a Reauth,
    pub(crate) custody: &'a Custody,
    pub(crate) register: &'a Register,
    pub(crate) queue: &'a Queue,
    pub(crate) budget: &'a Budget,
    pub(crate) retrievals: &'a Retrievals,
    pub(crate) outbox: &'a Outbox,
    pub(crate) receiver_away: bool,
    pub(crate) audit: &'a Audit,
    pub(crate) refused: &'a Refused,
    pub(crate) health: &'a Health,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) simulated: bool,
}

type Amounts<const N: usize> = Family<Labels<N>, Gauge>;
type Seconds<const N: usize> = Family<Labels<N>, Gauge<f64, AtomicU64>>;

pub(super) async fn register(registry: &mut Registry, sight: &Sight<'_>) -> Result<(), Unseen> {
    people(registry, sight).await?;
    jobs(registry, sight).await?;
    batches(registry, sight).await?;
    events(registry, sight).await?;
    custody(registry, sight).await?;
    budgets(registry, sight);
    callbacks(registry, sight);
    health(registry, sight);
    Ok(())
}

/// Enrollments and authentications by state, and what waits for somebody.
async fn people(registry: &mut Registry, sight: &Sight<'_>) -> Result<(), Unseen> {
    let now = sight.clock.now();
    let status = sight.ingest.status().await?;
    let (enrollments, oldest) = (Amounts::<1>::default(), Seconds::<1>::default());
    for (state, count) in &status.enrollments {
        let state = [("state", state.as_str())];
        put(&enrollments, &state, count.count);
        age(&oldest, &state, count.oldest, now);
    }
    registry.register("enrollments", "Enrollments by state, counted up to 100 000", enrollments);
    registry.register("enrollments_oldest_age_seconds", "How long the oldest is in its state", oldest);
    let (waiting, oldest) = (Amounts::<1>::default(), Seconds::<1>::default());
    let both: [(&str, Count); 2] =
        [("release", status.waiting_for_release), ("deletion", status.waiting_for_deletion)];
    for (what, count) in both {
        put(&waiting, &[("for", what)], count.count);
        age(&oldest, &[("for", what)], count.oldest, now);
    }
    let help =
        "Vaulted enrollments whose original is still at Jumio, by what they wait for, among the oldest 1000";
    registry.register("originals_at_jumio", help, waiting);
    registry.register("originals_at_jumio_oldest_age_seconds", "How long the oldest of them waits", oldest);
    let (inbox, oldest) = (Amounts::<1>::default(), Seconds::<1>::default());
    for (state, count) in &status.callbacks {
        put(&inbox, &[("state", *state)], count.count);
        age(&oldest, &[("state", *state)], count.oldest, now);
    }
    registry.register("inbox_callbacks", "Callbacks in the inbox by state, counted up to 100 000", inbox);
    registry.register("inbox_callbacks_oldest_age_seconds", "How long ago the oldest came", oldest);
    let authentications = Amounts::<1>::default();
    for state in AuthenticationState::ALL {
        let (count, _) = sight.register.count_authentications(*state, MOST).await?;
        put(&authentications, &[("state", state.as_str())], count);
    }
    registry.register("authentications", "Authentications by state, counted up to 100 000", authentications);
    Ok(())
}

/// Queues and dead letters.
async fn jobs(registry: &mut Registry, sight: &Sight<'_>) -> Result<(), Unseen> {
    let now = sight.clock.now();
    let (depth, dead, oldest) = (Amounts::<2>::default(), Amounts::<1>::default(), Seconds::<1>::default());
    for kind in Kind::ALL {
        let found = sight.queue.depth(kind, MOST).await?;
        let name = ("kind", kind.name());
        put(&depth, &[name, ("is", "due")], found.due);
        put(&depth, &[name, ("is", "later")], found.all.saturating_sub(found.due));
        age(&oldest, &[name], found.oldest, now);
        put(&dead, &[name], sight.queue.count_dead(kind, MOST).await?);
    }
    registry.register("jobs", "Jobs by kind, counted up to 100 000", depth);
    registry.register(
        "jobs_oldest_due_age_seconds",
        "How long the oldest job could have been taken already",
        oldest,
    );
    registry.register("dead_letters", "Jobs that were given up, by kind", dead);
    Ok(())
}

/// Batches by state, and the items of those that are not at their end.
async fn batches(registry: &mut Registry, sight: &Sight<'_>) -> Result<(), Unseen> {
    let (by_state, items) = (Amounts::<1>::default(), Amounts::<1>::default());
    let seen = BatchesSeen::look(sight.register, sight.reauth).await?;
    for state in BatchState::ALL {
        by_state.get_or_create(&[("state", state.as_str())]).set(whole64(seen.batches(*state)));
    }
    for state in ItemState::ALL {
        items.get_or_create(&[("state", state.as_str())]).set(whole64(seen.items(*state)));
    }
    let stalled: Gauge = Gauge::default();
    stalled.set(whole64(seen.stalled));
    registry.register("batches", "Batches by state, among the first 1000", by_state);
    registry.register("batch_items", "Items of the batches that are not at their end, by state", items);
    registry.register("batches_stalled", "Batches that should go on and have not for five minutes", stalled);
    Ok(())
}

async fn events(registry: &mut Registry, sight: &Sight<'_>) -> Result<(), Unseen> {
    let status = sight.outbox.status(MOST).await?;
    let count = Amounts::<1>::default();
    put(&count, &[("state", "waiting")], status.waiting);
    put(&count, &[("state", "dead")], status.dead);
    let oldest = Gauge::<f64, AtomicU64>::default();
    oldest.set(seconds_since(status.oldest, sight.clock.now()));
    registry.register("events", "Events that wait to be delivered, and that were given up", count);
    registry.register("events_oldest_age_seconds", "How long ago the oldest waiting one happened", oldest);
    let away: Gauge = Gauge::default();
    away.set(i64::from(sight.receiver_away));
    registry.register("events_receiver_away", "1 while the company's backend takes no events", away);
    Ok(())
}

/// Holds, and the sweep.
async fn custody(registry: &mut Registry, sight: &Sight<'_>) -> Result<(), Unseen> {
    let held: Gauge = Gauge::default();
    held.set(whole(sight.custody.count_holds(MOST).await?));
    registry.register("holds", "Enrollments that a legal hold keeps", held);
    let status = sight.custody.retention_status().await?;
    let state = Amounts::<1>::default();
    put(&state, &[("state", status.state.as_str())], 1);
    registry.register("retention_state", "1 for the state that the retention sweep is in", state);
    let due = Amounts::<1>::default();
    for (what, count) in [("due", status.due), ("held", status.held), ("failed", status.failed)] {
        put(&due, &[("is", what)], usize::try_from(count).unwrap_or(usize::MAX));
    }
    registry.register("retention_enrollments", "Enrollments whose time was over at the last count", due);
    Ok(())
}

fn budgets(registry: &mut Registry, sight: &Sight<'_>) {
    let (used, limits) = (Amounts::<2>::default(), Amounts::<2>::default());
    let (waiting, blocked) = (Amounts::<2>::default(), Seconds::<1>::default());
    let both = [("initiate", sight.budget.usage()), ("retrieve", sight.retrievals.usage())];
    for (calls, usage) in both {
        let Usage { used: sent, waiting: queued, blocked_for } = usage;
        for (limit, count) in sent {
            let labels = [("calls", calls), ("within", within(limit.within.as_secs()))];
            put(&used, &labels, count);
            put(&limits, &labels, limit.count);
        }
        for (lane, count) in queued {
            put(&waiting, &[("calls", calls), ("lane", lane.name())], count);
        }
        blocked.get_or_create(&[("calls", calls)]).set(blocked_for.as_secs_f64());
    }
    registry.register("budget_used", "Calls to Jumio within the last interval", used);
    registry.register("budget_limit", "Calls to Jumio that are allowed within an interval", limits);
    registry.register("budget_waiting", "Callers that wait for a call to Jumio, by lane", waiting);
    let help = "How long nothing is sent, because Jumio has answered 429";
    registry.register("budget_blocked_seconds", help, blocked);
}

/// Refused callbacks; and what the flows count themselves.
fn callbacks(registry: &mut Registry, sight: &Sight<'_>) {
    let refused = Family::<Labels<1>, Counter>::default();
    for (why, count) in sight.refused.by_reason() {
        refused.get_or_create(&[("reason", why.as_str())]).inc_by(count);
    }
    registry.register("callbacks_refused", "Callbacks that were turned away, by reason", refused);
    let help = "Requests that got the authentication which was open already";
    registry.register("deduplications", help, ConstCounter::new(sight.reauth.deduplicated()));
}

fn health(registry: &mut Registry, sight: &Sight<'_>) {
    let up = Amounts::<1>::default();
    for (part, is_up) in sight.health.parts() {
        put(&up, &[("part", part)], usize::from(is_up));
    }
    registry.register("up", "1 for each part that works: store, slots, keys", up);
    let (lag, failing) = (Amounts::<1>::default(), Amounts::<1>::default());
    for sink in sight.audit.sink_lag() {
        put(&lag, &[("sink", sink.sink)], usize::try_from(sink.entries).unwrap_or(usize::MAX));
        put(&failing, &[("sink", sink.sink)], usize::from(sink.failing_since.is_some()));
    }
    registry.register("audit_sink_lag_entries", "Entries of the book that a sink does not surely have", lag);
    registry.register("audit_sink_failing", "1 while a sink cannot be written", failing);
    let about = Amounts::<2>::default();
    let simulated = if sight.simulated { "true" } else { "false" };
    put(&about, &[("version", env!("CARGO_PKG_VERSION")), ("simulated", simulated)], 1);
    registry.register("build", "The version, and whether Jumio is simulated", about);
}

fn put<const N: usize>(family: &Amounts<N>, labels: &Labels<N>, count: usize) {
    family.get_or_create(labels).set(whole(count));
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn whole64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn age<const N: usize>(family: &Seconds<N>, labels: &Labels<N>, since: Option<Timestamp>, now: Timestamp) {
    family.get_or_create(labels).set(seconds_since(since, now));
}

/// 0 where there is none, so that an alarm has something to compare with.
fn seconds_since(since: Option<Timestamp>, now: Timestamp) -> f64 {
    since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0))
}

const fn within(seconds: u64) -> &'static str {
    match seconds {
        1 => "1s",
        5 => "5s",
        60 => "60s",
        _ => "other",
    }
}

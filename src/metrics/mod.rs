//! What Prometheus is told: counts of what happened since the start, and how things are at the moment.
//!
//! A label is a word of this program, by its type: no name, reference, token, address or link can become one.

mod acts;
mod batches;
mod moment;
mod process;
mod store;

pub(crate) use batches::BatchesSeen;
pub(crate) use moment::Sight;
pub(crate) use store::MeteredStore;

use audit::{Audit, AuditError};
use ingest::{CallbackOutcome, Meter};
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// Before the name of each.
const PREFIX: &str = "facemap_vault";
/// How long an answer is given out again: the counting goes through the store, and anybody may ask.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// Labels with their values, which are words of this program.
pub(crate) type Labels<const N: usize> = [(&'static str, &'static str); N];
/// A count for each value of a label.
pub(crate) type Counts<const N: usize> = Family<Labels<N>, Counter>;

/// Seconds: from a fast disk's fsync to the end of anybody's patience.
const COMMIT_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];
/// Seconds: from what Jumio's interfaces need to a day of trouble.
const FLOW_SECONDS: [f64; 12] =
    [0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0];

/// What is counted as it happens. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    callbacks: Counts<1>,
    until_vaulted: Histogram,
    until_ready: Histogram,
    commits: Histogram,
    commit_failures: Counts<1>,
    acts: acts::Acts,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            callbacks: Counts::default(),
            until_vaulted: Histogram::new(FLOW_SECONDS),
            until_ready: Histogram::new(FLOW_SECONDS),
            commits: Histogram::new(COMMIT_SECONDS),
            commit_failures: Counts::default(),
            acts: acts::Acts::default(),
        }
    }
}

impl Meter for Meters {
    fn callback(&self, outcome: CallbackOutcome) {
        self.callbacks.get_or_create(&[("outcome", outcome.as_str())]).inc();
    }

    fn vaulted(&self, after: Duration) {
        self.until_vaulted.observe(after.as_secs_f64());
    }

    fn ready(&self, after: Duration) {
        self.until_ready.observe(after.as_secs_f64());
    }
}

impl Meters {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "callbacks",
            "Callbacks that were judged, by what became of them",
            self.callbacks.clone(),
        );
        let help = "Seconds from the first sign that a person has finished until the facemap rested here";
        registry.register("vaulting_seconds", help, self.until_vaulted.clone());
        let help = "Seconds from the first sign that a person has finished, or from the release where that came later, \
                    until the enrollment was ready";
        registry.register("ready_seconds", help, self.until_ready.clone());
        let help = "Seconds until a commit was durable";
        registry.register("store_commit_seconds", help, self.commits.clone());
        let help = "Commits that were not made, without those that came second";
        registry.register("store_commit_failures", help, self.commit_failures.clone());
        self.acts.register(registry);
    }
}

/// All of it, as text.
pub(crate) struct Metrics {
    meters: Meters,
    follower: Mutex<Follower>,
}

/// How far the book was counted, and the last answer.
struct Follower {
    position: u64,
    last: Option<(Duration, Arc<str>)>,
}

impl Metrics {
    /// Counts from where the book ends now.
    ///
    /// # Errors
    /// When the book's head cannot be read.
    pub(crate) async fn begin(meters: Meters, audit: &Audit) -> Result<Self, AuditError> {
        let position = audit.head().await?.position;
        Ok(Self { meters, follower: Mutex::new(Follower { position, last: None }) })
    }

    /// What is counted as it happens.
    pub(crate) const fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The text. Whoever asks within five seconds gets the same one.
    ///
    /// # Errors
    /// [`Unseen`] when something cannot be counted: half of the truth would raise no alarm.
    pub(crate) async fn text(&self, sight: &Sight<'_>) -> Result<Arc<str>, Unseen> {
        let mut follower = self.follower.lock().await;
        let now = sight.clock.uptime();
        if let Some((at, text)) = follower.last.as_ref().filter(|(at, _)| now.saturating_sub(*at) < KEPT_FOR)
        {
            tracing::trace!(?at, "Metrics are given out again.");
            return Ok(Arc::clone(text));
        }
        follower.position = self.meters.acts.follow(sight.audit, follower.position).await?;
        let mut registry = Registry::with_prefix(PREFIX);
        self.meters.register(&mut registry);
        moment::register(&mut registry, sight).await?;
        process::register(&mut registry, now);
        let mut text = String::new();
        text::encode(&mut text, &registry).map_err(Unseen::of)?;
        let text: Arc<str> = text.into();
        follower.last = Some((now, Arc::clone(&text)));
        Ok(text)
    }
}

/// Something could not be counted.
#[derive(Debug)]
pub(crate) struct Unseen(String);

impl Unseen {
    fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Unseen {
    fn from(error: E) -> Self {
        Self::of(error)
    }
}

//! The service: what it stands on, and what of it is configured.

use crate::{attempts::Attempts, links::LinksConfig, single_flight::SingleFlight};
use audit::Audit;
use jiff::{SignedDuration, Timestamp};
use jumio::JumioApi;
use model::{AuthenticationId, Clock, Rng};
use notify::Outbox;
use queue::{Budget, PeerHealth, Queue, Retrievals};
use register::Register;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{runtime::Handle, sync::Semaphore};
use vault::Vault;

/// The keys of `[reauth]` that act here, with their units.
#[derive(Debug, Clone)]
pub struct ReauthConfig {
    /// How long one transaction serves all requests: Jumio's 15 minutes.
    pub window: SignedDuration,
    /// How long nothing is posted after an unknown outcome; doubles with each in a row.
    pub settle: SignedDuration,
    /// How long a caller waits for the budget or for another caller's post.
    pub wait: Duration,
    /// When the Retrieval API is asked for a result, counted from the initiate.
    pub result_polls: Vec<SignedDuration>,
    /// How long after its confirmation a result can be redeemed.
    pub result_valid: SignedDuration,
    /// How often a user may be sent to Jumio, over all channels.
    pub attempts: Attempts,
    /// The vault's own links.
    pub links: LinksConfig,
    /// Facemaps that may be in memory at the same time.
    pub most_facemaps: usize,
}

/// What the service stands on.
pub struct ReauthParts {
    /// Who is enrolled, and who is being re-authenticated.
    pub register: Register,
    /// Where the facemaps rest.
    pub vault: Arc<Vault>,
    /// Jumio.
    pub jumio: Arc<dyn JumioApi>,
    /// The book.
    pub audit: Audit,
    /// The desk.
    pub queue: Queue,
    /// Where events for the company's backend are put.
    pub outbox: Outbox,
    /// How often Jumio may be asked to initiate.
    pub budget: Budget,
    /// How often the Retrieval API may be asked.
    pub retrievals: Retrievals,
    /// When Jumio last answered anybody.
    pub peer: PeerHealth,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids.
    pub rng: Arc<dyn Rng>,
    /// This process: what another one has claimed or was posting is not waited for.
    pub process: u64,
    /// Makes the callback address of a transaction, with its token, from its id.
    pub callback_url: Box<dyn Fn(AuthenticationId) -> String + Send + Sync>,
}

/// The re-authentication service.
#[derive(Clone)]
pub struct Reauth {
    pub(crate) parts: Arc<ReauthParts>,
    pub(crate) config: Arc<ReauthConfig>,
    pub(crate) flights: SingleFlight,
    pub(crate) facemaps: Arc<Semaphore>,
    /// Posts run here, and not on the threads of a listener, which end before they do.
    pub(crate) runtime: Handle,
    /// Requests that got an open authentication, since the start.
    pub(crate) deduplicated: Arc<AtomicU64>,
    /// Whether batches take no more items.
    pub(crate) stopping: Arc<AtomicBool>,
}

impl Reauth {
    /// The service on these parts, within the runtime that outlives all requests. Call [`Reauth::recover_all`] before
    /// the first request.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(parts: ReauthParts, config: ReauthConfig) -> Self {
        let facemaps = Arc::new(Semaphore::new(config.most_facemaps));
        let (parts, config, flights) = (Arc::new(parts), Arc::new(config), SingleFlight::default());
        let (deduplicated, stopping) = (Arc::default(), Arc::default());
        Self { parts, config, flights, facemaps, runtime: Handle::current(), deduplicated, stopping }
    }

    /// The service is about to stop: batches take no further items. What they have in hand is finished.
    pub fn stop_batches(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Posts under way: at a shutdown they are waited for, since a post that is cut off has an unknown outcome.
    #[must_use]
    pub fn posts_under_way(&self) -> usize {
        self.flights.len()
    }

    /// Requests over all channels that got the authentication which was open already, since the start.
    #[must_use]
    pub fn deduplicated(&self) -> u64 {
        self.deduplicated.load(Ordering::Relaxed)
    }

    /// Callers that wait for somebody else's post.
    #[must_use]
    pub fn callers_waiting(&self) -> usize {
        self.flights.waiting()
    }
}

/// Attempts at a change before somebody else's commits are called trouble.
pub(crate) const MOST_ATTEMPTS: u32 = 16;

/// Repeats an attempt while somebody else's commit comes first.
macro_rules! until_no_conflict {
    ($attempt:expr) => {{
        let mut attempts = 1;
        loop {
            match $attempt.await {
                Err(error) if error.is_conflict() && attempts < $crate::service::MOST_ATTEMPTS => {
                    attempts += 1
                }
                result => break result,
            }
        }
    }};
}
pub(crate) use until_no_conflict;

impl fmt::Debug for Reauth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reauth(..)")
    }
}

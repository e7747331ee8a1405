//! The service: what it stands on, and what of it is configured.

use crate::{error::ReauthError, single_flight::SingleFlight};
use audit::Audit;
use jiff::{SignedDuration, Timestamp};
use jumio::JumioApi;
use model::{AuthenticationId, Clock, Rng};
use queue::{Budget, Queue, SlidingLimit};
use register::Register;
use std::{sync::Arc, time::Duration};
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
    pub audit: Arc<Audit>,
    /// The desk.
    pub queue: Queue,
    /// How often Jumio may be asked to initiate.
    pub budget: Arc<Budget>,
    /// How often the Retrieval API may be asked.
    pub retrievals: Arc<SlidingLimit>,
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
    pub(crate) facemaps: Arc<tokio::sync::Semaphore>,
}

impl Reauth {
    /// The service on these parts. Call [`Reauth::recover_all`] before the first request.
    #[must_use]
    pub fn new(parts: ReauthParts, config: ReauthConfig) -> Self {
        let facemaps = Arc::new(tokio::sync::Semaphore::new(config.most_facemaps));
        Self { parts: Arc::new(parts), config: Arc::new(config), flights: SingleFlight::default(), facemaps }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Posts under way: at a shutdown they are waited for, since a post that is cut off has an unknown outcome.
    #[must_use]
    pub fn posts_under_way(&self) -> usize {
        self.flights.len()
    }

    /// Repeats `attempt` while somebody else's commit came first.
    pub(crate) async fn until_no_conflict<T, F>(&self, mut attempt: F) -> Result<T, ReauthError>
    where
        F: AsyncFnMut() -> Result<T, ReauthError>,
    {
        const MOST_ATTEMPTS: u32 = 16;
        let mut result = attempt().await;
        for _ in 1..MOST_ATTEMPTS {
            match &result {
                Err(error) if error.is_conflict() => result = attempt().await,
                _ => break,
            }
        }
        result
    }
}

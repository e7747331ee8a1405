//! The budget of retrievals and deletions: one for all, and a part of it for what strangers bring about.

use crate::{Budget, BudgetError, Lane, Limit, Permit, Usage};
use model::Clock;
use std::{fmt, sync::Arc, time::Duration};

/// Strangers get one in so many.
const STRANGERS_PART: usize = 5;

/// What a retrieval is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetrievalLane {
    /// Something that we started, that was announced, or that Jumio has confirmed.
    Known(Lane),
    /// A reference that only a callback names: anybody could have sent it.
    Stranger,
}

impl From<Lane> for RetrievalLane {
    fn from(lane: Lane) -> Self {
        Self::Known(lane)
    }
}

/// The right to ask once. Drop it in the moment of asking.
#[must_use = "a permit is used up whether or not anything is sent; drop it in the moment of sending"]
#[derive(Debug)]
pub struct RetrievalPermit {
    _of_all: Permit,
    _of_strangers: Option<Permit>,
}

/// The budget of the Retrieval and Delete APIs, in memory. Strangers get a fifth of it at most, and go last: nobody else
/// waits for them. Clones are the same budget.
#[derive(Clone)]
pub struct Retrievals {
    all: Budget,
    strangers: Budget,
}

impl Retrievals {
    /// A budget with these limits.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, limits: &[Limit]) -> Self {
        let part: Vec<Limit> =
            limits.iter().map(|limit| Limit { count: limit.count / STRANGERS_PART, ..*limit }).collect();
        Self {
            all: Budget::in_memory(Arc::clone(&clock), limits),
            strangers: Budget::in_memory(clock, &part),
        }
    }

    /// Waits for the right to ask once, for `wait_at_most`. A stranger never waits: where others do, or its part is
    /// spent, it is told to come again.
    ///
    /// # Errors
    /// [`BudgetError::Spent`].
    pub async fn acquire(
        &self,
        lane: impl Into<RetrievalLane> + Send,
        wait_at_most: Duration,
    ) -> Result<RetrievalPermit, BudgetError> {
        match lane.into() {
            RetrievalLane::Known(lane) => {
                let of_all = self.all.acquire(lane, wait_at_most).await?;
                Ok(RetrievalPermit { _of_all: of_all, _of_strangers: None })
            }
            RetrievalLane::Stranger => {
                let part = self.strangers.reserve(Lane::Batch, Duration::ZERO).await?;
                let of_all = self.all.acquire(Lane::Batch, Duration::ZERO).await?;
                let part = part.into_permit().await?;
                Ok(RetrievalPermit { _of_all: of_all, _of_strangers: Some(part) })
            }
        }
    }

    /// Jumio answered 429: as [`Budget::penalise`], for all.
    pub fn penalise(&self, retry_after: Option<Duration>) {
        self.all.penalise(retry_after);
    }

    /// Jumio answered, and not with 429.
    pub fn answered(&self) {
        self.all.answered();
    }

    /// How much of it is used, and who waits.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.all.usage()
    }

    /// How long until somebody who asked now could ask Jumio.
    #[must_use]
    pub fn wait(&self, lane: Lane) -> Duration {
        self.all.wait(lane)
    }
}

impl fmt::Debug for Retrievals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Retrievals(..)")
    }
}

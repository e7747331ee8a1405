//! The room's one door.

use crate::{IngestConfig, epoch::OpenEpoch};
use audit::Audit;
use jumio::JumioApi;
use model::{Clock, Rng};
use queue::{Budget, PeerHealth, Queue};
use records::Records;
use register::Register;
use std::{fmt, sync::Arc};
use tokio::sync::Mutex;
use vault::Vault;

/// What this room stands on.
pub struct IngestParts {
    /// The rows that the flows share.
    pub register: Register,
    /// The strongroom.
    pub vault: Arc<Vault>,
    /// Jumio, or its script in a test.
    pub jumio: Arc<dyn JumioApi>,
    /// The book.
    pub audit: Audit,
    /// The desk.
    pub queue: Queue,
    /// How often Jumio may be asked to initiate.
    pub budget: Budget,
    /// How often the Retrieval and Delete APIs may be asked.
    pub retrievals: Budget,
    /// When Jumio last answered anybody.
    pub health: PeerHealth,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The operator's settings.
    pub config: IngestConfig,
}

/// Onboardings, from the first hint to an enrollment that can be used.
pub struct Ingest {
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) jumio: Arc<dyn JumioApi>,
    pub(crate) audit: Audit,
    pub(crate) queue: Queue,
    pub(crate) budget: Budget,
    pub(crate) retrievals: Budget,
    pub(crate) health: PeerHealth,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) config: IngestConfig,
    /// The epoch of this hour. Held while one is made, so that two callers do not make two.
    pub(crate) epoch: Mutex<Option<Arc<OpenEpoch>>>,
}

impl Ingest {
    /// The room, over what it stands on. Run [`Ingest::sweep`] before any job.
    #[must_use]
    pub fn new(parts: IngestParts) -> Self {
        let IngestParts { register, vault, jumio, audit, queue, budget, retrievals, health, .. } = parts;
        let IngestParts { clock, rng, config, .. } = parts;
        let epoch = Mutex::new(None);
        Self { register, vault, jumio, audit, queue, budget, retrievals, health, clock, rng, config, epoch }
    }

    /// The settings in force.
    #[must_use]
    pub const fn config(&self) -> &IngestConfig {
        &self.config
    }

    pub(crate) fn records(&self) -> &Records {
        self.register.records()
    }
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ingest(..)")
    }
}

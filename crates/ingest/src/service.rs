//! The room's one door.

use crate::{IngestConfig, Meter, epoch::OpenEpoch, forget::Rounds, meter::Nobody};
use audit::Audit;
use jumio::JumioApi;
use model::{Clock, Rng};
use notify::Outbox;
use queue::{Budget, PeerHealth, Queue, Retrievals};
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
    /// Where events for the company's backend are put.
    pub outbox: Outbox,
    /// How often Jumio may be asked to initiate.
    pub budget: Budget,
    /// How often the Retrieval and Delete APIs may be asked.
    pub retrievals: Retrievals,
    /// When Jumio last answered anybody.
    pub health: PeerHealth,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The operator's settings.
    pub config: IngestConfig,
}

/// Onboardings, from the first hint to an enrollment that can be used. There is one of it over a vault: it remembers
/// what it sealed under the current epoch.
pub struct Ingest {
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) jumio: Arc<dyn JumioApi>,
    pub(crate) audit: Audit,
    pub(crate) queue: Queue,
    pub(crate) outbox: Outbox,
    pub(crate) budget: Budget,
    pub(crate) retrievals: Retrievals,
    pub(crate) health: PeerHealth,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) config: IngestConfig,
    /// The epoch that callbacks are sealed under. Held while one is made, so that two callers do not make two.
    pub(crate) epoch: Mutex<Option<Arc<OpenEpoch>>>,
    pub(crate) rounds: Rounds,
    pub(crate) meter: Arc<dyn Meter>,
}

impl Ingest {
    /// The room, over what it stands on. Run [`Ingest::sweep`] before any job.
    #[must_use]
    pub fn new(parts: IngestParts) -> Self {
        let IngestParts { register, vault, jumio, audit, queue, budget, retrievals, health, .. } = parts;
        let IngestParts { outbox, clock, rng, config, .. } = parts;
        let (epoch, rounds) = (Mutex::new(None), Rounds::default());
        Self {
            register,
            vault,
            jumio,
            audit,
            queue,
            outbox,
            budget,
            retrievals,
            health,
            clock,
            rng,
            config,
            epoch,
            rounds,
            meter: Arc::new(Nobody),
        }
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

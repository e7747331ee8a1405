//! The room's one door: what it stands on, and what of it is configured.

use crate::{
    purge::{Flights, Forget},
    retention::{RetentionConfig, Watch},
};
use async_trait::async_trait;
use audit::Audit;
use jumio::JumioApi;
use model::{Clock, Rng, Timestamp};
use notify::Outbox;
use queue::{Handler, HandlerError, Kind, Lease, PeerHealth, Queue, QueueError, Retrievals};
use records::{Commit, Records};
use register::Register;
use seal::KeyProvider;
use std::{fmt, sync::Arc, time::Duration};
use tokio::runtime::Handle;
use vault::Vault;

const KINDS: [Kind; 6] =
    [Kind::Purge, Kind::Erasure, Kind::JumioDeletion, Kind::Retention, Kind::Housekeeping, Kind::Replaced];

/// The operator's settings that act here, with their units.
#[derive(Debug, Clone)]
pub struct CustodyConfig {
    /// Days for which backups of the slot file are kept (`store.slot_backup_horizon_days`).
    pub slot_backup_horizon_days: u32,
    /// Purges of more need the token and the total of a dry run (`purge.confirm_above`).
    pub confirm_above: u64,
    /// How long an order for one waits for Jumio's deletions before a job takes them over.
    pub jumio_patience: Duration,
    /// Erasures of an order for many that are under way at the same time.
    pub erasures_at_once: usize,
    /// What is destroyed by itself, and when.
    pub retention: RetentionConfig,
}

impl Default for CustodyConfig {
    fn default() -> Self {
        Self {
            slot_backup_horizon_days: 30,
            confirm_above: 100,
            jumio_patience: Duration::from_secs(3),
            erasures_at_once: 64,
            retention: RetentionConfig::default(),
        }
    }
}

/// What this room stands on.
pub struct CustodyParts {
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
    /// How often the Retrieval and Delete APIs may be asked.
    pub retrievals: Retrievals,
    /// When Jumio last answered anybody.
    pub peer: PeerHealth,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Who holds the wrapping keys.
    pub provider: Arc<dyn KeyProvider>,
    /// Who forgets raw callbacks.
    pub forget: Arc<dyn Forget>,
    /// The operator's settings.
    pub config: CustodyConfig,
}

/// Custody: what is done with people's data besides using it. Clones are the same one.
#[derive(Clone)]
pub struct Custody {
    pub(crate) parts: Arc<CustodyParts>,
    pub(crate) flights: Flights,
    /// Erasures run here, and not on the threads of a listener, which end before they do.
    pub(crate) runtime: Handle,
    /// What holds and retention remember while the process lives.
    pub(crate) watch: Arc<Watch>,
}

impl Custody {
    /// The room, over what it stands on, within the runtime that outlives all requests. Run [`Custody::start`] before
    /// any job.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(parts: CustodyParts) -> Self {
        Self {
            parts: Arc::new(parts),
            flights: Flights::default(),
            runtime: Handle::current(),
            watch: Arc::default(),
        }
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &CustodyConfig {
        &self.parts.config
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    pub(crate) fn records(&self) -> &Records {
        self.parts.register.records()
    }
}

#[async_trait]
impl Handler for Custody {
    fn kinds(&self) -> &[Kind] {
        &KINDS
    }

    fn lease_for(&self) -> Duration {
        Duration::from_mins(5)
    }

    async fn handle(&self, lease: &Lease) -> Result<(), HandlerError> {
        let done = match lease.kind() {
            Kind::Purge => self.handle_purge(lease).await,
            Kind::Erasure => self.handle_erasure(lease).await,
            Kind::JumioDeletion => self.handle_jumio_deletion(lease).await,
            Kind::Replaced => self.handle_replaced(lease).await,
            Kind::Retention => self.handle_retention(lease).await,
            Kind::Housekeeping => self.handle_housekeeping(lease).await,
            kind => Err(QueueError::Unreadable { kind }.into()),
        };
        done.map_err(|error| self.failure(&error))
    }

    async fn given_up(&self, lease: &Lease, commit: &mut Commit) -> Result<(), HandlerError> {
        match lease.kind() {
            Kind::JumioDeletion => {
                self.give_up_jumio(lease, commit).await.map_err(|error| self.failure(&error))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Custody(..)")
    }
}

//! The outbox as the flows see it.

use crate::{
    Event,
    row::{PENDING, Told},
};
use model::{Clock, Timestamp};
use records::{Commit, Records};
use register::{Register, RegisterError, Sealed};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, Notify};

/// What of it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Whether the vault is a simulated one: every event says so.
    pub simulated: bool,
    /// Whether somebody receives events. Otherwise they are kept to be pulled.
    pub has_receiver: bool,
    /// How long an event is tried, and how long it is kept afterwards.
    pub max_age: Duration,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self { simulated: false, has_receiver: false, max_age: Duration::from_hours(7 * 24) }
    }
}

pub(crate) struct Inner {
    pub(crate) register: Register,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: OutboxConfig,
    /// Held by whoever gives places: there is one at a time.
    pub(crate) placing: Mutex<()>,
    pub(crate) wake: Notify,
    sequence: AtomicU64,
    /// The latest time that an event was put at, in microseconds: a clock that is turned back reverses nothing.
    latest: AtomicI64,
}

/// The outbox. Clones are the same one.
#[derive(Clone)]
pub struct Outbox {
    pub(crate) inner: Arc<Inner>,
}

impl Outbox {
    /// The outbox in the register's store.
    #[must_use]
    pub fn new(register: Register, clock: Arc<dyn Clock>, config: OutboxConfig) -> Self {
        let inner = Inner {
            register,
            clock,
            config,
            placing: Mutex::new(()),
            wake: Notify::new(),
            sequence: AtomicU64::new(0),
            latest: AtomicI64::new(i64::MIN),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Puts an event into a flow's own commit: it is told if and only if the commit becomes durable. An event about
    /// somebody whose slot is burnt already is not put: there is nobody to tell of.
    ///
    /// # Errors
    /// When the slot cannot be read. Then the commit must not be submitted.
    pub async fn put(&self, commit: &mut Commit, event: Event) -> Result<(), RegisterError> {
        let mut mark = [0; 16];
        self.records().rng().fill(&mut mark);
        let person = match self.sealed(&event, &mark).await {
            Ok(person) => person,
            Err(error) if is_gone(&error) => {
                tracing::info!(kind = %event.kind, "an event is not put: it is about somebody who is destroyed");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Event { kind, order, slot, plain, .. } = event;
        let now = self.inner.clock.now();
        let told = Told { mark, kind, at: now, order, slot, person, plain };
        let place = self.next_pending(now);
        commit.insert(&PENDING, &place, &told);
        let inner = Arc::clone(&self.inner);
        commit.after_durable(move || inner.wake.notify_one());
        Ok(())
    }

    async fn sealed(&self, event: &Event, mark: &[u8; 16]) -> Result<Option<Sealed>, RegisterError> {
        let Some(slot) = event.slot else { return Ok(None) };
        self.inner.register.seal_private(slot, FIELD, mark, &event.person).await.map(Some)
    }

    fn next_pending(&self, now: Timestamp) -> (Timestamp, u64, u64) {
        let micros = now.as_microsecond();
        let latest = self.inner.latest.fetch_max(micros, Ordering::Relaxed).max(micros);
        let at = Timestamp::from_microsecond(latest).unwrap_or(now);
        let mut random = [0; 8];
        self.records().rng().fill(&mut random);
        (at, self.inner.sequence.fetch_add(1, Ordering::Relaxed), u64::from_be_bytes(random))
    }

    pub(crate) fn records(&self) -> &Records {
        self.inner.register.records()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}

/// The field under which the part about a person is sealed.
pub(crate) const FIELD: &str = "event";

/// Whether a slot's person is no more.
pub(crate) const fn is_gone(error: &RegisterError) -> bool {
    use vault::VaultError;
    matches!(error, RegisterError::Vault(VaultError::Burnt | VaultError::NoSuchSlot))
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox(..)")
    }
}

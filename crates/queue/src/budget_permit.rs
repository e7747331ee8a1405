//! The right to send once: granted for a moment, used at that moment, or given back.

use crate::{
    budget::{BudgetError, Inner},
    budget_rows::Asker,
};
use model::Timestamp;
use std::{fmt, sync::Arc, time::Duration};

/// A grant that is not used yet. Dropped, it is given back.
pub(crate) struct UnderWay {
    inner: Arc<Inner>,
    id: u64,
    slot: Timestamp,
    latest: Timestamp,
    is_used: bool,
}

impl UnderWay {
    pub(crate) const fn new(inner: Arc<Inner>, id: u64, slot: Timestamp, latest: Timestamp) -> Self {
        Self { inner, id, slot, latest, is_used: false }
    }

    /// Waits for its moment. A 429 that comes meanwhile ends the waiting; a grant that is too old by now is renewed.
    async fn ready(&mut self) -> Result<(), BudgetError> {
        let inner = Arc::clone(&self.inner);
        let mut changed = inner.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let now = inner.clock.now();
            // A 429 that was known at the grant is over at its moment: the grant came a little ahead of both.
            if let Some(retry_after) = inner.blocked_for(now).filter(|wait| now + *wait > self.slot) {
                return Err(BudgetError::Spent { retry_after });
            }
            if now > self.latest && inner.records.is_some() {
                self.renew().await?;
                continue;
            }
            if now >= self.slot {
                return Ok(());
            }
            let wait = Duration::try_from(self.slot.duration_since(now)).unwrap_or_default();
            tokio::select! {
                _ = changed.changed() => {}
                () = inner.clock.sleep(wait.max(Duration::from_micros(1))) => {}
            }
        }
    }

    /// Gives the grant back and takes another in the same breath, ahead of everybody who waits.
    async fn renew(&mut self) -> Result<(), BudgetError> {
        let inner = Arc::clone(&self.inner);
        inner.give_back(self.id);
        self.is_used = true;
        let renewed = inner.grant(Asker::Late).await?;
        // Whoever is late is never told that it is not its turn.
        *self = renewed.ok_or(BudgetError::Spent { retry_after: Duration::ZERO })?;
        Ok(())
    }

    fn goes_out(&mut self) {
        self.is_used = true;
        self.inner.goes_out(self.id);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.is_used {
            self.inner.give_back(self.id);
        }
    }
}

/// A place in the budget for a send that is still being made ready. Dropped, it is free for somebody else.
#[must_use = "a reservation that is dropped is given back"]
pub struct Reservation(UnderWay);

impl Reservation {
    pub(crate) const fn new(under_way: UnderWay) -> Self {
        Self(under_way)
    }

    /// Waits until it may be sent; from then on it counts as sent. The last thing before the request.
    ///
    /// # Errors
    /// [`BudgetError`]: it must not be sent. A 429 came meanwhile, or it took so long to make ready that the place has
    /// to be taken anew and could not be.
    pub async fn used(mut self) -> Result<(), BudgetError> {
        self.0.ready().await?;
        self.0.goes_out();
        Ok(())
    }

    /// Waits until it may be sent.
    pub(crate) async fn into_permit(mut self) -> Result<Permit, BudgetError> {
        self.0.ready().await?;
        Ok(Permit { granted: self.0.slot, under_way: self.0 })
    }
}

/// The right to send once, now. Drop it in the moment of sending: until then it holds its place, and from then on its
/// age counts.
#[must_use = "a permit is used up whether or not anything is sent; drop it in the moment of sending"]
pub struct Permit {
    granted: Timestamp,
    under_way: UnderWay,
}

impl Permit {
    /// The moment for which it was granted.
    #[must_use]
    pub const fn granted(&self) -> Timestamp {
        self.granted
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.under_way.goes_out();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.granted)
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({})", self.0.slot)
    }
}

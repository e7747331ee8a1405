//! One erasure of an enrollment at a time; whoever asks meanwhile waits for the same end.

use crate::CustodyError;
use records::EnrollmentKey;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// How often a decision is made anew when somebody else's commit came first.
pub(crate) const ATTEMPTS: usize = 16;

type Landed = Option<Result<(), CustodyError>>;

/// The erasures that are under way in this process.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<EnrollmentKey, watch::Receiver<Landed>>>>);

/// The right and the duty to carry an erasure out. Dropped without an end, whoever waits is told that the process stops.
pub(crate) struct Ticket {
    flights: Flights,
    key: EnrollmentKey,
    landed: watch::Sender<Landed>,
}

/// An erasure that is under way.
pub(crate) struct Flight(watch::Receiver<Landed>);

impl Flights {
    /// The flight of this enrollment, and the ticket if it begins with this call.
    pub(crate) fn enter(&self, key: EnrollmentKey) -> (Flight, Option<Ticket>) {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(landed) = flights.get(&key) {
            return (Flight(landed.clone()), None);
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(key, receiver.clone());
        (Flight(receiver), Some(Ticket { flights: self.clone(), key, landed: sender }))
    }

    /// Erasures under way.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Ticket {
    /// Tells everybody how it ended.
    pub(crate) fn land(self, result: Result<(), CustodyError>) {
        self.landed.send_replace(Some(result));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Flight {
    /// Waits for the end.
    pub(crate) async fn landed(mut self) -> Result<(), CustodyError> {
        match self.0.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or(Err(CustodyError::Stopping)),
            Err(_gone) => Err(CustodyError::Stopping),
        }
    }
}

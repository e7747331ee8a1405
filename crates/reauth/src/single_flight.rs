//! One post per enrollment at a time within this process; everybody else waits for its outcome.

use crate::error::ReauthError;
use records::EnrollmentKey;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;

/// What came of a post: nothing yet, done (look at the store), or an error that all get.
type Outcome = Option<Result<(), ReauthError>>;

type Flights = Arc<Mutex<HashMap<EnrollmentKey, watch::Receiver<Outcome>>>>;

/// The posts under way, and how many wait for one of them.
#[derive(Default, Clone)]
pub(crate) struct SingleFlight {
    flights: Flights,
    waiting: Arc<AtomicUsize>,
}

/// The right to post for an enrollment. Dropping it, also by a panic, lets the next one in.
pub(crate) struct Ticket {
    flights: Flights,
    key: EnrollmentKey,
    outcome: watch::Sender<Outcome>,
}

/// A post by somebody else, and a place among those who wait for one.
pub(crate) struct Flight {
    outcome: watch::Receiver<Outcome>,
    waiting: Arc<AtomicUsize>,
}

impl SingleFlight {
    /// The right to post, or the post that is under way.
    pub(crate) fn enter(&self, key: EnrollmentKey) -> Result<Ticket, Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        match flights.entry(key) {
            Entry::Occupied(entry) => Err(Flight::new(entry.get(), &self.waiting)),
            Entry::Vacant(entry) => {
                let (outcome, receiver) = watch::channel(None);
                entry.insert(receiver);
                Ok(Ticket { flights: Arc::clone(&self.flights), key, outcome })
            }
        }
    }

    /// The post under way for an enrollment, if there is one.
    pub(crate) fn of(&self, key: EnrollmentKey) -> Option<Flight> {
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.get(&key).map(|flight| Flight::new(flight, &self.waiting))
    }

    /// How many posts are under way.
    pub(crate) fn len(&self) -> usize {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many wait for one of them.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Ticket {
    /// Tells everybody who waits, and lets the next one in.
    pub(crate) fn land(self, outcome: Result<(), ReauthError>) {
        self.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Flight {
    fn new(outcome: &watch::Receiver<Outcome>, waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self { outcome: outcome.clone(), waiting: Arc::clone(waiting) }
    }

    /// Waits until the post is over. `Ok` means: look at the store.
    pub(crate) async fn landed(mut self) -> Result<(), ReauthError> {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            // The ticket was dropped without an outcome: the store says where things stand.
            Err(_closed) => Ok(()),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

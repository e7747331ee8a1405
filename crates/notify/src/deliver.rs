//! The messenger: sends what is due, for as long as the process lives.

use crate::{
    NotifyError, Outbox, Receiver, State,
    backoff::{Health, is_over, pause},
    message::EventId,
    receiver::{AT_ONCE, Answer},
    row::{DUE, EVENTS, EventRow},
    settle::Fate,
    upkeep::HOUSEKEEPING,
};
use model::Timestamp;
use records::{Record, RecordsError};
use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};

/// How long the messenger waits after an error of the store.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);
/// What could not be read or written for a reason that passes is tried again after this.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Keys that are looked at for what is due.
const LOOKED_AT: usize = 4 * AT_ONCE;

/// Gives events their places, sends them, and clears away what is old.
pub struct Messenger {
    outbox: Outbox,
    receiver: Option<Arc<Receiver>>,
    health: Arc<Mutex<Health>>,
}

/// What is under way.
#[derive(Default)]
struct Flights {
    tasks: JoinSet<u64>,
    places: HashSet<u64>,
}

impl Messenger {
    /// The messenger of an outbox. Without a receiver it sends nothing.
    #[must_use]
    pub fn new(outbox: Outbox, receiver: Option<Receiver>) -> Self {
        Self { outbox, receiver: receiver.map(Arc::new), health: Arc::default() }
    }

    /// Works until `stopped` says so; what is under way then is finished, which takes a request's time at most. An error
    /// of the store is waited out: events are never a reason to end the process.
    pub async fn run(&self, mut stopped: watch::Receiver<bool>) {
        let mut flights = Flights::default();
        let mut housekeeping = self.outbox.now();
        while !*stopped.borrow() {
            let now = self.outbox.now();
            if now >= housekeeping {
                housekeeping = now + HOUSEKEEPING;
                if let Err(error) = self.outbox.clear_away().await {
                    tracing::warn!(%error, "old events could not be cleared away; the next round does it");
                }
            }
            let next = match self.round(&mut flights).await {
                Ok(next) => next.map_or(housekeeping, |next| next.min(housekeeping)),
                Err(error) => {
                    tracing::warn!(%error, "events cannot be sent at the moment; trying again");
                    self.outbox.now() + PAUSE_AFTER_ERROR
                }
            };
            let wait = next.duration_since(self.outbox.now()).try_into().unwrap_or(Duration::ZERO);
            tokio::select! {
                () = self.outbox.inner.wake.notified() => {}
                () = self.outbox.inner.clock.sleep(wait) => {}
                Some(landed) = flights.tasks.join_next() => flights.landed(landed),
                changed = stopped.changed() => if changed.is_err() { break },
            }
        }
        while let Some(landed) = flights.tasks.join_next().await {
            flights.landed(landed);
        }
    }

    /// Starts what is due. When the next one is.
    async fn round(&self, flights: &mut Flights) -> Result<Option<Timestamp>, NotifyError> {
        self.outbox.place().await?;
        let Some(receiver) = &self.receiver else { return Ok(None) };
        let may_send = self.health().may_send(self.outbox.now(), AT_ONCE);
        let at_once = match may_send {
            Ok(at_once) => at_once,
            Err(until) => return Ok(Some(until)),
        };
        let looked_at = LOOKED_AT + flights.places.len();
        for (due, place) in DUE.keys(self.outbox.records(), Vec::new(), None, looked_at).await? {
            if due > self.outbox.now() {
                return Ok(Some(due));
            }
            // Whoever lands wakes the next round.
            if flights.places.len() >= at_once {
                return Ok(None);
            }
            if !flights.places.insert(place) {
                continue;
            }
            let attempt = Attempt {
                outbox: self.outbox.clone(),
                receiver: Arc::clone(receiver),
                health: Arc::clone(&self.health),
                due,
                place,
            };
            flights.tasks.spawn(async move {
                attempt.carry_out().await;
                place
            });
        }
        Ok(None)
    }

    /// Sends what is due now and waits for the answers. For tests; [`Messenger::run`] does it by itself.
    ///
    /// # Errors
    /// When the store cannot be read.
    #[cfg(feature = "test-util")]
    pub async fn send_due(&self) -> Result<Option<Timestamp>, NotifyError> {
        let mut flights = Flights::default();
        loop {
            let next = self.round(&mut flights).await?;
            match flights.tasks.join_next().await {
                Some(landed) => flights.landed(landed),
                None => return Ok(next),
            }
        }
    }

    /// Whether the receiver has not taken anything for some time.
    #[must_use]
    pub fn watch(&self) -> ReceiverWatch {
        ReceiverWatch(Arc::clone(&self.health))
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look at the receiver's health.
#[derive(Clone)]
pub struct ReceiverWatch(Arc<Mutex<Health>>);

impl ReceiverWatch {
    /// Whether several attempts in a row failed, and none has succeeded since.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).away()
    }
}

impl Flights {
    fn landed(&mut self, landed: Result<u64, tokio::task::JoinError>) {
        match landed {
            Ok(place) => {
                self.places.remove(&place);
            }
            // Which one it was is not known any more: all that are still under way would only be looked at once more.
            Err(error) => {
                tracing::error!(%error, "an attempt at an event ended unexpectedly");
                self.places.clear();
            }
        }
    }
}

/// One attempt at one event.
struct Attempt {
    outbox: Outbox,
    receiver: Arc<Receiver>,
    health: Arc<Mutex<Health>>,
    due: Timestamp,
    place: u64,
}

impl Attempt {
    async fn carry_out(&self) {
        if let Err(error) = self.try_it().await {
            tracing::warn!(%error, "an attempt at an event could not be written down; it is sent again");
            // It is due as before: without a pause it would be sent over and over.
            let until = self.outbox.now() + PAUSE_AFTER_ERROR;
            self.health.lock().unwrap_or_else(PoisonError::into_inner).pause_until(until);
        }
    }

    async fn try_it(&self) -> Result<(), NotifyError> {
        let read = match EVENTS.get(self.outbox.records(), &(self.place,)).await {
            Ok(read) => read,
            Err(error @ RecordsError::Damaged { .. }) => {
                tracing::error!(%error, place = self.place, "an event does not open and is told to nobody");
                return self.outbox.pass_by(self.due, self.place).await;
            }
            Err(error) => return Err(error.into()),
        };
        let is_due = |read: &Record<EventRow>| {
            read.value.state == State::Waiting && read.value.due.is_some_and(|due| due <= self.outbox.now())
        };
        let Some(read) = read else { return self.outbox.pass_by(self.due, self.place).await };
        if !is_due(&read) {
            return Ok(());
        }
        let fate = self.fate(&read.value).await?;
        self.outbox.settle(self.place, &read, &fate).await?;
        Ok(())
    }

    async fn fate(&self, row: &EventRow) -> Result<Fate, NotifyError> {
        let id = EventId::new(self.place, &row.told.mark);
        let message = match self.outbox.message(self.place, &row.told).await {
            Ok(Some(message)) => message,
            Ok(None) => {
                tracing::info!(%id, kind = %row.told.kind, "an event is dropped: it is about somebody who is destroyed");
                return Ok(Fate::Ends { state: State::Dropped, trouble: None, sent: false });
            }
            Err(NotifyError::Register(error)) if error.is_damage() => {
                tracing::error!(%id, %error, "an event about somebody does not open and is given up");
                let trouble = Some("does-not-open".to_owned());
                return Ok(Fate::Ends { state: State::Dead, trouble, sent: false });
            }
            Err(error) => {
                tracing::warn!(%id, %error, "an event cannot be read at the moment; trying again");
                let at = self.outbox.now() + TRY_AGAIN;
                return Ok(Fate::Again { at, trouble: "unreadable-now".to_owned(), sent: false });
            }
        };
        let damaged = RecordsError::Encoding { table: "events" };
        let body = serde_json::to_vec(&message).map_err(|_| damaged)?;
        let answer = self.receiver.send(&message.id, self.outbox.now().as_second(), body).await;
        Ok(self.judge(&message.id, row, answer))
    }

    fn judge(&self, id: &str, row: &EventRow, answer: Answer) -> Fate {
        let now = self.outbox.now();
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let (trouble, retry_after) = match answer {
            Answer::Taken => {
                if health.succeeded() {
                    tracing::info!("the receiver of events takes them again");
                }
                return Fate::Ends { state: State::Delivered, trouble: None, sent: true };
            }
            Answer::Gone => {
                health.succeeded();
                tracing::warn!(id, kind = %row.told.kind, "the receiver wants no such event (410): it is laid aside");
                let trouble = Some("http-410".to_owned());
                return Fate::Ends { state: State::Dead, trouble, sent: true };
            }
            Answer::NotTaken { trouble, retry_after } => (trouble, retry_after),
        };
        if health.failed(now, retry_after) {
            tracing::warn!(trouble, "the receiver of events takes none; it is asked again now and then");
        }
        let attempts = row.attempts.saturating_add(1);
        if is_over(row.since, now, self.outbox.inner.config.max_age, attempts) {
            tracing::warn!(id, kind = %row.told.kind, trouble, attempts, "an event is given up: it can be replayed");
            return Fate::Ends { state: State::Dead, trouble: Some(trouble), sent: true };
        }
        let pause = pause(attempts, self.outbox.records().rng().as_ref());
        Fate::Again { at: now + pause, trouble, sent: true }
    }
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger").field("receiver", &self.receiver).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiverWatch(away: {})", self.is_away())
    }
}

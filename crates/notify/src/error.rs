//! What can go wrong in this room.

use records::RecordsError;
use register::RegisterError;
use thiserror::Error;

/// The outbox's error. It names no person.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// The records failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// What an event says about a person could not be read.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// There is no such event, or not any more.
    #[error("there is no such event; it is kept for notifications.max_age_days")]
    UnknownEvent,
    /// The person whom the event is about is destroyed, and it names nobody any more.
    #[error("the event was about somebody who is destroyed; it is told to nobody any more")]
    Purged,
    /// Nobody receives events.
    #[error("events are sent to nobody: notifications.url is not set; pull them with GET /v1/events")]
    NoReceiver,
    /// The cursor is of an outbox that is no more.
    #[error(
        "the cursor is from before a rebuild or a restore, and the events of then are lost; begin without a cursor, \
         and compare with the enrollments"
    )]
    CursorOfAnotherEra,
}

impl NotifyError {
    /// Whether somebody else's commit came first: read again and decide again.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        match self {
            Self::Records(error) => error.is_conflict(),
            Self::Register(error) => error.is_conflict(),
            _ => false,
        }
    }
}

//! What is sent and shown of an event.

use crate::{
    EventKind, NotifyError, Outbox, State,
    outbox::{FIELD, is_gone},
    row::{EventRow, Mark, Told},
};
use model::{Timestamp, hex};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;

/// The id of an event: the same each time that it is sent, and that of no other event of this or any other vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    pub(crate) place: u64,
    pub(crate) mark: [u8; 8],
}

const PREFIX: &str = "evt_";

impl EventId {
    pub(crate) fn new(place: u64, mark: &Mark) -> Self {
        let mut half = [0; 8];
        half.copy_from_slice(&mark[..8]);
        Self { place, mark: half }
    }

    /// Reads an id; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = hex::decode(text.strip_prefix(PREFIX)?)?;
        let (place, mark) = bytes.split_first_chunk::<8>()?;
        Some(Self { place: u64::from_be_bytes(*place), mark: mark.try_into().ok()? })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:016x}{}", self.place, hex::encode(&self.mark))
    }
}

/// An event as it is sent. It may name somebody: `Debug` does not show what it says.
#[derive(Clone, PartialEq, Serialize)]
pub struct Message {
    /// Its id, as in `webhook-id`.
    pub id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When.
    pub timestamp: Timestamp,
    /// Whether the vault holds simulated people.
    pub simulated: bool,
    /// The rest.
    pub data: Map<String, Value>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Where an event's delivery stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// How often it was sent.
    pub attempts: u32,
    /// When it is sent next. None: another one of its order comes first, or it does not wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Why it was not taken the last time, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// An event in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedEvent {
    /// As it is sent.
    #[serde(flatten)]
    pub message: Message,
    /// Where its delivery stands.
    pub delivery: Delivery,
}

impl ListedEvent {
    pub(crate) fn new(message: Message, row: &EventRow) -> Self {
        let delivery = Delivery {
            state: row.state,
            since: row.since,
            attempts: row.attempts,
            next_attempt_at: row.due,
            trouble: row.trouble.clone(),
        };
        Self { message, delivery }
    }
}

impl Outbox {
    /// What is to be told. `None`: it is about somebody who is destroyed.
    pub(crate) async fn message(&self, place: u64, told: &Told) -> Result<Option<Message>, NotifyError> {
        let mut data = told.plain.clone();
        if let (Some(slot), Some(person)) = (told.slot, &told.person) {
            let opened = self.inner.register.open_private(slot, FIELD, &told.mark, person).await;
            let person: Map<String, Value> = match opened {
                Ok(person) => person,
                Err(error) if is_gone(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            data.extend(person);
        }
        Ok(Some(Message {
            id: EventId::new(place, &told.mark).to_string(),
            kind: told.kind,
            timestamp: told.at,
            simulated: self.inner.config.simulated,
            data,
        }))
    }
}

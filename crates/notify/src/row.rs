//! Events at rest.

use crate::EventKind;
use model::Timestamp;
use records::{EnrollmentKey, Index, Table, tables};
use register::Sealed;
use seal::Pseudonym;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vault::SlotRef;

/// Events that have no place yet, in the order in which they were put.
pub(crate) static PENDING: Table<(Timestamp, u64, u64), Told> =
    Table::new(tables::EVENTS_PENDING, "events-pending");
/// Events by their place.
pub(crate) static EVENTS: Table<(u64,), EventRow> = Table::new(tables::EVENTS, "events");
/// Those that can be sent now or later: the first of each order, and those without order.
pub(crate) static DUE: Index<(Timestamp, u64)> = Index::new(tables::EVENTS_DUE);
/// Those that wait or were given up.
pub(crate) static BY_STATE: Index<(u8, u64)> = Index::new(tables::EVENTS_BY_STATE);
/// The events of an enrollment: those that wait in their order, then all others.
pub(crate) static BY_ORDER: Index<(Pseudonym, u8, u64)> = Index::new(tables::EVENTS_BY_ORDER);
/// Where the places end.
pub(crate) static HEAD: Table<(u8,), Head> = Table::new(tables::EVENTS_STATE, "events-state");
pub(crate) const HEAD_KEY: (u8,) = (0,);

/// The second part of a key in [`BY_ORDER`].
pub(crate) const IN_ORDER: u8 = 0;
pub(crate) const BESIDE: u8 = 1;

/// The random part of an event: what its sealed fields are bound to, and what keeps the ids of two outboxes apart.
pub(crate) type Mark = [u8; 16];

/// What happened, as it was put.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) mark: Mark,
    pub(crate) kind: EventKind,
    pub(crate) at: Timestamp,
    pub(crate) order: Option<EnrollmentKey>,
    pub(crate) slot: Option<SlotRef>,
    /// The fields that lead to a person.
    pub(crate) person: Option<Sealed>,
    pub(crate) plain: Map<String, Value>,
}

/// An event with its place.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) told: Told,
    pub(crate) state: State,
    /// Since when it is in this state.
    pub(crate) since: Timestamp,
    /// When it is tried next. `None`: another event of its order comes first, or it does not wait.
    pub(crate) due: Option<Timestamp>,
    pub(crate) attempts: u32,
    /// Somebody wants it told again: then it waits for nobody, and nobody for it.
    pub(crate) is_replay: bool,
    /// Why the last attempt failed, as a code.
    pub(crate) trouble: Option<String>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is to be delivered.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// It was given up; it can be replayed.
    Dead,
    /// Nobody receives events: it is there to be pulled.
    Kept,
    /// It named somebody who was destroyed meanwhile, and is told to nobody any more.
    Dropped,
}

/// The end of the places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Made with the first event. A rebuild or a restore of an older store makes another.
    pub(crate) era: [u8; 8],
    /// The last place that was given.
    pub(crate) place: u64,
}

impl State {
    /// The first part of a key in [`BY_STATE`]; `None`: it does not stand there. Stored: never renumber.
    pub(crate) const fn number(self) -> Option<u8> {
        match self {
            Self::Waiting => Some(1),
            Self::Dead => Some(2),
            Self::Delivered | Self::Kept | Self::Dropped => None,
        }
    }
}

impl EventRow {
    /// The second part of its key in [`BY_ORDER`].
    pub(crate) fn lane(&self) -> u8 {
        if self.state == State::Waiting && !self.is_replay { IN_ORDER } else { BESIDE }
    }
}

//! Events for those who fetch them, and the telling again.

use crate::{
    EventId, ListedEvent, NotifyError, Outbox, State,
    message::Message,
    place::{ATTEMPTS, move_index},
    row::{BY_STATE, EVENTS, EventRow, HEAD, HEAD_KEY},
    upkeep::PLACES,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use records::{Key as _, Record};
use std::fmt;

/// Rows that are looked at for one page.
const LOOKED_AT: usize = 2000;

/// How far somebody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    era: [u8; 8],
    place: u64,
}

impl Cursor {
    /// Reads a cursor; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (era, place) = bytes.split_first_chunk::<8>()?;
        Some(Self { era: *era, place: u64::from_be_bytes(place.try_into().ok()?) })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.era, self.place.to_be_bytes()].concat();
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Some events, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// Them. A page may be short, even empty, and still not be the last.
    pub items: Vec<ListedEvent>,
    /// What to go on with, also when there is nothing more yet. `None`: there never was an event.
    pub next: Option<Cursor>,
}

impl Outbox {
    /// At most `limit` events after a cursor: all of them, or those in one state. Nothing ever appears before a cursor
    /// that was handed out. Events about people who are destroyed are left out.
    ///
    /// # Errors
    /// [`NotifyError::CursorOfAnotherEra`]; when an event cannot be read.
    pub async fn events(
        &self,
        after: Option<Cursor>,
        state: Option<State>,
        limit: usize,
    ) -> Result<EventPage, NotifyError> {
        self.place().await?;
        let Some(head) = HEAD.get(self.records(), &HEAD_KEY).await? else {
            // Nothing was ever told here: a cursor is of an outbox that is no more.
            return match after {
                Some(_) => Err(NotifyError::CursorOfAnotherEra),
                None => Ok(EventPage { items: Vec::new(), next: None }),
            };
        };
        let era = head.value.era;
        if after.is_some_and(|after| after.era != era) {
            return Err(NotifyError::CursorOfAnotherEra);
        }
        let mut place = after.map_or(0, |after| after.place);
        let mut items = Vec::new();
        for _ in 0..LOOKED_AT.div_ceil(limit.max(1)) {
            let places = self.places(place, state, limit - items.len()).await?;
            let is_end = places.is_empty();
            for next in places {
                place = next;
                if let Some((message, row)) = self.shown(next).await? {
                    items.push(ListedEvent::new(message, &row));
                }
            }
            if is_end || items.len() >= limit {
                break;
            }
        }
        Ok(EventPage { items, next: Some(Cursor { era, place }) })
    }

    async fn places(&self, after: u64, state: Option<State>, limit: usize) -> Result<Vec<u64>, NotifyError> {
        let records = self.records();
        match state.map(State::number) {
            None => {
                let places = PLACES.keys(records, Vec::new(), Some(&(after,)), limit).await?;
                Ok(places.into_iter().map(|(place,)| place).collect())
            }
            Some(Some(number)) => {
                let keys = BY_STATE.keys(records, (number,).encode(), Some(&(number, after)), limit).await?;
                Ok(keys.into_iter().map(|(_, place)| place).collect())
            }
            Some(None) => Ok(Vec::new()),
        }
    }

    async fn shown(&self, place: u64) -> Result<Option<(Message, EventRow)>, NotifyError> {
        let Some(read) = self.readable(place).await? else { return Ok(None) };
        if read.value.state == State::Dropped {
            return Ok(None);
        }
        match self.message(place, &read.value.told).await {
            Ok(message) => Ok(message.map(|message| (message, read.value))),
            Err(NotifyError::Register(error)) if error.is_damage() => {
                let id = Self::id_of(place, &read.value);
                tracing::error!(%id, %error, "an event about somebody does not open and is left out");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Has an event told again, with its own id. It waits for nobody of its order, and nobody waits for it; one that
    /// waits already is sent now, unless another one of its order comes first.
    ///
    /// # Errors
    /// [`NotifyError::NoReceiver`], [`NotifyError::UnknownEvent`], [`NotifyError::Purged`].
    pub async fn replay(&self, id: &EventId) -> Result<ListedEvent, NotifyError> {
        if !self.inner.config.has_receiver {
            return Err(NotifyError::NoReceiver);
        }
        self.place().await?;
        for _ in 0..ATTEMPTS {
            match self.replay_once(id).await {
                Err(error) if error.is_conflict() => {}
                done => return done,
            }
        }
        Err(records::RecordsError::Store(store::StoreError::Conflict).into())
    }

    async fn replay_once(&self, id: &EventId) -> Result<ListedEvent, NotifyError> {
        let read: Option<Record<EventRow>> = self.readable(id.place).await?;
        let is_it = |read: &Record<EventRow>| Self::id_of(id.place, &read.value) == *id;
        let read = read.filter(is_it).ok_or(NotifyError::UnknownEvent)?;
        if read.value.state == State::Dropped {
            return Err(NotifyError::Purged);
        }
        let message = self.message(id.place, &read.value.told).await?.ok_or(NotifyError::Purged)?;
        let now = self.now();
        let mut row = read.value.clone();
        if row.state == State::Waiting {
            row.due = row.due.map(|due| due.min(now));
        } else {
            (row.state, row.is_replay) = (State::Waiting, true);
            (row.since, row.due, row.attempts, row.trouble) = (now, Some(now), 0, None);
        }
        let mut commit = self.records().commit();
        move_index(&mut commit, id.place, Some(&read.value), Some(&row));
        commit.update(&EVENTS, &(id.place,), &read, &row);
        commit.submit().await?;
        self.inner.wake.notify_one();
        Ok(ListedEvent::new(message, &row))
    }
}

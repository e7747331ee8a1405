//! What came of an event, and whose turn it is then.

use crate::{
    NotifyError, Outbox, State,
    place::{ATTEMPTS, move_index},
    row::{EVENTS, EventRow, HEAD, HEAD_KEY, IN_ORDER},
};
use model::Timestamp;
use records::{Commit, Record};

/// What an event comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It ends in this state.
    Ends {
        /// The state.
        state: State,
        /// Why it was not taken, if it was not.
        trouble: Option<String>,
        /// Whether it was sent.
        sent: bool,
    },
    /// It is tried again.
    Again {
        /// When.
        at: Timestamp,
        /// Why it was not taken.
        trouble: String,
        /// Whether it was sent.
        sent: bool,
    },
    /// Nothing is left of it.
    Removed,
}

impl Outbox {
    /// Writes down what an event has come to, if it is still as it was read. The next one of its order is due with the
    /// same commit. Whether it was so.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn settle(
        &self,
        place: u64,
        read: &Record<EventRow>,
        fate: &Fate,
    ) -> Result<bool, NotifyError> {
        for _ in 0..ATTEMPTS {
            match self.settle_once(place, read, fate).await {
                Err(error) if error.is_conflict() => {
                    let now = EVENTS.get(self.records(), &(place,)).await?;
                    if now.is_none_or(|now| now.value != read.value) {
                        return Ok(false);
                    }
                }
                done => return done.map(|()| true),
            }
        }
        Ok(false)
    }

    async fn settle_once(&self, place: u64, read: &Record<EventRow>, fate: &Fate) -> Result<(), NotifyError> {
        let old = &read.value;
        let mut commit = self.records().commit();
        let row = self.after(old, fate);
        move_index(&mut commit, place, Some(old), row.as_ref());
        match &row {
            Some(row) => commit.update(&EVENTS, &(place,), read, row),
            None => commit.remove(&EVENTS, &(place,), read),
        }
        if row.is_none_or(|row| row.lane() != IN_ORDER) {
            self.call_next(&mut commit, place, old).await?;
        }
        commit.submit().await?;
        // Whoever comes next can be sent.
        self.inner.wake.notify_one();
        Ok(())
    }

    fn after(&self, old: &EventRow, fate: &Fate) -> Option<EventRow> {
        let now = self.now();
        let mut row = old.clone();
        match fate {
            Fate::Ends { state, trouble, sent } => {
                (row.state, row.since, row.due) = (*state, now, None);
                row.trouble.clone_from(trouble);
                row.attempts += u32::from(*sent);
                if *state == State::Dropped {
                    // Nothing of the person is left in it, not even what nobody can open.
                    row.told.person = None;
                }
            }
            Fate::Again { at, trouble, sent } => {
                row.due = Some(*at);
                row.trouble = Some(trouble.clone());
                row.attempts += u32::from(*sent);
            }
            Fate::Removed => return None,
        }
        Some(row)
    }

    /// Makes the next event of an order due, where this one was the first.
    async fn call_next(&self, commit: &mut Commit, place: u64, old: &EventRow) -> Result<(), NotifyError> {
        let Some(order) = old.told.order else { return Ok(()) };
        if old.lane() != IN_ORDER || old.due.is_none() {
            return Ok(());
        }
        // Whoever gets a place meanwhile has seen this one waiting, and waits behind it: then look again.
        let head = HEAD.get(self.records(), &HEAD_KEY).await?;
        commit.require(&HEAD, &HEAD_KEY, head.as_ref());
        let Some((next_place, next)) = self.first_waiting(order, Some(place)).await? else { return Ok(()) };
        if next.value.due.is_some() {
            return Ok(());
        }
        let called = EventRow { due: Some(self.now()), ..next.value.clone() };
        move_index(commit, next_place, Some(&next.value), Some(&called));
        commit.update(&EVENTS, &(next_place,), &next, &called);
        Ok(())
    }
}

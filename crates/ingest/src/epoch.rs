//! Epochs: the raw callbacks of an hour are sealed under a slot of their own, which is burnt once they are settled.
//! Burning reaches every copy of the bodies, in old segments of the store and in backups too (DESIGN §3.4).

use crate::{
    Ingest, IngestError, inbox,
    inbox::{BY_STATE, Bytes, CallbackState, EPOCHS, EpochRow, INBOX, InboxRow, PART_BYTES, PARTS},
};
use jiff::Timestamp;
use model::CallbackId;
use records::{Commit, Key as _, Record};
use std::sync::Arc;
use store::Range;
use vault::{EpochKey, SlotKind, VaultError};
use zeroize::Zeroizing;

const HOUR_SECONDS: i64 = 3600;
const PAGE: usize = 200;
/// Numbers that a clock which was turned back may have to skip.
const SKIPS: u64 = 48;

/// The epoch that new callbacks are sealed under.
pub(crate) struct OpenEpoch {
    hour: u64,
    pub(crate) number: u64,
    key: EpochKey,
    read: Record<EpochRow>,
}

impl OpenEpoch {
    /// Demands that the epoch is still open when the commit is made: nothing can be sealed under a burnt one.
    pub(crate) fn require_open(&self, commit: &mut Commit) {
        commit.require(&EPOCHS, &(self.number,), Some(&self.read));
    }
}

/// The number of the hour that `now` lies in.
pub(crate) fn hour_of(now: Timestamp) -> u64 {
    // A time before 1970 counts as the first hour: no clock that is set stands there.
    u64::try_from(now.as_second() / HOUR_SECONDS).unwrap_or(0)
}

/// When an hour is over.
pub(crate) fn end_of(hour: u64) -> Timestamp {
    let seconds = i64::try_from(hour).unwrap_or(0).saturating_add(1).saturating_mul(HOUR_SECONDS);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

impl Ingest {
    /// The epoch for callbacks that come now. The first of an hour makes it; others wait for that.
    pub(crate) async fn current_epoch(&self) -> Result<Arc<OpenEpoch>, IngestError> {
        let hour = hour_of(self.clock.now());
        let mut held = self.epoch.lock().await;
        if let Some(epoch) = held.as_ref().filter(|epoch| epoch.hour == hour) {
            return Ok(Arc::clone(epoch));
        }
        let mut number = hour;
        let epoch = loop {
            match EPOCHS.get(self.records(), &(number,)).await? {
                Some(read) if !read.value.closing => break self.opened(hour, number, read).await?,
                // The clock was turned back into an hour that is being closed: the next number serves as well.
                Some(_) if number < hour + SKIPS => number += 1,
                Some(_) => return Err(IngestError::Busy),
                None => break self.begin_epoch(hour, number).await?,
            }
        };
        let epoch = Arc::new(epoch);
        *held = Some(Arc::clone(&epoch));
        Ok(epoch)
    }

    /// Forgets the epoch in memory: it was closed in the meantime, perhaps.
    pub(crate) async fn forget_epoch(&self) {
        *self.epoch.lock().await = None;
    }

    async fn begin_epoch(&self, hour: u64, number: u64) -> Result<OpenEpoch, IngestError> {
        let subject = self.records().keys().pseudonyms().of("inbox epoch", &number.to_be_bytes());
        let slot = self.vault.prepare(SlotKind::InboxEpoch, subject).await?;
        let mut commit = self.records().commit();
        commit.insert(&EPOCHS, &(number,), &EpochRow { slot, closing: false });
        self.enqueue_epoch(&mut commit, number).await?;
        commit.submit().await?;
        self.vault.make_live(slot).await?;
        let read = EPOCHS.get(self.records(), &(number,)).await?.ok_or(IngestError::DamagedCallback)?;
        self.opened(hour, number, read).await
    }

    async fn opened(&self, hour: u64, number: u64, read: Record<EpochRow>) -> Result<OpenEpoch, IngestError> {
        let key = self.vault.epoch_key(read.value.slot).await?;
        Ok(OpenEpoch { hour, number, key, read })
    }

    /// Seals a body into a row, and what does not fit there into further rows of the same commit.
    pub(crate) fn seal_body(
        &self,
        commit: &mut Commit,
        epoch: &OpenEpoch,
        id: CallbackId,
        body: &[u8],
    ) -> (Bytes, u64) {
        let sealed = epoch.key.seal(self.rng.as_ref(), id.as_bytes(), body);
        let (head, rest) = sealed.split_at(sealed.len().min(PART_BYTES));
        let mut parts = 0;
        for part in rest.chunks(PART_BYTES) {
            commit.insert(&PARTS, &(id, parts), &Bytes(part.to_vec()));
            parts += 1;
        }
        (Bytes(head.to_vec()), parts)
    }

    /// Opens a callback's body. `None` when it is not under the epoch that the row names any more: read the row again.
    pub(crate) async fn open_body(
        &self,
        id: CallbackId,
        row: &InboxRow,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, IngestError> {
        let Some(head) = &row.body else { return Err(IngestError::DamagedCallback) };
        let Some(epoch) = EPOCHS.get(self.records(), &(row.epoch,)).await? else { return Ok(None) };
        let key = match self.vault.epoch_key(epoch.value.slot).await {
            Ok(key) => key,
            Err(VaultError::Burnt) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let mut sealed = head.0.clone();
        for part in 0..row.parts {
            match PARTS.get(self.records(), &(id, part)).await? {
                Some(read) => sealed.extend_from_slice(&read.value.0),
                None => return Ok(None),
            }
        }
        key.open(id.as_bytes(), &sealed).map(Some).map_err(|_| IngestError::DamagedCallback)
    }

    /// Takes the body out of a row, and its further rows out of the store.
    pub(crate) async fn drop_body(
        &self,
        commit: &mut Commit,
        id: CallbackId,
        row: &mut InboxRow,
    ) -> Result<(), IngestError> {
        for part in 0..row.parts {
            if let Some(read) = PARTS.get(self.records(), &(id, part)).await? {
                commit.remove(&PARTS, &(id, part), &read);
            }
        }
        row.body = None;
        row.parts = 0;
        Ok(())
    }

    /// Burns the slots of all hours but the current one. What is still pending or dead there moves to the current epoch
    /// first. Gives back how many were burnt. It may be interrupted anywhere and repeated.
    ///
    /// # Errors
    /// When the store or the vault fails; nothing is lost then.
    pub async fn close_epochs(&self) -> Result<u32, IngestError> {
        let rows = EPOCHS.scan(self.records(), &Range::default(), PAGE).await?;
        // Read after the rows: none of them is of an hour that begins in between.
        let now_hour = hour_of(self.clock.now());
        let held =
            self.epoch.lock().await.as_ref().filter(|held| held.hour == now_hour).map(|held| held.number);
        let mut burnt = 0;
        for ((number,), read) in rows {
            // One of an hour that lies ahead is from before the clock was put back, unless it stands in for this hour.
            if number != now_hour && Some(number) != held {
                self.close_epoch(number, read).await?;
                burnt += 1;
            }
        }
        Ok(burnt)
    }

    async fn close_epoch(&self, number: u64, mut read: Record<EpochRow>) -> Result<(), IngestError> {
        if !read.value.closing {
            let mut commit = self.records().commit();
            let closing = EpochRow { closing: true, ..read.value.clone() };
            commit.update(&EPOCHS, &(number,), &read, &closing);
            commit.submit().await?;
            read = EPOCHS.get(self.records(), &(number,)).await?.ok_or(IngestError::DamagedCallback)?;
        }
        self.forget_epoch().await;
        // Pending twice: what is laid out again from the dead ones in the meantime is pending at the second look.
        for state in [CallbackState::Pending, CallbackState::Dead, CallbackState::Pending] {
            self.move_bodies(number, state).await?;
        }
        self.vault.burn(read.value.slot).await?;
        let mut commit = self.records().commit();
        commit.remove(&EPOCHS, &(number,), &read);
        Ok(commit.submit().await?)
    }

    async fn move_bodies(&self, number: u64, state: CallbackState) -> Result<(), IngestError> {
        let mut after = None;
        loop {
            let keys =
                BY_STATE.keys(self.records(), (state.number(),).encode(), after.as_ref(), PAGE).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = Some(*last);
            for (_, _, id) in keys {
                self.move_body(number, id).await?;
            }
        }
    }

    /// Seals one body anew under the current epoch, if it is still under the epoch `number`.
    async fn move_body(&self, number: u64, id: CallbackId) -> Result<(), IngestError> {
        for _ in 0..crate::ATTEMPTS {
            let Some(read) = INBOX.get(self.records(), &(id,)).await? else { return Ok(()) };
            if read.value.epoch != number || read.value.body.is_none() {
                return Ok(());
            }
            if read.value.state == CallbackState::Dead && read.value.received_at < self.inbox_horizon() {
                match self.drop_dead_body(id, &read).await {
                    Err(error) if error.is_conflict() => continue,
                    other => return other,
                }
            }
            let Some(body) = self.open_body(id, &read.value).await? else { continue };
            let epoch = self.current_epoch().await?;
            let mut commit = self.records().commit();
            let mut row = read.value.clone();
            // The same number of parts under the same keys: they are replaced, not added.
            let sealed = epoch.key.seal(self.rng.as_ref(), id.as_bytes(), &body);
            let (head, rest) = sealed.split_at(sealed.len().min(PART_BYTES));
            for (part, bytes) in (0u64..).zip(rest.chunks(PART_BYTES)) {
                let old = PARTS.get(self.records(), &(id, part)).await?;
                commit.upsert(&PARTS, &(id, part), old.as_ref(), &Bytes(bytes.to_vec()));
            }
            row.body = Some(Bytes(head.to_vec()));
            row.epoch = epoch.number;
            epoch.require_open(&mut commit);
            commit.update(&INBOX, &(id,), &read, &row);
            match commit.submit().await {
                Err(error) if error.is_conflict() => self.forget_epoch().await,
                other => return Ok(other?),
            }
        }
        Err(IngestError::Busy)
    }

    /// Whether the epoch's slot is still needed.
    pub(crate) async fn has_epoch(&self, number: u64) -> Result<bool, IngestError> {
        Ok(EPOCHS.get(self.records(), &(number,)).await?.is_some())
    }

    /// Burns epochs' slots that no row names: a crash came between the slot and its row.
    pub(crate) async fn burn_unnamed_epochs(&self) -> Result<u32, IngestError> {
        let named = EPOCHS.scan(self.records(), &Range::default(), usize::MAX).await?;
        let mut burnt = 0;
        let mut from = Some(0);
        while let Some(start) = from {
            let page = self.vault.slots(start).await?;
            for view in page.views {
                let is_named = named.iter().any(|(_, read)| read.value.slot == view.slot);
                if view.kind == SlotKind::InboxEpoch && view.status != vault::SlotStatus::Burnt && !is_named {
                    self.vault.burn(view.slot).await?;
                    burnt += 1;
                }
            }
            from = page.next;
        }
        Ok(burnt)
    }

    /// How many callbacks are in a state, counted up to `most`, and when the oldest came.
    pub(crate) async fn count_callbacks(
        &self,
        state: CallbackState,
        most: usize,
    ) -> Result<(usize, Option<Timestamp>), IngestError> {
        let keys = inbox::BY_STATE.keys(self.records(), (state.number(),).encode(), None, most).await?;
        Ok((keys.len(), keys.first().map(|(_, received, _)| *received)))
    }
}

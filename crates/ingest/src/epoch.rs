//! Epochs: raw callbacks are sealed under a slot of their own, which is burnt once they are settled. Burning reaches
//! every copy of the bodies, in old segments of the store and in backups too (DESIGN §3.4).
//!
//! An epoch's number is the generation of its slot, which never repeats. An hour begins with a new one, and so does
//! every round of a purge that has something to burn.

use crate::{
    Ingest, IngestError, inbox,
    inbox::{Bytes, CallbackState, EPOCHS, EpochRow, InboxRow, PART_BYTES, PARTS},
};
use jiff::Timestamp;
use jumio::Subject;
use model::CallbackId;
use records::{Commit, Key as _, Record, RecordsError};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::{Range, StoreError};
use vault::{EpochKey, SlotKind, SlotRef, VaultError};
use zeroize::Zeroizing;

const HOUR_SECONDS: i64 = 3600;
/// Transactions that an epoch remembers by name; above it, it may hold anything.
const MOST_NAMES: usize = 10_000;

/// The epoch that callbacks are sealed under now.
pub(crate) struct OpenEpoch {
    hour: u64,
    pub(crate) number: u64,
    pub(crate) key: EpochKey,
    read: Record<EpochRow>,
    holds: Mutex<Holds>,
}

/// What was ever sealed under an epoch, whether it is still there or not.
enum Holds {
    /// Bodies about these transactions, which were moved here and read on the way.
    Only(HashSet<Subject>),
    /// Bodies that nobody has read.
    Anything,
}

impl OpenEpoch {
    /// Demands that the epoch is still open when the commit is made: nothing can be sealed under a burnt one.
    pub(crate) fn require_open(&self, commit: &mut Commit) {
        commit.require(&EPOCHS, &(self.number,), Some(&self.read));
    }

    /// A body that nobody has read is about to be sealed under it.
    pub(crate) fn takes_anything(&self) {
        *self.holds() = Holds::Anything;
    }

    /// A body that names these transactions is about to be sealed under it.
    pub(crate) fn takes(&self, names: &[Subject]) {
        let mut holds = self.holds();
        if let Holds::Only(held) = &mut *holds {
            held.extend(names);
            if held.len() > MOST_NAMES {
                *holds = Holds::Anything;
            }
        }
    }

    /// Whether a body about one of these transactions may ever have been sealed under it.
    pub(crate) fn may_hold(&self, about: &HashSet<Subject>) -> bool {
        match &*self.holds() {
            Holds::Only(held) => !held.is_disjoint(about),
            Holds::Anything => true,
        }
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// The epoch for callbacks that come now. The first one who needs it makes it; others wait for that.
    pub(crate) async fn current_epoch(&self) -> Result<Arc<OpenEpoch>, IngestError> {
        let hour = hour_of(self.clock.now());
        let mut held = self.epoch.lock().await;
        if let Some(epoch) = held.as_ref().filter(|epoch| epoch.hour == hour) {
            return Ok(Arc::clone(epoch));
        }
        let epoch = match self.epoch_of_earlier_process(hour).await? {
            Some(epoch) => epoch,
            None => self.begin_epoch(hour).await?,
        };
        let epoch = Arc::new(epoch);
        *held = Some(Arc::clone(&epoch));
        Ok(epoch)
    }

    /// The epoch in memory, if there is one.
    pub(crate) async fn held_epoch(&self) -> Option<Arc<OpenEpoch>> {
        self.epoch.lock().await.clone()
    }

    /// Lets go of an epoch in memory: it was closed or changed in the meantime.
    pub(crate) async fn forget_epoch(&self, number: u64) {
        self.epoch.lock().await.take_if(|held| held.number == number);
    }

    async fn epoch_of_earlier_process(&self, hour: u64) -> Result<Option<OpenEpoch>, IngestError> {
        for (number, read) in self.epochs().await? {
            if read.value.hour != hour || read.value.closing {
                continue;
            }
            if let Some(key) = self.epoch_key(read.value.slot).await? {
                let holds = Mutex::new(Holds::Anything);
                return Ok(Some(OpenEpoch { hour, number, key, read, holds }));
            }
        }
        Ok(None)
    }

    /// The key of an epoch. `None` when its slot is burnt, or somebody else's since: the store is older than that.
    async fn epoch_key(&self, slot: SlotRef) -> Result<Option<EpochKey>, IngestError> {
        match self.vault.epoch_key(slot).await {
            Ok(key) => Ok(Some(key)),
            Err(VaultError::Burnt | VaultError::NoSuchSlot) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Whether nothing under this slot opens any more.
    pub(crate) async fn is_burnt(&self, slot: SlotRef) -> Result<bool, IngestError> {
        Ok(self.epoch_key(slot).await?.is_none())
    }

    async fn begin_epoch(&self, hour: u64) -> Result<OpenEpoch, IngestError> {
        // What cannot be stored needs no slot.
        if let Some(trouble) = self.records().store().trouble() {
            return Err(RecordsError::Store(trouble).into());
        }
        let subject = self.records().keys().pseudonyms().of("inbox epoch", &hour.to_be_bytes());
        let slot = self.vault.prepare(SlotKind::InboxEpoch, subject).await?;
        let number = slot.generation;
        let mut commit = self.records().commit();
        commit.insert(&EPOCHS, &(number,), &EpochRow { slot, hour, closing: false, early: false });
        self.enqueue_epoch(&mut commit, hour, end_of(hour)).await?;
        if let Err(error) = commit.submit().await {
            if error.is_conflict() || matches!(error, RecordsError::Store(StoreError::NoSpace)) {
                // Nothing names it, and nothing will.
                self.vault.burn(slot).await?;
            }
            return Err(error.into());
        }
        self.vault.make_live(slot).await?;
        let read = EPOCHS.get(self.records(), &(number,)).await?.ok_or(IngestError::DamagedCallback)?;
        let key = self.vault.epoch_key(slot).await?;
        Ok(OpenEpoch { hour, number, key, read, holds: Mutex::new(Holds::Only(HashSet::new())) })
    }

    /// All epochs whose slots are still needed.
    pub(crate) async fn epochs(&self) -> Result<Vec<(u64, Record<EpochRow>)>, IngestError> {
        let rows = EPOCHS.scan(self.records(), &Range::default(), usize::MAX).await?;
        Ok(rows.into_iter().map(|((number,), read)| (number, read)).collect())
    }

    /// Whether an epoch of this hour is still needed.
    pub(crate) async fn has_epoch_of(&self, hour: u64) -> Result<bool, IngestError> {
        Ok(self.epochs().await?.iter().any(|(_, read)| read.value.hour == hour))
    }

    /// Marks an epoch for an early end: what was just judged is not to lie under it for the rest of the hour.
    pub(crate) async fn end_early(&self, commit: &mut Commit, number: u64) -> Result<(), IngestError> {
        let Some(read) = EPOCHS.get(self.records(), &(number,)).await? else { return Ok(()) };
        if read.value.early || read.value.closing {
            return Ok(());
        }
        let row = EpochRow { early: true, ..read.value.clone() };
        commit.update(&EPOCHS, &(number,), &read, &row);
        self.enqueue_epoch(commit, row.hour, self.clock.now()).await
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
        let Some(key) = self.epoch_key(epoch.value.slot).await? else { return Ok(None) };
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

//! Closing epochs: what is still pending or dead under them is sealed anew under the current one, then their slots are
//! burnt. It may be interrupted anywhere and repeated.

use crate::{
    ATTEMPTS, Ingest, IngestError,
    epoch::{OpenEpoch, hour_of},
    inbox::{
        BY_STATE, Bytes, CallbackOutcome, CallbackState, EPOCHS, EpochRow, INBOX, InboxRow, PART_BYTES, PARTS,
    },
    settle::{Verdict, names},
};
use jumio::{Callback, Subject};
use model::CallbackId;
use queue::{JobKey, Kind};
use records::{Commit, Key as _, Record};
use std::collections::HashSet;
use vault::{SlotKind, SlotStatus, VaultError};
use zeroize::Zeroizing;

/// Callbacks that are looked at in one go, and moved in one commit.
const TOGETHER: usize = 16;
/// Bytes of bodies that are moved in one commit: sealed and in base64 it stays below what the store takes.
const BYTES_TOGETHER: usize = 1024 * 1024;

/// A closing under way.
struct Closing<'a> {
    /// The epochs that end.
    numbers: HashSet<u64>,
    /// Transactions whose bodies are not moved, but forgotten.
    about: &'a HashSet<Subject>,
    /// What each forgotten body named.
    forgotten: Vec<Vec<Subject>>,
}

/// What becomes of a body whose epoch ends.
enum Fate {
    /// It is judged, and goes with its epoch.
    Judged(Verdict),
    /// It names a transaction that is to be forgotten, and goes with its epoch.
    Forgotten(Verdict, Vec<Subject>),
    /// It was kept for long enough, or does not open: nothing can be judged any more.
    GivenUp,
    /// It still waits.
    Moved(Zeroizing<Vec<u8>>, Vec<Subject>),
}

/// A callback whose epoch ends.
struct Found {
    id: CallbackId,
    read: Record<InboxRow>,
    fate: Fate,
}

impl Found {
    fn bytes(&self) -> usize {
        match &self.fate {
            Fate::Moved(body, _) => body.len(),
            _ => 0,
        }
    }
}

impl Ingest {
    /// Burns the slots of all epochs that are over: those of other hours than this one, and those that were marked for
    /// an early end. What is still pending or dead there moves to the current epoch first. Gives back how many were
    /// burnt. It may be interrupted anywhere and repeated.
    ///
    /// # Errors
    /// When the store or the vault fails; nothing is lost then.
    pub async fn close_epochs(&self) -> Result<u32, IngestError> {
        let _round = self.rounds.running().await;
        let rows = self.epochs().await?;
        // Read after the rows: none of them is of an hour that begins in between.
        let now_hour = hour_of(self.clock.now());
        // One of an hour that lies ahead is from before the clock was put back.
        let is_over = |row: &EpochRow| row.closing || row.early || row.hour != now_hour;
        let mut over = Vec::new();
        for (number, read) in rows {
            if is_over(&read.value) || self.is_burnt(read.value.slot).await? {
                over.push((number, read));
            }
        }
        let burnt = u32::try_from(over.len()).unwrap_or(u32::MAX);
        self.close(over, &HashSet::new()).await?;
        Ok(burnt)
    }

    /// Ends these epochs. Bodies that name one of the transactions in `about` are not moved: what each of those named is
    /// given back. Only for who holds the round: of two at a time, one would move what the other has to forget.
    pub(crate) async fn close(
        &self,
        rows: Vec<(u64, Record<EpochRow>)>,
        about: &HashSet<Subject>,
    ) -> Result<Vec<Vec<Subject>>, IngestError> {
        let numbers: HashSet<u64> = rows.iter().map(|(number, _)| *number).collect();
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.mark_closing(rows).await?;
        for number in &numbers {
            self.forget_epoch(*number).await;
        }
        let mut closing = Closing { numbers, about, forgotten: Vec::new() };
        // Pending twice: what is laid out again from the dead ones in the meantime is pending at the second look.
        for state in [CallbackState::Pending, CallbackState::Dead, CallbackState::Pending] {
            self.empty(state, &mut closing).await?;
        }
        let mut commit = self.records().commit();
        for (number, read) in &rows {
            match self.vault.burn(read.value.slot).await {
                // Burnt long ago, and somebody else's since: the store is older than that.
                Err(VaultError::NoSuchSlot) => {}
                other => other?,
            }
            commit.remove(&EPOCHS, &(*number,), read);
        }
        commit.submit().await?;
        Ok(closing.forgotten)
    }

    /// From here on nothing new is sealed under these epochs: whoever is about to finds the row changed.
    async fn mark_closing(
        &self,
        mut rows: Vec<(u64, Record<EpochRow>)>,
    ) -> Result<Vec<(u64, Record<EpochRow>)>, IngestError> {
        for _ in 0..ATTEMPTS {
            if rows.iter().all(|(_, read)| read.value.closing) {
                return Ok(rows);
            }
            let mut commit = self.records().commit();
            for (number, read) in rows.iter().filter(|(_, read)| !read.value.closing) {
                let closing = EpochRow { closing: true, ..read.value.clone() };
                commit.update(&EPOCHS, &(*number,), read, &closing);
            }
            match commit.submit().await {
                // One was marked for an early end.
                Err(error) if error.is_conflict() => {}
                other => other?,
            }
            let mut again = Vec::with_capacity(rows.len());
            for (number, _) in rows {
                let read = EPOCHS.get(self.records(), &(number,)).await?;
                again.extend(read.map(|read| (number, read)));
            }
            rows = again;
        }
        Err(IngestError::Busy)
    }

    /// Leaves no body under the epochs that end.
    async fn empty(&self, state: CallbackState, closing: &mut Closing<'_>) -> Result<(), IngestError> {
        let mut after = None;
        loop {
            let prefix = (state.number(),).encode();
            let keys = BY_STATE.keys(self.records(), prefix, after.as_ref(), TOGETHER).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = Some(*last);
            let mut together = Vec::with_capacity(keys.len());
            let mut bytes = 0;
            for (_, _, id) in keys {
                let Some(found) = self.find(id, closing).await? else { continue };
                if bytes + found.bytes() > BYTES_TOGETHER {
                    self.carry_out(std::mem::take(&mut together), closing).await?;
                    bytes = 0;
                }
                bytes += found.bytes();
                together.push(found);
            }
            self.carry_out(together, closing).await?;
        }
    }

    /// The callback with this id, if its body is under an epoch that ends, and what becomes of it.
    async fn find(&self, id: CallbackId, closing: &Closing<'_>) -> Result<Option<Found>, IngestError> {
        let mut before: Option<Record<InboxRow>> = None;
        for _ in 0..ATTEMPTS {
            let read = match INBOX.get(self.records(), &(id,)).await {
                Err(error @ records::RecordsError::Damaged { .. }) => {
                    // Its body goes with its epoch, whichever that is.
                    tracing::error!(%error, "a callback's row cannot be read; run `facemap-vault verify`");
                    return Ok(None);
                }
                read => read?,
            };
            let Some(read) = read else { return Ok(None) };
            if !closing.numbers.contains(&read.value.epoch) || read.value.body.is_none() {
                return Ok(None);
            }
            if read.value.state == CallbackState::Dead && read.value.received_at < self.inbox_horizon() {
                return Ok(Some(Found { id, read, fate: Fate::GivenUp }));
            }
            let body = match self.open_body(id, &read.value).await {
                Ok(body) => body,
                Err(IngestError::DamagedCallback) => None,
                Err(other) => return Err(other),
            };
            if let Some(body) = body {
                let fate = self.fate_of(body, closing.about);
                return Ok(Some(Found { id, read, fate }));
            }
            if before.is_some_and(|before| before.value == read.value) {
                // Nobody changed it in between: it opens for nobody. It must not keep the others' epoch from its end.
                tracing::error!(
                    "a callback's body does not open and is given up; run `facemap-vault verify`"
                );
                return Ok(Some(Found { id, read, fate: Fate::GivenUp }));
            }
            before = Some(read);
        }
        Err(IngestError::Busy)
    }

    fn fate_of(&self, body: Zeroizing<Vec<u8>>, about: &HashSet<Subject>) -> Fate {
        let callback = match jumio::callback::parse(&body) {
            // What names nobody can neither be kept from anybody nor be judged differently later.
            Err(_) => return Fate::Judged(Verdict::of(CallbackOutcome::Malformed)),
            Ok(Callback::Other) => return Fate::Judged(Verdict::of(CallbackOutcome::Foreign)),
            Ok(callback) => callback,
        };
        let names = names(&callback);
        if names.iter().any(|name| about.contains(name)) {
            let about = self.about(&callback);
            return Fate::Forgotten(Verdict { about, ..Verdict::of(CallbackOutcome::Tombstone) }, names);
        }
        Fate::Moved(body, names)
    }

    /// Carries several out in one commit; one by one where somebody else changed one of them.
    async fn carry_out(&self, found: Vec<Found>, closing: &mut Closing<'_>) -> Result<(), IngestError> {
        if found.is_empty() {
            return Ok(());
        }
        match self.carry_out_together(&found).await {
            Ok(()) => closing.note(found),
            Err(error) if error.is_conflict() => {
                for one in found {
                    self.carry_out_alone(one, closing).await?;
                }
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }

    async fn carry_out_alone(&self, found: Found, closing: &mut Closing<'_>) -> Result<(), IngestError> {
        let (id, mut next) = (found.id, Some(found));
        for _ in 0..ATTEMPTS {
            let Some(found) = next else { return Ok(()) };
            match self.carry_out_together(std::slice::from_ref(&found)).await {
                Ok(()) => {
                    closing.note(vec![found]);
                    return Ok(());
                }
                Err(error) if error.is_conflict() => next = self.find(id, closing).await?,
                Err(other) => return Err(other),
            }
        }
        Err(IngestError::Busy)
    }

    async fn carry_out_together(&self, found: &[Found]) -> Result<(), IngestError> {
        let mut commit = self.records().commit();
        let mut epoch = None;
        for Found { id, read, fate } in found {
            match fate {
                Fate::Judged(verdict) | Fate::Forgotten(verdict, _) => {
                    self.put_settled(&mut commit, *id, read, verdict).await?;
                    self.strike_out(&mut commit, *id).await?;
                }
                Fate::GivenUp => self.give_up(&mut commit, *id, read).await?,
                Fate::Moved(body, names) => {
                    let open = match epoch.take() {
                        Some(open) => open,
                        None => self.current_epoch().await?,
                    };
                    open.takes(names);
                    self.move_body(&mut commit, &open, *id, read, body).await?;
                    epoch = Some(open);
                }
            }
        }
        let Some(epoch) = epoch else { return Ok(commit.submit().await?) };
        epoch.require_open(&mut commit);
        let done = commit.submit().await;
        if done.as_ref().is_err_and(records::RecordsError::is_conflict) {
            self.forget_epoch(epoch.number).await;
        }
        Ok(done?)
    }

    /// Seals one body anew.
    async fn move_body(
        &self,
        commit: &mut Commit,
        epoch: &OpenEpoch,
        id: CallbackId,
        read: &Record<InboxRow>,
        body: &[u8],
    ) -> Result<(), IngestError> {
        let mut row = read.value.clone();
        // The same number of parts under the same keys: they are replaced, not added.
        let sealed = epoch.key.seal(self.rng.as_ref(), id.as_bytes(), body);
        let (head, rest) = sealed.split_at(sealed.len().min(PART_BYTES));
        for (part, bytes) in (0u64..).zip(rest.chunks(PART_BYTES)) {
            let old = PARTS.get(self.records(), &(id, part)).await?;
            commit.upsert(&PARTS, &(id, part), old.as_ref(), &Bytes(bytes.to_vec()));
        }
        row.body = Some(Bytes(head.to_vec()));
        row.epoch = epoch.number;
        commit.update(&INBOX, &(id,), read, &row);
        Ok(())
    }

    /// Gives up a body that will never be judged. Its row stays, as a dead one.
    async fn give_up(
        &self,
        commit: &mut Commit,
        id: CallbackId,
        read: &Record<InboxRow>,
    ) -> Result<(), IngestError> {
        let mut row = read.value.clone();
        self.drop_body(commit, id, &mut row).await?;
        row.state = CallbackState::Dead;
        if read.value.state != row.state {
            commit.unindex(&BY_STATE, &(read.value.state.number(), row.received_at, id));
            commit.index(&BY_STATE, &(row.state.number(), row.received_at, id));
        }
        commit.update(&INBOX, &(id,), read, &row);
        self.queue.cancel(commit, &JobKey::new(Kind::Callback, &id)).await?;
        Ok(())
    }

    /// Takes the job of a callback off the desk and out of the dead letters, whoever has it in hand.
    async fn strike_out(&self, commit: &mut Commit, id: CallbackId) -> Result<(), IngestError> {
        let job = JobKey::new(Kind::Callback, &id);
        self.queue.cancel(commit, &job).await?;
        self.queue.forget(commit, &job).await?;
        Ok(())
    }

    /// Burns epochs' slots that no row names: a crash came between the slot and its row.
    pub(crate) async fn burn_unnamed_epochs(&self) -> Result<u32, IngestError> {
        let named: HashSet<_> = self.epochs().await?.into_iter().map(|(_, read)| read.value.slot).collect();
        let mut burnt = 0;
        let mut from = Some(0);
        while let Some(start) = from {
            let page = self.vault.slots(start).await?;
            for view in page.views {
                let is_in_use = view.kind == SlotKind::InboxEpoch && view.status != SlotStatus::Burnt;
                if is_in_use && !named.contains(&view.slot) {
                    self.vault.burn(view.slot).await?;
                    burnt += 1;
                }
            }
            from = page.next;
        }
        Ok(burnt)
    }
}

impl Closing<'_> {
    fn note(&mut self, found: Vec<Found>) {
        for found in found {
            if let Fate::Forgotten(_, names) = found.fate {
                self.forgotten.push(names);
            }
        }
    }
}

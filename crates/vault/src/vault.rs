//! The door of this room: slots are taken, made live, held, burnt and looked at here.

use crate::{
    content_dir::ContentDir,
    entries::Entries,
    error::VaultError,
    fault::{Faults, Step},
    sector::Sector,
    slot_file::SlotFile,
    slot_folder,
    slot_keys::{EpochKey, PersonKey, SlotSecret},
    slot_locks::SlotLocks,
    types::{Mode, SlotKind, SlotRef, SlotStatus, SlotView, Survey, VaultId, VaultPaths},
};
use model::{Clock, Rng, Timestamp};
use seal::{HeldKeys, KeyProvider, Pseudonym};
use std::{fmt, future::Future, sync::Arc};
use tokio::{
    sync::{RwLock, Semaphore},
    task::JoinError,
};

/// Facemaps that are put or opened at the same time, if nothing else is said.
const DEFAULT_AT_ONCE: usize = 32;
/// Slots looked at in one page at most.
pub const PAGE: u32 = 1024;

/// The strongroom. Cheap to clone; every clone is the same one. It must be used inside a tokio runtime.
#[derive(Clone)]
pub struct Vault(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) slots: SlotFile,
    pub(crate) contents: Arc<ContentDir>,
    pub(crate) provider: Arc<dyn KeyProvider>,
    pub(crate) keys: Arc<HeldKeys>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) locks: SlotLocks,
    pub(crate) entries: Entries,
    pub(crate) at_once: Semaphore,
    /// Shared from before something is wrapped until the slot that holds it is written: whoever has it alone has waited
    /// for all that is in between.
    pub(crate) wrapping: Arc<RwLock<()>>,
    pub(crate) faults: Faults,
}

/// Some slots in use, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotPage {
    /// Slots that are not free, in the order of the file.
    pub views: Vec<SlotView>,
    /// The `from` of the next page; none after the last.
    pub next: Option<u32>,
}

impl Vault {
    /// Creates an empty vault: slot file and content folder, durably. `mode` holds for ever.
    ///
    /// # Errors
    /// [`VaultError::Exists`] rather than touching what is there.
    pub fn create(paths: &VaultPaths, mode: Mode, rng: &dyn Rng) -> Result<VaultId, VaultError> {
        ContentDir::create(&paths.content_dir)?;
        slot_folder::create(&paths.slots_dir, mode, rng)
    }

    /// Opens a vault, takes its exclusive lock and looks at every slot. Run [`Vault::sweep`] before anything else.
    ///
    /// # Errors
    /// [`VaultError::Unusable`], [`VaultError::InUse`] and [`VaultError::WrongMode`] say what to do; nothing was
    /// changed then.
    pub async fn open(
        paths: VaultPaths,
        mode: Mode,
        provider: Arc<dyn KeyProvider>,
        keys: Arc<HeldKeys>,
        rng: Arc<dyn Rng>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Survey), VaultError> {
        let opening = tokio::task::spawn_blocking(move || {
            let (file, header) = slot_folder::open(&paths.slots_dir, mode)?;
            let contents = ContentDir::open(&paths.content_dir)?;
            let (slots, survey) = SlotFile::over(file, header, &paths.slots_dir.join(slot_folder::NAME))?;
            Ok((slots, Arc::new(contents), survey))
        });
        let (slots, contents, survey) = opening.await.unwrap_or_else(stopped)?;
        let (locks, entries, faults) = (SlotLocks::default(), Entries::default(), Faults::default());
        let at_once = Semaphore::new(DEFAULT_AT_ONCE);
        let wrapping = Arc::default();
        let inner =
            Inner { slots, contents, provider, keys, rng, clock, locks, entries, at_once, wrapping, faults };
        Ok((Self(Arc::new(inner)), survey))
    }

    /// Lets at most `facemaps` be put or opened at the same time; more wait. Call it before the vault is shared.
    #[must_use]
    pub fn with_at_once(mut self, facemaps: usize) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.at_once = Semaphore::new(facemaps.clamp(1, Semaphore::MAX_PERMITS));
        }
        self
    }

    /// The random id of this vault.
    #[must_use]
    pub fn id(&self) -> VaultId {
        self.0.slots.vault()
    }

    /// Whether its people are real.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.0.slots.mode()
    }

    /// How often this vault was rebuilt or restored, from 1. A store remembers the one it was made under.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0.slots.epoch()
    }

    /// Refuses a store of another epoch: it is from before a rebuild, or the slot file is.
    ///
    /// # Errors
    /// [`VaultError::WrongEpoch`].
    pub fn check_epoch(&self, store: u64) -> Result<(), VaultError> {
        let slots = self.epoch();
        if store == slots { Ok(()) } else { Err(VaultError::WrongEpoch { store, slots }) }
    }

    /// Begins a new epoch, durably: for a rebuild or a restore. Gives it back.
    ///
    /// # Errors
    /// [`VaultError::Poisoned`] when it did not become durable.
    pub async fn raise_epoch(&self) -> Result<u64, VaultError> {
        self.raise_epoch_beyond(0).await
    }

    /// As [`Vault::raise_epoch`], and beyond `known`: what a store or a backup says that was made under this vault.
    ///
    /// # Errors
    /// As [`Vault::raise_epoch`].
    pub async fn raise_epoch_beyond(&self, known: u64) -> Result<u64, VaultError> {
        self.run(move |inner| inner.slots.raise_epoch(known)).await
    }

    /// Takes a slot for `subject`, with a fresh secret and a new facemap id. It is durably taken when this answers.
    ///
    /// # Errors
    /// [`VaultError::NoSpace`] when the file cannot grow, [`VaultError::Poisoned`].
    pub async fn prepare(&self, kind: SlotKind, subject: Pseudonym) -> Result<SlotRef, VaultError> {
        self.run(move |inner| {
            let (now, rng) = (inner.now(), &*inner.rng);
            inner.slots.take(&inner.faults, |index, generation| {
                Sector::prepared(index, generation, kind, &subject, now, rng)
            })
        })
        .await
    }

    /// The key of the record fields about the person of this slot.
    ///
    /// # Errors
    /// [`VaultError::NoSuchSlot`], [`VaultError::Burnt`], [`VaultError::WrongKind`].
    pub async fn person_key(&self, slot: SlotRef) -> Result<PersonKey, VaultError> {
        self.run(move |inner| {
            let secret = inner.secret(slot, SlotKind::Facemap)?;
            Ok(PersonKey::new(&secret, inner.keys.persons()))
        })
        .await
    }

    /// The key of what an erasure has left to do, under its own slot: the person's is burnt by then.
    ///
    /// # Errors
    /// As [`Vault::person_key`].
    pub async fn erasure_key(&self, slot: SlotRef) -> Result<PersonKey, VaultError> {
        self.run(move |inner| {
            let secret = inner.secret(slot, SlotKind::Erasure)?;
            Ok(PersonKey::of_erasure(&secret, inner.keys.persons()))
        })
        .await
    }

    /// The key of the raw callbacks of this epoch's slot.
    ///
    /// # Errors
    /// As [`Vault::person_key`].
    pub async fn epoch_key(&self, slot: SlotRef) -> Result<EpochKey, VaultError> {
        self.run(move |inner| {
            let secret = inner.secret(slot, SlotKind::InboxEpoch)?;
            Ok(EpochKey::new(&secret, inner.keys.inbox()))
        })
        .await
    }

    /// Says that what the slot is the root of is committed. Durable when it answers; a second time changes nothing.
    ///
    /// # Errors
    /// [`VaultError::NoSuchSlot`], [`VaultError::Burnt`]; [`VaultError::Damaged`] for a facemap that was never put.
    pub async fn make_live(&self, slot: SlotRef) -> Result<(), VaultError> {
        let guard = self.0.locks.hold(slot.index).await;
        self.run(move |inner| {
            let _guard = guard;
            inner.make_live(slot)
        })
        .await
    }

    /// Notes that Jumio no longer has the original: from now on this is the only copy.
    ///
    /// # Errors
    /// [`VaultError::WrongStatus`] unless the slot is live.
    pub async fn mark_original_deleted(&self, slot: SlotRef) -> Result<(), VaultError> {
        self.change(slot, |sector| {
            in_use(sector)?;
            if sector.status != SlotStatus::Live {
                return Err(VaultError::WrongStatus { is: sector.status });
            }
            Ok(!std::mem::replace(&mut sector.original_deleted, true))
        })
        .await
    }

    /// Sets or releases the hold: a held slot cannot be burnt.
    ///
    /// # Errors
    /// [`VaultError::NoSuchSlot`], [`VaultError::Burnt`].
    pub async fn set_hold(&self, slot: SlotRef, hold: bool) -> Result<(), VaultError> {
        self.change(slot, move |sector| {
            in_use(sector)?;
            Ok(std::mem::replace(&mut sector.hold, hold) != hold)
        })
        .await
    }

    /// Says whether another enrollment of the same user took this one's place. A rebuild learns from it which of a
    /// user's enrollments is the current one, so it is set before the record says so.
    ///
    /// # Errors
    /// [`VaultError::NoSuchSlot`], [`VaultError::Burnt`], [`VaultError::WrongKind`].
    pub async fn mark_replaced(&self, slot: SlotRef, replaced: bool) -> Result<(), VaultError> {
        self.change(slot, move |sector| {
            in_use(sector)?;
            of_kind(sector, SlotKind::Facemap)?;
            Ok(std::mem::replace(&mut sector.replaced, replaced) != replaced)
        })
        .await
    }

    /// What the slot shows without its secret.
    ///
    /// # Errors
    /// [`VaultError::NoSuchSlot`] when it is free or somebody else's by now.
    pub async fn view(&self, slot: SlotRef) -> Result<SlotView, VaultError> {
        self.run(move |inner| inner.slots.read(slot).map(|sector| sector.view())).await
    }

    /// The slots in use from sector `from` on, at most [`PAGE`] sectors at a time.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when a sector is.
    pub async fn slots(&self, from: u32) -> Result<SlotPage, VaultError> {
        self.run(move |inner| {
            let page = inner.slots.page(from, PAGE)?;
            Ok(SlotPage { views: page.views, next: page.next })
        })
        .await
    }

    /// Stops every operation at this step from now on, as a kill would; none lets them go on.
    #[cfg(any(test, feature = "test-util"))]
    pub fn fail_at(&self, step: Option<Step>) {
        self.0.faults.fail_at(step);
    }

    /// Has the system refuse what follows this step from now on, with this error number (`ENOSPC`, `EIO`).
    #[cfg(any(test, feature = "test-util"))]
    pub fn refuse_at(&self, step: Step, errno: i32) {
        self.0.faults.refuse_at(step, errno);
    }

    /// Has the `nth` sync of the slot file from now on fail, as one that a disk refuses: what was written may or may not
    /// be there after the next start.
    #[cfg(any(test, feature = "test-util"))]
    pub fn fail_sync(&self, nth: u64) {
        self.0.slots.sync.fail(nth);
    }

    /// Does something at this step from now on, for instance to the files: then the operation goes on.
    #[cfg(any(test, feature = "test-util"))]
    pub fn at_step(&self, step: Step, act: impl Fn() + Send + 'static) {
        self.0.faults.at(step, Box::new(act));
    }

    async fn change(
        &self,
        slot: SlotRef,
        change: impl FnOnce(&mut Sector) -> Result<bool, VaultError> + Send + 'static,
    ) -> Result<(), VaultError> {
        let guard = self.0.locks.hold(slot.index).await;
        self.run(move |inner| {
            let _guard = guard;
            inner.slots.change(slot, || Ok(()), change)
        })
        .await
    }

    /// Runs blocking work where it may block. It goes on to its end even if nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner)).await.unwrap_or_else(stopped)
    }

    /// Runs a work of several steps to its end, even if nobody waits for it any more.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        work: impl Future<Output = Result<T, VaultError>> + Send + 'static,
    ) -> Result<T, VaultError> {
        tokio::spawn(work).await.unwrap_or_else(stopped)
    }
}

impl Inner {
    /// The time, in the milliseconds that a sector keeps.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The secret of a slot in use.
    pub(crate) fn secret(&self, slot: SlotRef, kind: SlotKind) -> Result<SlotSecret, VaultError> {
        let sector = self.slots.read(slot)?;
        in_use(&sector)?;
        of_kind(&sector, kind)?;
        Ok(SlotSecret::of(&sector, self.slots.vault()))
    }

    pub(crate) fn make_live(&self, slot: SlotRef) -> Result<(), VaultError> {
        let stop = || self.faults.reach(Step::Live);
        self.slots.change(slot, stop, |sector| {
            in_use(sector)?;
            if sector.kind == SlotKind::Facemap && sector.wrapped().is_empty() {
                return Err(VaultError::Damaged(crate::Damage::NoKey));
            }
            Ok(std::mem::replace(&mut sector.status, SlotStatus::Live) != SlotStatus::Live)
        })
    }
}

/// Refuses a burnt slot.
pub(crate) const fn in_use(sector: &Sector) -> Result<(), VaultError> {
    match sector.status {
        SlotStatus::Prepared | SlotStatus::Live => Ok(()),
        SlotStatus::Burnt => Err(VaultError::Burnt),
        SlotStatus::Free => Err(VaultError::NoSuchSlot),
    }
}

/// Refuses a slot of the other kind.
pub(crate) fn of_kind(sector: &Sector, kind: SlotKind) -> Result<(), VaultError> {
    if sector.kind == kind { Ok(()) } else { Err(VaultError::WrongKind) }
}

/// A task that did not end: its panic goes on here, and a stopped runtime is an error.
pub(crate) fn stopped<T>(error: JoinError) -> Result<T, VaultError> {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(VaultError::Stopping),
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.id())
    }
}

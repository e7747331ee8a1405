//! Looking at a slot file and its contents that may be damaged, without changing a byte: for verify and rebuild. What
//! does not open is said, and the look goes on behind it.

use crate::{
    check::{Found, Locked, check_all},
    content_dir::ContentDir,
    error::VaultError,
    header::Header,
    outline::{Outline, each_sector},
    rewrap::has_data_key,
    sector::{SECTOR, Sector},
    slot_file::{SCAN, position},
    slot_folder::{self, NAME},
    slot_keys::{EpochKey, PersonKey, SlotSecret},
    types::{FacemapId, Mode, SlotKind, SlotRef, SlotStatus, SlotView, VaultId, VaultPaths},
    vault::{in_use, of_kind, stopped},
};
use rustix::fs::{FlockOperation, flock};
use seal::{HeldKeys, KeyId, KeyProvider};
use std::{collections::HashSet, fmt, fs::File, os::unix::fs::FileExt as _, path::PathBuf, sync::Arc};
use zeroize::Zeroizing;

/// A slot file that is held for looking: its lock is taken, so that no service runs beside. It must be used inside a
/// tokio runtime. It works on a copy of a slot file too.
#[derive(Clone)]
pub struct Inspection(pub(crate) Arc<Inspected>);

pub(crate) struct Inspected {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) outline: Outline,
    contents: Arc<ContentDir>,
    provider: Arc<dyn KeyProvider>,
    keys: Arc<HeldKeys>,
}

/// What the first sector of a slot file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotFileHeader {
    /// Which vault it is.
    pub vault: VaultId,
    /// Whether its people are real.
    pub mode: Mode,
    /// How often it was rebuilt or restored, from 1.
    pub epoch: u64,
    /// Sectors that are whole.
    pub slots: u32,
}

/// A sector that is not one: damaged, cut off, unreadable, or carried here from another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSector {
    /// Its position.
    pub index: u32,
}

/// A slot that is in use or burnt, as its sector shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InspectedSlot {
    /// The slot.
    pub view: SlotView,
    /// The wrapping key under which its data key lies; none without a data key, or when the provider does not know
    /// these bytes as its own.
    pub wrapping_key: Option<KeyId>,
}

/// Some sectors, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedPage {
    /// What is not free, in the order of the file.
    pub sectors: Vec<Result<InspectedSlot, BadSector>>,
    /// Free sectors among those looked at.
    pub free: u32,
    /// The `from` of the next page; none after the last.
    pub next: Option<u32>,
}

/// What lies in the content folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentListing {
    /// Facemap id and length of each content file, in order of the ids.
    pub files: Vec<(FacemapId, u64)>,
    /// What interrupted writes left behind; the next start removes it.
    pub temporaries: u64,
    /// Entries that the vault did not write.
    pub strangers: u64,
}

impl Inspection {
    /// Opens the slot file for reading and takes its exclusive lock. A damaged header is not an error here: see
    /// [`Inspection::header`]; then the file's size says how many sectors there are.
    ///
    /// # Errors
    /// [`VaultError::InUse`] while a service runs, [`VaultError::Unusable`] when there is no slot file at all,
    /// [`VaultError::Io`].
    pub async fn open(
        paths: VaultPaths,
        provider: Arc<dyn KeyProvider>,
        keys: Arc<HeldKeys>,
    ) -> Result<Self, VaultError> {
        Self::open_knowing(paths, provider, keys, None).await
    }

    /// As [`Inspection::open`], told from elsewhere which vault it is: of use where the header is damaged and neither
    /// its rest nor the content files say it. It is believed only if the sectors agree.
    ///
    /// # Errors
    /// As [`Inspection::open`].
    pub async fn open_knowing(
        paths: VaultPaths,
        provider: Arc<dyn KeyProvider>,
        keys: Arc<HeldKeys>,
        vault: Option<VaultId>,
    ) -> Result<Self, VaultError> {
        let opening = move || {
            let path = paths.slots_dir.join(NAME);
            let file = slot_folder::open_to_look(&path)?;
            let contents = Arc::new(ContentDir::at(&paths.content_dir));
            let outline = Outline::of(&file, vault, &contents)?;
            Ok(Self(Arc::new(Inspected { file, path, outline, contents, provider, keys })))
        };
        tokio::task::spawn_blocking(opening).await.unwrap_or_else(stopped)
    }

    /// What the header says, or in words what is wrong with it.
    ///
    /// # Errors
    /// When it is damaged, or of another version.
    pub fn header(&self) -> Result<SlotFileHeader, &str> {
        self.0.outline.header.as_ref().copied().map_err(String::as_str)
    }

    /// What a damaged header said before one of its bits was flipped: its checksum proves it. None when it is whole, or
    /// more is wrong.
    #[must_use]
    pub fn header_before_damage(&self) -> Option<SlotFileHeader> {
        self.0.outline.before_damage
    }

    /// Which vault it is: as the header says, or as far as the sectors agree with what is left of it. Without it no
    /// sector can be told from a damaged one.
    #[must_use]
    pub fn vault(&self) -> Option<VaultId> {
        self.0.outline.vault
    }

    /// Sectors that the file must have: as the header says, else by the file's size.
    #[must_use]
    pub fn sector_count(&self) -> u32 {
        self.0.outline.slots
    }

    /// The sectors from `from` on, at most [`crate::PAGE`] of them.
    ///
    /// # Errors
    /// [`VaultError::Stopping`] alone: a sector that cannot be read is a [`BadSector`].
    pub async fn sectors(&self, from: u32) -> Result<InspectedPage, VaultError> {
        self.run(move |inspected| Ok(inspected.page(from))).await
    }

    /// What lies in the content folder.
    ///
    /// # Errors
    /// [`VaultError::Io`] when the folder cannot be read.
    pub async fn contents(&self) -> Result<ContentListing, VaultError> {
        self.run(|inspected| {
            let listing = inspected.contents.list()?;
            Ok(ContentListing {
                files: listing.files,
                temporaries: listing.temporaries.len() as u64,
                strangers: listing.strangers,
            })
        })
        .await
    }

    /// Facemap ids that more than one slot of a facemap has, tombstones included: nobody knows whose content it is.
    ///
    /// # Errors
    /// As [`Inspection::sectors`].
    pub async fn repeated_ids(&self) -> Result<Vec<FacemapId>, VaultError> {
        self.run(|inspected| {
            let (mut seen, mut repeated) = (HashSet::new(), Vec::new());
            let mut from = Some(0);
            while let Some(start) = from {
                let page = inspected.page(start);
                for found in page.sectors.into_iter().flatten() {
                    if found.view.kind == SlotKind::Facemap && !seen.insert(found.view.slot.facemap) {
                        repeated.push(found.view.slot.facemap);
                    }
                }
                from = page.next;
            }
            repeated.sort_unstable();
            repeated.dedup();
            Ok(repeated)
        })
        .await
    }

    /// As [`crate::Vault::check`].
    ///
    /// # Errors
    /// As [`crate::Vault::check`].
    pub async fn check(&self, slot: SlotRef) -> Result<Found, VaultError> {
        self.check_many(vec![slot]).await.pop().unwrap_or(Err(VaultError::Stopping))
    }

    /// As [`crate::Vault::check_many`].
    pub async fn check_many(&self, slots: Vec<SlotRef>) -> Vec<Result<Found, VaultError>> {
        let count = slots.len();
        let read = self.run(move |inspected| {
            let read = |slot: SlotRef| {
                let (sector, vault) = inspected.sector(slot)?;
                Locked::of(&sector, vault)
            };
            Ok(slots.into_iter().map(read).collect::<Vec<_>>())
        });
        let locked = read.await.unwrap_or_else(|_| (0..count).map(|_| Err(VaultError::Stopping)).collect());
        let (provider, contents) = (Arc::clone(&self.0.provider), Arc::clone(&self.0.contents));
        // Without a vault's id there is no sector either, and so nothing to open.
        check_all(provider, contents, self.0.outline.vault.unwrap_or(VaultId([0; 16])), locked).await
    }

    /// As [`crate::Vault::person_key`].
    ///
    /// # Errors
    /// As [`crate::Vault::person_key`].
    pub async fn person_key(&self, slot: SlotRef) -> Result<PersonKey, VaultError> {
        self.run(move |inspected| {
            let secret = inspected.secret(slot, SlotKind::Facemap)?;
            Ok(PersonKey::new(&secret, inspected.keys.persons()))
        })
        .await
    }

    /// As [`crate::Vault::epoch_key`].
    ///
    /// # Errors
    /// As [`crate::Vault::epoch_key`].
    pub async fn epoch_key(&self, slot: SlotRef) -> Result<EpochKey, VaultError> {
        self.run(move |inspected| {
            let secret = inspected.secret(slot, SlotKind::InboxEpoch)?;
            Ok(EpochKey::new(&secret, inspected.keys.inbox()))
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inspected) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let inspected = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inspected)).await.unwrap_or_else(stopped)
    }
}

impl Inspected {
    fn page(&self, from: u32) -> InspectedPage {
        let end = self.outline.slots.min(from.saturating_add(SCAN));
        let mut page =
            InspectedPage { sectors: Vec::new(), free: 0, next: (end < self.outline.slots).then_some(end) };
        self.each(from, end, |index, sector| match sector {
            None => page.sectors.push(Err(BadSector { index })),
            Some(sector) if sector.status == SlotStatus::Free => page.free += 1,
            Some(sector) => {
                let wrapped = has_data_key(sector).then(|| self.provider.key_of(sector.wrapped()).ok());
                page.sectors.push(Ok(InspectedSlot { view: sector.view(), wrapping_key: wrapped.flatten() }));
            }
        });
        page
    }

    /// Shows each sector of `from..end`, or that it is none.
    pub(crate) fn each(&self, from: u32, end: u32, visit: impl FnMut(u32, Option<&Sector>)) {
        each_sector(&self.file, self.outline.vault, from, end, visit);
    }

    fn sector(&self, slot: SlotRef) -> Result<(Sector, VaultId), VaultError> {
        let damaged = VaultError::Damaged(crate::Damage::Sector);
        let Some(vault) = self.outline.vault else { return Err(damaged) };
        let mut bytes = Zeroizing::new([0; SECTOR]);
        if self.file.read_exact_at(&mut *bytes, position(slot.index)).is_err() {
            return Err(damaged);
        }
        let Ok(sector) = Sector::decode(&bytes, vault, slot.index) else { return Err(damaged) };
        if sector.slot == slot { Ok((sector, vault)) } else { Err(VaultError::NoSuchSlot) }
    }

    fn secret(&self, slot: SlotRef, kind: SlotKind) -> Result<SlotSecret, VaultError> {
        let (sector, vault) = self.sector(slot)?;
        in_use(&sector)?;
        of_kind(&sector, kind)?;
        Ok(SlotSecret::of(&sector, vault))
    }
}

impl From<Header> for SlotFileHeader {
    fn from(header: Header) -> Self {
        let Header { vault, mode, epoch, slots } = header;
        Self { vault, mode, epoch, slots }
    }
}

impl Drop for Inspected {
    fn drop(&mut self) {
        // Closing would not be enough: a child process that is just being started still has the file open.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

impl fmt::Debug for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inspection({} sectors)", self.0.outline.slots)
    }
}

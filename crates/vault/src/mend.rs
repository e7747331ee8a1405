//! Writing to a slot file that does not open as a whole: only what a rebuild needs before the vault can be opened, each
//! only where there is damage, and each ordered by somebody.

use crate::{
    error::VaultError,
    header::Header,
    inspect::{Inspection, SlotFileHeader},
    one_bit,
    sector::{SECTOR, Sector},
    slot_file::position,
    types::{Mode, SlotKind, SlotRef, VaultId},
};
use model::{Clock, Rng};
use seal::Pseudonym;
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    sync::Arc,
};
use zeroize::Zeroizing;

/// Generations left out after a sector was lost: it may have held a higher one than any that is still there, and no
/// generation may ever come again.
const LEAP: u64 = 1 << 32;

/// A damaged slot file in the hands of whoever mends it. It keeps the lock of the inspection that it came from; what
/// that saw before is old as soon as something is written, so inspect again afterwards.
pub struct Mending {
    inspection: Inspection,
    file: Arc<File>,
    rng: Arc<dyn Rng>,
    clock: Arc<dyn Clock>,
}

impl Inspection {
    /// Opens the same file for writing. The lock stays held.
    ///
    /// # Errors
    /// [`VaultError::Io`] when this user may not write it.
    pub async fn mend(self, rng: Arc<dyn Rng>, clock: Arc<dyn Clock>) -> Result<Mending, VaultError> {
        let path = self.0.path.clone();
        let file = run(move || {
            let file = OpenOptions::new().read(true).write(true).open(path);
            file.map_err(VaultError::io("open the slot file for writing"))
        });
        Ok(Mending { file: Arc::new(file.await?), inspection: self, rng, clock })
    }
}

impl Mending {
    /// Writes a new header where the header is damaged, durably: which vault it is and how many sectors there are was
    /// found by the inspection; `mode` and `epoch` must be known by the caller. The epoch must be above every epoch
    /// that a store of this vault ever had; it does not fall below what [`Inspection::header_before_damage`] says.
    ///
    /// # Errors
    /// [`VaultError::NotDamaged`] where the header is whole: nothing is changed. [`VaultError::WrongMode`] where what
    /// is left of it proves another mode, [`VaultError::NoVaultId`] when nothing says which vault it was,
    /// [`VaultError::Io`].
    pub async fn repair_header(&self, mode: Mode, epoch: u64) -> Result<SlotFileHeader, VaultError> {
        if self.inspection.0.outline.header.is_ok() {
            return Err(VaultError::NotDamaged);
        }
        let mut epoch = epoch.max(1);
        if let Some(before) = self.inspection.0.outline.before_damage {
            if before.mode != mode {
                return Err(VaultError::WrongMode { is: before.mode, configured: mode });
            }
            epoch = epoch.max(before.epoch);
        }
        let header = Header { vault: self.vault()?, mode, epoch, slots: self.inspection.0.outline.slots };
        self.write(0, Zeroizing::new(header.encode().to_vec())).await?;
        Ok(header.into())
    }

    /// Puts a sector right that is damaged in one bit only, durably: its checksum proves that it is what it was. False
    /// when more is wrong; nothing is changed then.
    ///
    /// # Errors
    /// [`VaultError::NotDamaged`] where the sector is whole, [`VaultError::NoVaultId`], [`VaultError::Io`].
    pub async fn repair_sector(&self, index: u32) -> Result<bool, VaultError> {
        let (vault, file) = (self.vault()?, Arc::clone(&self.file));
        let undone = run(move || {
            let mut bytes = Zeroizing::new([0; SECTOR]);
            if file.read_exact_at(&mut *bytes, position(index)).is_err() {
                return Ok(None);
            }
            if Sector::decode(&bytes, vault, index).is_ok() {
                return Err(VaultError::NotDamaged);
            }
            Ok(one_bit::undone(&bytes, |bytes| Sector::decode(bytes, vault, index).ok()))
        });
        let Some((bytes, _)) = undone.await? else { return Ok(false) };
        self.write(position(index), Zeroizing::new(bytes.to_vec())).await?;
        Ok(true)
    }

    /// Gives a damaged sector up: writes random bytes over it, with the form of a slot that was burnt now, under a
    /// generation and an id that nobody had. Whatever was sealed under it is lost for ever, a hold on it too; a sector
    /// restored from a backup later would not belong there any more.
    ///
    /// # Errors
    /// [`VaultError::NotDamaged`] where the sector is whole: nothing is changed. [`VaultError::NoSuchSlot`] behind the
    /// last, [`VaultError::NoVaultId`], [`VaultError::Io`].
    pub async fn forget_sector(&self, index: u32) -> Result<SlotRef, VaultError> {
        let vault = self.vault()?;
        if index >= self.inspection.0.outline.slots {
            return Err(VaultError::NoSuchSlot);
        }
        let inspected = Arc::clone(&self.inspection.0);
        let (highest, whole) = run(move || {
            let (mut highest, mut whole) = (0, false);
            inspected.each(0, inspected.outline.slots, |at, sector| {
                if let Some(sector) = sector {
                    highest = highest.max(sector.slot.generation);
                    whole |= at == index;
                }
            });
            Ok((highest, whole))
        })
        .await?;
        if whole {
            return Err(VaultError::NotDamaged);
        }
        let (now, rng, nobody) = (self.clock.now(), &*self.rng, Pseudonym::from_bytes([0; 32]));
        let mut sector =
            Sector::prepared(index, highest.saturating_add(LEAP), SlotKind::Facemap, &nobody, now, rng);
        sector.burn(now, rng);
        self.write(position(index), Zeroizing::new(sector.encode(vault).to_vec())).await?;
        Ok(sector.slot)
    }

    fn vault(&self) -> Result<VaultId, VaultError> {
        self.inspection.0.outline.vault.ok_or(VaultError::NoVaultId)
    }

    async fn write(&self, at: u64, bytes: Zeroizing<Vec<u8>>) -> Result<(), VaultError> {
        let file = Arc::clone(&self.file);
        run(move || {
            file.write_all_at(&bytes, at)
                .and_then(|()| file.sync_all())
                .map_err(VaultError::io("mend the slot file"))
        })
        .await
    }
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(crate::vault::stopped)
}

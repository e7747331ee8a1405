//! Facemaps are put and opened here.

use crate::{
    content_form::{self, Identity},
    error::{Damage, VaultError},
    fault::Step,
    sector::WRAPPED_MAX,
    slot_keys::SlotSecret,
    types::{Contents, NOTE_BYTES, SlotKind, SlotRef, SlotStatus},
    vault::{Vault, in_use, of_kind},
};
use model::{EnrollmentRef, FacemapBytes};
use seal::{ProviderError, SealingKey};
use std::sync::Arc;
use zeroize::Zeroizing;

/// From where, and of whom, a facemap is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// For use: live slots only, pages from wherever they are.
    ForUse,
    /// As a proof before it goes live: prepared slots only, past the page cache.
    AsProof,
    /// As a proof that it is still there: live slots only, past the page cache.
    AsProofOfLive,
}

impl Reading {
    const fn wanted(self) -> SlotStatus {
        match self {
            Self::AsProof => SlotStatus::Prepared,
            Self::ForUse | Self::AsProofOfLive => SlotStatus::Live,
        }
    }

    const fn is_from_disk(self) -> bool {
        match self {
            Self::ForUse => false,
            Self::AsProof | Self::AsProofOfLive => true,
        }
    }
}

impl Vault {
    /// Stores a facemap under a prepared slot: fresh data key into the slot, content file, each durable; then both
    /// are read back from the disk and opened, and the digest is compared. Only then it answers. It may be repeated
    /// after any failure, and replaces what the earlier attempt left. It runs to its end even if nobody waits.
    ///
    /// `note` goes into the sealed header and is not looked at: what a rebuild of the records must know about the
    /// person, [`crate::NOTE_BYTES`] at most.
    ///
    /// # Errors
    /// [`VaultError::ReadBack`] when what is on the disk is not what was given: nothing is live then.
    /// [`VaultError::WrongStatus`] unless the slot is prepared, [`VaultError::Empty`], [`VaultError::NoteTooLong`],
    /// [`VaultError::Keys`], [`VaultError::NoSpace`], [`VaultError::Io`].
    pub async fn put(
        &self,
        slot: SlotRef,
        enrollment: &EnrollmentRef,
        note: &[u8],
        facemap: FacemapBytes,
    ) -> Result<Contents, VaultError> {
        if note.len() > NOTE_BYTES {
            return Err(VaultError::NoteTooLong { bytes: note.len(), limit: NOTE_BYTES });
        }
        let (vault, identity) = (self.clone(), Identity { slot, enrollment: *enrollment });
        let note = Zeroizing::new(note.to_vec());
        Self::to_the_end(async move { vault.put_and_prove(identity, note, facemap).await }).await
    }

    /// Opens the facemap of a live slot. The buffer that held the ciphertext becomes the facemap.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] for whatever is not exactly this facemap of this enrollment, without saying why to the
    /// one who asks. [`VaultError::WrongStatus`] for a slot that is not live yet, [`VaultError::Burnt`],
    /// [`VaultError::NoSuchSlot`], [`VaultError::Keys`], [`VaultError::Io`].
    pub async fn open_facemap(
        &self,
        slot: SlotRef,
        enrollment: &EnrollmentRef,
        expected: &Contents,
    ) -> Result<FacemapBytes, VaultError> {
        let _one_of_few = self.0.at_once.acquire().await.map_err(|_| VaultError::Stopping)?;
        self.open_as(Identity { slot, enrollment: *enrollment }, *expected, Reading::ForUse).await
    }

    /// Proves that the disk holds the facemap of a live slot, before the original is given up for ever: slot and
    /// content are read past the kernel's memory, opened, and compared. What memory still holds proves nothing.
    ///
    /// # Errors
    /// As [`Vault::open_facemap`].
    pub async fn prove(
        &self,
        slot: SlotRef,
        enrollment: &EnrollmentRef,
        expected: &Contents,
    ) -> Result<(), VaultError> {
        let _one_of_few = self.0.at_once.acquire().await.map_err(|_| VaultError::Stopping)?;
        let identity = Identity { slot, enrollment: *enrollment };
        self.open_as(identity, *expected, Reading::AsProofOfLive).await.map(drop)
    }

    async fn put_and_prove(
        &self,
        identity: Identity,
        note: Zeroizing<Vec<u8>>,
        facemap: FacemapBytes,
    ) -> Result<Contents, VaultError> {
        if facemap.is_empty() {
            return Err(VaultError::Empty);
        }
        let _guard = self.0.locks.hold(identity.slot.index).await;
        let _one_of_few = self.0.at_once.acquire().await.map_err(|_| VaultError::Stopping)?;
        let secret = self.run(move |inner| inner.prepared_secret(identity.slot)).await?;
        let wrapping = Arc::clone(&self.0.wrapping).read_owned().await;
        let (key, wrapped) = secret.new_data_key(&*self.0.provider, &*self.0.rng).await?;
        let contents = self
            .run(move |inner| {
                let contents = content_form::contents_of(&facemap);
                let vault = inner.slots.vault();
                let sealed =
                    content_form::seal(&key, &*inner.rng, vault, identity, &note, &contents, facemap);
                inner.slots.change(
                    identity.slot,
                    || Ok(()),
                    |sector| {
                        let limit = WRAPPED_MAX;
                        if !sector.set_wrapped(&wrapped) {
                            return Err(VaultError::WrappedKeyTooLong { bytes: wrapped.len(), limit });
                        }
                        Ok(true)
                    },
                )?;
                drop(wrapping);
                inner.faults.reach(Step::KeyDurable)?;
                inner.contents.write(identity.slot.facemap, &sealed.parts(), &*inner.rng, &inner.faults)?;
                inner.faults.reach(Step::ContentDurable)?;
                Ok(contents)
            })
            .await?;
        match self.open_as(identity, contents, Reading::AsProof).await {
            Ok(_) => Ok(contents),
            Err(VaultError::Damaged(damage)) => Err(VaultError::ReadBack(damage)),
            Err(other) => Err(other),
        }
    }

    pub(crate) async fn open_as(
        &self,
        identity: Identity,
        expected: Contents,
        reading: Reading,
    ) -> Result<FacemapBytes, VaultError> {
        let key = match self.data_key(identity.slot, reading).await {
            // Read a moment before it was rewrapped, and the old key is removed by now: the slot has a new one.
            Err(VaultError::Keys(ProviderError::UnknownKey(_))) => {
                self.data_key(identity.slot, reading).await
            }
            read => read,
        }?;
        self.run(move |inner| {
            let length = content_form::file_bytes(expected.bytes);
            let file = inner.contents.read(identity.slot.facemap, length, reading.is_from_disk())?;
            content_form::open(&key, inner.slots.vault(), identity, &expected, file)
                .map_err(VaultError::Damaged)
        })
        .await
    }

    async fn data_key(&self, slot: SlotRef, reading: Reading) -> Result<SealingKey, VaultError> {
        let (secret, wrapped) = self.run(move |inner| inner.locked(slot, reading)).await?;
        secret.data_key(&*self.0.provider, &wrapped).await
    }
}

impl crate::vault::Inner {
    /// What opens a facemap of the status that is wanted, still wrapped.
    fn locked(&self, slot: SlotRef, reading: Reading) -> Result<(SlotSecret, Vec<u8>), VaultError> {
        let from_disk = reading.is_from_disk();
        let sector = if from_disk { self.slots.read_from_disk(slot)? } else { self.slots.read(slot)? };
        in_use(&sector)?;
        of_kind(&sector, SlotKind::Facemap)?;
        if sector.status != reading.wanted() {
            return Err(VaultError::WrongStatus { is: sector.status });
        }
        if sector.wrapped().is_empty() {
            return Err(VaultError::Damaged(Damage::NoKey));
        }
        Ok((SlotSecret::of(&sector, self.slots.vault()), sector.wrapped().to_vec()))
    }

    /// The secret of a facemap's slot that is prepared.
    fn prepared_secret(&self, slot: SlotRef) -> Result<SlotSecret, VaultError> {
        let sector = self.slots.read(slot)?;
        in_use(&sector)?;
        of_kind(&sector, SlotKind::Facemap)?;
        if sector.status == SlotStatus::Prepared {
            Ok(SlotSecret::of(&sector, self.slots.vault()))
        } else {
            Err(VaultError::WrongStatus { is: sector.status })
        }
    }
}

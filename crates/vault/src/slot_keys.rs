//! Keys that hang on a slot: burn the slot, and everything under them is gone, in every copy and every backup.

use crate::{
    error::{Damage, VaultError},
    sector::Sector,
    types::{SlotRef, VaultId},
};
use model::Rng;
use seal::{KeyId, KeyProvider, Place, ProviderError, Purpose, SealError, SealingKey, SymmetricKey};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const SLOT_PLACE_BYTES: usize = 16 + 4 + 16 + 32;

/// A sector's secret, and what of the sector the keys under it are bound to.
pub(crate) struct SlotSecret {
    secret: Zeroizing<[u8; 32]>,
    slot: SlotRef,
    /// Vault, index, facemap id, subject: a key that was carried into another sector does not open there, nor does
    /// one whose sector was given to another person.
    place: [u8; SLOT_PLACE_BYTES],
}

impl SlotSecret {
    pub(crate) fn of(sector: &Sector, vault: VaultId) -> Self {
        let mut place = [0; SLOT_PLACE_BYTES];
        place[..16].copy_from_slice(&vault.0);
        place[16..20].copy_from_slice(&sector.slot.index.to_be_bytes());
        place[20..36].copy_from_slice(sector.slot.facemap.as_bytes());
        place[36..].copy_from_slice(&sector.subject);
        Self { secret: sector.secret.clone(), slot: sector.slot, place }
    }

    const fn data_key_place(&self) -> Place<'_> {
        Place { table: "slots", record: &self.place, field: "data-key", generation: self.slot.generation }
    }

    fn layer(&self) -> SealingKey {
        SealingKey::new(key_id(self.slot), SymmetricKey::from_bytes(&self.secret))
    }

    /// A fresh data key, and the same wrapped: sealed under the slot's secret, and that under the wrapping key.
    pub(crate) async fn new_data_key(
        &self,
        provider: &dyn KeyProvider,
        rng: &dyn Rng,
    ) -> Result<(SealingKey, Vec<u8>), VaultError> {
        let key = SymmetricKey::generate(rng);
        let place = self.data_key_place();
        let inner = self.layer().seal(rng, Purpose::SlotLayer, &place, key.expose());
        let wrapped = provider.wrap(&place, &inner).await?;
        Ok((SealingKey::new(key_id(self.slot), key), wrapped))
    }

    /// Opens both layers.
    pub(crate) async fn data_key(
        &self,
        provider: &dyn KeyProvider,
        wrapped: &[u8],
    ) -> Result<SealingKey, VaultError> {
        let place = self.data_key_place();
        let inner = provider.unwrap(&place, wrapped).await.map_err(outer_layer)?;
        let key = self.layer().open(Purpose::SlotLayer, &place, &inner);
        let key = key.map_err(|_| VaultError::Damaged(Damage::DataKey))?;
        let key = SymmetricKey::from_slice(&key).ok_or(VaultError::Damaged(Damage::DataKey))?;
        Ok(SealingKey::new(key_id(self.slot), key))
    }

    /// The same inner layer under the provider's active key. It is opened once before anybody relies on it: what it
    /// replaces is the only copy.
    pub(crate) async fn rewrapped(
        &self,
        provider: &dyn KeyProvider,
        wrapped: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let place = self.data_key_place();
        let inner = provider.unwrap(&place, wrapped).await.map_err(outer_layer)?;
        let again = provider.wrap(&place, &inner).await?;
        let opened = provider.unwrap(&place, &again).await?;
        if bool::from(opened.ct_eq(&inner)) { Ok(again) } else { Err(ProviderError::Refused.into()) }
    }

    /// A key from a held key and this slot's secret: neither alone opens anything.
    pub(crate) fn derive(&self, held: &SealingKey, label: &str) -> SealingKey {
        let mut context = Zeroizing::new([0; 32 + SLOT_PLACE_BYTES + 8]);
        context[..32].copy_from_slice(&*self.secret);
        context[32..32 + SLOT_PLACE_BYTES].copy_from_slice(&self.place);
        context[32 + SLOT_PLACE_BYTES..].copy_from_slice(&self.slot.generation.to_be_bytes());
        held.derive(label, &*context)
    }
}

/// What a provider refuses is damage of the slot; everything else is the provider's own trouble.
fn outer_layer(error: ProviderError) -> VaultError {
    match error {
        ProviderError::Refused | ProviderError::NotWrapped => VaultError::Damaged(Damage::DataKey),
        other => VaultError::Keys(other),
    }
}

/// The id of the keys of a slot: that of its facemap says enough.
fn key_id(slot: SlotRef) -> KeyId {
    let mut id = [0; 8];
    id.copy_from_slice(&slot.facemap.as_bytes()[..8]);
    KeyId::from_bytes(id)
}

/// The key of one person's record fields, or of what an erasure has left to do: derived from the held key for persons
/// and the slot's secret, under another label for each. Wiped on drop; do not keep it longer than the work at hand, for
/// a key in memory survives the burning of its slot.
pub struct PersonKey {
    key: SealingKey,
    generation: u64,
}

impl PersonKey {
    pub(crate) fn new(secret: &SlotSecret, held: &SealingKey) -> Self {
        Self { key: secret.derive(held, "person"), generation: secret.slot.generation }
    }

    pub(crate) fn of_erasure(secret: &SlotSecret, held: &SealingKey) -> Self {
        Self { key: secret.derive(held, "erasure"), generation: secret.slot.generation }
    }

    /// Seals a field about the person.
    #[must_use]
    pub fn seal(&self, rng: &dyn Rng, record: &[u8], field: &str, plaintext: &[u8]) -> Vec<u8> {
        self.key.seal(rng, Purpose::PersonField, &self.place(record, field), plaintext)
    }

    /// Opens a field about the person.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`] for everything but this field of this record of this use of the slot.
    pub fn open(&self, record: &[u8], field: &str, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.key.open(Purpose::PersonField, &self.place(record, field), envelope)
    }

    const fn place<'a>(&self, record: &'a [u8], field: &'a str) -> Place<'a> {
        Place { table: "person", record, field, generation: self.generation }
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonKey(..)")
    }
}

/// The key of the raw callbacks of one epoch: derived from the held key for the inbox and the epoch slot's secret.
/// Wiped on drop.
pub struct EpochKey {
    key: SealingKey,
    generation: u64,
}

impl EpochKey {
    pub(crate) fn new(secret: &SlotSecret, held: &SealingKey) -> Self {
        Self { key: secret.derive(held, "inbox epoch"), generation: secret.slot.generation }
    }

    /// Seals the raw body of the callback with this id.
    #[must_use]
    pub fn seal(&self, rng: &dyn Rng, callback: &[u8], body: &[u8]) -> Vec<u8> {
        self.key.seal(rng, Purpose::InboxBody, &self.place(callback), body)
    }

    /// Opens the raw body of the callback with this id.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`] for everything but this callback of this epoch.
    pub fn open(&self, callback: &[u8], envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.key.open(Purpose::InboxBody, &self.place(callback), envelope)
    }

    const fn place<'a>(&self, callback: &'a [u8]) -> Place<'a> {
        Place { table: "inbox", record: callback, field: "body", generation: self.generation }
    }
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochKey(..)")
    }
}

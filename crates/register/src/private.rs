//! Fields about a person, sealed under the key of the person's slot.

use crate::{Register, RegisterError};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use vault::SlotRef;
use zeroize::Zeroizing;

/// An envelope under a slot's person key, stored inside a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(pub(crate) Vec<u8>);

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64_STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        BASE64_STANDARD_NO_PAD.decode(text.as_ref()).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Register {
    /// Seals fields about a person for the row `record`: burning the slot reaches them wherever they lie.
    ///
    /// # Errors
    /// When the slot cannot be read, or is burnt.
    pub async fn seal_private<T: Serialize + Sync>(
        &self,
        slot: SlotRef,
        field: &'static str,
        record: &[u8],
        fields: &T,
    ) -> Result<Sealed, RegisterError> {
        let key = self.vault.person_key(slot).await?;
        let json = Zeroizing::new(serde_json::to_vec(fields).map_err(|_| RegisterError::Damaged)?);
        Ok(Sealed(key.seal(self.records.rng().as_ref(), record, field, &json)))
    }

    /// Opens them. A burnt slot is an error here: whoever may meet a tombstone asks for the state first.
    ///
    /// # Errors
    /// When the slot cannot be read or is burnt, or when they are not this row's.
    pub async fn open_private<T: DeserializeOwned>(
        &self,
        slot: SlotRef,
        field: &'static str,
        record: &[u8],
        sealed: &Sealed,
    ) -> Result<T, RegisterError> {
        let key = self.vault.person_key(slot).await?;
        let json = key.open(record, field, &sealed.0).map_err(|_| RegisterError::Damaged)?;
        serde_json::from_slice(&json).map_err(|_| RegisterError::Damaged)
    }
}

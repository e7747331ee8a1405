//! Held keys: unwrapped once, at the start, and held while the process lives.

use crate::{
    KeyId, KeyProvider, MacKey, Place, ProviderError, Pseudonyms, SealError, SealingKey, SymmetricKey,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

const TABLE: &str = "held-keys";

/// What each held key is for; also its name in the file and the field that it is bound to.
mod uses {
    pub(super) const RECORDS: &str = "records";
    pub(super) const INBOX: &str = "inbox";
    pub(super) const AUDIT: &str = "audit";
    pub(super) const PERSONS: &str = "persons";
    pub(super) const PSEUDONYMS: &str = "pseudonyms";
    pub(super) const CALLBACK_TOKENS: &str = "callback-tokens";
    pub(super) const LINKS: &str = "links";
    pub(super) const ALL: [&str; 7] = [RECORDS, INBOX, AUDIT, PERSONS, PSEUDONYMS, CALLBACK_TOKENS, LINKS];
}

/// The held keys as they are stored: each wrapped by the provider. This room does no I/O; whoever reads and writes the
/// file brings it here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldKeysFile {
    /// The format: [`HeldKeysFile::VERSION`]. Check it before anything else is read.
    pub version: u32,
    /// One entry per use, none twice.
    pub keys: Vec<HeldKeyEntry>,
}

impl HeldKeysFile {
    /// The format that this version writes and reads.
    pub const VERSION: u32 = 1;
}

/// One held key, wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldKeyEntry {
    /// What the key is for.
    #[serde(rename = "use")]
    pub purpose: String,
    /// The key's own id.
    pub id: KeyId,
    /// The key as the provider wrapped it, in base64.
    pub wrapped: String,
}

type NamedKey = (&'static str, KeyId, SymmetricKey);

/// One key for each use. They do not rotate with the wrapping keys, which only change how they are stored.
pub struct HeldKeys {
    records: SealingKey,
    inbox: SealingKey,
    audit: SealingKey,
    persons: SealingKey,
    pseudonyms: Pseudonyms,
    callback_tokens: MacKey,
    links: MacKey,
}

impl HeldKeys {
    /// Makes new held keys, for a new vault.
    ///
    /// # Errors
    /// [`SealError::Provider`] when the provider does not wrap them.
    pub async fn create(
        provider: &dyn KeyProvider,
        rng: &dyn Rng,
    ) -> Result<(Self, HeldKeysFile), SealError> {
        let mut keys = Vec::with_capacity(uses::ALL.len());
        let mut entries = Vec::with_capacity(uses::ALL.len());
        for purpose in uses::ALL {
            let (id, key) = (KeyId::random(rng), SymmetricKey::generate(rng));
            let wrapped = provider.wrap(&place(purpose, &id), key.expose()).await?;
            entries.push(HeldKeyEntry { purpose: purpose.to_owned(), id, wrapped: STANDARD.encode(wrapped) });
            keys.push((purpose, id, key));
        }
        Ok((Self::assemble(keys)?, HeldKeysFile { version: HeldKeysFile::VERSION, keys: entries }))
    }

    /// Opens the held keys of this vault.
    ///
    /// # Errors
    /// [`SealError::NotTheseKeys`] when they do not open under the provider's keys, [`SealError::NewerHeldKeys`],
    /// [`SealError::DamagedHeldKeys`], and [`SealError::Provider`] when the provider is not available.
    pub async fn open(provider: &dyn KeyProvider, file: &HeldKeysFile) -> Result<Self, SealError> {
        if file.version != HeldKeysFile::VERSION {
            return Err(SealError::NewerHeldKeys { found: file.version, known: HeldKeysFile::VERSION });
        }
        let mut keys = Vec::with_capacity(uses::ALL.len());
        for entry in &file.keys {
            let purpose = uses::ALL.into_iter().find(|name| *name == entry.purpose);
            let purpose = purpose.ok_or(SealError::DamagedHeldKeys("a key has an unknown use"))?;
            let wrapped = STANDARD.decode(&entry.wrapped);
            let wrapped = wrapped.map_err(|_| SealError::DamagedHeldKeys("a key is not in base64"))?;
            let bytes = match provider.unwrap(&place(purpose, &entry.id), &wrapped).await {
                Ok(bytes) => bytes,
                Err(error @ ProviderError::Unavailable(_)) => return Err(error.into()),
                Err(ProviderError::UnknownKey(_) | ProviderError::Refused | ProviderError::NotWrapped) => {
                    return Err(SealError::NotTheseKeys);
                }
            };
            let key = SymmetricKey::from_slice(&bytes);
            keys.push((
                purpose,
                entry.id,
                key.ok_or(SealError::DamagedHeldKeys("a key has the wrong length"))?,
            ));
        }
        Self::assemble(keys)
    }

    fn assemble(mut keys: Vec<NamedKey>) -> Result<Self, SealError> {
        let held = Self {
            records: sealing(&mut keys, uses::RECORDS)?,
            inbox: sealing(&mut keys, uses::INBOX)?,
            audit: sealing(&mut keys, uses::AUDIT)?,
            persons: sealing(&mut keys, uses::PERSONS)?,
            pseudonyms: Pseudonyms::new(&take(&mut keys, uses::PSEUDONYMS)?.1),
            callback_tokens: MacKey::new(&take(&mut keys, uses::CALLBACK_TOKENS)?.1),
            links: MacKey::new(&take(&mut keys, uses::LINKS)?.1),
        };
        if keys.is_empty() { Ok(held) } else { Err(SealError::DamagedHeldKeys("a key is there twice")) }
    }

    /// Seals rows of tables.
    #[must_use]
    pub const fn records(&self) -> &SealingKey {
        &self.records
    }

    /// Seals raw callbacks, combined with the secret of their hour's slot ([`SealingKey::derive`]).
    #[must_use]
    pub const fn inbox(&self) -> &SealingKey {
        &self.inbox
    }

    /// Seals entries of the audit chain.
    #[must_use]
    pub const fn audit(&self) -> &SealingKey {
        &self.audit
    }

    /// Seals fields about a person, combined with the secret of the person's slot ([`SealingKey::derive`]).
    #[must_use]
    pub const fn persons(&self) -> &SealingKey {
        &self.persons
    }

    /// Makes pseudonyms.
    #[must_use]
    pub const fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// Makes and checks the tokens in callback URLs.
    #[must_use]
    pub const fn callback_tokens(&self) -> &MacKey {
        &self.callback_tokens
    }

    /// Makes and checks the tokens in people's links.
    #[must_use]
    pub const fn links(&self) -> &MacKey {
        &self.links
    }

    /// Held keys that are the same for the same seed. For tests only.
    ///
    /// # Panics
    /// Never.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn for_tests(seed: u64) -> Self {
        let rng = model::rng::SeededRng::new(seed);
        let keys = uses::ALL.map(|purpose| (purpose, KeyId::random(&rng), SymmetricKey::generate(&rng)));
        Self::assemble(keys.into()).expect("there is a key for each use")
    }
}

impl fmt::Debug for HeldKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldKeys(..)")
    }
}

fn take(keys: &mut Vec<NamedKey>, purpose: &str) -> Result<(KeyId, SymmetricKey), SealError> {
    let at = keys.iter().position(|(name, ..)| *name == purpose);
    let (_, id, key) = keys.swap_remove(at.ok_or(SealError::DamagedHeldKeys("a key is missing"))?);
    Ok((id, key))
}

fn sealing(keys: &mut Vec<NamedKey>, purpose: &str) -> Result<SealingKey, SealError> {
    take(keys, purpose).map(|(id, key)| SealingKey::new(id, key))
}

/// A held key opens only as what it was made for: exchanged entries would make pseudonyms of the key for records.
fn place<'a>(purpose: &'a str, id: &'a KeyId) -> Place<'a> {
    Place { table: TABLE, record: id.as_bytes(), field: purpose, generation: 0 }
}

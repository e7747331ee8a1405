//! Held keys: unwrapped once, at the start, and held while the process lives.

use crate::{
    KeyId, KeyProvider, MacKey, Place, ProviderError, Pseudonyms, SealError, SealingKey, SigningKey,
    SymmetricKey,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Rng;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};
use subtle::ConstantTimeEq as _;

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
    pub(super) const RECEIPTS: &str = "receipts";
    pub(super) const AUDIT_LINKS: &str = "audit-links";
    pub(super) const ALL: [&str; 9] =
        [RECORDS, INBOX, AUDIT, PERSONS, PSEUDONYMS, CALLBACK_TOKENS, LINKS, RECEIPTS, AUDIT_LINKS];
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
    /// The format that this version writes and reads. Format 1 had no keys for receipts and links of the audit chain.
    pub const VERSION: u32 = 2;

    /// The same held keys, each wrapped anew under the provider's active key, and opened once more, because the file that
    /// they replace is the only other copy. Nobody has to be stopped for it: whoever holds the keys goes on with them.
    ///
    /// # Errors
    /// As [`HeldKeys::open`]: what does not open is not wrapped anew. [`SealError::Provider`] with
    /// [`ProviderError::Refused`] when what the provider wrapped just now does not open as the same key.
    pub async fn rewrapped(&self, provider: &dyn KeyProvider) -> Result<Self, SealError> {
        let mut keys = Vec::with_capacity(self.keys.len());
        for entry in self.checked()? {
            let (purpose, key) = entry.unwrapped(provider).await?;
            let wrapped = provider.wrap(&place(purpose, &entry.id), key.expose()).await?;
            let again = provider.unwrap(&place(purpose, &entry.id), &wrapped).await?;
            if !bool::from(again[..].ct_eq(key.expose())) {
                return Err(ProviderError::Refused.into());
            }
            keys.push(HeldKeyEntry { wrapped: STANDARD.encode(wrapped), ..entry.clone() });
        }
        Ok(Self { version: self.version, keys })
    }

    /// The provider's keys under which these held keys are wrapped, each once, in order: none of them may go.
    ///
    /// # Errors
    /// [`SealError::NewerHeldKeys`], [`SealError::DamagedHeldKeys`], and [`SealError::Provider`] when the provider never
    /// wrapped one of them.
    pub fn wrapping_keys(&self, provider: &dyn KeyProvider) -> Result<Vec<KeyId>, SealError> {
        let mut ids = BTreeSet::new();
        for entry in self.checked()? {
            ids.insert(provider.key_of(&entry.wrapped_bytes()?)?);
        }
        Ok(ids.into_iter().collect())
    }

    fn checked(&self) -> Result<&[HeldKeyEntry], SealError> {
        if self.version == Self::VERSION {
            Ok(&self.keys)
        } else {
            Err(SealError::NewerHeldKeys { found: self.version, known: Self::VERSION })
        }
    }
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

impl HeldKeyEntry {
    fn wrapped_bytes(&self) -> Result<Vec<u8>, SealError> {
        STANDARD.decode(&self.wrapped).map_err(|_| SealError::DamagedHeldKeys("a key is not in base64"))
    }

    async fn unwrapped(&self, provider: &dyn KeyProvider) -> Result<(&'static str, SymmetricKey), SealError> {
        let purpose = uses::ALL.into_iter().find(|name| *name == self.purpose);
        let purpose = purpose.ok_or(SealError::DamagedHeldKeys("a key has an unknown use"))?;
        let bytes = match provider.unwrap(&place(purpose, &self.id), &self.wrapped_bytes()?).await {
            Ok(bytes) => bytes,
            Err(ProviderError::UnknownKey(_) | ProviderError::Refused | ProviderError::NotWrapped) => {
                return Err(SealError::NotTheseKeys);
            }
            Err(error) => return Err(error.into()),
        };
        let key = SymmetricKey::from_slice(&bytes);
        Ok((purpose, key.ok_or(SealError::DamagedHeldKeys("a key has the wrong length"))?))
    }
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
    receipts: SigningKey,
    audit_links: MacKey,
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
        let mut keys = Vec::with_capacity(uses::ALL.len());
        for entry in file.checked()? {
            let (purpose, key) = entry.unwrapped(provider).await?;
            keys.push((purpose, entry.id, key));
        }
        Self::assemble(keys)
    }

    fn assemble(mut keys: Vec<NamedKey>) -> Result<Self, SealError> {
        let (receipts_id, receipts_seed) = take(&mut keys, uses::RECEIPTS)?;
        let held = Self {
            records: sealing(&mut keys, uses::RECORDS)?,
            inbox: sealing(&mut keys, uses::INBOX)?,
            audit: sealing(&mut keys, uses::AUDIT)?,
            persons: sealing(&mut keys, uses::PERSONS)?,
            pseudonyms: Pseudonyms::new(&take(&mut keys, uses::PSEUDONYMS)?.1),
            callback_tokens: MacKey::new(&take(&mut keys, uses::CALLBACK_TOKENS)?.1),
            links: MacKey::new(&take(&mut keys, uses::LINKS)?.1),
            receipts: SigningKey::from_seed(receipts_id, &receipts_seed),
            audit_links: MacKey::new(&take(&mut keys, uses::AUDIT_LINKS)?.1),
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

    /// Signs receipts.
    #[must_use]
    pub const fn receipts(&self) -> &SigningKey {
        &self.receipts
    }

    /// Links the entries of the audit chain, and marks its anchor.
    #[must_use]
    pub const fn audit_links(&self) -> &MacKey {
        &self.audit_links
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

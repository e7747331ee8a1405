//! The provider: versions of a transit key as wrapping keys.

use crate::{
    TransitConfig, TransitError,
    client::{Answer, Client, not_understood},
    versions::{Names, SEAL_BYTES, Versions, pack, unpack},
    wire,
};
use async_trait::async_trait;
use seal::{KeyId, KeyProvider, Place, ProviderError};
use std::{
    fmt,
    sync::{PoisonError, RwLock},
};
use zeroize::Zeroizing;

/// Wrapping keys that never leave a transit engine.
pub struct TransitProvider {
    client: Client,
    names: Names,
    versions: RwLock<Versions>,
}

impl TransitProvider {
    /// Looks the key up, and makes sure that the engine binds what it wraps to its place.
    ///
    /// # Errors
    /// [`TransitError::Config`], [`TransitError::Token`], [`TransitError::Egress`], [`TransitError::WrongKey`] and
    /// [`TransitError::Unbound`] are for the operator; [`TransitError::Provider`] may pass, see
    /// [`TransitError::is_retryable`].
    pub async fn open(config: &TransitConfig) -> Result<Self, TransitError> {
        let client = Client::new(config)?;
        let key = read_key(&client).await?;
        if let Some(objection) = key.objection() {
            return Err(TransitError::WrongKey(objection));
        }
        let names = Names::new(&config.mount, &config.key);
        let provider = Self { client, names, versions: RwLock::new(key.versions()) };
        provider.prove_binding().await?;
        Ok(provider)
    }

    /// An engine from before associated data would take them, drop them, and unwrap at every place.
    async fn prove_binding(&self) -> Result<(), TransitError> {
        let here = Place { table: "transit-proof", record: b"", field: "here", generation: 0 };
        let elsewhere = Place { field: "elsewhere", ..here };
        let wrapped = self.wrap(&here, b"nobody's key").await?;
        self.unwrap(&here, &wrapped).await?;
        match self.unwrap(&elsewhere, &wrapped).await {
            Err(ProviderError::Refused) => Ok(()),
            Ok(_) => Err(TransitError::Unbound),
            Err(error) => Err(error.into()),
        }
    }

    fn known(&self) -> Versions {
        *self.versions.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what the engine says now. A standby may say what was true a moment ago: nothing is taken back.
    fn learn(&self, now: Versions) {
        let mut known = self.versions.write().unwrap_or_else(PoisonError::into_inner);
        known.latest = known.latest.max(now.latest);
        known.oldest = known.oldest.max(now.oldest);
        known.kept = known.kept.max(now.kept);
    }

    async fn look(&self) -> Result<wire::Key, ProviderError> {
        let key = read_key(&self.client).await?;
        self.learn(key.versions());
        Ok(key)
    }

    /// Why the engine answered 400 to an unwrapping. It does so too when the key is gone or the version is no longer
    /// allowed, and none of the two is a value that was tampered with.
    async fn refusal(&self, version: u32) -> ProviderError {
        match self.look().await {
            Err(error) => error,
            Ok(key) if !key.versions().opens(version) => ProviderError::UnknownKey(self.names.id(version)),
            Ok(_) => ProviderError::Refused,
        }
    }
}

async fn read_key(client: &Client) -> Result<wire::Key, ProviderError> {
    let answer = client.read_key().await?.done()?;
    wire::Key::read(&answer).ok_or_else(not_understood)
}

#[async_trait]
impl KeyProvider for TransitProvider {
    fn name(&self) -> &'static str {
        "transit"
    }

    fn active(&self) -> KeyId {
        self.names.id(self.known().latest)
    }

    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let body = wire::encrypt(plaintext, &place.associated_data(self.names.of_key()));
        let answer = self.client.encrypt(body).await?.done()?;
        let (version, ciphertext) = wire::encrypted(&answer, plaintext.len()).ok_or_else(not_understood)?;
        // Somebody may have rotated the key over there: the version that wraps is the active one.
        let known = self.known();
        self.learn(Versions { latest: version, ..known });
        Ok(pack(version, &ciphertext))
    }

    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let (version, ciphertext) = unpack(wrapped)?;
        let body = wire::decrypt(version, ciphertext, &place.associated_data(self.names.of_key()));
        match self.client.decrypt(body).await? {
            Answer::BadRequest => Err(self.refusal(version).await),
            answer => {
                wire::decrypted(&answer.done()?, ciphertext.len() - SEAL_BYTES).ok_or_else(not_understood)
            }
        }
    }

    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        unpack(wrapped).map(|(version, _)| self.names.id(version))
    }

    fn ids(&self) -> Vec<KeyId> {
        let known = self.known();
        let mut ids: Vec<_> = (known.oldest..=known.latest).map(|version| self.names.id(version)).collect();
        ids.sort_unstable();
        ids
    }

    /// A new version of the key. A token whose policy does not allow it leaves this to whoever runs the engine, who may
    /// rotate there at any time: the next wrapping notices.
    async fn rotate(&self) -> Result<KeyId, ProviderError> {
        let before = self.look().await?.versions().latest;
        changed(&self.client.change_key("rotate", Zeroizing::default()).await?)?;
        let now = self.look().await?.versions().latest;
        if now > before {
            return Ok(self.names.id(now));
        }
        Err(ProviderError::NotChanged("the transit engine shows no new version".to_owned()))
    }

    /// Destroys the oldest version. An engine can only trim from that end, so that whatever is older has to go first.
    async fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        let key = self.look().await?;
        let Versions { latest, oldest, kept } = key.versions();
        let of_id = (kept..=latest).find(|version| self.names.id(*version) == id);
        let version = of_id.ok_or(ProviderError::NoSuchKey(id))?;
        if version == latest {
            return Err(ProviderError::ActiveKey(id));
        }
        if version != kept {
            return Err(ProviderError::Unsupported(
                "a transit engine destroys the oldest version of a key only; remove the older ones first",
            ));
        }
        let next = version + 1;
        let floor = wire::Config {
            min_decryption_version: oldest.max(next),
            min_encryption_version: key.min_encryption_version().max(next),
        };
        changed(&self.client.change_key("config", wire::body(&floor)).await?)?;
        let trim = wire::body(&wire::Trim { min_available_version: next });
        let half = |error: ProviderError| {
            ProviderError::Unavailable(format!(
                "the version unwraps nothing any more, but is not yet destroyed; remove it once more: {error}"
            ))
        };
        self.client.change_key("trim", trim).await.and_then(|answer| changed(&answer)).map_err(half)?;
        if self.look().await.map_err(half)?.versions().kept < next {
            return Err(half(ProviderError::NotChanged("the transit engine still keeps it".to_owned())));
        }
        Ok(())
    }
}

/// Whether a change was made. What the token may not do, or the engine will not, is no sign of an engine that is away.
fn changed(answer: &Answer) -> Result<(), ProviderError> {
    let text = match answer {
        Answer::Done(_) => return Ok(()),
        Answer::BadRequest => "the transit engine answered 400 and will not do that",
        Answer::Forbidden => {
            "the transit engine answered 403: this token's policy does not allow it; let the engine's operator do it"
        }
    };
    Err(ProviderError::NotChanged(text.to_owned()))
}

impl fmt::Debug for TransitProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known();
        write!(f, "TransitProvider(versions {} to {})", known.oldest, known.latest)
    }
}

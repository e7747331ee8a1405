//! Opening the key provider that the configuration names, and the held keys with it.

use crate::{
    config::{Keys, Pkcs11, Provider, Transit, origin_of},
    failure::Failure,
    keys_watch::WatchedProvider,
};
use keys_file::FileProvider;
use keys_pkcs11::{Pkcs11Config, Pkcs11Provider};
use keys_transit::{TransitConfig, TransitProvider};
use model::Rng;
use seal::{HeldKeys, KeyProvider};
use std::{fmt::Display, sync::Arc};

/// Why the keys do not open.
#[derive(Debug)]
pub(crate) enum KeysClosed {
    /// The provider is away. The same may succeed later, without anybody's doing here.
    Away(String),
    /// Somebody must do something about it.
    Failed(Failure),
}

impl KeysClosed {
    fn of(error: &impl Display, may_pass: bool) -> Self {
        if may_pass { Self::Away(error.to_string()) } else { Self::Failed(Failure::failed(error)) }
    }
}

impl From<KeysClosed> for Failure {
    fn from(closed: KeysClosed) -> Self {
        match closed {
            KeysClosed::Away(text) => Self::failed(text),
            KeysClosed::Failed(failure) => failure,
        }
    }
}

/// The keys of this vault.
pub(crate) struct OpenKeys {
    pub(crate) provider: Arc<WatchedProvider>,
    pub(crate) held: Arc<HeldKeys>,
}

/// Opens the provider, and the held keys with it.
///
/// # Errors
/// [`KeysClosed`]: [`KeysClosed::Away`] is worth another try.
pub(crate) async fn open_keys(keys: &Keys, rng: &Arc<dyn Rng>) -> Result<OpenKeys, KeysClosed> {
    let provider = open_provider(keys, rng).await?;
    let held = keys_file::load_held_keys(&keys.path, &*provider).await;
    let held = held.map_err(|error| KeysClosed::of(&error, error.is_retryable()))?;
    Ok(OpenKeys { provider: Arc::new(WatchedProvider::new(provider)), held: Arc::new(held) })
}

async fn open_provider(keys: &Keys, rng: &Arc<dyn Rng>) -> Result<Arc<dyn KeyProvider>, KeysClosed> {
    match &keys.provider {
        Provider::File => {
            let opened = FileProvider::open(&keys.path, Arc::clone(rng));
            opened.map(in_an_arc).map_err(|error| KeysClosed::of(&error, error.is_retryable()))
        }
        Provider::Transit(transit) => {
            let opened = TransitProvider::open(&transit_config(transit)).await;
            opened.map(in_an_arc).map_err(|error| KeysClosed::of(&error, error.is_retryable()))
        }
        Provider::Pkcs11(pkcs11) => {
            let opened = Pkcs11Provider::open(pkcs11_config(pkcs11), Arc::clone(rng)).await;
            opened.map(in_an_arc).map_err(|error| KeysClosed::of(&error, error.is_retryable()))
        }
    }
}

/// Makes the held keys of a new vault with the provider that its configuration names. The first wrapping key is made as
/// well, but for a transit engine, whose own people make it.
///
/// # Errors
/// When the provider cannot be used now, or there are keys already.
pub(crate) async fn create_keys(keys: &Keys, rng: &Arc<dyn Rng>) -> Result<HeldKeys, Failure> {
    let provider: Arc<dyn KeyProvider> = match &keys.provider {
        Provider::File => {
            Arc::new(FileProvider::create(&keys.path, Arc::clone(rng)).map_err(Failure::failed)?)
        }
        Provider::Pkcs11(pkcs11) => {
            let created = Pkcs11Provider::create(pkcs11_config(pkcs11), Arc::clone(rng)).await;
            Arc::new(created.map_err(Failure::failed)?)
        }
        Provider::Transit(_) => open_provider(keys, rng).await?,
    };
    keys_file::create_held_keys(&keys.path, &*provider, &**rng).await.map_err(Failure::failed)
}

fn in_an_arc(provider: impl KeyProvider) -> Arc<dyn KeyProvider> {
    Arc::new(provider)
}

fn pkcs11_config(pkcs11: &Pkcs11) -> Pkcs11Config {
    Pkcs11Config::new(&pkcs11.module, &pkcs11.token_label, &pkcs11.pin_file)
}

fn transit_config(transit: &Transit) -> TransitConfig {
    TransitConfig {
        address: origin_of(&transit.address).to_owned(),
        mount: transit.mount.clone(),
        key: transit.key.clone(),
        token_file: transit.token_file.clone(),
        namespace: transit.namespace.clone(),
        ca_file: transit.ca_file.clone(),
        timeout: transit.timeout,
    }
}

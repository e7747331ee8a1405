//! Opening the house, from the ground floor up: the one place that names an engine and a key provider. Whatever does not
//! fit together is refused here, before anything is served.

pub(crate) mod engine;
pub(crate) mod keys;

use crate::{
    config::{Config, Engine},
    credentials::ConfiguredCredentials,
    failure::Failure,
    keys_watch::WatchedProvider,
    metrics::{MeteredStore, Meters, Metrics},
};
use async_trait::async_trait;
use audit::Audit;
use custody::{HeldKeysShelf, ShelfError};
use egress::Origin;
use jumio::{JumioApi, JumioClient, JumioConfig};
use keys::OpenKeys;
use keys_file::KeysFileError;
use model::{Clock, Rng};
use notify::{Outbox, OutboxConfig};
use queue::{Budget, Idempotency, Limit, PeerHealth, Queue, QueueConfig, Retrievals, RetryPolicy};
use records::Records;
use register::Register;
use seal::{HeldKeys, HeldKeysFile, KeyProvider};
use std::{path::PathBuf, sync::Arc, time::Duration};
use store::Store;
use store_sled::{SledConfig, SledStore};
use vault::{Mode, Survey, Vault, VaultPaths};

/// The rooms that the flows stand on, opened and held against each other.
pub(crate) struct House {
    pub(crate) store: Arc<SledStore>,
    pub(crate) keys: Arc<HeldKeys>,
    pub(crate) provider: Arc<dyn KeyProvider>,
    /// The same provider, with what is known of it.
    pub(crate) watched: Arc<WatchedProvider>,
    /// Where the held keys rest.
    pub(crate) shelf: Arc<dyn HeldKeysShelf>,
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) audit: Audit,
    pub(crate) queue: Queue,
    /// Events for the company's backend.
    pub(crate) outbox: Outbox,
    /// Requests that came with a key.
    pub(crate) idempotency: Idempotency,
    /// Initiate requests to Jumio.
    pub(crate) budget: Budget,
    /// Retrieval and deletion requests to Jumio.
    pub(crate) retrievals: Retrievals,
    pub(crate) peer: PeerHealth,
    pub(crate) jumio: Arc<dyn JumioApi>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) survey: Survey,
    /// What is counted, for whoever watches.
    pub(crate) metrics: Arc<Metrics>,
}

impl House {
    /// Opens everything that the configuration names, with keys that are open already.
    ///
    /// # Errors
    /// [`Failure`] says what does not fit and what to do.
    pub(crate) async fn open(
        config: &Config,
        open: OpenKeys,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, Failure> {
        let OpenKeys { provider: watched, held: keys } = open;
        let provider = Arc::clone(&watched) as Arc<dyn KeyProvider>;
        let mode = if config.jumio.simulated { Mode::Simulated } else { Mode::Real };
        let paths = VaultPaths {
            slots_dir: config.store.slots_path.clone(),
            content_dir: config.store.content_dir(),
        };
        let opening = Vault::open(
            paths,
            mode,
            Arc::clone(&provider),
            Arc::clone(&keys),
            Arc::clone(&rng),
            Arc::clone(&clock),
        );
        let (vault, survey) = opening.await?;
        let vault = Arc::new(vault);
        let store = Arc::new(open_store(config).await?);
        let meters = Meters::default();
        let metered =
            MeteredStore::new(Arc::clone(&store) as Arc<dyn Store>, meters.clone(), Arc::clone(&clock));
        let records = Records::new(Arc::new(metered), Arc::clone(&keys), Arc::clone(&rng));
        let register = Register::new(records.clone(), Arc::clone(&vault));
        register.check_identity(&survey).await?;
        let anchor = config.store.anchor_path();
        let audit = Audit::open(records.clone(), anchor, Arc::clone(&clock)).await?;
        let metrics = Arc::new(Metrics::begin(meters, &audit).await?);
        // On sled nobody else has this store open, so what an earlier process had leased is free.
        let retry = RetryPolicy { retry_for: config.ingest.retry_for, ..RetryPolicy::default() };
        let queue = Queue::open(records.clone(), Arc::clone(&clock), QueueConfig { exclusive: true, retry });
        let queue = queue.await?;
        let events = OutboxConfig {
            simulated: config.jumio.simulated,
            has_receiver: config.notifications.url.is_some(),
            max_age: config.notifications.max_age,
        };
        let outbox = Outbox::new(register.clone(), Arc::clone(&clock), events);
        let idempotency = Idempotency::new(records.clone(), Arc::clone(&clock), true);
        let limits = &config.jumio.rate_limits;
        let initiate = [limit(limits.initiate_per_second, 1), limit(limits.initiate_per_minute, 60)];
        let budget = Budget::open(records, Arc::clone(&clock), &initiate).await?;
        let retrieve = [limit(limits.retrieve_per_5s, 5)];
        let retrievals = Retrievals::new(Arc::clone(&clock), &retrieve);
        let jumio = Arc::new(open_jumio(config)?);
        let peer = PeerHealth::new();
        let shelf = Arc::new(KeyFolder(config.keys.path.clone()));
        Ok(Self {
            store,
            keys,
            provider,
            watched,
            shelf,
            register,
            vault,
            audit,
            queue,
            outbox,
            idempotency,
            budget,
            retrievals,
            peer,
            jumio,
            clock,
            rng,
            survey,
            metrics,
        })
    }
}

/// The held keys lie beside the wrapping keys, whoever holds those.
struct KeyFolder(PathBuf);

#[async_trait]
impl HeldKeysShelf for KeyFolder {
    async fn load(&self) -> Result<HeldKeysFile, ShelfError> {
        let folder = self.0.clone();
        off_the_runtime(move || keys_file::load_held_keys_file(&folder)).await
    }

    async fn store(&self, file: HeldKeysFile) -> Result<(), ShelfError> {
        let folder = self.0.clone();
        off_the_runtime(move || keys_file::store_held_keys(&folder, &file)).await
    }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeysFileError> + Send + 'static,
) -> Result<T, ShelfError> {
    let done = tokio::task::spawn_blocking(work).await;
    let stopped = |_| ShelfError { what: "the service is stopping".to_owned(), retryable: true };
    let told = |error: KeysFileError| ShelfError { retryable: error.is_retryable(), what: error.to_string() };
    done.map_err(stopped)?.map_err(told)
}

async fn open_store(config: &Config) -> Result<SledStore, Failure> {
    match config.store.engine {
        Engine::Sled => {
            let mut settings = SledConfig::new(config.store.db_dir());
            settings.min_free_bytes = config.store.min_free_bytes;
            let opening = tokio::task::spawn_blocking(move || SledStore::open(settings));
            Ok(opening.await.map_err(Failure::failed)??)
        }
        Engine::Postgres => {
            Err(Failure::failed("this version has no store engine but `sled`; set store.engine = \"sled\""))
        }
    }
}

fn limit(count: u64, seconds: u64) -> Limit {
    Limit { count: usize::try_from(count).unwrap_or(usize::MAX), within: Duration::from_secs(seconds) }
}

fn open_jumio(config: &Config) -> Result<JumioClient, Failure> {
    let wanted = &config.jumio;
    let mut client = JumioConfig::new(wanted.region, wanted.user_agent.clone());
    if wanted.simulated {
        let origin = wanted.base_url.as_str().trim_end_matches('/');
        client.simulator = Some(origin.parse::<Origin>().map_err(Failure::failed)?);
    }
    client.authentication_path.clone_from(&wanted.authentication_path);
    client.metadata_layout = wanted.metadata_layout;
    client.timeout = wanted.timeout;
    client.max_facemap_bytes = config.ingest.max_facemap;
    client.ca_file.clone_from(&wanted.ca_file);
    client.proxy_url = wanted.proxy_url.as_ref().map(ToString::to_string);
    let credentials =
        ConfiguredCredentials::new(wanted.credentials.clone(), wanted.admin_credentials.clone());
    JumioClient::new(client, Arc::new(credentials)).map_err(Failure::failed)
}

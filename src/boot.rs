//! Opening the house, from the ground floor up: the one place that names an engine and a key provider. Whatever does not
//! fit together is refused here, before anything is served.

use crate::{
    config::{Config, Engine, Provider},
    credentials::ConfiguredCredentials,
    failure::Failure,
};
use audit::Audit;
use egress::Origin;
use jumio::{JumioApi, JumioClient, JumioConfig};
use keys_file::FileProvider;
use model::{Clock, Rng};
use queue::{Budget, Limit, PeerHealth, Queue, QueueConfig, RetryPolicy};
use records::Records;
use register::Register;
use seal::{HeldKeys, KeyProvider, SystemRng};
use std::{sync::Arc, time::Duration};
use store::Store;
use store_sled::{SledConfig, SledStore};
use vault::{Mode, Survey, Vault, VaultPaths};

/// The rooms that the flows stand on, opened and held against each other.
pub(crate) struct House {
    pub(crate) store: Arc<SledStore>,
    pub(crate) keys: Arc<HeldKeys>,
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) audit: Audit,
    pub(crate) queue: Queue,
    /// Initiate requests to Jumio.
    pub(crate) budget: Budget,
    /// Retrieval and deletion requests to Jumio.
    pub(crate) retrievals: Budget,
    pub(crate) peer: PeerHealth,
    pub(crate) jumio: Arc<dyn JumioApi>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) survey: Survey,
}

impl House {
    /// Opens everything that the configuration names.
    ///
    /// # Errors
    /// [`Failure`] says what does not fit and what to do.
    pub(crate) async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
        let (provider, keys) = open_keys(config, &rng).await?;
        let mode = if config.jumio.simulated { Mode::Simulated } else { Mode::Real };
        let paths = VaultPaths {
            slots_dir: config.store.slots_path.clone(),
            content_dir: config.store.content_dir(),
        };
        let opening =
            Vault::open(paths, mode, provider, Arc::clone(&keys), Arc::clone(&rng), Arc::clone(&clock));
        let (vault, survey) = opening.await.map_err(Failure::failed)?;
        let vault = Arc::new(vault);
        let store = Arc::new(open_store(config).await?);
        let records = Records::new(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&keys), Arc::clone(&rng));
        let register = Register::new(records.clone(), Arc::clone(&vault));
        register.check_identity(&survey).await.map_err(Failure::failed)?;
        let anchor = config.store.anchor_path();
        let audit =
            Audit::open(records.clone(), anchor, Arc::clone(&clock)).await.map_err(Failure::failed)?;
        // On sled nobody else has this store open, so what an earlier process had leased is free.
        let retry = RetryPolicy { retry_for: config.ingest.retry_for, ..RetryPolicy::default() };
        let queue = Queue::open(records.clone(), Arc::clone(&clock), QueueConfig { exclusive: true, retry });
        let queue = queue.await.map_err(Failure::failed)?;
        let limits = &config.jumio.rate_limits;
        let initiate = [limit(limits.initiate_per_second, 1), limit(limits.initiate_per_minute, 60)];
        let budget = Budget::open(records, Arc::clone(&clock), &initiate).await.map_err(Failure::failed)?;
        let retrieve = [limit(limits.retrieve_per_5s, 5)];
        let retrievals = Budget::in_memory(Arc::clone(&clock), &retrieve);
        let jumio = Arc::new(open_jumio(config)?);
        let peer = PeerHealth::new();
        Ok(Self {
            store,
            keys,
            register,
            vault,
            audit,
            queue,
            budget,
            retrievals,
            peer,
            jumio,
            clock,
            rng,
            survey,
        })
    }
}

async fn open_keys(
    config: &Config,
    rng: &Arc<dyn Rng>,
) -> Result<(Arc<dyn KeyProvider>, Arc<HeldKeys>), Failure> {
    match config.keys.provider {
        Provider::File => {
            let provider = FileProvider::open(&config.keys.path, Arc::clone(rng)).map_err(Failure::failed)?;
            let held =
                keys_file::load_held_keys(&config.keys.path, &provider).await.map_err(Failure::failed)?;
            Ok((Arc::new(provider), Arc::new(held)))
        }
        Provider::Pkcs11 | Provider::Transit => {
            Err(Failure::failed("this version has no key provider but `file`; set keys.provider = \"file\""))
        }
    }
}

async fn open_store(config: &Config) -> Result<SledStore, Failure> {
    match config.store.engine {
        Engine::Sled => {
            let mut settings = SledConfig::new(config.store.db_dir());
            settings.min_free_bytes = config.store.min_free_bytes;
            let opening = tokio::task::spawn_blocking(move || SledStore::open(settings));
            opening.await.map_err(Failure::failed)?.map_err(Failure::failed)
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

//! The service as one thing: the flows over the house, the two listeners, the workers, and their end.

use crate::{
    boot::House,
    config::Config,
    failure::Failure,
    health::Health,
    http::{
        self, callback_token, private::Private, public::Public, refused::Refused, source::Sources,
        status::About,
    },
    shutdown::{Died, Ending, Phase, Tasks},
    tokens::TokenBook,
};
use actix_web::web;
use ingest::{Ingest, IngestConfig, IngestParts};
use jiff::SignedDuration;
use jumio::Rules;
use model::{Clock, Secret, SystemClock};
use queue::{Handler, Kind, Only, run_workers};
use reauth::{Reauth, ReauthConfig, ReauthParts};
use seal::HeldKeys;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use store::{Store, StoreError};
use tokio::sync::{mpsc, watch};

/// Jobs that are done at the same time.
const WORKERS: usize = 8;
/// Callbacks that are judged at the same time.
const CALLBACK_WORKERS: usize = 2;
/// Facemaps that are handed to Jumio at the same time.
const MOST_FACEMAPS: usize = 16;
/// How often Jumio's name is looked up for the addresses that callbacks come from.
const LOOK_UP_EVERY: Duration = Duration::from_mins(5);
/// How often the store's state of health is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// A service that listens and works.
pub(crate) struct Service {
    /// Where callbacks come in.
    pub(crate) public: SocketAddr,
    /// Where the API is.
    pub(crate) private: SocketAddr,
    /// The token in the callback URL for Jumio's portal.
    pub(crate) portal_token: Secret,
    tasks: Tasks,
    house: Arc<House>,
    drain: Duration,
}

impl Service {
    /// Opens the house, puts right what an earlier process left behind, and begins to listen.
    ///
    /// # Errors
    /// [`Failure`] says what is in the way.
    pub(crate) async fn start(config: &Config) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let house = Arc::new(House::open(config, clock).await?);
        let ingest = Arc::new(build_ingest(config, &house));
        let swept = ingest.sweep().await.map_err(Failure::failed)?;
        let reauth = build_reauth(config, &house);
        let unknown = reauth.recover_all().await.map_err(Failure::failed)?;
        tracing::info!(
            live = house.survey.live,
            prepared = house.survey.prepared,
            ?swept,
            unknown,
            "The vault is open."
        );

        let mut tasks = Tasks::default();
        let refused = Arc::new(Refused::default());
        let sources = Arc::new(Sources::new(config.callbacks.allowed_sources.clone()));
        let public = Public {
            ingest: Arc::clone(&ingest),
            keys: Arc::clone(&house.keys),
            require_token: config.callbacks.require_token,
            max_body: config.callbacks.max_body,
            trusted_proxies: config.server.trusted_proxies.clone(),
            sources: Arc::clone(&sources),
            refused: Arc::clone(&refused),
        };
        let private = build_private(config, &house, &ingest, &reauth, refused, tasks.ending())?;
        let public = http::server::public(&mut tasks, &config.server, web::Data::new(public))?;
        let private = http::server::private(&mut tasks, &config.server, web::Data::new(private))?;
        start_workers(&mut tasks, &house, &ingest, &reauth);
        watch_store(&mut tasks, &house);
        if let Some(host) = config.callbacks.source_host {
            let ending = tasks.ending();
            let clock = Arc::clone(&house.clock);
            tasks.spawn("source look-up", async move {
                tokio::select! {
                    () = look_up(host, &sources, clock.as_ref()) => {}
                    () = ending.reached(Phase::Soft) => {}
                }
                Ok(())
            });
        }
        let portal_token = callback_token::portal(house.keys.callback_tokens());
        let drain = config.server.drain;
        Ok(Self { public, private, portal_token, tasks, house, drain })
    }

    /// Runs until the signals say stop, or a part dies. What is under way is finished, the book is brought up to date,
    /// the store is closed.
    ///
    /// # Errors
    /// [`Died`] when a part ended unasked, or not in time.
    pub(crate) async fn run(self, signals: mpsc::Receiver<()>) -> Result<(), Died> {
        let Self { tasks, house, drain, .. } = self;
        let ended = tasks.run(signals, Arc::clone(&house.clock), drain).await;
        if let Err(error) = house.audit.close().await {
            tracing::warn!(
                "The audit log could not be brought up to date ({error}); the next start does it."
            );
        }
        house.store.close().await;
        ended
    }
}

fn build_ingest(config: &Config, house: &House) -> Ingest {
    Ingest::new(IngestParts {
        register: house.register.clone(),
        vault: Arc::clone(&house.vault),
        jumio: Arc::clone(&house.jumio),
        audit: house.audit.clone(),
        queue: house.queue.clone(),
        budget: house.budget.clone(),
        retrievals: house.retrievals.clone(),
        health: house.peer.clone(),
        clock: Arc::clone(&house.clock),
        rng: Arc::clone(&house.rng),
        config: IngestConfig {
            accept: config.ingest.accept,
            reference_prefixes: config.ingest.reference_prefixes.clone(),
            delete_original: config.ingest.delete_original,
            delete_ineligible: config.ingest.delete_ineligible,
            poll_schedule: config.ingest.poll_schedule.clone(),
            retry_for: config.ingest.retry_for,
            wait: config.reauth.wait,
        },
    })
}

fn build_reauth(config: &Config, house: &House) -> Reauth {
    let mut process = [0; 8];
    house.rng.fill(&mut process);
    let settings = &config.reauth;
    let address = callback_url(config, &house.keys, callback_token::Purpose::Authentication);
    let parts = ReauthParts {
        register: house.register.clone(),
        vault: Arc::clone(&house.vault),
        jumio: Arc::clone(&house.jumio),
        audit: house.audit.clone(),
        queue: house.queue.clone(),
        budget: house.budget.clone(),
        retrievals: house.retrievals.clone(),
        peer: house.peer.clone(),
        clock: Arc::clone(&house.clock),
        rng: Arc::clone(&house.rng),
        process: u64::from_be_bytes(process),
        callback_url: Box::new(move |id| address(*id.as_bytes())),
    };
    Reauth::new(
        parts,
        ReauthConfig {
            window: signed(settings.window),
            settle: signed(settings.settle),
            wait: settings.wait,
            result_polls: settings.result_poll.iter().copied().map(signed).collect(),
            result_valid: signed(settings.result_valid),
            most_facemaps: MOST_FACEMAPS,
        },
    )
}

fn build_private(
    config: &Config,
    house: &House,
    ingest: &Arc<Ingest>,
    reauth: &Reauth,
    refused: Arc<Refused>,
    ending: Ending,
) -> Result<Private, Failure> {
    let simulated = config.jumio.simulated;
    Ok(Private {
        ingest: Arc::clone(ingest),
        reauth: reauth.clone(),
        register: house.register.clone(),
        queue: house.queue.clone(),
        budget: house.budget.clone(),
        tokens: TokenBook::open(config.server.tokens_file.clone())?,
        clock: Arc::clone(&house.clock),
        verification_rules: Rules { simulated, redirect_hosts: None },
        authentication_rules: Rules {
            simulated,
            redirect_hosts: Some(config.reauth.allowed_redirect_hosts.clone()),
        },
        verification_callback: Box::new(callback_url(
            config,
            &house.keys,
            callback_token::Purpose::Verification,
        )),
        refused,
        health: Arc::new(Health::new(Arc::clone(&house.store) as Arc<dyn Store>, ending)),
        about: About { simulated, engine: "sled", key_provider: "file" },
    })
}

/// Makes the callback address of one transaction, with its token.
fn callback_url(
    config: &Config,
    keys: &Arc<HeldKeys>,
    purpose: callback_token::Purpose,
) -> impl Fn([u8; 16]) -> String + Send + Sync + 'static {
    let base = config.jumio.callback_base_url.as_str().trim_end_matches('/').to_owned();
    let keys = Arc::clone(keys);
    move |id| {
        let token = callback_token::transaction(keys.callback_tokens(), purpose, id);
        format!("{base}/callbacks/jumio/{}", token.expose())
    }
}

/// Starts whoever does the jobs. Callbacks have hands of their own: strangers can send as many as they like, and must not
/// hold up enrollments and results, nor slow down the door at which the next callback waits for its 200.
fn start_workers(tasks: &mut Tasks, house: &Arc<House>, ingest: &Arc<Ingest>, reauth: &Reauth) {
    let part = |wanted: fn(Kind) -> bool| -> Arc<dyn Handler> {
        Arc::new(Only::new(Arc::clone(ingest) as Arc<dyn Handler>, wanted))
    };
    let callbacks = vec![part(|kind| kind == Kind::Callback)];
    start_pool(tasks, house, "callback workers", callbacks, CALLBACK_WORKERS);
    let others: Vec<Arc<dyn Handler>> = vec![part(|kind| kind != Kind::Callback), Arc::new(reauth.clone())];
    start_pool(tasks, house, "workers", others, WORKERS);
    keep_book(tasks, house);
}

fn start_pool(
    tasks: &mut Tasks,
    house: &House,
    name: &'static str,
    handlers: Vec<Arc<dyn Handler>>,
    workers: usize,
) {
    let (stop, stopped) = watch::channel(false);
    let (queue, ending) = (house.queue.clone(), tasks.ending());
    tasks.spawn(name, async move {
        let workers = run_workers(queue, handlers, workers, stopped);
        tokio::pin!(workers);
        tokio::select! {
            ended = &mut workers => return ended.map_err(Into::into),
            () = ending.reached(Phase::Soft) => {}
        }
        stop.send_replace(true);
        workers.await.map_err(Into::into)
    });
}

fn keep_book(tasks: &mut Tasks, house: &House) {
    let (audit, ending) = (house.audit.clone(), tasks.ending());
    tasks.spawn("audit", async move {
        tokio::select! {
            error = audit.run() => Err(error.into()),
            () = ending.reached(Phase::Soft) => Ok(()),
        }
    });
}

/// Ends the process once the store has failed for good: nothing is retried on it, and the next start finds out what is
/// durable. A full disk passes, and ends nothing.
fn watch_store(tasks: &mut Tasks, house: &House) {
    let (store, clock, ending) = (Arc::clone(&house.store), Arc::clone(&house.clock), tasks.ending());
    tasks.spawn("store", async move {
        loop {
            if let Some(error @ (StoreError::Poisoned(_) | StoreError::Ambiguous(_))) = store.trouble() {
                return Err(error.into());
            }
            tokio::select! {
                () = clock.sleep(WATCH_EVERY) => {}
                () = ending.reached(Phase::Soft) => return Ok(()),
            }
        }
    });
}

/// Keeps the addresses of Jumio's callback host up to date. What is pinned in the configuration stays allowed whatever a
/// look-up says.
async fn look_up(host: &str, sources: &Sources, clock: &dyn Clock) {
    loop {
        match tokio::net::lookup_host((host, 443)).await {
            Ok(found) => sources.learn(found.map(|address| address.ip().to_canonical()).collect()),
            Err(error) => tracing::debug!("{host} could not be looked up: {error}"),
        }
        clock.sleep(LOOK_UP_EVERY).await;
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

//! The service as one thing: the flows over the house, the two listeners, the workers, and their end.

use crate::{
    boot::House,
    closed::Porch,
    config::Config,
    custodian,
    failure::Failure,
    health::Health,
    http::{
        callback_token, private::Private, public::Public, refused::Refused, source::Sources, status::About,
    },
    links, messenger,
    shutdown::{Died, Ending, Phase, Tasks},
    tokens::TokenBook,
    upkeep::Upkeep,
    watches,
};
use custody::{Custody, Keys};
use ingest::{Ingest, IngestConfig, IngestParts};
use jiff::SignedDuration;
use jumio::Rules;
use model::{Clock, Rng, Secret, SystemClock};
use queue::{Handler, Kind, Only, run_workers};
use reauth::{Attempts, Reauth, ReauthConfig, ReauthParts};
use seal::{HeldKeys, SystemRng};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use store::Store;
use tokio::sync::{mpsc, watch};

/// Jobs that are done at the same time.
const WORKERS: usize = 8;
/// Callbacks that are judged at the same time.
const CALLBACK_WORKERS: usize = 2;
/// Batches that are gone through at the same time; more take turns.
const BATCH_WORKERS: usize = 2;
/// Facemaps that are handed to Jumio at the same time.
const MOST_FACEMAPS: usize = 16;

/// A service that listens and works.
pub(crate) struct Service {
    /// Where callbacks come in.
    pub(crate) public: SocketAddr,
    /// Where the API is.
    pub(crate) private: SocketAddr,
    tasks: Tasks,
    house: Arc<House>,
    drain: Duration,
}

impl Service {
    /// Begins to listen, behind closed doors; waits for the keys; opens the house, puts right what an earlier process left
    /// behind, and opens the doors. `None` when the signals said stop while there were no keys.
    ///
    /// # Errors
    /// [`Failure`] says what is in the way.
    pub(crate) async fn start(
        config: &Config,
        signals: &mut mpsc::Receiver<()>,
    ) -> Result<Option<Self>, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
        let mut tasks = Tasks::default();
        let pages = links::pages(config)?;
        let porch = Porch::build(&mut tasks, config)?;
        let keys = porch.wait_for_keys(&mut tasks, config, signals, &clock, &rng).await?;
        let Some(keys) = keys else { return Ok(None) };
        let house = Arc::new(House::open(config, keys, clock, rng).await?);
        let ingest = Arc::new(build_ingest(config, &house));
        let swept = ingest.sweep().await?;
        let reauth = build_reauth(config, &house);
        let custody = custodian::custody(config, &house, &ingest);
        let keys = custodian::keys(&house);
        let unknown = reauth.recover_all().await?;
        let unprepared = reauth.remove_unprepared().await?;
        let erasures = custody.start().await?;
        custody.start_upkeep().await?;
        let upkeep = Upkeep::new(config, &house);
        tracing::info!(
            live = house.survey.live,
            prepared = house.survey.prepared,
            ?swept,
            unknown,
            unprepared,
            ?erasures,
            "The vault is open."
        );

        let refused = Arc::new(Refused::default());
        let sources = Arc::new(Sources::new(config.callbacks.allowed_sources.clone()));
        let public = Public {
            reauth: reauth.clone(),
            pages,
            ingest: Arc::clone(&ingest),
            keys: Arc::clone(&house.keys),
            require_token: config.callbacks.require_token,
            max_body: config.callbacks.max_body,
            trusted_proxies: config.server.trusted_proxies.clone(),
            sources: Arc::clone(&sources),
            refused: Arc::clone(&refused),
        };
        let receiver = messenger::start(&mut tasks, config, &house)?;
        let private = build_private(
            config,
            &house,
            Flows { ingest: &ingest, reauth: &reauth, custody: &custody, keys: &keys, upkeep: &upkeep },
            refused,
            receiver,
            tasks.ending(),
        )?;
        start_workers(
            &mut tasks,
            &house,
            &ingest,
            vec![
                Arc::new(Only::new(Arc::new(reauth.clone()), |kind| kind != Kind::Batch)),
                Arc::new(custody),
                Arc::new(keys),
            ],
        );
        start_batches(&mut tasks, &house, &reauth);
        hand_on(&mut tasks, &house, &config.audit.sinks);
        watches::start(&mut tasks, config, &house, sources);
        let drain = config.server.drain;
        porch.open(public, private);
        let Porch { public, private, .. } = porch;
        Ok(Some(Self { public, private, tasks, house, drain }))
    }

    /// The token in the callback URL for Jumio's portal.
    pub(crate) fn portal_token(&self) -> Secret {
        callback_token::portal(self.house.keys.callback_tokens())
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
        outbox: house.outbox.clone(),
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
            on_replacement: config.ingest.on_replacement,
            poll_schedule: config.ingest.poll_schedule.clone(),
            retry_for: config.ingest.retry_for,
            wait: config.reauth.wait,
        },
    })
    .metered(Arc::new(house.metrics.meters().clone()))
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
        outbox: house.outbox.clone(),
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
            attempts: Attempts { most: settings.max_attempts, within: signed(settings.attempt_window) },
            links: links::config(config),
        },
    )
}

/// What the routes work with.
#[derive(Clone, Copy)]
struct Flows<'a> {
    ingest: &'a Arc<Ingest>,
    reauth: &'a Reauth,
    custody: &'a Custody,
    keys: &'a Keys,
    upkeep: &'a Upkeep,
}

fn build_private(
    config: &Config,
    house: &House,
    flows: Flows<'_>,
    refused: Arc<Refused>,
    receiver: notify::ReceiverWatch,
    ending: Ending,
) -> Result<Private, Failure> {
    let simulated = config.jumio.simulated;
    Ok(Private {
        ingest: Arc::clone(flows.ingest),
        reauth: flows.reauth.clone(),
        custody: flows.custody.clone(),
        keys: flows.keys.clone(),
        audit: house.audit.clone(),
        upkeep: flows.upkeep.clone(),
        register: house.register.clone(),
        queue: house.queue.clone(),
        outbox: house.outbox.clone(),
        receiver,
        budget: house.budget.clone(),
        idempotency: house.idempotency.clone(),
        tokens: TokenBook::open(config.server.tokens_file.clone())?,
        clock: Arc::clone(&house.clock),
        verification_rules: Rules { simulated, redirect_hosts: None },
        authentication_rules: links::authentication_rules(config),
        verification_callback: Box::new(callback_url(
            config,
            &house.keys,
            callback_token::Purpose::Verification,
        )),
        max_facemap: config.ingest.max_facemap as u64,
        refused,
        retrievals: house.retrievals.clone(),
        metrics: Arc::clone(&house.metrics),
        health: Arc::new(Health {
            store: Arc::clone(&house.store) as Arc<dyn Store>,
            vault: Arc::clone(&house.vault),
            keys: Arc::clone(&house.watched),
            ending,
            min_free_bytes: config.store.min_free_bytes,
        }),
        about: About { simulated, engine: "sled", key_provider: config.keys.provider.name() },
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
fn start_workers(
    tasks: &mut Tasks,
    house: &Arc<House>,
    ingest: &Arc<Ingest>,
    mut others: Vec<Arc<dyn Handler>>,
) {
    let part = |wanted: fn(Kind) -> bool| -> Arc<dyn Handler> {
        Arc::new(Only::new(Arc::clone(ingest) as Arc<dyn Handler>, wanted))
    };
    let callbacks = vec![part(|kind| kind == Kind::Callback)];
    start_pool(tasks, house, "callback workers", callbacks, CALLBACK_WORKERS);
    others.push(part(|kind| kind != Kind::Callback));
    start_pool(tasks, house, "workers", others, WORKERS);
    keep_book(tasks, house);
}

/// Batches have hands of their own: a turn of one lasts as long as it may, and must not hold up results and enrollments.
fn start_batches(tasks: &mut Tasks, house: &Arc<House>, reauth: &Reauth) {
    let handler = Arc::new(Only::new(Arc::new(reauth.clone()), |kind| kind == Kind::Batch));
    start_pool(tasks, house, "batch workers", vec![handler], BATCH_WORKERS);
    let (reauth, ending) = (reauth.clone(), tasks.ending());
    tasks.spawn("end of batches", async move {
        ending.reached(Phase::Soft).await;
        reauth.stop_batches();
        Ok(())
    });
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

/// Hands the audit log to the second sinks. What a sink does not have yet when the service stops it gets after the next
/// start.
fn hand_on(tasks: &mut Tasks, house: &House, sinks: &[audit::Sink]) {
    for sink in sinks {
        let (audit, sink, ending) = (house.audit.clone(), sink.clone(), tasks.ending());
        tasks.spawn("audit sink", async move {
            tokio::select! {
                () = audit.run_sink(sink) => {}
                () = ending.reached(Phase::Soft) => {}
            }
            Ok(())
        });
    }
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

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

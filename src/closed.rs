//! A vault that is not open yet. Both listeners listen from the first moment on, and what they serve until the keys are
//! there is here: nobody finds a closed port, and whoever calls back is told to come again.

use crate::{
    boot::keys::{KeysClosed, OpenKeys, open_keys},
    config::{Config, Keys},
    failure::Failure,
    http::{self, health, private::Private, problem::Problem, public::Public},
    shutdown::{Interrupted, Tasks},
};
use actix_web::{
    HttpResponse, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{Extensions, ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
    web,
};
use model::{Clock, Rng};
use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::mpsc;

/// How soon a provider that is away is tried again, at first and at most.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(15);
/// When callers should come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Both listeners, with their doors.
pub(crate) struct Porch {
    /// Where callbacks come in.
    pub(crate) public: SocketAddr,
    /// Where the API is.
    pub(crate) private: SocketAddr,
    doors: (Arc<Door<Public>>, Arc<Door<Private>>),
    closed: Arc<Closed>,
}

impl Porch {
    /// Begins to listen, behind closed doors.
    ///
    /// # Errors
    /// When an address is taken, or TLS cannot be set up.
    pub(crate) fn build(tasks: &mut Tasks, config: &Config) -> Result<Self, Failure> {
        let closed = Closed::new(config.jumio.simulated);
        let doors = (Door::new(&closed, public), Door::new(&closed, private));
        let public = http::server::public(tasks, &config.server, &doors.0)?;
        let private = http::server::private(tasks, &config.server, &doors.1)?;
        Ok(Self { public, private, doors, closed })
    }

    /// Waits for the keys; `None` when the signals said stop before, and all parts have ended.
    ///
    /// # Errors
    /// What does not pass by waiting.
    pub(crate) async fn wait_for_keys(
        &self,
        tasks: &mut Tasks,
        config: &Config,
        signals: &mut mpsc::Receiver<()>,
        clock: &Arc<dyn Clock>,
        rng: &Arc<dyn Rng>,
    ) -> Result<Option<OpenKeys>, Failure> {
        let keys = self.closed.wait_for_keys(&config.keys, rng, &**clock);
        match tasks.wait(keys, signals, Arc::clone(clock), config.server.drain).await {
            Ok(keys) => keys.map(Some),
            Err(Interrupted::Asked) => Ok(None),
            Err(Interrupted::Died(died)) => Err(Failure::failed(died)),
        }
    }

    /// Opens both doors, for good.
    pub(crate) fn open(&self, public: Public, private: Private) {
        self.doors.1.open(private);
        self.doors.0.open(public);
    }
}

/// Why the vault is not open yet. Shared by both doors.
struct Closed {
    simulated: bool,
    /// What the key provider says, once it has been found away.
    away: RwLock<Option<String>>,
}

impl Closed {
    fn new(simulated: bool) -> Arc<Self> {
        Arc::new(Self { simulated, away: RwLock::new(None) })
    }

    fn away(&self) -> Option<String> {
        self.away.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reason(&self) -> &'static str {
        if self.away().is_some() { "keys-unavailable" } else { "starting" }
    }

    fn ready(&self) -> HttpResponse {
        let trouble = self.away().unwrap_or_else(|| "the vault is being opened".to_owned());
        health::readiness(Some(self.reason()), self.simulated, &[trouble])
    }

    fn problem(&self) -> Problem {
        let detail = match self.away() {
            Some(_) => {
                "The key provider cannot be reached, so that the vault is not open; /readyz says more."
            }
            None => "The vault is being opened; nothing was done.",
        };
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, self.reason(), detail).retry_after(RETRY_AFTER)
    }

    /// Opens the keys, however long the provider is away. Wrong keys end the waiting.
    ///
    /// # Errors
    /// What does not pass by itself.
    async fn wait_for_keys(
        &self,
        keys: &Keys,
        rng: &Arc<dyn Rng>,
        clock: &dyn Clock,
    ) -> Result<OpenKeys, Failure> {
        let mut pause = AGAIN;
        loop {
            let why = match open_keys(keys, rng).await {
                Ok(open) => return Ok(open),
                Err(KeysClosed::Failed(failure)) => return Err(failure),
                Err(KeysClosed::Away(why)) => why,
            };
            let seconds = pause.as_secs();
            tracing::warn!(
                seconds,
                "The vault stays closed until its key provider is there, which is tried again: {why}"
            );
            *self.away.write().unwrap_or_else(PoisonError::into_inner) = Some(why);
            clock.sleep(pause).await;
            pause = (pause * 2).min(AGAIN_AT_MOST);
        }
    }
}

/// The way into one listener's routes: shut until their state is there.
pub(crate) struct Door<T> {
    state: OnceLock<web::Data<T>>,
    closed: Arc<Closed>,
    /// What answers as long as it is shut.
    answer: Answer,
}

type Answer = fn(&Closed, &ServiceRequest) -> HttpResponse;

impl<T: 'static> Door<T> {
    fn new(closed: &Arc<Closed>, answer: Answer) -> Arc<Self> {
        Arc::new(Self { state: OnceLock::new(), closed: Arc::clone(closed), answer })
    }

    /// Opens it, for good.
    fn open(&self, state: T) {
        // A door that is open already keeps what it has.
        drop(self.state.set(web::Data::new(state)));
    }

    /// What the routes work with, once it is open.
    pub(crate) fn state(&self) -> Option<&web::Data<T>> {
        self.state.get()
    }

    /// Lets a request through to its route; while it is shut, it answers itself.
    pub(crate) async fn pass<B: MessageBody + 'static>(
        self: Arc<Self>,
        mut request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
        let Some(state) = self.state() else {
            let answer = (self.answer)(&self.closed, &request);
            return Ok(request.into_response(answer).map_into_right_body());
        };
        let mut data = Extensions::new();
        data.insert(state.clone());
        request.add_data_container(Rc::new(data));
        Ok(next.call(request).await?.map_into_left_body())
    }
}

/// The public listener's answer: come again. Jumio does, and so the callback is not lost.
fn public(_: &Closed, _: &ServiceRequest) -> HttpResponse {
    HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, RETRY_AFTER.as_secs())).finish()
}

/// The private listener's: alive, not ready, and everything else later.
fn private(closed: &Closed, request: &ServiceRequest) -> HttpResponse {
    match request.path() {
        "/livez" => HttpResponse::Ok().json(serde_json::json!({ "status": "alive" })),
        "/readyz" => closed.ready(),
        _ => closed.problem().error_response(),
    }
}

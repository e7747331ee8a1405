//! Listening, routing, and serving connections by hand, so that one can be closed without an answer.

use std::convert::Infallible;
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::Answer;
use crate::config::{AUTHENTICATION_PATH, SAMPLE_AUTHENTICATION_PATH, SandboxConfig};
use crate::control::Control;
use crate::core::Core;
use crate::deliver;
use crate::endpoint::Endpoint;
use crate::error::SandboxError;
use crate::guard::{Reset, guard};
use crate::journal::{EntryKind, Note};
use crate::{authentication_api, control_http, deletion, pages, retrieval, verification};

/// Largest request body taken, in bytes: the largest facemap in base64, and room around it.
const MAX_REQUEST_BYTES: usize = 48 * 1024 * 1024;
/// How long a stop waits for requests under way.
const GRACE: Duration = Duration::from_secs(2);
/// How often the sandbox looks, unasked, for what has reached its time.
const TICK: Duration = Duration::from_millis(500);

/// The simulator. See the crate's README.
#[derive(Debug, Clone, Copy)]
pub struct Sandbox;

/// A sandbox that listens. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    /// Where it listens: `http://127.0.0.1:PORT`, without a slash at the end.
    pub base_url: String,
    /// The address it listens on.
    pub address: SocketAddr,
    /// Control without HTTP.
    pub control: Control,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Sandbox {
    /// Listens and serves until stopped.
    ///
    /// # Errors
    ///
    /// When the address is not loopback or cannot be listened on.
    pub async fn start(config: SandboxConfig) -> Result<Running, SandboxError> {
        if !config.listen.ip().is_loopback() {
            return Err(SandboxError::NotLoopback);
        }
        let listener = TcpListener::bind(config.listen).await.map_err(SandboxError::Listen)?;
        let address = listener.local_addr().map_err(SandboxError::Listen)?;
        let base_url = format!("http://{address}");
        let (stop, stopping) = watch::channel(false);
        let core = Arc::new(Core::new(config, base_url.clone(), deliver::client()?, stopping.clone()));
        let control = Control { core: Arc::clone(&core) };
        let router = routes(&core, control.clone());
        let accepting = tokio::spawn(accept(core, listener, router, stopping));
        Ok(Running { base_url, address, control, stop, accepting })
    }
}

impl Running {
    /// Stops listening, lets requests under way finish for two seconds, and closes everything.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // A panic of the serving task has been printed already; there is nothing left to stop then.
        drop(self.accepting.await);
    }
}

fn routes(core: &Arc<Core>, control: Control) -> Router {
    let guarded = |endpoint: Endpoint, method: MethodRouter<Arc<Core>>| -> MethodRouter<Arc<Core>> {
        method.route_layer(axum::middleware::from_fn_with_state((Arc::clone(core), endpoint), guard))
    };
    let unknown = axum::middleware::from_fn_with_state((Arc::clone(core), Endpoint::Unknown), guard);
    let initiate = || guarded(Endpoint::InitiateVerification, post(verification::initiate));
    let authenticate = || guarded(Endpoint::InitiateAuthentication, post(authentication_api::initiate));
    let scan = guarded(Endpoint::ScanStatus, get(retrieval::scan_status))
        .merge(guarded(Endpoint::DeleteScan, delete(deletion::scan)));
    let authentication = guarded(Endpoint::Authentication, get(retrieval::authentication))
        .merge(guarded(Endpoint::DeleteAuthentication, delete(deletion::authentication)));
    Router::new()
        .route("/api/v4/initiate", initiate())
        .route("/api/v4/initiate/", initiate())
        .route(AUTHENTICATION_PATH, authenticate())
        .route(SAMPLE_AUTHENTICATION_PATH, authenticate())
        .route(&format!("{SAMPLE_AUTHENTICATION_PATH}/"), authenticate())
        .route("/api/netverify/v2/scans/{reference}", scan)
        .route(
            "/api/netverify/v2/scans/{reference}/data",
            guarded(Endpoint::ScanDetails, get(retrieval::scan_details)),
        )
        .route(
            "/api/netverify/v2/scans/{reference}/data/facemap",
            guarded(Endpoint::Facemap, get(retrieval::facemap)),
        )
        .route("/api/netverify/v2/authentications/{reference}", authentication)
        .route("/web/v4/app", guarded(Endpoint::Page, get(pages::show).post(pages::pick)))
        .with_state(Arc::clone(core))
        .merge(control_http::routes(control))
        .fallback_service(no_such_path.layer(unknown).with_state(()))
        .layer(DefaultBodyLimit::disable())
}

async fn no_such_path() -> Answer {
    Answer::refused(Endpoint::Unknown, StatusCode::NOT_FOUND, "Jumio has no such path")
}

async fn accept(core: Arc<Core>, listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            _ = tick.tick() => core.settle(),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(Arc::clone(&core), router.clone(), stream, stopping.clone()));
                }
                // Out of file handles, or the peer was gone already: others may still be served.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// Ends when the sandbox is to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the handle was dropped: a stop like any other.
    drop(stopping.wait_for(|stop| *stop).await);
}

async fn serve(core: Arc<Core>, router: Router, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
    // Without it small answers wait for the peer's acknowledgement; if it cannot be set they merely wait.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| answer(Arc::clone(&core), router.clone(), request));
    let mut connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped(&mut stopping) => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    if ended.is_err_and(|error| error.source().and_then(|cause| cause.downcast_ref::<Closed>()).is_some()) {
        // Closing with nothing left to linger for sends a reset instead of an orderly end.
        drop(connection.into_parts().io.into_inner().set_zero_linger());
    }
}

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
struct Closed;

/// Reads the request whole, processes it in a task of its own and passes the answer on. A caller that goes away in
/// between does not undo what it asked for.
async fn answer(core: Arc<Core>, router: Router, request: Request<Incoming>) -> Result<Response, Closed> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let note = Note {
                status: Some(status.as_u16()),
                refused: Some("too large".to_owned()),
                ..Note::default()
            };
            core.journal.write(core.now(), EntryKind::Request, Endpoint::Unknown, note);
            return Ok(Answer::refused(Endpoint::Unknown, status, "the body is too large").into_response());
        }
        Err(_) => return Err(Closed),
    };
    let request = Request::from_parts(parts, Body::from(body));
    let service = TowerToHyperService::new(router);
    let processed: Result<Result<Response, Infallible>, _> =
        tokio::spawn(async move { service.call(request).await }).await;
    match processed {
        Ok(Ok(response)) if response.extensions().get::<Reset>().is_none() => Ok(response),
        _ => Err(Closed),
    }
}

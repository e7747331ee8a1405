//! The two listeners: bound, with TLS if configured, each with threads of its own, so that strangers at the one cannot
//! starve the other.

use super::{
    body::BodyTimeout, connections::Connections, private, private::Private, public, public::Public, tls,
};
use crate::{
    closed::Door,
    config::{Server, TlsFiles},
    failure::Failure,
    process,
    shutdown::{Ending, Phase, TaskError, Tasks},
    telemetry,
};
use actix_web::{
    App, HttpServer,
    body::MessageBody,
    dev::{Extensions, ServerHandle, ServiceRequest, ServiceResponse, Url},
    http::{KeepAlive, Uri},
    middleware::{DefaultHeaders, Next, from_fn},
};
use std::{
    any::Any,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpSocket;

/// Threads of each listener.
const THREADS: usize = 2;
/// How often the end looks whether posts are still under way.
const DRAIN_STEP: Duration = Duration::from_millis(20);
/// How long a connection may lie idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Connections that the kernel keeps for us until a thread takes them.
const BACKLOG: u32 = 1024;

/// Starts the public listener, behind its door; gives the address that it really has.
pub(crate) fn public(
    tasks: &mut Tasks,
    server: &Server,
    door: &Arc<Door<Public>>,
) -> Result<SocketAddr, Failure> {
    let (listener, address) = bind(server.public_listen, "public_listen")?;
    let (door, body) = (Arc::clone(door), BodyTimeout(server.body_timeout));
    let app = move || {
        let door = Arc::clone(&door);
        let pass = from_fn(move |request, next| Arc::clone(&door).pass(request, next));
        App::new()
            .app_data(body)
            .wrap(pass)
            .wrap(from_fn(log))
            .wrap(headers())
            .wrap(from_fn(forget))
            .configure(public::routes)
    };
    let most = most_connections(server);
    let connections = Connections::new(most, KEEP_ALIVE + server.head_timeout + server.body_timeout);
    let begin = {
        let connections = Arc::clone(&connections);
        move |stream: &dyn Any, data: &mut Extensions| connections.begin(stream, data)
    };
    let http = HttpServer::new(app)
        .workers(THREADS)
        .max_connections(most)
        .max_connection_rate(most)
        .on_connect(begin);
    let http = http.keep_alive(KeepAlive::Timeout(KEEP_ALIVE)).client_request_timeout(server.head_timeout);
    let http = http.disable_signals().shutdown_timeout(server.drain.as_secs());
    let http = match &server.tls {
        None => http.listen(listener),
        Some(files) => http.listen_rustls_0_23(listener, tls::public(files).map_err(Failure::failed)?),
    };
    let running = http.map_err(Failure::failed)?.run();
    let (handle, ending) = (running.handle(), tasks.ending());
    tasks.spawn("public listener", serve(running, connections, handle, ending));
    Ok(address)
}

/// Starts the private listener, behind its door; gives the address that it really has.
pub(crate) fn private(
    tasks: &mut Tasks,
    server: &Server,
    door: &Arc<Door<Private>>,
) -> Result<SocketAddr, Failure> {
    let (listener, address) = bind(server.private_listen, "private_listen")?;
    let (door, shared, body) = (Arc::clone(door), Arc::clone(door), BodyTimeout(server.body_timeout));
    let app = move || {
        let door = Arc::clone(&shared);
        let pass = from_fn(move |request, next| Arc::clone(&door).pass(request, next));
        App::new()
            .app_data(body)
            .wrap(pass)
            .wrap(from_fn(log))
            .wrap(headers())
            .wrap(from_fn(forget))
            .configure(private::routes)
    };
    let most = most_connections(server);
    let connections = Connections::new(most, KEEP_ALIVE + server.head_timeout + server.body_timeout);
    let begin = {
        let connections = Arc::clone(&connections);
        move |stream: &dyn Any, data: &mut Extensions| connections.begin(stream, data)
    };
    let http = HttpServer::new(app)
        .workers(THREADS)
        .max_connections(most)
        .max_connection_rate(most)
        .on_connect(begin);
    let http = http.keep_alive(KeepAlive::Timeout(KEEP_ALIVE)).client_request_timeout(server.head_timeout);
    let http = http.disable_signals().shutdown_timeout(server.drain.as_secs());
    let tls: Option<&TlsFiles> = server.tls.as_ref();
    let http = match tls {
        None => http.listen(listener),
        Some(files) => http.listen_rustls_0_23(listener, tls::private(files).map_err(Failure::failed)?),
    };
    let running = http.map_err(Failure::failed)?.run();
    let (handle, ending) = (running.handle(), tasks.ending());
    tasks.spawn("private listener", async move {
        serve(running, connections, handle, ending).await?;
        // A post whose caller has gone away runs on; cut off, its outcome would be unknown.
        let Some(state) = door.state() else { return Ok(()) };
        while state.reauth.posts_under_way() > 0 {
            state.clock.sleep(DRAIN_STEP).await;
        }
        Ok(())
    });
    Ok(address)
}

/// Connections of a listener, none of which can be had by the other: as many as are configured, or as the system lets this
/// process have. The server's own limit is for each of its threads, and counts those too that are worked on.
fn most_connections(server: &Server) -> usize {
    server.max_connections.min(process::most_connections(process::descriptors()))
}

fn bind(address: SocketAddr, key: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = listen(address).and_then(|listener| {
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    });
    listener.map_err(|error| {
        let text =
            format!("server.{key} = \"{address}\" cannot be listened on: {error}; is another one running?");
        Failure::failed(text)
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

async fn serve(
    running: impl Future<Output = std::io::Result<()>>,
    connections: Arc<Connections>,
    handle: ServerHandle,
    ending: Ending,
) -> Result<(), TaskError> {
    let running = async {
        tokio::select! {
            ended = running => ended,
            never = connections.watch() => match never {},
        }
    };
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended.map_err(Into::into),
        () = ending.reached(Phase::Soft) => {}
    }
    // The stop is carried out by `running`, which therefore goes on being polled.
    let stop = handle.stop(true);
    tokio::pin!(stop);
    tokio::select! {
        () = &mut stop => Ok(()),
        ended = &mut running => ended.map_err(Into::into),
    }
}

/// Nothing that is answered here belongs into a cache or may be taken for something else.
fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Cache-Control", "no-store"))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "no-referrer"))
}

/// Takes address and headers out of a request that was answered. The framework keeps answered requests for reuse as they
/// were, and with each of them the buffer that it was read into: tokens, links, and the beginning of its body.
async fn forget(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let (request, response) = next.call(request).await?.into_parts();
    // Nobody else has the request any more: who answers it has returned.
    let mut request = ServiceRequest::from_request(request);
    request.match_info_mut().set(Url::new(Uri::default()));
    let head = request.head_mut();
    head.uri = Uri::default();
    head.headers.clear();
    Ok(request.into_response(response))
}

/// One line for each request, without its query and without tokens; of an address that leads nowhere, nothing.
async fn log(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let (method, mut path) = (request.method().clone(), telemetry::loggable_path(request.path()));
    let answered = next.call(request).await;
    if let Ok(response) = &answered {
        Connections::renew(response.request());
    }
    // A link with a slip in it is still somebody's link.
    if !answered.as_ref().is_ok_and(|response| response.request().match_pattern().is_some()) {
        "(unknown)".clone_into(&mut path);
    }
    let status = match &answered {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    tracing::debug!(%method, path, status = status.as_u16(), "Answered a request.");
    answered
}

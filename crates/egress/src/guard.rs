//! The guard itself: checks, sends, reads.

use crate::{
    Body, BodyCap, CheckedUrl, EgressError, Origin, Part, Refusal, Request, Resolver, Response,
    SystemResolver, Unsent,
    address::{LOOPBACK, is_allowed},
    body,
    resolver::CheckingResolver,
    tls::{Roots, client_config},
};
use http::header::AUTHORIZATION;
use ipnet::IpNet;
use reqwest::{
    Client, ClientBuilder, Proxy,
    multipart::{Form, Part as FormPart},
    redirect, retry,
};
use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};
use url::Url;

/// Bytes of a URL at most: Jumio's longest is 2047 characters.
pub(crate) const URL_BYTES: usize = 4096;

/// Header lines of an answer at most.
const ANSWER_HEADERS: usize = 64;

/// How long a connection lies idle at most, where any may.
const IDLE: Duration = Duration::from_secs(20);

/// What may be called, and how.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// The only origins that may be called. `https`, except for loopback ones when `simulated`.
    pub origins: Vec<Origin>,
    /// Whether plain HTTP to this machine itself, and with it this machine's own addresses, are allowed: for a simulator,
    /// or a server of ours beside this process.
    pub simulated: bool,
    /// Networks that may be called although they are not public.
    pub allowed_networks: Vec<IpNet>,
    /// Time for look-up, connection and TLS handshake together.
    pub connect_timeout: Duration,
    /// Time for the whole exchange, body included.
    pub total_timeout: Duration,
    /// PEM file with the only roots to trust, in place of the platform's.
    pub ca_file: Option<PathBuf>,
    /// A forward proxy for the `https` origins (`http://host:port`).
    pub proxy_url: Option<String>,
    /// Connections that may lie idle until the next request. A request on one that the peer closes meanwhile ends as
    /// [`EgressError::Lost`]: only for requests that may be repeated.
    pub idle_connections: usize,
}

impl EgressConfig {
    /// The configuration for these origins, with nothing opened and all the time in `total`.
    #[must_use]
    pub fn new(origins: Vec<Origin>, total: Duration) -> Self {
        Self {
            origins,
            simulated: false,
            allowed_networks: Vec::new(),
            connect_timeout: total / 2,
            total_timeout: total,
            ca_file: None,
            proxy_url: None,
            idle_connections: 0,
        }
    }
}

/// The guard for every outgoing request.
pub struct Egress {
    client: Client,
    origins: Vec<Origin>,
    total_timeout: Duration,
}

impl Egress {
    /// A guard with the operating system's resolver.
    ///
    /// # Errors
    /// [`EgressError::Setup`] when an origin, the CA file, the proxy or the platform's roots cannot be used.
    pub fn new(config: &EgressConfig) -> Result<Self, EgressError> {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    /// A guard with another resolver. Its answers are checked as the system's are.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_resolver(config: &EgressConfig, resolver: Arc<dyn Resolver>) -> Result<Self, EgressError> {
        let mut allowed = config.allowed_networks.clone();
        if config.simulated {
            allowed.extend(LOOPBACK);
        }
        check_origins(config, &allowed)?;
        let proxy = config.proxy_url.as_deref().map(read_proxy).transpose()?;
        let resolver = CheckingResolver {
            inner: resolver,
            allowed: allowed.into(),
            proxy_host: proxy.as_ref().and_then(|url| url.host_str().map(str::to_owned)),
        };
        let roots = match &config.ca_file {
            Some(path) => Roots::File(path),
            None if config.origins.iter().any(Origin::is_tls) => Roots::Platform,
            None => Roots::Nobody,
        };
        let mut builder = builder()
            .tls_backend_preconfigured(client_config(&roots)?)
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(config.connect_timeout)
            // By default none: a connection that the peer closes while it lies idle makes the next outcome unknown; and
            // a fresh one has had its address checked. A handshake per call is cheap beside Jumio's rate limits.
            .pool_max_idle_per_host(config.idle_connections)
            .pool_idle_timeout(IDLE);
        if let Some(url) = proxy {
            builder = builder.proxy(Proxy::https(url).map_err(|_| bad_proxy())?);
        }
        let client = builder.build().map_err(|_| EgressError::Setup("the HTTP client".to_owned()))?;
        Ok(Self { client, origins: config.origins.clone(), total_timeout: config.total_timeout })
    }

    /// Reads a URL that came from a stranger.
    ///
    /// # Errors
    /// [`Refusal`] when it is not plainly a URL of an allowed origin.
    pub fn check(&self, url: &str) -> Result<CheckedUrl, Refusal> {
        let mut refusal = Refusal::Origin;
        for origin in &self.origins {
            match origin.check(url) {
                Ok(url) => return Ok(url),
                Err(other) => refusal = other,
            }
        }
        Err(refusal)
    }

    /// Sends, and reads the answer. Answers of every status come back as `Ok`, redirects among them: they are not
    /// followed.
    ///
    /// # Errors
    /// [`EgressError`]; [`EgressError::nothing_was_sent`] tells whether the peer can have seen the request.
    pub async fn send(&self, request: Request, wanted: BodyCap) -> Result<Response, EgressError> {
        // Once more, at the door: the URL may have been checked by another guard.
        self.check(request.url.as_url().as_str())?;
        tokio::time::timeout(self.total_timeout, self.exchange(request, wanted))
            .await
            .unwrap_or(Err(EgressError::TimedOut))
    }

    async fn exchange(&self, request: Request, wanted: BodyCap) -> Result<Response, EgressError> {
        let Request { method, url, headers, authorization, body } = request;
        let mut outgoing = self.client.request(method, url.as_url().clone()).headers(headers);
        outgoing = match body {
            Body::Empty => outgoing,
            Body::Bytes(bytes) => outgoing.body(bytes),
            Body::Multipart(parts) => outgoing.multipart(form(parts)?),
        };
        if let Some(value) = authorization {
            outgoing = outgoing.header(AUTHORIZATION, value);
        }
        let mut response = outgoing.send().await.map_err(|error| classify(&error))?;
        let status = response.status();
        let of_any = matches!(wanted, BodyCap::WholeOfAny(_));
        let body = if status.is_success() || of_any {
            body::read(&mut response, wanted).await?
        } else {
            Zeroed::default()
        };
        let headers = std::mem::take(response.headers_mut());
        Ok(Response { status: status.as_u16(), headers, body })
    }
}

type Zeroed = zeroize::Zeroizing<Vec<u8>>;

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("origins", &self.origins).finish_non_exhaustive()
    }
}

/// The client with everything off that acts by itself.
fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .http1_max_headers(ANSWER_HEADERS)
        .tcp_nodelay(true)
}

fn check_origins(config: &EgressConfig, allowed: &[IpNet]) -> Result<(), EgressError> {
    if config.origins.is_empty() {
        return Err(EgressError::Setup("no origin is configured".to_owned()));
    }
    for origin in &config.origins {
        let simulator = config.simulated && origin.is_loopback();
        if !(origin.is_tls() || simulator) {
            let text = "plain http is for a simulator on this machine only; configure https";
            return Err(EgressError::Setup(text.to_owned()));
        }
        // A literal never passes the resolver, so it is checked here.
        if origin.literal().is_some_and(|address| !is_allowed(address, allowed)) {
            return Err(EgressError::Setup("an origin's address is not public".to_owned()));
        }
    }
    Ok(())
}

fn bad_proxy() -> EgressError {
    EgressError::Setup("proxy_url must be http://host:port or https://host:port".to_owned())
}

fn read_proxy(text: &str) -> Result<Url, EgressError> {
    let url = Url::parse(text).map_err(|_| bad_proxy())?;
    let usable = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if usable { Ok(url) } else { Err(bad_proxy()) }
}

fn form(parts: Vec<Part>) -> Result<Form, EgressError> {
    parts.into_iter().try_fold(Form::new(), |form, part| {
        let length = part.content.len() as u64;
        let mut content = FormPart::stream_with_length(part.content, length)
            .mime_str(part.content_type)
            .map_err(|_| EgressError::Request("a part's media type"))?;
        if let Some(name) = part.file_name {
            content = content.file_name(name);
        }
        Ok(form.part(part.name, content))
    })
}

/// What a failure before the answer's head means.
fn classify(error: &reqwest::Error) -> EgressError {
    if error.is_builder() {
        return EgressError::Request("the HTTP client cannot express it");
    }
    if let Some(refusal) = find::<Refusal>(error) {
        return EgressError::Refused(*refusal);
    }
    if error.is_connect() {
        return EgressError::NotSent(if error.is_dns() {
            Unsent::Dns
        } else if find::<rustls::Error>(error).is_some() {
            Unsent::Tls
        } else {
            Unsent::Connect
        });
    }
    if error.is_timeout() { EgressError::TimedOut } else { EgressError::Lost }
}

/// The first cause of this type. An `io::Error` hides the error it carries from `source`, so it is opened as well.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inside.and_then(|inner| find::<T>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

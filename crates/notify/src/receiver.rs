//! Whoever receives events: the address, the secrets, and what an answer means.

use crate::{SigningSecret, sign::signatures};
use egress::{Body, BodyCap, CheckedUrl, Egress, EgressConfig, EgressError, Origin, Request, Unsent};
use http::{HeaderName, Method, header};
use std::{fmt, path::PathBuf, time::Duration};
use thiserror::Error;

/// Requests that are under way at the same time at most.
pub(crate) const AT_ONCE: usize = 8;
/// For one request, from the look-up of the name to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const USER_AGENT: &str = concat!("facemap-vault/", env!("CARGO_PKG_VERSION"));

/// The secrets could not be read; whoever holds them has said why in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the secret that events are signed with cannot be read")]
pub struct SecretsUnreadable;

/// Where the secrets come from: asked for each request, so that a change needs no restart.
pub trait Secrets: Send + Sync + 'static {
    /// The secrets in force: one, or two while one replaces the other.
    ///
    /// # Errors
    /// [`SecretsUnreadable`]: nothing is sent unsigned.
    fn current(&self) -> Result<Vec<SigningSecret>, SecretsUnreadable>;
}

/// Where events are sent.
#[derive(Debug, Clone)]
pub struct ReceiverConfig {
    /// The receiver's origin.
    pub origin: Origin,
    /// The path there.
    pub path: String,
    /// Whether plain http to this machine is allowed: on a simulated vault only.
    pub simulated: bool,
    /// Networks that the receiver may be in although they are not public.
    pub allowed_networks: Vec<ipnet::IpNet>,
    /// PEM file with the only authorities to trust, in place of the platform's.
    pub ca_file: Option<PathBuf>,
}

/// The receiver.
pub struct Receiver {
    egress: Egress,
    url: CheckedUrl,
    secrets: Box<dyn Secrets>,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was taken.
    Taken,
    /// It was not, and will never be: 410.
    Gone,
    /// It was not, or nobody knows.
    NotTaken {
        /// Why, as a code.
        trouble: String,
        /// When the receiver wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl Receiver {
    /// The receiver, behind the guard.
    ///
    /// # Errors
    /// [`EgressError`] when the address, a network or the CA file cannot be used.
    pub fn new(config: &ReceiverConfig, secrets: Box<dyn Secrets>) -> Result<Self, EgressError> {
        Ok(Self::behind(Egress::new(&guard(config))?, config, secrets)?)
    }

    /// The receiver behind a guard with another resolver.
    ///
    /// # Errors
    /// As [`Receiver::new`].
    #[cfg(feature = "test-util")]
    pub fn with_resolver(
        config: &ReceiverConfig,
        secrets: Box<dyn Secrets>,
        resolver: std::sync::Arc<dyn egress::Resolver>,
    ) -> Result<Self, EgressError> {
        Ok(Self::behind(Egress::with_resolver(&guard(config), resolver)?, config, secrets)?)
    }

    fn behind(
        egress: Egress,
        config: &ReceiverConfig,
        secrets: Box<dyn Secrets>,
    ) -> Result<Self, egress::Refusal> {
        Ok(Self { egress, url: config.origin.at(&config.path)?, secrets })
    }

    /// Sends one event. `timestamp` is the time of this attempt, in seconds since 1970.
    pub(crate) async fn send(&self, id: &str, timestamp: i64, body: Vec<u8>) -> Answer {
        let Ok(secrets) = self.secrets.current() else { return not_taken("secret-unreadable") };
        if secrets.is_empty() {
            return not_taken("secret-unreadable");
        }
        let signature = signatures(&secrets, id, timestamp, &body);
        let sent = match self.request(id, timestamp, &signature, body) {
            Ok(request) => self.egress.send(request, BodyCap::Nothing).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(response) => answer_of(response.status(), response.header(&header::RETRY_AFTER)),
            Err(error) => not_taken(code_of(&error)),
        }
    }

    fn request(
        &self,
        id: &str,
        timestamp: i64,
        signature: &str,
        body: Vec<u8>,
    ) -> Result<Request, EgressError> {
        let request = Request::new(Method::POST, self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")?
            .header(header::USER_AGENT, USER_AGENT)?
            .header(WEBHOOK_ID, id)?
            .header(WEBHOOK_TIMESTAMP, &timestamp.to_string())?
            .header(WEBHOOK_SIGNATURE, signature)?;
        Ok(request.body(Body::Bytes(body.into())))
    }
}

fn guard(config: &ReceiverConfig) -> EgressConfig {
    let mut guard = EgressConfig::new(vec![config.origin.clone()], TIMEOUT);
    guard.simulated = config.simulated;
    guard.allowed_networks.clone_from(&config.allowed_networks);
    guard.ca_file.clone_from(&config.ca_file);
    // Events may be repeated, and a handshake for each is dear where they are many.
    guard.idle_connections = AT_ONCE;
    guard
}

fn not_taken(code: &str) -> Answer {
    Answer::NotTaken { trouble: code.to_owned(), retry_after: None }
}

fn answer_of(status: u16, retry_after: Option<&str>) -> Answer {
    match status {
        200..=299 => Answer::Taken,
        410 => Answer::Gone,
        status => Answer::NotTaken {
            trouble: format!("http-{status}"),
            retry_after: retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
        },
    }
}

const fn code_of(error: &EgressError) -> &'static str {
    match error {
        EgressError::Refused(_) => "address-refused",
        EgressError::NotSent(Unsent::Dns) => "name-look-up",
        EgressError::NotSent(Unsent::Connect) => "connection",
        EgressError::NotSent(Unsent::Tls) => "tls",
        EgressError::TimedOut => "timed-out",
        EgressError::Request(_) | EgressError::Setup(_) => "request",
        _ => "connection-lost",
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("url", &self.url).finish_non_exhaustive()
    }
}

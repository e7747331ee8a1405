//! Sending callbacks: once each, never again, as Jumio promises no retry. Loopback only.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::callback_forms::{Field, encode};
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::error::SandboxError;
use crate::fields::is_loopback;
use crate::journal::{EntryKind, Note};
use crate::server::stopped;

/// Longest wait for the receiver's answer.
const TIMEOUT: Duration = Duration::from_secs(15);
const FORM: &str = "application/x-www-form-urlencoded";

/// A callback ready to be sent.
pub(crate) struct Delivery {
    pub(crate) url: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) callback_type: Option<String>,
    pub(crate) content_type: String,
    pub(crate) fields: Vec<Field>,
    /// Sent as it is, instead of the fields.
    pub(crate) raw: Option<Bytes>,
}

impl Delivery {
    pub(crate) fn form(url: Option<&str>, reference: &str, fields: Vec<Field>) -> Self {
        let named = |(name, value): &Field| (name == "callBackType").then(|| value.clone());
        Self {
            url: url.map(str::to_owned),
            reference: Some(reference.to_owned()),
            callback_type: fields.iter().find_map(named),
            content_type: FORM.to_owned(),
            fields,
            raw: None,
        }
    }

    fn note(&self) -> Note {
        Note { reference: self.reference.clone(), detail: self.callback_type.clone(), ..Note::default() }
    }
}

/// The client for callbacks: no proxy, no redirects, `localhost` is this machine whatever a resolver says.
pub(crate) fn client() -> Result<reqwest::Client, SandboxError> {
    let failed = |why: String| SandboxError::CallbackClient(why);
    // Callbacks go out over plain HTTP; the client insists on a TLS set-up all the same. With no root certificate
    // in it an https URL fails, and the journal says so.
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .user_agent("Jumio Sandbox/1.0")
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| failed(error.to_string()))
}

impl Core {
    /// Sends a callback while the caller goes on.
    pub(crate) fn deliver_later(self: &Arc<Self>, delivery: Delivery) {
        let core = Arc::clone(self);
        let mut stopping = self.stopping.clone();
        drop(tokio::spawn(async move {
            tokio::select! {
                _ = core.deliver(delivery) => {}
                () = stopped(&mut stopping) => {}
            }
        }));
    }

    /// Sends a callback and returns the status of its answer, if one came.
    pub(crate) async fn deliver(&self, delivery: Delivery) -> Option<u16> {
        let fault = self.world().faults.take(Endpoint::Callback);
        if let Some(fault) = &fault {
            tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        }
        let lost = fault.as_ref().is_some_and(|fault| fault.reset.is_some());
        let failure = if lost { Some("lost, as ordered") } else { unreachable_url(delivery.url.as_deref()) };
        let sent = Note {
            fault: fault.map(|fault| fault.name()),
            failure: failure.map(str::to_owned),
            ..delivery.note()
        };
        let seq = self.journal.write(self.now(), EntryKind::CallbackSent, Endpoint::Callback, sent);
        if failure.is_some() {
            return None;
        }
        let url = delivery.url.as_deref()?;
        let body = delivery.raw.clone().unwrap_or_else(|| encode(&delivery.fields).into());
        let request =
            self.client.post(url).header(http::header::CONTENT_TYPE, &delivery.content_type).body(body);
        let answer = request.send().await;
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        let failure = answer.err().map(|error| error.without_url().to_string());
        let note = Note { status, failure, of: Some(seq), ..delivery.note() };
        self.journal.write(self.now(), EntryKind::CallbackAnswered, Endpoint::Callback, note);
        status
    }
}

/// Why a URL cannot be called, if it cannot.
fn unreachable_url(url: Option<&str>) -> Option<&'static str> {
    let Some(text) = url else {
        return Some("no callback URL, neither in the transaction nor in the settings");
    };
    match Url::parse(text) {
        Ok(url) if is_loopback(&url) => None,
        Ok(_) => Some("the sandbox calls loopback addresses only"),
        Err(_) => Some("the callback URL is not a URL"),
    }
}

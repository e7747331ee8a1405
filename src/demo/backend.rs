//! The company's backend: a client of the private API, as any company would write one.

use model::Secret;
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};

/// How long the story waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The client.
pub(super) struct Backend {
    http: reqwest::Client,
    base: String,
    token: Secret,
}

/// An answer: status and body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// A page, as a person's browser gets it.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) location: String,
    pub(super) text: String,
}

impl Answer {
    /// A text of the body; empty if it is not there.
    pub(super) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }
}

impl Backend {
    pub(super) fn new(private: SocketAddr, token: Secret) -> Result<Self, reqwest::Error> {
        // Loopback only, in clear: no roots are needed, and no proxy is asked.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1));
        let http = http.redirect(reqwest::redirect::Policy::none());
        let http = http.tls_backend_preconfigured(no_tls()).build()?;
        Ok(Self { http, base: format!("http://{private}"), token })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn token(&self) -> &str {
        self.token.expose()
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let request =
            self.http.post(format!("{}{path}", self.base)).header("Content-Type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, String> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let request =
            self.http.put(format!("{}{path}", self.base)).header("Content-Type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer, String> {
        self.send(self.http.delete(format!("{}{path}", self.base))).await
    }

    /// A form to an address, as Jumio (or somebody who pretends to be) posts it.
    pub(super) async fn post_form(&self, url: &str, form: String) -> Result<u16, String> {
        let request =
            self.http.post(url).header("Content-Type", "application/x-www-form-urlencoded").body(form);
        request.send().await.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    }

    /// Opens a page, as a browser or a mail scanner does.
    pub(super) async fn open(&self, url: &str) -> Result<Page, String> {
        visit(self.http.get(url)).await
    }

    /// Presses the button on a page.
    pub(super) async fn press(&self, url: &str) -> Result<Page, String> {
        visit(self.http.post(url).header("Sec-Fetch-Site", "same-origin")).await
    }

    /// Waits until an enrollment is in a state.
    pub(super) async fn wait_for_state(&self, reference: &str, state: &str) -> Result<Answer, String> {
        let begin = tokio::time::Instant::now();
        loop {
            let answer = self.get(&format!("/v1/enrollments/{reference}")).await?;
            if answer.text("state") == state || begin.elapsed() > PATIENCE {
                return Ok(answer);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        let sent =
            request.bearer_auth(self.token.expose()).send().await.map_err(|error| error.to_string())?;
        let status = sent.status().as_u16();
        let bytes = sent.bytes().await.map_err(|error| error.to_string())?;
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }
}

async fn visit(request: reqwest::RequestBuilder) -> Result<Page, String> {
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let location = answer.headers().get("Location").and_then(|value| value.to_str().ok());
    let location = location.unwrap_or_default().to_owned();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    Ok(Page { status, location, text })
}

/// TLS that trusts nobody: this client never uses it.
fn no_tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        // Unwrap safety: the ring provider has suites for the default versions, whatever the machine.
        .expect("ring supports the default TLS versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

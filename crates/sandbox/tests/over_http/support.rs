//! A sandbox on a free port, a client as Jumio wants it, and a receiver of callbacks.

use std::sync::{Arc, Mutex};

use reqwest::{RequestBuilder, Response};
use sandbox::{ClockChange, Running, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A running sandbox and a client for it. The clock stands still unless a test lets it run.
pub(crate) struct House {
    pub(crate) running: Running,
    pub(crate) client: reqwest::Client,
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::with(SandboxConfig::default()).await
    }

    pub(crate) async fn with(config: SandboxConfig) -> Self {
        let running = Sandbox::start(config).await.unwrap();
        let change = ClockChange { frozen: Some(true), ..ClockChange::default() };
        running.control.change_clock(&change).unwrap();
        Self { running, client: client() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.base_url)
    }

    /// A request with everything that Jumio insists on.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        proper(self.client.get(self.url(path)))
    }

    pub(crate) fn delete(&self, path: &str) -> RequestBuilder {
        proper(self.client.delete(self.url(path)))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        proper(self.client.post(self.url(path)))
    }

    pub(crate) async fn initiate(&self, body: &Value) -> Response {
        let request = self.post("/api/v4/initiate").header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    }

    /// A verification that a person has yet to finish: its reference and its page.
    pub(crate) async fn started(&self, body: &Value) -> (String, String) {
        let response = self.initiate(body).await;
        assert_eq!(response.status(), 200);
        let answer = as_json(response).await;
        (text(&answer, "transactionReference"), text(&answer, "redirectUrl"))
    }

    /// A control request; the answer has to be a good one.
    pub(crate) async fn control(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let request = self.client.request(method, self.url(&format!("/_sandbox/{path}")));
        let response = request.body(body.to_string()).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// An approved verification whose original is deleted: its reference and facemap.
    pub(crate) async fn enrolled(&self) -> (String, Vec<u8>) {
        let body = json!({"userReference": "user-1", "facemapBytes": 3000, "sendCallback": false});
        let made = self.control(reqwest::Method::POST, "verifications", &body).await;
        let reference = text(&made, "transactionReference");
        let facemap = self.facemap(&reference).await;
        let gone = self.delete(&format!("/api/netverify/v2/scans/{reference}")).send().await.unwrap();
        assert_eq!(gone.status(), 200);
        (reference, facemap)
    }

    pub(crate) async fn facemap(&self, reference: &str) -> Vec<u8> {
        let path = format!("/api/netverify/v2/scans/{reference}/data/facemap");
        let response = self.get(&path).header("accept", "application/octet-stream").send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap().to_vec()
    }

    /// Posts a facemap as the guide says.
    pub(crate) async fn authenticate(&self, facemap: &[u8], metadata: &Value) -> Response {
        let form = form(facemap, &json!({"enrollmentMetadata": metadata}));
        self.post("/api/authentication/v1/facemap/initiate").multipart(form).send().await.unwrap()
    }

    /// Posts a facemap that has to be taken; its answer.
    pub(crate) async fn authenticated(&self, facemap: &[u8], metadata: &Value) -> Value {
        let response = self.authenticate(facemap, metadata).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// `transactionResult` as retrieval tells it.
    pub(crate) async fn result_of(&self, reference: &str) -> String {
        let path = format!("/api/netverify/v2/authentications/{reference}");
        text(&as_json(self.get(&path).send().await.unwrap()).await, "transactionResult")
    }

    /// Picks an outcome on a page, as the browser's form does.
    pub(crate) async fn pick(&self, page: &str, outcome: &str) -> Response {
        let token = page.rsplit_once("authorizationToken=").unwrap().1;
        let body = format!("authorizationToken={token}&outcome={outcome}");
        let request = self.client.post(self.url("/web/v4/app"));
        request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap()
    }

    /// Moves the clock.
    pub(crate) fn advance_millis(&self, millis: i64) {
        let change = ClockChange { advance_millis: Some(millis), ..ClockChange::default() };
        self.running.control.change_clock(&change).unwrap();
    }
}

pub(crate) fn client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Credentials, User-Agent and Accept.
pub(crate) fn proper(request: RequestBuilder) -> RequestBuilder {
    request
        .basic_auth("sandbox-token", Some("sandbox-secret"))
        .header("user-agent", "Example Corp SampleApp/1.0.1")
        .header("accept", "application/json")
}

/// The exact multipart of the guide.
pub(crate) fn form(facemap: &[u8], metadata: &Value) -> reqwest::multipart::Form {
    use reqwest::multipart::{Form, Part};
    let facemap = Part::bytes(facemap.to_vec()).file_name("facemap.bin").mime_str("application/octet-stream");
    let metadata = Part::text(metadata.to_string()).mime_str("application/json");
    Form::new().part("facemap", facemap.unwrap()).part("enrollmentMetadata", metadata.unwrap())
}

pub(crate) async fn as_json(response: Response) -> Value {
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// A callback as it arrived: its fields in order.
pub(crate) type Received = Vec<(String, String)>;

/// Receives callbacks on a free port and answers with one status.
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    arrived: Arc<tokio::sync::Notify>,
}

impl Receiver {
    pub(crate) async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/callbacks", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let arrived = Arc::new(tokio::sync::Notify::new());
        let (list, bell) = (Arc::clone(&received), Arc::clone(&arrived));
        let take = move |body: String| async move {
            let fields = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            list.lock().unwrap().push(fields);
            bell.notify_one();
            http::StatusCode::from_u16(status).unwrap()
        };
        let router = axum::Router::new().route("/callbacks", axum::routing::post(take));
        tokio::spawn(serve(listener, router));
        Self { url, received, arrived }
    }

    /// Waits, at most ten seconds, until so many have arrived, and takes them.
    pub(crate) async fn take(&self, count: usize) -> Vec<Received> {
        let wait = async {
            while self.received.lock().unwrap().len() < count {
                self.arrived.notified().await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), wait).await;
        assert!(waited.is_ok(), "only {} callbacks came", self.received.lock().unwrap().len());
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

async fn serve(listener: TcpListener, router: axum::Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let stream = hyper_util::rt::TokioIo::new(stream);
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
    }
}

/// The value of a field that is there once.
pub(crate) fn field<'a>(fields: &'a Received, name: &str) -> Option<&'a str> {
    let mut found = fields.iter().filter(|(found, _)| found == name);
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} comes twice");
    value
}

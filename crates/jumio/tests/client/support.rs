//! A responder that answers from a list and keeps what it was sent.

use jumio::{FixedCredentials, JumioClient, JumioConfig, NewVerification, Region, Rules};
use model::{AuthenticationRef, EnrollmentRef};
use serde_json::json;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

pub(crate) const SCAN: &str = "5ca1ab1e-0000-4000-8000-000000000001";
pub(crate) const AUTHENTICATION: &str = "5ca1ab1e-0000-4000-8000-000000000002";

pub(crate) fn scan() -> EnrollmentRef {
    SCAN.parse().unwrap()
}

pub(crate) fn authentication() -> AuthenticationRef {
    AUTHENTICATION.parse().unwrap()
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Seen {
    /// `METHOD /path`.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "{name} came twice");
        first
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What is written in answer to one request; with `stall` the connection then stays open.
#[derive(Clone)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    stall: bool,
}

impl Answer {
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), stall: false }
    }

    pub(crate) fn stalling(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), stall: true }
    }

    /// A whole answer; `headers` each end in CRLF.
    pub(crate) fn with(status: u16, headers: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        Self::raw([head.as_bytes(), body].concat())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::with(status, "", b"")
    }

    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self::with(200, "Content-Type: application/json\r\n", value.to_string().as_bytes())
    }
}

pub(crate) struct Responder {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Responder {
    /// Answers with each of `answers` in turn, and with nothing after that.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let Some(request) = read(&mut stream).await else { continue };
                    seen.lock().unwrap().push(request);
                    let Some(answer) = answers.pop_front() else { continue };
                    let _ = stream.write_all(&answer.bytes).await;
                    if answer.stall {
                        let _ = stream.read(&mut [0; 1]).await;
                    }
                }
            }
        });
        Self { address, seen, task }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1);
        seen[0].clone()
    }

    pub(crate) fn config(&self) -> JumioConfig {
        let mut config = JumioConfig::new(Region::Us, "Example Corp facemap-vault/0.1".to_owned());
        config.simulator = Some(format!("http://{}", self.address).parse().unwrap());
        config.timeout = Duration::from_secs(10);
        config
    }

    /// A client with two pairs of credentials.
    pub(crate) fn client(&self) -> JumioClient {
        client_with(self.config())
    }
}

/// A client of what stands at `origin`.
pub(crate) fn client_of(origin: &str, edit: impl FnOnce(&mut JumioConfig)) -> JumioClient {
    let mut config = JumioConfig::new(Region::Us, "Example Corp facemap-vault/0.1".to_owned());
    config.simulator = Some(origin.parse().unwrap());
    edit(&mut config);
    client_with(config)
}

pub(crate) fn client_with(config: JumioConfig) -> JumioClient {
    let credentials = FixedCredentials::new("token", "secret").with_administration("admin", "hidden");
    JumioClient::new(config, Arc::new(credentials)).unwrap()
}

/// `token:secret` and `admin:hidden`.
pub(crate) const MAIN: &str = "Basic dG9rZW46c2VjcmV0";
pub(crate) const ADMIN: &str = "Basic YWRtaW46aGlkZGVu";

pub(crate) async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
            let mut lines = head.lines();
            let line = lines.next()?.strip_suffix(" HTTP/1.1")?.to_owned();
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some(Seen { line, headers, body: bytes[end + 4..].to_vec() });
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

pub(crate) fn verification() -> NewVerification {
    let body = json!({"customerInternalReference": "transaction_1234", "userReference": "user_1234", "workflowId": 201});
    NewVerification::check(&body, &Rules::default()).unwrap()
}

pub(crate) fn started_verification() -> serde_json::Value {
    json!({
        "timestamp": "2018-07-03T08:23:12.494Z",
        "transactionReference": SCAN,
        "redirectUrl": "https://yourcompany.netverify.com/web/v4/app?locale=en-GB&authorizationToken=xxx"
    })
}

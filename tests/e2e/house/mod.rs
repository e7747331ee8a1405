//! A vault as a process of its own, a simulated Jumio in this one, and the company's backend between them.

mod journal;
mod libfiu;
mod process;
mod recorder;

pub(crate) use journal::{Journal, at, time};
pub(crate) use libfiu::Libfiu;
pub(crate) use process::{
    LOOK_EVERY, PATIENCE, Start, Vault, below, free_port, printed, run, run_with, tail,
};
pub(crate) use recorder::Recorder;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{RequestBuilder, header::HeaderMap};
use sandbox::{Judgement, NewVerification, Running, Sandbox, SandboxConfig, Settings};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// An answer of the vault's.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> reqwest::Result<Self> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await?;
        Ok(Self { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text })
    }

    /// A text of the body.
    pub(crate) fn str(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status, self.str("code"))
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Nobody,
    App,
    Operator,
    Auditor,
    Admin,
}

impl Role {
    pub(crate) const NAMED: [(Self, &str); 3] =
        [(Self::App, "app"), (Self::Operator, "operator"), (Self::Auditor, "auditor")];
}

/// Settings that let a test go as fast as the machine. Polling is off (a day) unless a test wants it.
const FAST: [(&str, &str); 7] = [
    ("STORE__MIN_FREE_BYTES", "1048576"),
    ("JUMIO__INITIATE_PER_SECOND", "100"),
    ("JUMIO__INITIATE_PER_MINUTE", "6000"),
    ("JUMIO__RETRIEVE_PER_5S", "5000"),
    ("INGEST__POLL_SCHEDULE_SECONDS", "86400"),
    ("REAUTH__RESULT_POLL_SECONDS", "86400"),
    ("SERVER__DRAIN_SECONDS", "10"),
];

/// The whole stage. Dropping it ends the vault and the simulator, and shows the log if the test has failed.
pub(crate) struct House {
    pub(crate) start: Start,
    pub(crate) sandbox: Arc<Running>,
    pub(crate) http: reqwest::Client,
    pub(crate) tokens: BTreeMap<Role, String>,
    pub(crate) portal_token: String,
    pub(crate) dir: PathBuf,
    /// Every refusal that was answered, to be searched for what must not be in it.
    pub(crate) refusals: Mutex<Vec<String>>,
    pub(crate) vault: Option<Vault>,
    _folder: TempDir,
}

impl House {
    /// A vault that runs.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A vault that runs with these settings (`SECTION__KEY`).
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let mut house = Self::set_up(settings, None).await;
        house.start().await;
        house
    }

    /// A vault that does not run yet; in a folder of its own, or in the one given.
    pub(crate) async fn set_up(settings: &[(&str, &str)], place: Option<&Path>) -> Self {
        Self::set_up_with(settings, place, &[], &[]).await
    }

    /// The same, with these arguments to `init`, and these variables in every process of the vault.
    pub(crate) async fn set_up_with(
        settings: &[(&str, &str)],
        place: Option<&Path>,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let limits =
            Settings { initiate_per_second: 10_000, initiate_per_minute: 100_000, ..Settings::default() };
        let sandbox = Sandbox::start(SandboxConfig { settings: limits, ..SandboxConfig::default() });
        let sandbox = sandbox.await.unwrap();
        let folder = tempfile::Builder::new().prefix("facemap-vault-e2e-").tempdir().unwrap();
        let dir = place.unwrap_or(folder.path()).join("vault");
        let init = ["init", "--dir", dir.to_str().unwrap(), "--sandbox", &sandbox.base_url];
        let told = printed(&run_with(&[&init[..], args].concat(), variables));
        let line = |holds: &str| told.lines().find(|line| line.contains(holds)).unwrap().trim().to_owned();
        let portal = line("/callbacks/jumio/");
        let mut tokens = BTreeMap::from([(Role::Admin, line("fmv_"))]);
        let file = dir.join("tokens.toml");
        for (role, name) in Role::NAMED {
            let args = ["tokens", "create", "--role", name, "--name", name, "--tokens-file"];
            let made = run(&[&args[..], &[file.to_str().unwrap()]].concat());
            tokens.insert(role, printed(&made).trim().to_owned());
        }
        let (public, private) = (free_port(), free_port());
        let mut all: BTreeMap<String, String> =
            FAST.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        all.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let start = Start {
            config: dir.join("config.toml"),
            log: folder.path().join("vault.log"),
            public,
            private,
            settings: all.into_iter().collect(),
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        Self {
            start,
            sandbox: Arc::new(sandbox),
            http: client(),
            tokens,
            portal_token: portal.rsplit('/').next().unwrap().to_owned(),
            dir,
            refusals: Mutex::default(),
            vault: None,
            _folder: folder,
        }
    }

    pub(crate) async fn start(&mut self) {
        self.vault = Some(self.start.ready(&self.http).await);
    }

    /// Stops in order; that must end with 0.
    pub(crate) async fn stop(&mut self) {
        let mut vault = self.vault.take().unwrap();
        vault.terminate();
        let ended = vault.end().await;
        assert_eq!(ended.code(), Some(0), "{}", tail(&self.start.said()));
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.vault.take().unwrap().kill();
    }

    pub(crate) fn token(&self, role: Role) -> &str {
        &self.tokens[&role]
    }

    pub(crate) fn api(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.start.private)
    }

    /// The address of the public listener's path.
    pub(crate) fn public(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.start.public)
    }

    /// The address in Jumio's portal.
    pub(crate) fn portal(&self) -> String {
        self.public(&format!("/callbacks/jumio/{}", self.portal_token))
    }

    /// Sends a request of somebody's, and keeps its refusal.
    pub(crate) async fn ask(&self, role: Role, request: RequestBuilder) -> Answer {
        let request = if role == Role::Nobody { request } else { request.bearer_auth(self.token(role)) };
        let answer = Answer::of(request).await.unwrap();
        if answer.status >= 400 {
            self.refusals.lock().unwrap().push(format!("{:?} {}", answer.headers, answer.text));
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Role::Admin, self.http.get(self.api(path))).await
    }

    /// A JSON request of the company's backend.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(Role::App, path, body).await
    }

    pub(crate) async fn post_as(&self, role: Role, path: &str, body: &Value) -> Answer {
        let request = self.http.post(self.api(path)).header("Content-Type", "application/json");
        self.ask(role, request.body(body.to_string())).await
    }

    /// A callback to the portal's address, as Jumio or anybody else would post it.
    pub(crate) async fn callback(&self, form: &[(&str, &str)]) -> u16 {
        self.post_form(&self.portal(), form).await
    }

    pub(crate) async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> u16 {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(url).header("Content-Type", "application/x-www-form-urlencoded");
        self.ask(Role::Nobody, request.body(body)).await.status
    }

    /// The enrollment as it is now.
    pub(crate) async fn enrollment(&self, reference: &str) -> Answer {
        self.get(&format!("/v1/enrollments/{reference}")).await
    }

    /// Waits until an enrollment is in a state.
    pub(crate) async fn reaches(&self, reference: &str, state: &str) -> Answer {
        let begin = Instant::now();
        loop {
            let seen = self.enrollment(reference).await;
            if seen.str("state") == state {
                return seen;
            }
            assert!(begin.elapsed() < PATIENCE, "not {state}: {}", seen.text);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until no callback is waiting to be judged and no job is due.
    pub(crate) async fn settles(&self) {
        self.wait_for("rest", |status| {
            let idle = status["queues"].as_object().unwrap().values().all(|queue| queue["due"] == 0);
            let moving = ["received", "confirming", "fetching"];
            let still = moving.iter().all(|state| status["enrollments"][state]["count"] == 0);
            idle && still && status["callbacks"]["pending"]["count"] == 0
        })
        .await;
    }

    /// Waits until `/v1/status` is as it should be.
    pub(crate) async fn wait_for(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let status = self.get("/v1/status").await.body;
            if is_so(&status) {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "no {what}: {status}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until so many people can be re-authenticated.
    pub(crate) async fn reaches_ready_people(&self, count: u64) {
        self.wait_for("people", |status| status["enrollments"]["ready"]["count"] == count).await;
    }

    /// Starts an onboarding through the vault, finishes it at Jumio (with Jumio's callback), and names its reference.
    pub(crate) async fn onboard(&self, user: &str, judgement: Judgement) -> String {
        let reference = self.begin(user).await;
        let finished = self.sandbox.control.finish_verification(&reference, judgement).await.unwrap();
        assert_eq!(finished.callback_status, Some(200));
        reference
    }

    /// Starts an onboarding through the vault.
    pub(crate) async fn begin(&self, user: &str) -> String {
        let started =
            self.post("/v1/verifications", &json!({ "userReference": user, "workflowId": 201 })).await;
        assert_eq!(started.status, 201, "{}", started.text);
        started.str("transactionReference").to_owned()
    }

    /// Somebody whose facemap is vaulted.
    pub(crate) async fn vaulted(&self, user: &str) -> String {
        let reference = self.onboard(user, Judgement::default()).await;
        self.reaches(&reference, "vaulted").await;
        reference
    }

    /// Somebody who can be re-authenticated, with the facemap's digest.
    pub(crate) async fn enrolled(&self, user: &str, facemap: &[u8]) -> (String, String) {
        let facemap = Some(BASE64_STANDARD.encode(facemap));
        let reference = self.begin(user).await;
        let judgement = Judgement { facemap, ..Judgement::default() };
        let finished = self.sandbox.control.finish_verification(&reference, judgement).await.unwrap();
        self.reaches(&reference, "vaulted").await;
        self.release(&reference).await;
        self.reaches(&reference, "ready").await;
        (reference, finished.facemap_digest.unwrap())
    }

    pub(crate) async fn release(&self, reference: &str) -> Answer {
        let released = self.post(&format!("/v1/enrollments/{reference}/release"), &json!({})).await;
        assert_eq!(released.status, 200, "{}", released.text);
        released
    }

    /// A verification at Jumio that the vault has not heard of, with no callback.
    pub(crate) async fn elsewhere(&self, user: &str, judgement: Judgement) -> String {
        let new = NewVerification {
            user_reference: Some(user.to_owned()),
            callback_url: Some(self.portal()),
            judgement: Judgement { send_callback: false, ..judgement },
            ..NewVerification::default()
        };
        self.sandbox.control.add_verification(new).await.unwrap().transaction_reference
    }

    pub(crate) async fn announce(&self, reference: &str, user: &str) -> Answer {
        let body = json!({ "transactionReference": reference, "userReference": user });
        self.post("/v1/enrollments", &body).await
    }

    /// Initiates an authentication in the company's app.
    pub(crate) async fn authenticate(&self, user: &str) -> Answer {
        self.post("/v1/authentications", &json!({ "userReference": user, "channel": "mobile" })).await
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::of(&self.sandbox)
    }

    /// Everything that a refused request or a lie must not change: counts, and what was asked of Jumio.
    pub(crate) async fn standing(&self) -> Value {
        let mut status = self.get("/v1/status").await.body;
        let requests = self.journal().requests().count();
        // The clock wakes these, and nobody's request does.
        for by_the_clock in ["retention", "housekeeping"] {
            status["queues"].as_object_mut().unwrap().remove(by_the_clock);
        }
        json!([
            status["enrollments"],
            status["authentications"],
            status["callbacks"],
            status["queues"],
            requests
        ])
    }

    /// Holds what was refused and what was logged against what must be in neither.
    pub(crate) fn tells_nobody(&self, secrets: &[&str]) {
        let tokens = self.tokens.values().map(String::as_str);
        let logged = self.start.said();
        assert!(!logged.is_empty());
        let refusals = self.refusals.lock().unwrap();
        for secret in
            tokens.chain([self.portal_token.as_str(), "sandbox-secret"]).chain(secrets.iter().copied())
        {
            let line = logged.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret} is in the log: {line:?}");
            let answer = refusals.iter().find(|answer| answer.contains(secret));
            assert!(answer.is_none(), "{secret} is in an answer: {answer:?}");
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.vault = None;
        if std::thread::panicking() {
            eprintln!("--- the end of the vault's log ---\n{}", tail(&self.start.said()));
        }
    }
}

/// A client for loopback: no proxy, no TLS, no redirects.
pub(crate) fn client() -> reqwest::Client {
    client_at(None)
}

/// The same, calling from this address of the machine's.
pub(crate) fn client_at(address: Option<IpAddr>) -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .no_proxy()
        .local_address(address)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_mins(1))
        .tls_backend_preconfigured(tls)
        .build()
        .unwrap()
}

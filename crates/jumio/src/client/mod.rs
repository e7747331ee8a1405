//! [`JumioApi`] over HTTP.

mod answer;
mod metadata;

use crate::{
    AuthenticationDetails, Credentials, DateSeen, JumioApi, JumioError, NewAuthentication, NewVerification,
    Region, Rules, ScanDetails, ScanState, StartedAuthentication, StartedVerification, redirect,
    retrieval::Answer,
};
use answer::{Call, date, refuse_facemap, translate};
use async_trait::async_trait;
use bytes::Bytes;
use egress::{
    Body, BodyCap, CheckedUrl, Egress, EgressConfig, EgressError, Origin, Part, Request, Resolver, Response,
};
use http::{
    Method,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use model::{AuthenticationRef, Clock, EnrollmentRef, FacemapBytes, SystemClock, limits};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use thiserror::Error;

const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";

/// How the metadata part is laid out: seed 003's samples and its table differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetadataLayout {
    /// `{"enrollmentMetadata":{…}}`, as in the samples.
    #[default]
    Nested,
    /// `{…}`, as in the table.
    Flat,
}

/// What the client needs to know: contract §2, section `[jumio]`.
#[derive(Debug, Clone)]
pub struct JumioConfig {
    /// The account's region.
    pub region: Region,
    /// A simulator's origin in place of the region's; nothing else is called then.
    pub simulator: Option<Origin>,
    /// `Company App/1.0`: mandatory, Jumio looks for it.
    pub user_agent: String,
    /// The path of the authentication initiate.
    pub authentication_path: String,
    /// The layout of its metadata.
    pub metadata_layout: MetadataLayout,
    /// Time for one whole exchange.
    pub timeout: Duration,
    /// Bytes of a facemap at most.
    pub max_facemap_bytes: usize,
    /// PEM file with the only roots to trust, in place of the platform's.
    pub ca_file: Option<PathBuf>,
    /// A forward proxy.
    pub proxy_url: Option<String>,
}

impl JumioConfig {
    /// The contract's defaults.
    #[must_use]
    pub fn new(region: Region, user_agent: String) -> Self {
        Self {
            region,
            simulator: None,
            user_agent,
            authentication_path: "/api/authentication/v1/facemap/initiate".to_owned(),
            metadata_layout: MetadataLayout::Nested,
            timeout: Duration::from_secs(20),
            max_facemap_bytes: 16 * 1024 * 1024,
            ca_file: None,
            proxy_url: None,
        }
    }
}

/// A configuration that the client cannot work with.
#[derive(Debug, Error)]
pub enum SetupError {
    /// Jumio demands a User-Agent that names the company.
    #[error("jumio.user_agent must name company and application, such as \"Example Corp App/1.0\"")]
    UserAgent,
    /// Not a path.
    #[error("jumio.authentication_path must be a path that starts with a slash")]
    AuthenticationPath,
    /// The outgoing connection cannot be set up.
    #[error("jumio: {0}")]
    Egress(#[from] EgressError),
}

/// The client of one account at Jumio.
pub struct JumioClient {
    egress: Egress,
    origin: Origin,
    credentials: Arc<dyn Credentials>,
    config: JumioConfig,
    authentication_url: CheckedUrl,
    clock: Arc<dyn Clock>,
    /// The last `Date` that came.
    seen: Mutex<Option<DateSeen>>,
}

impl fmt::Debug for JumioClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JumioClient").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Which pair of credentials a call uses.
#[derive(Clone, Copy)]
enum Pair {
    Main,
    Administration,
}

impl JumioClient {
    /// A client with the operating system's resolver.
    ///
    /// # Errors
    /// [`SetupError`] names the setting that cannot be used.
    pub fn new(config: JumioConfig, credentials: Arc<dyn Credentials>) -> Result<Self, SetupError> {
        Self::with_resolver(config, credentials, Arc::new(egress::SystemResolver))
    }

    /// A client with another resolver.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_resolver(
        config: JumioConfig,
        credentials: Arc<dyn Credentials>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, SetupError> {
        let agent = config.user_agent.trim();
        let printable = agent.bytes().all(|b| (0x20..=0x7e).contains(&b));
        if agent.is_empty() || agent.len() > 200 || !printable || !agent.contains('/') {
            return Err(SetupError::UserAgent);
        }
        let origin = match &config.simulator {
            Some(origin) => origin.clone(),
            None => config.region.base_url().parse().map_err(EgressError::Refused)?,
        };
        let path = config.authentication_path.as_str();
        let authentication_url = origin.at(path).map_err(|_| SetupError::AuthenticationPath)?;
        let mut guard = EgressConfig::new(vec![origin.clone()], config.timeout);
        guard.simulated = config.simulator.is_some();
        guard.ca_file.clone_from(&config.ca_file);
        guard.proxy_url.clone_from(&config.proxy_url);
        let egress = Egress::with_resolver(&guard, resolver)?;
        let (clock, seen) = (Arc::new(SystemClock), Mutex::default());
        Ok(Self { egress, origin, credentials, config, authentication_url, clock, seen })
    }

    /// With another clock, which Jumio's dates are remembered beside.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn rules(&self) -> Rules {
        Rules { simulated: self.config.simulator.is_some(), redirect_hosts: None }
    }

    /// A URL of ours, from a path of ours.
    fn at(&self, path: &str) -> Result<CheckedUrl, JumioError> {
        self.origin.at(path).map_err(|_| JumioError::Guarded { what: "a path of our own" })
    }

    fn scan(&self, scan: EnrollmentRef, rest: &str) -> Result<CheckedUrl, JumioError> {
        self.at(&format!("/api/netverify/v2/scans/{scan}{rest}"))
    }

    fn authentication_at(&self, reference: AuthenticationRef) -> Result<CheckedUrl, JumioError> {
        self.at(&format!("/api/netverify/v2/authentications/{reference}"))
    }

    /// The facemap's address: the link, if it is one for this very scan, or the one built from the reference.
    fn facemap_at(&self, scan: EnrollmentRef, href: Option<&str>) -> Result<CheckedUrl, JumioError> {
        let Some(href) = href else { return self.scan(scan, "/data/facemap") };
        let url = self.egress.check(href).map_err(|_| JumioError::Guarded { what: "the facemap's link" })?;
        let scan = scan.to_string();
        // A link for another scan would bring another person's face.
        if url.path().split('/').any(|segment| segment.eq_ignore_ascii_case(&scan)) {
            Ok(url)
        } else {
            Err(JumioError::Guarded { what: "the facemap's link names another scan" })
        }
    }

    async fn authorization(&self, pair: Pair) -> Result<zeroize::Zeroizing<String>, JumioError> {
        let second = match pair {
            Pair::Main => None,
            Pair::Administration => {
                self.credentials.administration().await.map_err(|_| JumioError::Credentials)?
            }
        };
        let chosen = match second {
            Some(second) => second,
            None => self.credentials.main().await.map_err(|_| JumioError::Credentials)?,
        };
        chosen.basic().map_err(|_| JumioError::Credentials)
    }

    /// Sends with what every call has: credentials, `Accept`, `User-Agent`. Answers with success only.
    async fn send(
        &self,
        request: Request,
        pair: Pair,
        call: Call,
        wanted: BodyCap,
    ) -> Result<Response, JumioError> {
        let unusable = |_| JumioError::Guarded { what: "a header of our own" };
        let request = request.header(USER_AGENT, self.config.user_agent.trim()).map_err(unusable)?;
        let authorization = self.authorization(pair).await?;
        let request = request.authorize(&authorization).map_err(|_| JumioError::Credentials)?;
        drop(authorization);
        let response = self.egress.send(request, wanted).await.map_err(|error| translate(&error, call))?;
        if let Some(date) = date(&response) {
            let seen = DateSeen::now(date, self.clock.as_ref());
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        }
        if response.is_success() { Ok(response) } else { Err(answer::refused(&response, call)) }
    }

    async fn get_json(&self, url: CheckedUrl) -> Result<(Answer, Response), JumioError> {
        let request = accepting(Request::new(Method::GET, url), JSON)?;
        let cap = BodyCap::UpTo(limits::JUMIO_JSON_BYTES);
        let response = self.send(request, Pair::Administration, Call::Repeatable, cap).await?;
        let answer = read(&response, Call::Repeatable)?;
        Ok((answer, response))
    }

    async fn delete(&self, url: CheckedUrl) -> Result<(), JumioError> {
        let request = accepting(Request::new(Method::DELETE, url), JSON)?;
        let cap = BodyCap::UpTo(limits::JUMIO_JSON_BYTES);
        let response = self.send(request, Pair::Administration, Call::Repeatable, cap).await?;
        // Whoever answers 200 with a page is not Jumio's deletion, and nothing was deleted.
        if response.body().trim_ascii().is_empty() {
            Ok(())
        } else {
            read(&response, Call::Repeatable).map(drop)
        }
    }

    fn redirect_url(&self, answer: &Answer) -> Result<Option<model::Secret>, JumioError> {
        let Some(text) = crate::quirks::text(answer.redirect_url.as_ref()) else { return Ok(None) };
        let accepted = redirect::accept(text, self.config.region, self.config.simulator.as_ref());
        accepted.map(Some).ok_or(JumioError::Malformed { what: "the redirectUrl does not lead to Jumio" })
    }
}

fn accepting(request: Request, media_type: &str) -> Result<Request, JumioError> {
    request.header(ACCEPT, media_type).map_err(|_| JumioError::Guarded { what: "a header of our own" })
}

/// The answer's JSON; an error that came with status 200 is an error all the same.
fn read(response: &Response, call: Call) -> Result<Answer, JumioError> {
    let answer =
        Answer::read(response.body()).ok_or(JumioError::Malformed { what: "it is no JSON object" })?;
    match answer.error_status() {
        Some(status) => Err(answer::by_status(status, None, call)),
        None => Ok(answer),
    }
}

#[async_trait]
impl JumioApi for JumioClient {
    async fn initiate_verification(
        &self,
        request: &NewVerification,
    ) -> Result<StartedVerification, JumioError> {
        let body =
            serde_json::to_vec(request).map_err(|_| JumioError::Guarded { what: "the request's JSON" })?;
        let outgoing = accepting(Request::new(Method::POST, self.at("/api/v4/initiate")?), JSON)?
            .header(CONTENT_TYPE, JSON)
            .map_err(|_| JumioError::Guarded { what: "a header of our own" })?
            .body(Body::Bytes(Bytes::from(body)));
        let cap = BodyCap::UpTo(limits::JUMIO_JSON_BYTES);
        let response = self.send(outgoing, Pair::Main, Call::Initiate, cap).await?;
        let answer = read(&response, Call::Initiate)?;
        let reference =
            answer.scan_reference().ok_or(JumioError::Malformed { what: "no transactionReference" })?;
        let redirect_url =
            self.redirect_url(&answer)?.ok_or(JumioError::Malformed { what: "no redirectUrl" })?;
        let timestamp = crate::quirks::text(answer.timestamp.as_ref()).and_then(crate::quirks::timestamp);
        Ok(StartedVerification { reference, redirect_url, timestamp, jumio_date: date(&response) })
    }

    async fn scan_status(&self, scan: EnrollmentRef) -> Result<ScanState, JumioError> {
        let (answer, _) = self.get_json(self.scan(scan, "")?).await?;
        if answer.scan_reference() != Some(scan) {
            return Err(JumioError::Malformed { what: "it is about another scan" });
        }
        answer.scan_state().ok_or(JumioError::Malformed { what: "no status" })
    }

    async fn scan_details(&self, scan: EnrollmentRef) -> Result<ScanDetails, JumioError> {
        let (answer, response) = self.get_json(self.scan(scan, "/data")?).await?;
        Ok(answer.scan_details(date(&response)))
    }

    async fn facemap(&self, scan: EnrollmentRef, href: Option<&str>) -> Result<FacemapBytes, JumioError> {
        let request = accepting(Request::new(Method::GET, self.facemap_at(scan, href)?), OCTETS)?;
        let cap = BodyCap::Whole(self.config.max_facemap_bytes);
        let response = self.send(request, Pair::Administration, Call::Repeatable, cap).await?;
        match refuse_facemap(&response) {
            Some(error) => Err(error),
            None => Ok(FacemapBytes::from(response.into_body())),
        }
    }

    async fn facemap_is_gone(&self, scan: EnrollmentRef) -> Result<bool, JumioError> {
        let request = accepting(Request::new(Method::GET, self.scan(scan, "/data/facemap")?), OCTETS)?;
        match self.send(request, Pair::Administration, Call::Repeatable, BodyCap::Nothing).await {
            Ok(_) => Ok(false),
            Err(JumioError::NotFound) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn delete_scan(&self, scan: EnrollmentRef) -> Result<(), JumioError> {
        self.delete(self.scan(scan, "")?).await
    }

    async fn initiate_authentication(
        &self,
        request: &NewAuthentication,
        facemap: FacemapBytes,
    ) -> Result<StartedAuthentication, JumioError> {
        request.check(&self.rules()).map_err(JumioError::Invalid)?;
        if facemap.is_empty() || facemap.len() > self.config.max_facemap_bytes {
            return Err(JumioError::Guarded { what: "a facemap that is empty or above max_facemap_bytes" });
        }
        let metadata = metadata::json(request, self.config.metadata_layout)?;
        let parts = vec![
            Part {
                name: "facemap",
                file_name: Some("facemap.bin"),
                content_type: OCTETS,
                // The buffer itself goes out and is wiped when the last reference to it is gone.
                content: Bytes::from_owner(facemap),
            },
            Part {
                name: "enrollmentMetadata",
                file_name: None,
                content_type: JSON,
                content: Bytes::from(metadata),
            },
        ];
        let outgoing = accepting(Request::new(Method::POST, self.authentication_url.clone()), JSON)?
            .body(Body::Multipart(parts));
        let cap = BodyCap::UpTo(limits::JUMIO_JSON_BYTES);
        let response = self.send(outgoing, Pair::Main, Call::Initiate, cap).await?;
        let answer = read(&response, Call::Initiate)?;
        let named = [&answer.authentication_transaction_reference, &answer.transaction_reference];
        let reference = named.into_iter().find_map(|value| crate::quirks::text(value.as_ref()));
        let reference = reference
            .and_then(|text| text.parse().ok())
            .ok_or(JumioError::Malformed { what: "no authenticationTransactionReference" })?;
        let redirect_url = self.redirect_url(&answer)?;
        if redirect_url.is_none() && request.journey.channel() == model::Channel::Web {
            return Err(JumioError::Malformed { what: "no redirectUrl" });
        }
        Ok(StartedAuthentication { reference, redirect_url, jumio_date: date(&response) })
    }

    async fn authentication(
        &self,
        reference: AuthenticationRef,
    ) -> Result<AuthenticationDetails, JumioError> {
        let (answer, response) = self.get_json(self.authentication_at(reference)?).await?;
        answer.authentication(date(&response)).ok_or(JumioError::Malformed { what: "no transactionResult" })
    }

    async fn delete_authentication(&self, reference: AuthenticationRef) -> Result<(), JumioError> {
        self.delete(self.authentication_at(reference)?).await
    }

    fn last_date(&self) -> Option<DateSeen> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

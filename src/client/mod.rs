//! A client of the private API, for the commands that work through a running server. The token comes from the
//! environment alone: an argument would show in the list of processes.

mod answer;
mod show;

pub(crate) use answer::Answer;
pub(crate) use show::{Output, bar, cell, table};

use crate::failure::Failure;
use bytes::Bytes;
use clap::Args;
use egress::{Body, BodyCap, Egress, EgressConfig, EgressError, Origin, Request};
use http::{HeaderName, Method, header};
use model::Secret;
use serde_json::Value;
use std::{path::PathBuf, time::Duration};
use url::Url;

const TOKEN: &str = "FACEMAP_VAULT_TOKEN";
/// Bytes of an answer at most: a page of 500 with room.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// How long an answer may take: a purge waits for its end.
const PATIENCE: Duration = Duration::from_mins(2);
/// Companies' own networks: the private listener is inside.
const INSIDE: [&str; 8] = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
];

/// Which server a command talks to, and how it shows what it got.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The private listener, as `http://127.0.0.1:8081`; plain http only on this machine
    #[arg(long, env = "FACEMAP_VAULT_URL", default_value = "http://127.0.0.1:8081", value_name = "URL")]
    url: Url,
    /// PEM file with the roots to trust, in place of the platform's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Text for people, JSON for scripts
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// The private API.
pub(crate) struct Api {
    egress: Egress,
    base: Url,
    bearer: Secret,
}

impl Server {
    /// Reads the token and gets ready to call. Nothing is sent yet.
    ///
    /// # Errors
    /// Wrong usage: no token, or an address that cannot be called.
    pub(crate) fn api(&self) -> Result<Api, Failure> {
        let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()).ok_or_else(|| {
            Failure::usage(format!("{TOKEN} is not set; put a token of `facemap-vault tokens create` there"))
        })?;
        let url = self.url.as_str().trim_end_matches('/');
        let origin: Origin = url.parse().map_err(|error| {
            Failure::usage(format!("--url must be an origin like https://vault.internal:8081: {error}"))
        })?;
        let loopback = self.url.scheme() == "http";
        let mut config = EgressConfig::new(vec![origin], PATIENCE);
        config.simulated = loopback;
        config.allowed_networks = INSIDE.iter().filter_map(|network| network.parse().ok()).collect();
        config.ca_file.clone_from(&self.ca_file);
        let egress = Egress::new(&config).map_err(Failure::usage)?;
        Ok(Api { egress, base: self.url.clone(), bearer: Secret::new(format!("Bearer {token}")) })
    }
}

impl Api {
    /// Reads.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.send(Method::GET, path, query, &[], Body::Empty).await
    }

    /// Sends an order.
    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Answer, Failure> {
        let headers = [(header::CONTENT_TYPE, "application/json")];
        let body = Body::Bytes(Bytes::from(body.to_string()));
        self.send(Method::POST, path, &[], &headers, body).await
    }

    /// Sends an order whose list is a file; the rest of it stands in the query.
    pub(crate) async fn post_file(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        kind: &str,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        self.send(Method::POST, path, query, &[(header::CONTENT_TYPE, kind)], Body::Bytes(body)).await
    }

    /// Brings bytes.
    pub(crate) async fn put(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        headers: &[(HeaderName, &str)],
        body: Bytes,
    ) -> Result<Answer, Failure> {
        self.send(Method::PUT, path, query, headers, Body::Bytes(body)).await
    }

    /// Takes away.
    pub(crate) async fn delete(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.send(Method::DELETE, path, query, &[], Body::Empty).await
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        headers: &[(HeaderName, &str)],
        body: Body,
    ) -> Result<Answer, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let url = self.egress.check(url.as_str()).map_err(|error| Failure::usage(error.to_string()))?;
        let mut request = Request::new(method, url).body(body);
        for (name, value) in headers {
            request = request.header(name.clone(), value).map_err(Failure::usage)?;
        }
        let request = request.authorize(self.bearer.expose()).map_err(Failure::usage)?;
        let answer = self.egress.send(request, BodyCap::WholeOfAny(ANSWER_BYTES)).await.map_err(|error| {
            Failure::failed(format!(
                "{} does not answer ({}); is the server running, and is --url its private listener?",
                self.base,
                unanswered(&error)
            ))
        })?;
        Ok(Answer {
            status: answer.status(),
            body: serde_json::from_slice(answer.body()).unwrap_or_default(),
        })
    }
}

/// Why there is no answer, and whether the order may have been carried out; said once, where the error says it already.
fn unanswered(error: &EgressError) -> String {
    use EgressError as E;
    match error {
        E::Refused(_) | E::NotSent(_) | E::Lost | E::TimedOut => error.to_string(),
        _ if error.nothing_was_sent() => format!("{error}; nothing was sent"),
        _ => format!("{error}; it may have been carried out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egress::Unsent;

    #[test]
    fn whether_anything_was_sent_is_said_once() {
        for (error, said) in [
            (EgressError::NotSent(Unsent::Connect), "nothing was sent"),
            (EgressError::Request("no host"), "nothing was sent"),
            (EgressError::Lost, "may have been carried out"),
            (EgressError::TimedOut, "may have been carried out"),
            (EgressError::TooLarge { cap: 7 }, "may have been carried out"),
            (EgressError::Truncated, "may have been carried out"),
        ] {
            let text = unanswered(&error);
            let times =
                ["nothing was sent", "may have been carried out"].map(|word| text.matches(word).count());
            assert_eq!((text.matches(said).count(), times.iter().sum::<usize>()), (1, 1), "{text}");
        }
    }
}

//! `[server]`: where the vault listens, and who stands in front of it.

use super::{section::Section, urls};
use ipnet::IpNet;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The chain, in PEM, our own certificate first.
    pub(crate) cert: PathBuf,
    /// The private key, in PEM.
    pub(crate) key: PathBuf,
    /// The authorities whose certificates callers of the private listener must show.
    pub(crate) private_client_ca: Option<PathBuf>,
}

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Server {
    /// Callbacks and links.
    pub(crate) public_listen: SocketAddr,
    /// API, metrics, health.
    pub(crate) private_listen: SocketAddr,
    /// API tokens.
    pub(crate) tokens_file: PathBuf,
    /// Networks whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// TLS of both listeners.
    pub(crate) tls: Option<TlsFiles>,
    /// Something in front of the listeners ends TLS.
    pub(crate) tls_terminated_upstream: bool,
    /// Connections of each listener that may wait for their peers at once.
    pub(crate) max_connections: usize,
    /// How long a caller may take to send a request's head.
    pub(crate) head_timeout: Duration,
    /// How long a caller may take to send a body.
    pub(crate) body_timeout: Duration,
    /// How long a soft shutdown waits for what is under way.
    pub(crate) drain: Duration,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Server {
    let mut listen = |key, port: u16| {
        let default = SocketAddr::from(([127, 0, 0, 1], port));
        section.parsed(key, Some(default), urls::listener, SocketAddr::to_string).unwrap_or(default)
    };
    let public_listen = listen("public_listen", 8080);
    let private_listen = listen("private_listen", 8081);
    let tokens_file = section.path("tokens_file", "tokens.toml");
    let trusted_proxies = section.list("trusted_proxies", Vec::new(), urls::network, IpNet::to_string);
    let cert = section.optional_path("tls_cert_file");
    let key = section.optional_path("tls_key_file");
    let private_client_ca = section.optional_path("private_client_ca_file");
    let tls_terminated_upstream = section.flag("tls_terminated_upstream", false);
    let drain = section.seconds("drain_seconds", 30, 1..=600);
    let max_connections = section.number("max_connections", 2048, 16..=100_000, "connections");
    let head_timeout = section.seconds("head_timeout_seconds", 10, 1..=600);
    let body_timeout = section.seconds("body_timeout_seconds", 15, 1..=600);

    if public_listen == private_listen && public_listen.port() != 0 {
        section.problem("private_listen", "is the same address as public_listen; give each listener its own");
    }
    let tls = match (cert, key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key, private_client_ca }),
        (None, None) => {
            if private_client_ca.is_some() {
                section.problem("private_client_ca_file", "needs tls_cert_file and tls_key_file too");
            }
            None
        }
        (Some(_), None) => {
            section.problem("tls_cert_file", "needs tls_key_file too");
            None
        }
        (None, Some(_)) => {
            section.problem("tls_key_file", "needs tls_cert_file too");
            None
        }
    };
    let reached_in_clear = |address: SocketAddr| !address.ip().is_loopback();
    for (key, address) in [("public_listen", public_listen), ("private_listen", private_listen)] {
        let tls_is_meant = section.is_set("tls_cert_file") || section.is_set("tls_key_file");
        if reached_in_clear(address) && !tls_is_meant && !tls_terminated_upstream {
            let text = "can be reached from other machines and has no TLS; set tls_cert_file and tls_key_file, or \
                        tls_terminated_upstream = true when a proxy in front of it ends TLS";
            section.problem(key, text);
        }
    }
    Server {
        public_listen,
        private_listen,
        tokens_file,
        trusted_proxies,
        tls,
        tls_terminated_upstream,
        max_connections: usize::try_from(max_connections).unwrap_or(usize::MAX),
        head_timeout,
        body_timeout,
        drain,
    }
}

//! What is allowed, and still deserves a second thought.

use super::{Config, Provider, set_but_later};
use crate::process;
use ::ingest::DeleteOriginal;
use std::{
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use url::{Host, Url};

/// Sentences for the operator: each says what is so, and what it means.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    storage(config, &mut warnings);
    callbacks(config, &mut warnings);
    receiver(config, &mut warnings);
    if config.jumio.simulated {
        warnings.push(
            "jumio.simulated is true: this vault talks to a simulator and never to Jumio, and its data folder stays \
             simulated for ever."
                .to_owned(),
        );
    } else if config.jumio.user_agent.starts_with("Example Corp") {
        warnings.push(
            "jumio.user_agent names \"Example Corp\": Jumio wants your company's name there.".to_owned(),
        );
    }
    if config.ingest.delete_original == DeleteOriginal::Never {
        warnings.push(
            "ingest.delete_original is \"never\": an enrollment gets ready only once somebody else has deleted its \
             original at Jumio."
                .to_owned(),
        );
    }
    if config.reauth.allowed_redirect_hosts.is_empty() {
        warnings.push(
            "reauth.allowed_redirect_hosts is empty: every successUrl and errorUrl is refused, and Jumio uses those \
             of its portal."
                .to_owned(),
        );
    }
    if config.server.tls_terminated_upstream && config.server.tls.is_none() {
        warnings.push(
            "server.tls_terminated_upstream is true: between that proxy and this process, API tokens and callbacks \
             travel in the clear."
                .to_owned(),
        );
    }
    let most = process::most_connections(process::descriptors());
    if config.server.max_connections > most {
        warnings.push(format!(
            "server.max_connections is {}, and the limit of open files (RLIMIT_NOFILE, LimitNOFILE=) allows {most} for \
             each listener, as far as it can be seen from here.",
            config.server.max_connections
        ));
    }
    if let Provider::Transit(transit) = &config.keys.provider
        && transit.address.scheme() == "http"
    {
        warnings.push(
            "keys.transit_address is http: data keys travel to the transit engine in the clear, if only on this machine."
                .to_owned(),
        );
    }
    let later = set_but_later(&config.settings);
    if !later.is_empty() {
        warnings.push(format!("These keys are set but do nothing in this version: {}.", later.join(", ")));
    }
    warnings
}

/// A name is looked up when it is called; an address says at once whether it will be.
fn receiver(config: &Config, warnings: &mut Vec<String>) {
    let address: Option<IpAddr> = match config.notifications.url.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) | None => None,
    };
    let Some(address) = address else { return };
    let allowed = config.notifications.allowed_networks.iter().any(|network| network.contains(&address))
        || (config.jumio.simulated && address.is_loopback());
    if !egress::is_public(address) && !allowed {
        warnings.push(format!(
            "notifications.url leads to {address}, which is no public address and in none of \
             notifications.allowed_networks: nothing is sent there, and every event becomes a dead letter."
        ));
    }
}

fn callbacks(config: &Config, warnings: &mut Vec<String>) {
    let behind_proxy =
        config.server.public_listen.ip().is_loopback() || config.server.tls_terminated_upstream;
    let sources = config.callbacks.allowed_sources.as_deref();
    if !config.jumio.simulated && behind_proxy && config.server.trusted_proxies.is_empty() {
        warnings.push(
            "server.trusted_proxies is empty, but callbacks come through a proxy: every callback seems to come from \
             that proxy's address, which callbacks.allowed_sources then refuses."
                .to_owned(),
        );
    }
    match sources {
        None => warnings.push(
            "callbacks.allowed_sources is empty: callbacks are taken from every address, and the token alone keeps \
             strangers out."
                .to_owned(),
        ),
        Some(sources) if config.jumio.simulated => {
            let loopback = std::net::IpAddr::from([127, 0, 0, 1]);
            if !sources.iter().any(|net| net.contains(&loopback)) {
                warnings.push(
                    "callbacks.allowed_sources does not contain 127.0.0.0/8: a simulator on this machine cannot call \
                     back."
                        .to_owned(),
                );
            }
        }
        Some(_) => {}
    }
    if !config.callbacks.require_token {
        warnings.push(
            "callbacks.require_token is false: whoever reaches the public listener can fill the inbox."
                .to_owned(),
        );
    }
}

fn storage(config: &Config, warnings: &mut Vec<String>) {
    let mut places =
        vec![("store.slots_path", &config.store.slots_path), ("store.path (content)", &config.store.path)];
    // Where the wrapping keys are elsewhere, what lies in the folder opens nothing.
    if config.keys.provider == Provider::File {
        places.insert(0, ("keys.path", &config.keys.path));
    }
    let devices: Vec<_> = places.iter().map(|(name, path)| (*name, device(path))).collect();
    for (n, (name, this)) in devices.iter().enumerate() {
        for (other, that) in &devices[n + 1..] {
            if this.is_some() && this == that {
                warnings.push(format!(
                    "{name} and {other} lie on one file system: whoever gets a copy of it (a backup, a snapshot, a \
                     disk) has both. Put them on different ones."
                ));
            }
        }
    }
}

/// The file system that a path lies on, or would lie on once it is made.
fn device(path: &Path) -> Option<u64> {
    let mut path: Option<PathBuf> = Some(path.to_owned());
    while let Some(at) = path {
        if let Ok(meta) = std::fs::metadata(&at) {
            return Some(meta.dev());
        }
        path = at.parent().map(Path::to_owned);
    }
    None
}

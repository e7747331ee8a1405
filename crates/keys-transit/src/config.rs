//! Where the transit engine is, and with which key.

use crate::TransitError;
use egress::{EgressConfig, Origin};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    time::Duration,
};

/// Characters of a mount, a key name or a namespace at most.
const NAME_CHARS: usize = 128;
/// Connections that are kept open for the next request: each saves a TLS handshake, and every request here may be
/// repeated or is looked at afterwards.
const IDLE_CONNECTIONS: usize = 8;
/// The operator names this server, and it usually stands inside: no address is refused for being private.
const ANYWHERE: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
];

/// A transit engine with one key of it.
#[derive(Debug, Clone)]
pub struct TransitConfig {
    /// `https://host[:port]`; `http` for this machine only.
    pub address: String,
    /// The path at which the engine is mounted, `transit` for example.
    pub mount: String,
    /// The name of the key, of type `aes256-gcm96`.
    pub key: String,
    /// The file with the token, which nobody else may read. It is read again when it changes.
    pub token_file: PathBuf,
    /// The namespace, where the server has any.
    pub namespace: Option<String>,
    /// PEM file with the only authorities to trust, in place of the platform's.
    pub ca_file: Option<PathBuf>,
    /// Time for one request, from connecting to the last byte of the answer.
    pub timeout: Duration,
}

impl TransitConfig {
    /// What is wrong with these values. Neither the network nor a file is touched.
    ///
    /// # Errors
    /// [`TransitError::Config`] with the first thing that is.
    pub fn check(&self) -> Result<(), TransitError> {
        self.origin()?;
        let names =
            [("the mount", Some(&self.mount), true), ("the namespace", self.namespace.as_ref(), true)];
        for (what, name, with_slashes) in names.into_iter().chain([("the key", Some(&self.key), false)]) {
            if name.is_some_and(|name| !is_name(name, with_slashes)) {
                let rule = "must be letters, digits, - and _ (and single slashes between them where it is a path), \
                            128 characters at most";
                return Err(TransitError::Config { what, rule });
            }
        }
        Ok(())
    }

    pub(crate) fn origin(&self) -> Result<Origin, TransitError> {
        let rule = "must be https://host or https://host:port (http:// for this machine only), with nothing after it";
        let wrong = TransitError::Config { what: "the address", rule };
        match self.address.parse::<Origin>() {
            Ok(origin) if origin.is_tls() || origin.is_loopback() => Ok(origin),
            _ => Err(wrong),
        }
    }

    /// How the guard is set up: this one origin, and in the clear to this machine's own addresses only.
    pub(crate) fn egress(&self, origin: Origin) -> EgressConfig {
        let in_clear = !origin.is_tls();
        EgressConfig {
            simulated: in_clear,
            allowed_networks: if in_clear { Vec::new() } else { ANYWHERE.to_vec() },
            ca_file: self.ca_file.clone(),
            idle_connections: IDLE_CONNECTIONS,
            ..EgressConfig::new(vec![origin], self.timeout)
        }
    }
}

/// A name that means the same in a path of a URL and to the server: nothing to be escaped, no way up.
fn is_name(text: &str, with_slashes: bool) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    text.len() <= NAME_CHARS && if with_slashes { text.split('/').all(plain) } else { plain(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TransitConfig {
        TransitConfig {
            address: "https://secrets.example.com:8200".to_owned(),
            mount: "transit".to_owned(),
            key: "facemap-vault".to_owned(),
            token_file: "token".into(),
            namespace: None,
            ca_file: None,
            timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn the_clear_is_for_this_machine_only() {
        for good in
            ["https://10.1.2.3:8200", "http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"]
        {
            assert!(TransitConfig { address: good.to_owned(), ..config() }.check().is_ok(), "{good}");
        }
        let bad = [
            "http://secrets.example.com:8200",
            "http://10.1.2.3:8200",
            "http://127.0.0.1.example.com",
            "https://user@secrets.example.com",
            "https://secrets.example.com/v1",
            "https://secrets.example.com?x=y",
            "secrets.example.com",
            "",
        ];
        for bad in bad {
            assert!(TransitConfig { address: bad.to_owned(), ..config() }.check().is_err(), "{bad}");
        }
        // A name of this machine that leads elsewhere is not dialled in the clear.
        let local = TransitConfig { address: "http://localhost:8200".to_owned(), ..config() };
        assert!(local.egress(local.origin().unwrap()).allowed_networks.is_empty());
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        assert!(TransitConfig { mount: "teams/bank/transit".to_owned(), ..config() }.check().is_ok());
        for bad in ["", "a/../b", "/a", "a/", "a//b", "a?b", "a%2fb", "a b", "ä", "a.b", &"a".repeat(129)] {
            assert!(TransitConfig { mount: bad.to_owned(), ..config() }.check().is_err(), "{bad}");
            assert!(TransitConfig { key: bad.to_owned(), ..config() }.check().is_err(), "{bad}");
            assert!(TransitConfig { namespace: Some(bad.to_owned()), ..config() }.check().is_err(), "{bad}");
        }
        assert!(TransitConfig { key: "a/b".to_owned(), ..config() }.check().is_err());
    }
}

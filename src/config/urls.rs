//! The forms of addresses: Jumio's rules for URLs it is given, host names, listeners, networks.

use ipnet::IpNet;
use model::limits;
use std::net::{IpAddr, SocketAddr};
use url::{Host, Url};

/// What a URL may have besides scheme, host name and path.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UrlRules {
    /// Plain `http`, an address and a port, as long as the host is this machine.
    pub(super) loopback: bool,
    /// An address instead of a name, and a port, wherever it leads.
    pub(super) any_host: bool,
    /// No path: the URL names an origin.
    pub(super) origin_only: bool,
}

/// Whether the URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Parses an `https` URL without personal parts: no user, no query, no fragment; by Jumio's rules also a name instead
/// of an address, no port, and ASCII or punycode (jumio-api §2).
pub(super) fn parse_url(text: &str, rules: UrlRules) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !text.is_ascii() {
        return Err("has characters outside of ASCII; write the host name in punycode".to_owned());
    }
    let at_home = rules.loopback && is_loopback(&url);
    match url.scheme() {
        "https" => {}
        "http" if at_home => {}
        _ if rules.loopback => {
            return Err("must begin with https:// (http:// for this machine only)".to_owned());
        }
        _ => return Err("must begin with https://".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or a password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment (nothing after ? or #)".to_owned());
    }
    if !at_home && !rules.any_host {
        if !matches!(url.host(), Some(Host::Domain(name)) if name.contains('.')) {
            return Err("must have a host name, not an address".to_owned());
        }
        if has_port(text) {
            return Err("must have no port".to_owned());
        }
    }
    if rules.origin_only && url.path() != "/" {
        return Err("must have no path".to_owned());
    }
    Ok(url)
}

/// The origin of a simulator.
pub(crate) fn simulator_origin(text: &str) -> Result<Url, String> {
    parse_url(text, UrlRules { loopback: true, any_host: true, origin_only: true })
}

/// Whether a port is written, be it the usual one: the parser drops that.
fn has_port(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains(':'))
}

/// The public base under which Jumio calls back, without a slash at its end.
pub(super) fn callback_base(text: &str, simulated: bool) -> Result<Url, String> {
    /// `/callbacks/jumio/` and the longest token.
    const ROUTE_CHARS: usize = 17 + 43;
    let url = parse_url(text, UrlRules { loopback: simulated, ..UrlRules::default() })?;
    let most = limits::SHORT_URL_CHARS - ROUTE_CHARS;
    if url.as_str().len() > most {
        return Err(format!(
            "has more than {most} characters; with the token Jumio allows {}",
            limits::SHORT_URL_CHARS
        ));
    }
    Ok(url)
}

/// A host's name: lower case, ASCII or punycode, with a dot; on a simulated vault also this machine.
pub(super) fn host_name(text: &str, simulated: bool) -> Result<String, String> {
    if simulated && matches!(text, "localhost" | "127.0.0.1" | "[::1]") {
        return Ok(text.to_owned());
    }
    let bad = || {
        let shown = model::text::printable(text, 60);
        format!(
            "\"{shown}\" is not a host name; write each name in full, like www.example.com, without scheme, port or *"
        )
    };
    match Host::parse(text) {
        Ok(Host::Domain(name)) if name == text && is_dns_name(&name) => Ok(name),
        _ => Err(bad()),
    }
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(label)
}

/// Where a listener listens.
pub(super) fn listener(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an address and a port, like 127.0.0.1:8080 or [::1]:8080".to_owned())
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    let net = text.parse::<IpNet>().or_else(|_| single()).map_err(|_| {
        let shown = model::text::printable(text, 60);
        format!("\"{shown}\" is not a network; write it like 10.0.0.0/8, or a single address")
    })?;
    if net.trunc() != net {
        return Err(format!("{net} has bits set beyond its length; write {}", net.trunc()));
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_base_follows_jumios_rules_for_urls() {
        assert!(callback_base("https://vault.example.com/onboarding", false).is_ok());
        for bad in [
            "http://vault.example.com",
            "https://vault.example.com:443",
            "https://vault.example.com:8443/x",
            "https://192.0.2.1",
            "https://[2001:db8::1]",
            "https://vault.example.com/#x",
            "https://vault.example.com/?a=b",
            "https://user@vault.example.com",
            "https://väult.example.com",
            "https://localhost",
            "http://127.0.0.1:8080",
            "vault.example.com",
            "",
        ] {
            assert!(callback_base(bad, false).is_err(), "{bad}");
        }
        let long = format!("https://vault.example.com/{}", "x".repeat(200));
        assert!(callback_base(&long, false).is_err());
    }

    #[test]
    fn a_simulated_vault_may_be_called_back_on_this_machine_and_nowhere_else_over_http() {
        assert!(callback_base("http://127.0.0.1:8080", true).is_ok());
        assert!(callback_base("http://localhost:8080", true).is_ok());
        assert!(callback_base("http://192.0.2.1:8080", true).is_err());
        assert!(callback_base("http://vault.example.com", true).is_err());
    }

    #[test]
    fn redirect_hosts_are_whole_names() {
        assert_eq!(host_name("www.example.com", false), Ok("www.example.com".to_owned()));
        for bad in [
            "WWW.example.com",
            "*.example.com",
            "https://www.example.com",
            "www.example.com:8443",
            "10.0.0.1",
            "localhost",
            "example",
            "-a.example.com",
            "www.example.com/",
            "münchen.example",
        ] {
            assert!(host_name(bad, false).is_err(), "{bad}");
        }
        assert!(host_name("localhost", true).is_ok());
    }

    #[test]
    fn a_network_with_bits_beyond_its_length_is_refused() {
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
        assert!(network("10.1.0.0/8").is_err());
        assert!(network("jumio").is_err());
    }
}

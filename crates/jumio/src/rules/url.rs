//! Jumio's constraints for callback, success and error URLs (jumio-api §2).

use super::{
    Rules,
    fields::{PERSONAL_RULE, looks_like_an_address},
};
use crate::Violations;
use ::url::{Host, Url};
use model::limits;

/// Names that Jumio appends itself.
const RESERVED: [&str; 4] =
    ["transactionStatus", "customerInternalReference", "transactionReference", "errorCode"];

/// Checks a `successUrl` or `errorUrl`.
pub(super) fn check_redirect(
    text: &str,
    pointer: &str,
    max_chars: usize,
    rules: &Rules,
    violations: &mut Violations,
) {
    let Some(url) = check_common(text, pointer, max_chars, violations) else { return };
    check_https(text, &url, pointer, violations);
    if let Some(name) =
        url.query_pairs().find_map(|(name, _)| RESERVED.into_iter().find(|taken| *taken == name))
    {
        violations.add(pointer, format!("must not use the query name {name}: Jumio appends it itself"));
    }
    if let (Some(hosts), Some(host)) = (&rules.redirect_hosts, url.host_str())
        && !hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    {
        violations.add(pointer, "must lead to one of the hosts in reauth.allowed_redirect_hosts");
    }
}

/// Checks a `callbackUrl`.
pub(crate) fn check_callback(text: &str, pointer: &str, rules: &Rules, violations: &mut Violations) {
    let Some(url) = check_common(text, pointer, limits::SHORT_URL_CHARS, violations) else { return };
    if !(rules.simulated && is_loopback_http(&url)) {
        check_https(text, &url, pointer, violations);
    }
}

fn is_loopback_http(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

/// What holds for every URL, wherever it leads. `None` when there is nothing to look at any further.
fn check_common(text: &str, pointer: &str, max_chars: usize, violations: &mut Violations) -> Option<Url> {
    if text.chars().count() > max_chars {
        violations.add(pointer, format!("must have at most {max_chars} characters"));
    }
    if !text.is_ascii() {
        violations.add(pointer, "must be in ASCII or punycode");
        return None;
    }
    let parsed = Url::parse(text).ok().filter(|url| url.has_host() && has_rfc3986_form(text));
    let Some(url) = parsed else {
        violations.add(pointer, "must be an absolute URL (RFC 3986)");
        return None;
    };
    if url.fragment().is_some() {
        violations.add(pointer, "must not have a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        violations.add(pointer, "must not have a user name or password");
    }
    if looks_like_an_address(path_and_query(text)) {
        violations.add(pointer, PERSONAL_RULE);
    }
    Some(url)
}

fn check_https(text: &str, url: &Url, pointer: &str, violations: &mut Violations) {
    if url.scheme() != "https" {
        violations.add(pointer, "must use https");
    }
    if !matches!(url.host(), Some(Host::Domain(_))) {
        violations.add(pointer, "must not have an IP address for a host");
    }
    // Looked for in the text, as the parser drops a default port.
    let host_and_port = authority(text).rsplit('@').next().unwrap_or_default();
    if host_and_port.rsplit(']').next().is_some_and(|rest| rest.contains(':')) {
        violations.add(pointer, "must not have a port");
    }
}

fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn path_and_query(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.find(['/', '?', '#']).map_or("", |at| &rest[at..])
}

/// Whether only RFC 3986's characters occur, each percent sign with two hexadecimal digits, after a `scheme://`.
fn has_rfc3986_form(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits = |(at, byte): (usize, &u8)| match byte {
        b'%' => {
            let digits = bytes.get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        }
        _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    };
    bytes.iter().enumerate().all(fits) && text.contains("://")
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;

//! Reading the fields of a request by the guides' tables: every violation is named.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};
use url::{Host, Url};

/// Locales of the ID Verification client.
pub(crate) const VERIFICATION_LOCALES: &[&str] = &[
    "ar", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-MX", "et", "fi", "fr", "he", "hr", "hu",
    "hy", "id", "it", "ja", "ka", "km", "ko", "lt", "ms", "nl", "no", "pl", "pt", "pt-BR", "ro", "ru", "sk",
    "sv", "th", "tr", "vi", "zh-CN", "zh-HK",
];
/// Locales of the Authentication client: fewer.
pub(crate) const AUTHENTICATION_LOCALES: &[&str] = &[
    "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-MX", "et", "fi", "fr", "hu", "hy", "it", "ja",
    "ka", "ko", "lt", "nl", "no", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sv", "tr", "vi", "zh-CN", "zh-HK",
];
/// Query names that Jumio appends itself, so a success or error URL may not bring them.
const RESERVED_QUERY_NAMES: [&str; 4] =
    ["transactionStatus", "customerInternalReference", "transactionReference", "errorCode"];

/// Reads fields one by one and collects what is wrong with them.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    allow_loopback_urls: bool,
    violations: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(object: &'a Map<String, Value>, allow_loopback_urls: bool) -> Self {
        Self { object, known: Vec::new(), allow_loopback_urls, violations: Vec::new() }
    }

    /// A string of 1 to `max` characters.
    pub(crate) fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        match self.value(name)? {
            Value::String(text) if text.is_empty() => self.wrong(format!("{name} is empty")),
            Value::String(text) if text.chars().count() > max => {
                self.wrong(format!("{name} is longer than {max} characters"))
            }
            Value::String(text) => Some(text.clone()),
            _ => self.wrong(format!("{name} is not a string")),
        }
    }

    /// A reference of the company's own: a string that is no e-mail address.
    pub(crate) fn own_reference(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name, 100)?;
        if looks_like_email(&text) {
            return self.wrong(format!("{name} holds personal data (an e-mail address)"));
        }
        Some(text)
    }

    /// A callback URL.
    pub(crate) fn callback_url(&mut self) -> Option<String> {
        self.url("callbackUrl", 255, false)
    }

    /// Success and error URL.
    pub(crate) fn redirect_urls(&mut self) -> (Option<String>, Option<String>) {
        (self.url("successUrl", 2047, true), self.url("errorUrl", 255, true))
    }

    /// An integer that `fits`.
    pub(crate) fn integer(
        &mut self,
        name: &'static str,
        fits: impl Fn(i64) -> bool,
        rule: &str,
    ) -> Option<i64> {
        match self.value(name)?.as_i64() {
            Some(number) if fits(number) => Some(number),
            _ => self.wrong(format!("{name} is not {rule}")),
        }
    }

    /// Lifetime of the authorisation token.
    pub(crate) fn token_lifetime(&mut self) -> Option<i64> {
        self.integer(
            "tokenLifetimeInMinutes",
            |n| (5..=86_400).contains(&n),
            "a whole number from 5 to 86400",
        )
    }

    /// A locale of the list.
    pub(crate) fn locale(&mut self, list: &[&str]) -> Option<String> {
        let text = self.text("locale", 5)?;
        if list.contains(&text.as_str()) {
            Some(text)
        } else {
            self.wrong("locale is not a supported one".to_owned())
        }
    }

    /// Presets of seed 000: an array of objects whose values are all present.
    pub(crate) fn presets(&mut self) {
        match self.value("presets") {
            None => {}
            Some(Value::Array(presets)) => presets.iter().for_each(|preset| self.preset(preset)),
            Some(_) => self.violations.push("presets is not an array".to_owned()),
        }
    }

    /// Adds a violation if the field, which is required, is absent.
    pub(crate) fn require(&mut self, name: &'static str) {
        if self.value(name).is_none() {
            self.violations.push(format!("{name} is missing"));
        }
    }

    /// Adds a violation that the caller found.
    pub(crate) fn violate(&mut self, what: &str) {
        self.violations.push(what.to_owned());
    }

    /// Everything that was wrong, fields nobody asked for included.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        for name in self.object.keys() {
            if !self.known.contains(&name.as_str()) {
                self.violations.push(format!("unknown field {}", name.chars().take(40).collect::<String>()));
            }
        }
        if self.violations.is_empty() { Ok(()) } else { Err(self.violations.join("; ")) }
    }

    fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.object.get(name)
    }

    fn wrong<T>(&mut self, what: String) -> Option<T> {
        self.violations.push(what);
        None
    }

    fn url(&mut self, name: &'static str, max: usize, redirect: bool) -> Option<String> {
        let text = self.text(name, max)?;
        match check_url(&text, redirect, self.allow_loopback_urls) {
            Ok(()) => Some(text),
            Err(rule) => self.wrong(format!("{name} {rule}")),
        }
    }

    fn preset(&mut self, preset: &Value) {
        let text = |name: &str| preset.get(name).and_then(Value::as_str).unwrap_or_default();
        let names = preset.as_object().map(Map::len);
        let document = ["PASSPORT", "DRIVING_LICENSE", "ID_CARD"].contains(&text("type"));
        let country = text("country").len() == 3 && text("country").bytes().all(|b| b.is_ascii_uppercase());
        let phrase = (1..=30).contains(&text("phrase").chars().count());
        let fits = match preset.get("index").and_then(Value::as_i64) {
            Some(1) => names == Some(3) && document && country,
            // Jumio's table for the Identity Verification preset is not in the seed; its one value is a short phrase.
            Some(2) => names == Some(2) && phrase,
            _ => false,
        };
        if !fits {
            self.violations.push("presets: each needs index, country and type, all of them valid".to_owned());
        }
    }
}

/// Jumio's URL constraints; `Err` names the broken one.
pub(crate) fn check_url(text: &str, redirect: bool, allow_loopback: bool) -> Result<(), &'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("is not an RFC 3986 URL in ASCII");
    }
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if text.contains('#') {
        return Err("has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has credentials in it");
    }
    if redirect && url.query_pairs().any(|(name, _)| RESERVED_QUERY_NAMES.contains(&name.as_ref())) {
        return Err("uses a query name that Jumio appends itself");
    }
    if allow_loopback && is_loopback(&url) && matches!(url.scheme(), "http" | "https") {
        return Ok(());
    }
    if url.scheme() != "https" {
        return Err("is not https");
    }
    if !matches!(url.host(), Some(Host::Domain(_))) {
        return Err("names an IP address");
    }
    // The parser drops a port that is the scheme's own, so the text has to be looked at.
    let authority = text.splitn(3, '/').nth(2).and_then(|rest| rest.split(['/', '?']).next());
    if authority.is_none_or(|authority| authority.contains(':')) {
        return Err("names a port");
    }
    Ok(())
}

/// Whether the URL's host is this machine, by address or as `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => Ipv6Addr::is_loopback(&address),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn looks_like_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, domain)| !user.is_empty() && domain.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_url_constraint_is_held() {
        let long = "https://example.com/ok?x=1";
        assert_eq!(check_url(long, true, false), Ok(()));
        let broken = [
            ("http://example.com/", "is not https"),
            ("https://192.0.2.1/", "names an IP address"),
            ("https://0x7f.1/", "names an IP address"),
            ("https://[2001:db8::1]/", "names an IP address"),
            ("https://example.com:443/", "names a port"),
            ("https://example.com:8443/", "names a port"),
            ("https://example.com/#top", "has a fragment"),
            ("https://exämple.com/", "is not an RFC 3986 URL in ASCII"),
            ("https://me@example.com/", "has credentials in it"),
            ("https://example.com/?errorCode=1", "uses a query name that Jumio appends itself"),
            ("http://127.0.0.1:8080/", "is not https"),
            ("example.com", "is not a URL"),
        ];
        for (url, rule) in broken {
            assert_eq!(check_url(url, true, false), Err(rule), "{url}");
        }
        assert_eq!(check_url("http://127.0.0.1:8080/callbacks", false, true), Ok(()));
        assert_eq!(check_url("http://192.0.2.1:8080/callbacks", false, true), Err("is not https"));
    }
}

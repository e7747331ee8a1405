//! Origins, and the reading of URLs that came from strangers.

use crate::Refusal;
use std::{fmt, net::IpAddr, str::FromStr};
use url::{Host, Url};

/// Scheme, host and port that may be called. From the configuration, never from a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    /// The base URL, with path `/`.
    url: Url,
    /// `scheme://host` or `scheme://host:port` as text, in lower case: what a stranger's URL must begin with.
    text: String,
}

impl Origin {
    /// `https://host[:port]` in text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host without port and brackets.
    #[must_use]
    pub fn host(&self) -> String {
        match self.url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        }
    }

    /// Whether this origin uses TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host, if it is an IP literal.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// Whether the host is this machine by its spelling alone.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.literal().map_or_else(|| self.host() == "localhost", |address| address.is_loopback())
    }

    /// A URL of this origin. `path` is ours, never a stranger's: it starts with `/` and may have a query.
    ///
    /// # Errors
    /// [`Refusal`] when `path` leads elsewhere or is no path.
    pub fn at(&self, path: &str) -> Result<CheckedUrl, Refusal> {
        if !path.starts_with('/') {
            return Err(Refusal::Form);
        }
        self.check(&format!("{}{path}", self.text))
    }

    /// Reads a stranger's URL, which must be of this origin.
    ///
    /// # Errors
    /// [`Refusal`] when it is not plainly a URL of this origin.
    pub fn check(&self, text: &str) -> Result<CheckedUrl, Refusal> {
        check_form(text)?;
        let rest = strip_prefix_ignoring_case(text, &self.text).ok_or(Refusal::Origin)?;
        // The default port may be spelled out; nothing else may follow the host.
        let default_port = if self.is_tls() { ":443" } else { ":80" };
        let rest =
            if self.url.port().is_none() { rest.strip_prefix(default_port).unwrap_or(rest) } else { rest };
        if !(rest.is_empty() || rest.starts_with(['/', '?'])) {
            return Err(Refusal::Origin);
        }
        // Two readings must agree: the text above, and what the client's own parser makes of it.
        let url = Url::parse(text).map_err(|_| Refusal::Form)?;
        let same = url.scheme() == self.url.scheme()
            && url.host() == self.url.host()
            && url.port_or_known_default() == self.url.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none();
        if same { Ok(CheckedUrl(url)) } else { Err(Refusal::Origin) }
    }
}

/// What is wrong with the text whatever its origin, most telling reason first.
fn check_form(text: &str) -> Result<(), Refusal> {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`'));
    if !plain || text.len() > crate::guard::URL_BYTES {
        return Err(Refusal::Form);
    }
    if text.contains('#') {
        return Err(Refusal::Fragment);
    }
    let (_, after_scheme) = text.split_once("://").ok_or(Refusal::Form)?;
    let authority = after_scheme.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Refusal::UserInfo);
    }
    Ok(())
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    // `get` also answers None inside a character; the text is ASCII by now in any case.
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

impl FromStr for Origin {
    type Err = Refusal;

    /// Reads `https://host[:port]` or `http://host[:port]`, with at most a `/` behind it.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        check_form(text)?;
        let url = Url::parse(text).map_err(|_| Refusal::Form)?;
        let bare = url.path() == "/" && url.query().is_none() && matches!(url.scheme(), "http" | "https");
        if !bare || url.host_str().is_none_or(|host| host.is_empty() || host.ends_with('.')) {
            return Err(Refusal::Form);
        }
        let text = url.origin().ascii_serialization();
        Ok(Self { url, text })
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.text)
    }
}

/// A URL whose origin was checked. Shows its origin only: paths and queries hold references and tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckedUrl(Url);

impl CheckedUrl {
    /// The path, as it will be sent.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    pub(crate) const fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for CheckedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckedUrl({}/..)", self.0.origin().ascii_serialization())
    }
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;

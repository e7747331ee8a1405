//! Where Jumio wants a person to go. It is followed by that person's browser, so it is checked like a stranger's.

use crate::Region;
use egress::Origin;
use model::Secret;
use url::{Host, Url};

/// Characters of a `redirectUrl` at most. Published as 255, but tokens in it have grown.
const MAX_CHARS: usize = 4096;

/// Domains below which Jumio's pages lie, in every region: companies have their own prefix there.
const PAGES: [&str; 2] = ["netverify.com", "jumio.com"];

/// Where a person may be sent to.
#[derive(Debug, Clone)]
pub struct RedirectHosts {
    region: Region,
    simulator: Option<Origin>,
}

impl RedirectHosts {
    /// Jumio's pages of a region; with a simulator also its own.
    #[must_use]
    pub const fn new(region: Region, simulator: Option<Origin>) -> Self {
        Self { region, simulator }
    }

    /// Whether this is a page of Jumio's.
    #[must_use]
    pub fn allow(&self, url: &str) -> bool {
        accept(url, self.region, self.simulator.as_ref()).is_some()
    }

    /// The same as sources of a Content-Security-Policy (CSP Level 3, section 2.3.1).
    #[must_use]
    pub fn policy_sources(&self) -> Vec<String> {
        let domain = self.region.domain();
        let mut sources = vec![format!("https://{domain}"), format!("https://*.{domain}")];
        sources.extend(PAGES.iter().map(|page| format!("https://*.{page}")));
        sources.dedup();
        sources.extend(self.simulator.as_ref().map(|origin| origin.as_str().to_owned()));
        sources
    }
}

/// Takes a `redirectUrl` over if it leads to Jumio: https on the region's domain or below it, below `netverify.com`
/// or below `jumio.com`; with a simulator also its own origin.
pub(crate) fn accept(text: &str, region: Region, simulator: Option<&Origin>) -> Option<Secret> {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`'));
    let leads_to_jumio =
        plain && text.len() <= MAX_CHARS && (is_jumio(text, region) || is_simulator(text, simulator));
    leads_to_jumio.then(|| Secret::new(text.to_owned()))
}

fn is_jumio(text: &str, region: Region) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    // The host as the text spells it; a browser must not be able to read another one out of it.
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase();
    scheme.eq_ignore_ascii_case("https")
        && matches!(url.host(), Some(Host::Domain(name)) if name == host)
        && url.port().is_none()
        && (host == region.domain()
            || is_below(&host, region.domain())
            || PAGES.iter().any(|domain| is_below(&host, domain)))
}

fn is_below(host: &str, domain: &str) -> bool {
    let prefix = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
    prefix.is_some_and(|prefix| prefix.split('.').all(|label| !label.is_empty()))
}

fn is_simulator(text: &str, simulator: Option<&Origin>) -> bool {
    let Some(origin) = simulator else { return false };
    // A fragment is the page's own business; the rest must be the configured origin, as text and as parsed.
    let without_fragment = text.split('#').next().unwrap_or_default();
    origin.check(without_fragment).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_sent_to_jumio_and_nowhere_else() {
        for good in [
            "https://netverify.com/web/v4/app?authorizationToken=x",
            "https://NETVERIFY.com:443/web",
            "https://yourcompany.netverify.com/web/v4/app?locale=en-GB&authorizationToken=xxx",
            "https://a.b.netverify.com/",
            "https://acme.jumio.com/web",
            "https://acme.netverify.com",
        ] {
            assert!(accept(good, Region::Us, None).is_some(), "{good}");
        }
        for bad in [
            "http://acme.netverify.com/",
            "https://jumio.com/",
            "https://netverify.com.evil.example/",
            "https://evilnetverify.com/",
            "https://netverify.com@evil.example/",
            "https://user@acme.netverify.com/",
            "https://acme.netverify.com./",
            "https://acme.netverify.com:8443/",
            "https://acme.netverify.com\\@evil.example/",
            "https://evil.example/#.netverify.com",
            "https://evil.example/.netverify.com",
            "https://evil.example?.netverify.com",
            "https://.netverify.com/",
            "https://acme..netverify.com/",
            "https://127.0.0.1/",
            "https:/acme.netverify.com/",
            "https:acme.netverify.com/",
            "//acme.netverify.com/",
            "javascript:alert(1)",
            "https://acme.netverify.com/\nx",
            " https://acme.netverify.com/",
            "https://acme.netvеrify.com/",
            "https://acme.netverify%2ecom/",
            "",
        ] {
            assert!(accept(bad, Region::Us, None).is_none(), "{bad:?}");
        }
        assert!(accept("https://netverify.com/", Region::Eu, None).is_none());
        assert!(accept("https://lon.netverify.com/", Region::Eu, None).is_some());
        assert!(accept("https://core-sgp.jumio.com/", Region::Sgp, None).is_some());
        assert!(
            accept(&format!("https://acme.netverify.com/{}", "a".repeat(MAX_CHARS)), Region::Us, None)
                .is_none()
        );
    }

    #[test]
    fn a_policy_names_the_same_hosts() {
        let us = RedirectHosts::new(Region::Us, None);
        assert!(us.allow("https://acme.netverify.com/x") && !us.allow("https://evil.example/"));
        assert_eq!(
            us.policy_sources().join(" "),
            "https://netverify.com https://*.netverify.com https://*.jumio.com"
        );
        let simulated = RedirectHosts::new(Region::Sgp, Some("http://127.0.0.1:9090".parse().unwrap()));
        let sources = simulated.policy_sources().join(" ");
        assert!(sources.starts_with("https://core-sgp.jumio.com https://*.core-sgp.jumio.com "), "{sources}");
        assert!(sources.ends_with(" http://127.0.0.1:9090"), "{sources}");
    }

    #[test]
    fn a_simulators_own_pages_are_allowed_only_with_that_simulator() {
        let origin: Origin = "http://127.0.0.1:9090".parse().unwrap();
        let page = "http://127.0.0.1:9090/web/v4/app?authorizationToken=x";
        assert!(accept(page, Region::Us, Some(&origin)).is_some());
        assert!(accept(page, Region::Us, None).is_none());
        assert!(accept(&format!("{page}#top"), Region::Us, Some(&origin)).is_some());
        for odd in ["\0", "\r\nx", " ", "\u{e9}", "<"] {
            assert!(accept(&format!("{page}#{odd}"), Region::Us, Some(&origin)).is_none(), "{odd:?}");
        }
        assert!(accept("http://127.0.0.1:9091/", Region::Us, Some(&origin)).is_none());
        assert!(accept("http://127.0.0.1:9090@evil.example/", Region::Us, Some(&origin)).is_none());
    }
}

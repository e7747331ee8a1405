//! `[jumio]`: region, credentials, how Jumio is called and how it calls back.

use super::{
    presets::{REGIONS, RateLimits},
    section::Section,
    urls::{self, UrlRules},
};
use crate::secret_file::SecretFile;
use ::jumio::{MetadataLayout, Region};
use std::{path::PathBuf, sync::Arc, time::Duration};
use url::Url;

/// API token and API secret: user and password of HTTP Basic.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// The user.
    pub(crate) token: Arc<SecretFile>,
    /// The password.
    pub(crate) secret: Arc<SecretFile>,
}

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Jumio {
    /// The data centre.
    pub(crate) region: Region,
    /// The only origin that is called.
    pub(crate) base_url: Url,
    /// Whether that origin is a simulator.
    pub(crate) simulated: bool,
    /// The pair for everything.
    pub(crate) credentials: Credentials,
    /// The pair for retrieval and deletion, where the account has a second one.
    pub(crate) admin_credentials: Option<Credentials>,
    /// Sent with every request; Jumio uses it for troubleshooting.
    pub(crate) user_agent: String,
    /// How Jumio reaches the public listener.
    pub(crate) callback_base_url: Url,
    /// The path of "initiate an authentication".
    pub(crate) authentication_path: String,
    /// The form of its metadata.
    pub(crate) metadata_layout: MetadataLayout,
    /// How often Jumio may be called.
    pub(crate) rate_limits: RateLimits,
    /// For one request, from connecting to the last byte of the answer.
    pub(crate) timeout: Duration,
    /// The company's proxy for outgoing requests.
    pub(crate) proxy_url: Option<Url>,
    /// Additional authorities, in PEM: for a proxy that opens TLS.
    pub(crate) ca_file: Option<PathBuf>,
}

/// What the other sections need to know of this one, whether or not it is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) simulated: bool,
    pub(super) timeout: Duration,
}

const INLINE_ONLY_SIMULATED: &str = "is a secret in the configuration itself, which only a simulated vault allows; write it to a file and name that";

pub(super) fn read(section: &mut Section<'_, '_>) -> (Option<Jumio>, Context) {
    let simulated = section.flag("simulated", false);
    let region = section.choice("region", &REGIONS, Region::Us);
    let base_url = read_base_url(section, simulated, region);
    let (credentials, admin_credentials) = read_credentials(section, simulated);
    let user_agent = section.parsed("user_agent", None, user_agent, String::clone);
    if user_agent.is_none() && !section.is_set("user_agent") {
        section.problem(
            "user_agent",
            "is missing; Jumio demands it, in the form \"Example Corp facemap-vault/0.1\"",
        );
    }
    let callback_base_url = section.parsed(
        "callback_base_url",
        None,
        |text| urls::callback_base(text, simulated),
        Url::to_string,
    );
    if callback_base_url.is_none() && !section.is_set("callback_base_url") {
        let text = "is missing; it is how Jumio reaches the public listener, like https://vault.example.com";
        section.problem("callback_base_url", text);
    }
    let authentication_path = section
        .parsed(
            "authentication_path",
            Some(AUTHENTICATION_PATH.to_owned()),
            authentication_path,
            String::clone,
        )
        .unwrap_or_default();
    let layouts = [("nested", MetadataLayout::Nested), ("flat", MetadataLayout::Flat)];
    let metadata_layout = section.choice("metadata_layout", &layouts, MetadataLayout::Nested);
    let rate_limits = read_rate_limits(section);
    let timeout = section.seconds("timeout_seconds", 20, 1..=120);
    let proxy_rules = UrlRules { any_host: true, origin_only: true, ..UrlRules::default() };
    let proxy_url = section.parsed("proxy_url", None, |text| proxy_url(text, proxy_rules), Url::to_string);
    let ca_file = section.optional_path("ca_file");

    let jumio = (|| {
        Some(Jumio {
            region,
            base_url: base_url?,
            simulated,
            credentials: credentials?,
            admin_credentials,
            user_agent: user_agent?,
            callback_base_url: callback_base_url?,
            authentication_path,
            metadata_layout,
            rate_limits,
            timeout,
            proxy_url,
            ca_file,
        })
    })();
    (jumio, Context { simulated, timeout })
}

const AUTHENTICATION_PATH: &str = "/api/authentication/v1/facemap/initiate";

fn read_base_url(section: &mut Section<'_, '_>, simulated: bool, region: Region) -> Option<Url> {
    let base_url = section.parsed("base_url", None, urls::simulator_origin, Url::to_string);
    if section.is_set("base_url") && !simulated {
        section.problem(
            "base_url",
            "is only for a simulated vault; take it out, the region says where Jumio is",
        );
        return None;
    }
    if !section.is_set("base_url") && simulated {
        let text = "is missing; a simulated vault never calls Jumio, so name the simulator, like http://127.0.0.1:9090";
        section.problem("base_url", text);
        return None;
    }
    if simulated { base_url } else { Url::parse(region.base_url()).ok() }
}

/// The main pair, and the second one if there is one.
fn read_credentials(
    section: &mut Section<'_, '_>,
    simulated: bool,
) -> (Option<Credentials>, Option<Credentials>) {
    let mut secret = |file, inline, default| read_secret(section, &Keys { file, inline }, default, simulated);
    let token = secret("api_token_file", "api_token", Some("jumio-token"));
    let password = secret("api_secret_file", "api_secret", Some("jumio-secret"));
    let admin_token = secret("admin_token_file", "admin_token", None);
    let admin_password = secret("admin_secret_file", "admin_secret", None);
    match (&admin_token, &admin_password) {
        (Some(_), None) => {
            section.problem("admin_token_file", "is half of a pair; set admin_secret_file too");
        }
        (None, Some(_)) => {
            section.problem("admin_secret_file", "is half of a pair; set admin_token_file too");
        }
        _ => {}
    }
    let pair = |token: Option<_>, secret: Option<_>| Some(Credentials { token: token?, secret: secret? });
    (pair(token, password), pair(admin_token, admin_password))
}

/// The two keys that a secret may stand under.
struct Keys {
    file: &'static str,
    inline: &'static str,
}

/// A secret in a file, or inline when simulated. Without a `default` it may be absent.
fn read_secret(
    section: &mut Section<'_, '_>,
    keys: &Keys,
    default: Option<&'static str>,
    simulated: bool,
) -> Option<Arc<SecretFile>> {
    let file = match default {
        None => section.optional_path(keys.file),
        Some(default) => Some(section.path(keys.file, default)),
    };
    let inline = section.secret(keys.inline);
    if section.is_set(keys.inline) && !simulated {
        section.problem(keys.inline, INLINE_ONLY_SIMULATED);
    } else if section.is_set(keys.inline) && section.is_set(keys.file) {
        section.problem(keys.inline, format!("says the same as {}; keep one of them", keys.file));
    }
    inline.map(SecretFile::inline).or_else(|| file.map(SecretFile::new)).map(Arc::new)
}

fn read_rate_limits(section: &mut Section<'_, '_>) -> RateLimits {
    let preset = section.choice("rate_preset", &RateLimits::WORDS, RateLimits::STANDARD);
    let limits = RateLimits {
        initiate_per_second: section.number(
            "initiate_per_second",
            preset.initiate_per_second,
            1..=100,
            "per second",
        ),
        initiate_per_minute: section.number(
            "initiate_per_minute",
            preset.initiate_per_minute,
            1..=6000,
            "per minute",
        ),
        retrieve_per_5s: section.number("retrieve_per_5s", preset.retrieve_per_5s, 1..=5000, "per 5 seconds"),
    };
    if limits.initiate_per_second > limits.initiate_per_minute {
        section.problem("initiate_per_second", "is more than initiate_per_minute; correct one of them");
    }
    limits
}

fn user_agent(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    let (company, app) = text.trim().rsplit_once(' ').unwrap_or_default();
    let named = app.split_once('/').is_some_and(|(name, version)| !name.is_empty() && !version.is_empty());
    if printable && text.len() <= 200 && !company.is_empty() && named && text.trim() == text {
        Ok(text.to_owned())
    } else {
        Err("must have the form \"Company App/1.0\", in ASCII, at most 200 characters".to_owned())
    }
}

fn authentication_path(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.".contains(&b);
    if text.starts_with('/')
        && text.len() <= 200
        && text.bytes().all(plain)
        && !text.contains("//")
        && !text.contains("..")
    {
        Ok(text.to_owned())
    } else {
        Err(format!("must be a path like {AUTHENTICATION_PATH}"))
    }
}

fn proxy_url(text: &str, rules: UrlRules) -> Result<Url, String> {
    // A proxy is often reached in the clear: TLS to Jumio goes through it as a tunnel.
    let as_https = text.strip_prefix("http://").map(|rest| format!("https://{rest}"));
    urls::parse_url(as_https.as_deref().unwrap_or(text), rules)?;
    Url::parse(text).map_err(|error| format!("is not a URL: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_names_company_application_and_version() {
        assert!(user_agent("Example Corp facemap-vault/0.1").is_ok());
        for bad in
            ["", "facemap-vault/0.1", "Example Corp", "Example Corp app/", "Exämple app/1", "A b/1\r\nX: y"]
        {
            assert!(user_agent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_authentication_path_cannot_leave_its_origin() {
        assert!(authentication_path("/api/v4/initiateAuthentication/").is_ok());
        for bad in ["api/x", "//evil.example/x", "/a/../b", "/a?b", "/a#b", "/a b", "https://evil.example/"] {
            assert!(authentication_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_proxy_may_be_reached_in_the_clear_but_carries_no_password() {
        let rules = UrlRules { any_host: true, origin_only: true, ..UrlRules::default() };
        assert!(proxy_url("http://10.0.0.1:3128", rules).is_ok());
        assert!(proxy_url("http://user:pass@proxy.example:3128", rules).is_err());
    }
}

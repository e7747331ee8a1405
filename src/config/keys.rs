//! `[keys]`: who holds the wrapping keys.

use super::{
    section::Section,
    urls::{self, UrlRules},
};
use std::{path::PathBuf, time::Duration};
use url::Url;

/// Characters of a label, a mount, a key name or a namespace at most.
const NAME_CHARS: usize = 128;

/// Who holds the wrapping keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Files of the operator's.
    File,
    /// A hardware security module.
    Pkcs11(Pkcs11),
    /// A transit engine of a secrets server.
    Transit(Transit),
}

impl Provider {
    /// Its name in the configuration.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Pkcs11(_) => "pkcs11",
            Self::Transit(_) => "transit",
        }
    }

    /// Whether it can be away while this process runs.
    pub(crate) const fn can_be_away(&self) -> bool {
        !matches!(self, Self::File)
    }
}

/// A token of a hardware security module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pkcs11 {
    /// The vendor's library.
    pub(crate) module: PathBuf,
    /// The token's label.
    pub(crate) token_label: String,
    /// The file with the user's PIN.
    pub(crate) pin_file: PathBuf,
}

/// A key of a transit engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transit {
    /// The server's origin.
    pub(crate) address: Url,
    /// Where the engine is mounted.
    pub(crate) mount: String,
    /// The key's name.
    pub(crate) key: String,
    /// The file with the token.
    pub(crate) token_file: PathBuf,
    /// The namespace, where the server has any.
    pub(crate) namespace: Option<String>,
    /// The only authorities to trust, in place of the platform's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Time for one request.
    pub(crate) timeout: Duration,
}

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The provider.
    pub(crate) provider: Provider,
    /// The folder of the held keys, and of the wrapping keys where those are files.
    pub(crate) path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Pkcs11,
    Transit,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Keys {
    let kinds = [("file", Kind::File), ("pkcs11", Kind::Pkcs11), ("transit", Kind::Transit)];
    let kind = section.choice("provider", &kinds, Kind::File);
    let path = section.path("path", "keys");
    // Both are read in any case: every key is known, and one that belongs to another provider is told.
    let pkcs11 = read_pkcs11(section, kind == Kind::Pkcs11);
    let transit = read_transit(section, kind == Kind::Transit);
    let provider = match kind {
        Kind::File => None,
        Kind::Pkcs11 => pkcs11.map(Provider::Pkcs11),
        Kind::Transit => transit.map(Provider::Transit),
    };
    Keys { provider: provider.unwrap_or(Provider::File), path }
}

fn read_pkcs11(section: &mut Section<'_, '_>, wanted: bool) -> Option<Pkcs11> {
    let module = section.optional_path("pkcs11_module");
    let token_label = section.parsed("pkcs11_token_label", None, label, String::clone);
    let pin_file = section.optional_path("pkcs11_pin_file");
    for key in ["pkcs11_module", "pkcs11_token_label", "pkcs11_pin_file"] {
        belongs(section, key, wanted, "pkcs11", true);
    }
    Some(Pkcs11 { module: module?, token_label: token_label?, pin_file: pin_file? }).filter(|_| wanted)
}

fn read_transit(section: &mut Section<'_, '_>, wanted: bool) -> Option<Transit> {
    let default = |name: &str| wanted.then(|| name.to_owned());
    let address = section.parsed("transit_address", None, address, |url| origin_of(url).to_owned());
    let mount = section.parsed("transit_mount", default("transit"), path_name, String::clone);
    let key = section.parsed("transit_key", default("facemap-vault"), key_name, String::clone);
    let token_file = section.optional_path("transit_token_file");
    let namespace = section.parsed("transit_namespace", None, path_name, String::clone);
    let ca_file = section.optional_path("transit_ca_file");
    let timeout = section.seconds("transit_timeout_seconds", 5, 1..=60);
    for key in ["transit_address", "transit_token_file"] {
        belongs(section, key, wanted, "transit", true);
    }
    for key in ["transit_mount", "transit_key", "transit_namespace", "transit_ca_file"] {
        belongs(section, key, wanted, "transit", false);
    }
    let (address, token_file) = (address?, token_file?);
    Some(Transit { address, mount: mount?, key: key?, token_file, namespace, ca_file, timeout })
        .filter(|_| wanted)
}

/// Tells of a key that is missing, and of one that is another provider's: whoever set it believes in that other one.
fn belongs(section: &mut Section<'_, '_>, key: &str, wanted: bool, provider: &str, required: bool) {
    let set = section.is_set(key);
    if set && !wanted {
        section.problem(
            key,
            format!("is for provider = \"{provider}\" only; remove it, or choose that provider"),
        );
    }
    if !set && wanted && required {
        section.problem(key, format!("is missing; provider = \"{provider}\" needs it"));
    }
}

fn address(text: &str) -> Result<Url, String> {
    urls::parse_url(text, UrlRules { loopback: true, any_host: true, origin_only: true })
}

/// The address without the slash that the parser puts behind it.
pub(crate) fn origin_of(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

fn label(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    // 32 bytes: what a token has room for (PKCS #11, CK_TOKEN_INFO).
    if text.trim().is_empty() || text.len() > 32 || !printable {
        return Err("must be 1 to 32 printable ASCII characters".to_owned());
    }
    Ok(text.to_owned())
}

fn key_name(text: &str) -> Result<String, String> {
    if text.contains('/') {
        return Err(
            "must be a name without slashes; where the engine is mounted stands in transit_mount".to_owned()
        );
    }
    path_name(text)
}

/// A path that means the same in a URL and to the server: nothing to be escaped, no way up.
fn path_name(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if text.len() > NAME_CHARS || !text.split('/').all(plain) {
        return Err(format!(
            "must be letters, digits, - and _, with single slashes between names; {NAME_CHARS} characters at most"
        ));
    }
    Ok(text.to_owned())
}

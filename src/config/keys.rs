//! `[keys]`: who holds the wrapping keys.

use super::section::Section;
use std::path::PathBuf;

/// Who holds the wrapping keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Files of the operator's.
    File,
    /// A hardware security module.
    Pkcs11,
    /// A transit engine of a secrets server.
    Transit,
}

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The provider.
    pub(crate) provider: Provider,
    /// Its folder.
    pub(crate) path: PathBuf,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Keys {
    let providers = [("file", Provider::File), ("pkcs11", Provider::Pkcs11), ("transit", Provider::Transit)];
    let provider = section.choice("provider", &providers, Provider::File);
    let path = section.path("path", "keys");
    Keys { provider, path }
}

//! The configuration: a file per section, every key checked before anything starts, every problem told at once.
//!
//! A key comes from the file or, over it, from the environment as `FACEMAP_VAULT__SECTION__KEY`. Lists in the
//! environment are separated by commas, or written as a TOML list. Relative paths are relative to the file.

mod audit;
mod callbacks;
mod files;
mod ingest;
mod jumio;
mod keys;
mod later;
mod links;
mod log;
mod notifications;
mod presets;
mod problem;
mod purge;
mod reauth;
mod retention;
mod section;
mod server;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod urls;
mod value;
mod warnings;

pub(crate) use audit::AuditSinks;
pub(crate) use callbacks::Callbacks;
pub(crate) use files::{check_files, unsupported};
pub(crate) use ingest::Ingest;
pub(crate) use jumio::{Credentials, Jumio};
pub(crate) use keys::{Keys, Pkcs11, Provider, Transit, origin_of};
pub(crate) use later::{acts_later, set_but_later};
pub(crate) use links::{Links, MOST_DAYS as MOST_LINK_DAYS};
pub(crate) use log::{Log, LogFormat};
pub(crate) use notifications::Notifications;
pub(crate) use problem::{Problem, Problems};
pub(crate) use purge::Purge;
pub(crate) use reauth::Reauth;
pub(crate) use section::Setting;
pub(crate) use server::{Server, TlsFiles};
pub(crate) use store::{Engine, Store};
pub(crate) use urls::simulator_origin;
pub(crate) use value::Origin;
pub(crate) use warnings::warnings;

use ::jumio::Region;
use section::Reader;
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// The file is not there, or cannot be read.
    #[error(
        "the configuration {path} cannot be read: {source}; name an existing file with --config, or make one with `facemap-vault init`"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Keys are wrong: each is told.
    #[error("{0}")]
    Wrong(Problems),
}

/// The configuration, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// `[server]`
    pub(crate) server: Server,
    /// `[jumio]`
    pub(crate) jumio: Jumio,
    /// `[callbacks]`
    pub(crate) callbacks: Callbacks,
    /// `[ingest]`
    pub(crate) ingest: Ingest,
    /// `[reauth]`
    pub(crate) reauth: Reauth,
    /// `[links]`
    pub(crate) links: Links,
    /// `[store]`
    pub(crate) store: Store,
    /// `[keys]`
    pub(crate) keys: Keys,
    /// `[retention]`
    pub(crate) retention: custody::RetentionConfig,
    /// `[purge]`
    pub(crate) purge: Purge,
    /// `[audit]`
    pub(crate) audit: AuditSinks,
    /// `[notifications]`
    pub(crate) notifications: Notifications,
    /// `[log]`
    pub(crate) log: Log,
    /// Every key with the value in force, secrets redacted.
    pub(crate) settings: Vec<Setting>,
}

impl Config {
    /// Reads the file and this process's environment. The files that it names are looked at by [`check_files`].
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let absolute = std::path::absolute(path).map_err(unreadable)?;
        let dir = absolute.parent().unwrap_or(Path::new("/"));
        let file = path.display().to_string();
        Self::parse(&text, &file, dir, std::env::vars_os()).map_err(ConfigError::Wrong)
    }

    /// Reads `text`, that stands in `file`, a file in `dir`, with `variables` laid over it.
    pub(crate) fn parse(
        text: &str,
        file: &str,
        dir: &Path,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let tree = tree::read(text, file, variables, &mut problems);
        if !problems.is_empty() && tree.is_empty() {
            return Err(Problems(problems));
        }
        let mut reader = Reader { dir, file, tree, problems, settings: Vec::new(), sections: Vec::new() };
        let server = reader.section("server", server::read);
        let (jumio, context) = reader.section("jumio", jumio::read);
        let region = jumio.as_ref().map_or(Region::Us, |jumio| jumio.region);
        let callbacks = reader.section("callbacks", |section| callbacks::read(section, region, context));
        let ingest = reader.section("ingest", |section| ingest::read(section, context));
        let reauth = reader.section("reauth", |section| reauth::read(section, context));
        let links = reader.section("links", |section| links::read(section, context));
        let store = reader.section("store", store::read);
        let keys = reader.section("keys", keys::read);
        let retention = reader.section("retention", retention::read);
        let purge = reader.section("purge", purge::read);
        let audit = reader.section("audit", audit::read);
        let notifications = reader.section("notifications", |section| notifications::read(section, context));
        let log = reader.section("log", log::read);
        reader.finish();
        let Reader { problems, settings, .. } = reader;
        match jumio {
            Some(jumio) if problems.is_empty() => Ok(Self {
                server,
                jumio,
                callbacks,
                ingest,
                reauth,
                links,
                store,
                keys,
                retention,
                purge,
                audit,
                notifications,
                log,
                settings,
            }),
            _ => Err(Problems(problems)),
        }
    }
}

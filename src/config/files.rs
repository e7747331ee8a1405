//! The files that a configuration names, and what this version cannot serve.

use super::{Config, Credentials, Engine, Problem, Provider};
use crate::{
    files,
    http::{pages::Brand, tls},
    secret_file::SecretFile,
    tokens::TokenBook,
};
use notify::SigningSecret;
use std::path::Path;

/// Looks at every file that the service will read: present, not empty, not open to others. Nothing is changed.
pub(crate) fn check_files(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, error: &dyn std::error::Error| {
        problems.push(Problem { place: "file".to_owned(), key: key.to_owned(), text: error.to_string() });
    };
    let mut pair = |credentials: &Credentials, token_key: &str, secret_key: &str| {
        for (key, secret) in [(token_key, &credentials.token), (secret_key, &credentials.secret)] {
            if let Err(error) = secret.current() {
                wrong(key, &error);
            }
        }
    };
    pair(&config.jumio.credentials, "jumio.api_token_file", "jumio.api_secret_file");
    if let Some(admin) = &config.jumio.admin_credentials {
        pair(admin, "jumio.admin_token_file", "jumio.admin_secret_file");
    }
    if let Err(error) = TokenBook::open(config.server.tokens_file.clone()) {
        wrong("server.tokens_file", &error);
    }
    if let Some(files) = &config.server.tls
        && let Err(error) = tls::public(files).and_then(|_| tls::private(files))
    {
        wrong("server.tls_cert_file", &error);
    }
    if let Some(path) = &config.jumio.ca_file
        && let Err(error) = tls::authorities(path)
    {
        wrong("jumio.ca_file", &error);
    }
    if let Err(error) = Brand::load(&config.links) {
        wrong(error.key(), &error);
    }
    for file in &config.notifications.secrets {
        match file.current().map(|secret| SigningSecret::parse(secret.expose())) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => wrong("notifications.secret_file", &error),
            Err(error) => wrong("notifications.secret_file", &error),
        }
    }
    if let Some(path) = &config.notifications.ca_file
        && let Err(error) = tls::authorities(path)
    {
        wrong("notifications.ca_file", &error);
    }
    check_keys(&config.keys.provider, &mut wrong);
    problems
}

/// The files of the key provider. Whether it can be reached is not asked: that may change any time.
fn check_keys(provider: &Provider, wrong: &mut impl FnMut(&str, &dyn std::error::Error)) {
    let mut secret = |key: &str, path: &Path| {
        if let Err(error) = SecretFile::new(path.to_owned()).current() {
            wrong(key, &error);
        }
    };
    match provider {
        Provider::File => {}
        Provider::Pkcs11(pkcs11) => {
            secret("keys.pkcs11_pin_file", &pkcs11.pin_file);
            if let Err(error) = files::present(&pkcs11.module) {
                wrong("keys.pkcs11_module", &error);
            }
        }
        Provider::Transit(transit) => {
            secret("keys.transit_token_file", &transit.token_file);
            if let Some(path) = &transit.ca_file
                && let Err(error) = tls::authorities(path)
            {
                wrong("keys.transit_ca_file", &error);
            }
        }
    }
}

/// Choices that are valid, but that this version refuses to serve.
pub(crate) fn unsupported(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |key: &str, text: &str| {
        problems.push(Problem {
            place: "this version".to_owned(),
            key: key.to_owned(),
            text: text.to_owned(),
        });
    };
    if config.store.engine != Engine::Sled {
        refuse("store.engine", "cannot serve from PostgreSQL yet; write \"sled\"");
    }
    problems
}

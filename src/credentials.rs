//! Jumio's credentials, from the configured files as they are now.

use crate::{config, secret_file::SecretFile};
use async_trait::async_trait;
use jumio::{CredentialPair, Credentials, CredentialsUnreadable};
use model::Secret;

/// The pair for everything, and the one for retrieval and deletion, if there is one.
pub(crate) struct ConfiguredCredentials {
    main: config::Credentials,
    administration: Option<config::Credentials>,
}

impl ConfiguredCredentials {
    pub(crate) const fn new(main: config::Credentials, administration: Option<config::Credentials>) -> Self {
        Self { main, administration }
    }
}

#[async_trait]
impl Credentials for ConfiguredCredentials {
    async fn main(&self) -> Result<CredentialPair, CredentialsUnreadable> {
        pair(&self.main)
    }

    async fn administration(&self) -> Result<Option<CredentialPair>, CredentialsUnreadable> {
        self.administration.as_ref().map(pair).transpose()
    }
}

fn pair(files: &config::Credentials) -> Result<CredentialPair, CredentialsUnreadable> {
    Ok(CredentialPair { token: read(&files.token)?, secret: read(&files.secret)? })
}

fn read(file: &SecretFile) -> Result<Secret, CredentialsUnreadable> {
    let secret = file.current().map_err(|error| {
        tracing::error!("The API credentials for Jumio cannot be read: {error}");
        CredentialsUnreadable
    })?;
    Ok(Secret::new(secret.expose().to_owned()))
}

//! API token and secret, asked for before every call, so that replaced files take effect without a restart.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Secret;
use thiserror::Error;
use zeroize::Zeroizing;

/// The credentials cannot be read. The reason stays with whoever reads them: it may name paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the API credentials cannot be read")]
pub struct CredentialsUnreadable;

/// An API token with its secret.
#[derive(Debug)]
pub struct CredentialPair {
    /// The user of HTTP Basic authentication.
    pub token: Secret,
    /// Its password.
    pub secret: Secret,
}

impl CredentialPair {
    /// The `Authorization` header (RFC 7617).
    pub(crate) fn basic(&self) -> Result<Zeroizing<String>, CredentialsUnreadable> {
        let (token, secret) = (self.token.expose(), self.secret.expose());
        let control = |text: &str| text.chars().any(char::is_control);
        // A colon in the user-id would move the border between the two.
        if token.is_empty() || secret.is_empty() || token.contains(':') || control(token) || control(secret) {
            return Err(CredentialsUnreadable);
        }
        let pair = Zeroizing::new(format!("{token}:{secret}"));
        let mut header = Zeroizing::new(String::with_capacity(6 + pair.len().div_ceil(3) * 4));
        header.push_str("Basic ");
        STANDARD.encode_string(pair.as_bytes(), &mut header);
        Ok(header)
    }
}

/// Where the current credentials come from.
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// The pair for everything, as it is now.
    ///
    /// # Errors
    /// When it cannot be read. The call is not made then.
    async fn main(&self) -> Result<CredentialPair, CredentialsUnreadable>;

    /// The second pair, for retrieval and deletion ("transaction administration"); `None` when there is none, and
    /// then the main pair is used.
    ///
    /// # Errors
    /// When it is configured and cannot be read. The main pair does not step in then.
    async fn administration(&self) -> Result<Option<CredentialPair>, CredentialsUnreadable> {
        Ok(None)
    }
}

/// Credentials that do not change: for a simulator, and for tests.
#[derive(Debug)]
pub struct FixedCredentials {
    main: CredentialPair,
    administration: Option<CredentialPair>,
}

fn pair(token: &str, secret: &str) -> CredentialPair {
    CredentialPair { token: Secret::new(token.to_owned()), secret: Secret::new(secret.to_owned()) }
}

impl FixedCredentials {
    /// One pair for everything.
    #[must_use]
    pub fn new(token: &str, secret: &str) -> Self {
        Self { main: pair(token, secret), administration: None }
    }

    /// Adds the second pair, for retrieval and deletion.
    #[must_use]
    pub fn with_administration(mut self, token: &str, secret: &str) -> Self {
        self.administration = Some(pair(token, secret));
        self
    }
}

#[async_trait]
impl Credentials for FixedCredentials {
    async fn main(&self) -> Result<CredentialPair, CredentialsUnreadable> {
        Ok(pair(self.main.token.expose(), self.main.secret.expose()))
    }

    async fn administration(&self) -> Result<Option<CredentialPair>, CredentialsUnreadable> {
        Ok(self.administration.as_ref().map(|second| pair(second.token.expose(), second.secret.expose())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_would_be_read_otherwise_is_not_sent() {
        assert_eq!(
            pair("Aladdin", "open sesame").basic().unwrap().as_str(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        for (token, secret) in [("", "x"), ("x", ""), ("a:b", "c"), ("a\n", "b"), ("a", "b\r\n")] {
            assert!(pair(token, secret).basic().is_err());
        }
    }
}

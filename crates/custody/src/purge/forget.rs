//! What custody asks of whoever keeps raw callbacks.

use async_trait::async_trait;
use model::{AuthenticationRef, EnrollmentRef, Timestamp};
use seal::Pseudonym;
use std::sync::Arc;
use thiserror::Error;

/// Forgets the raw callbacks of a person. Implemented over the inbox, which custody does not know.
#[async_trait]
pub trait Forget: Send + Sync + 'static {
    /// Makes sure that no raw callback about these transactions that came before this call can be opened any more, in
    /// the store or in any old copy of it, and that no job or dead letter of theirs is left. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`ForgetError`]: it is not sure; it is asked again.
    async fn forget(
        &self,
        enrollment: &EnrollmentRef,
        authentications: &[AuthenticationRef],
    ) -> Result<Forgotten, ForgetError>;

    /// When callbacks about these subjects came, as far as that is still known: for the dossier. An inbox that cannot tell
    /// answers with nothing, and that it is not complete.
    ///
    /// # Errors
    /// [`ForgetError`]: it could not be read.
    async fn received(&self, about: &[Pseudonym]) -> Result<Received, ForgetError> {
        let _it_cannot_tell = about;
        Ok(Received::default())
    }
}

/// Callbacks that came about somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// When, oldest first.
    pub times: Vec<Timestamp>,
    /// Whether that is all that is still known.
    pub complete: bool,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Raw callbacks that can no longer be opened.
    pub bodies: u32,
}

/// Why it is not sure that all is forgotten.
#[derive(Debug, Clone, Error)]
#[error("what came about a person, or is to be told of them, could not be forgotten; it is tried again: {0}")]
pub struct ForgetError(pub Arc<dyn std::error::Error + Send + Sync>);

impl ForgetError {
    /// With this reason, which names no person.
    pub fn new(reason: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(reason))
    }
}

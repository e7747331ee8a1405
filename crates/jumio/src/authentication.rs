//! An Authentication: what is asked of Jumio (seed 003, jumio-api §6) and what Jumio says about it (§7).

use model::{
    AuthenticationRef, AuthenticationResult, Channel, EnrollmentRef, Secret, Timestamp, UserReference,
};
use std::fmt;

/// How the person goes through it, with the fields that only the web journey has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Journey {
    /// In the company's app with Jumio's SDK: no further fields.
    Mobile,
    /// In a browser.
    Web(WebJourney),
}

impl Journey {
    /// The channel of this journey.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Mobile => Channel::Mobile,
            Self::Web(_) => Channel::Web,
        }
    }
}

/// The checked fields of a web journey. Built by [`WebJourney::check`] only.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct WebJourney {
    pub(crate) success_url: Option<String>,
    pub(crate) error_url: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) token_lifetime_minutes: Option<u32>,
}

impl WebJourney {
    /// Where Jumio sends the person after success. That redirect proves nothing.
    #[must_use]
    pub fn success_url(&self) -> Option<&str> {
        self.success_url.as_deref()
    }

    /// Where Jumio sends the person after an error.
    #[must_use]
    pub fn error_url(&self) -> Option<&str> {
        self.error_url.as_deref()
    }

    /// The page's language, in Jumio's spelling.
    #[must_use]
    pub fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
    }

    /// Minutes for which the `redirectUrl` may be used.
    #[must_use]
    pub const fn token_lifetime_minutes(&self) -> Option<u32> {
        self.token_lifetime_minutes
    }
}

impl fmt::Debug for WebJourney {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebJourney")
            .field("has_success_url", &self.success_url.is_some())
            .field("has_error_url", &self.error_url.is_some())
            .field("locale", &self.locale)
            .field("token_lifetime_minutes", &self.token_lifetime_minutes)
            .finish()
    }
}

/// What is sent beside the facemap.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAuthentication {
    /// The onboarding whose facemap goes along.
    pub enrollment: EnrollmentRef,
    /// The user of that onboarding.
    pub user_reference: Option<UserReference>,
    /// Where Jumio reports the result: the vault's own address with this transaction's token. Checked before sending.
    pub callback_url: Option<String>,
    /// Mobile, or web with its fields.
    pub journey: Journey,
}

impl fmt::Debug for NewAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAuthentication")
            .field("enrollment", &self.enrollment)
            .field("journey", &self.journey)
            .finish_non_exhaustive()
    }
}

/// Jumio created it.
#[derive(Debug)]
pub struct StartedAuthentication {
    /// Jumio's reference: for the SDK and for the retrieval.
    pub reference: AuthenticationRef,
    /// Where the person goes, for the web journey: checked to lead to Jumio. Whoever has it can begin, so it is a
    /// secret.
    pub redirect_url: Option<Secret>,
    /// Jumio's own clock when it answered (`Date` header, whole seconds).
    pub jumio_date: Option<Timestamp>,
}

/// What Jumio says about an Authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationDetails {
    /// The transaction that Jumio says this is about. Whoever asked must compare it with what was asked.
    pub reference: Option<AuthenticationRef>,
    /// The onboarding it was made for.
    pub enrollment: Option<EnrollmentRef>,
    /// The user. `None` also when what names one cannot be read or names two: then `unknown_values` is not 0.
    pub user_reference: Option<UserReference>,
    /// How it stands, or ended.
    pub result: AuthenticationResult,
    /// `transactionDate`.
    pub date: Option<Timestamp>,
    /// How many values had a form or spelling that this version does not know.
    pub unknown_values: u32,
    /// Jumio's own clock when it answered (`Date` header, whole seconds).
    pub jumio_date: Option<Timestamp>,
}

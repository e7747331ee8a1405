//! What the sandbox is started with, and what may be changed while it runs.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::error::SandboxError;

/// What the sandbox is started with.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Where to listen: a loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// API token and secret of the main pair.
    pub credentials: (String, String),
    /// A second pair that retrieval and deletion then insist on ("transaction administration").
    pub admin_credentials: Option<(String, String)>,
    /// The portal's callback URL, for transactions that name none. Also in [`Settings`], to be set later.
    pub callback_url: Option<String>,
    /// Everything that may be changed while it runs.
    pub settings: Settings,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            credentials: ("sandbox-token".to_owned(), "sandbox-secret".to_owned()),
            admin_credentials: None,
            callback_url: None,
            settings: Settings::default(),
        }
    }
}

impl std::fmt::Debug for SandboxConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxConfig").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Switches that `PUT /_sandbox/settings` changes; it takes any part of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// The portal's callback URL, for transactions that name none.
    pub callback_url: Option<String>,
    /// How the metadata of an authentication has to be laid out.
    pub metadata_layout: MetadataLayout,
    /// When an authentication that was superseded ends as `EXPIRED`.
    pub supersession: Supersession,
    /// What happens to a facemap that is not the one captured for its enrollment.
    pub wrong_facemap: WrongFacemap,
    /// Whether the original verification must be deleted before its facemap is taken.
    pub require_deletion: bool,
    /// Which authentications get a `redirectUrl`.
    pub redirect_url: RedirectUrl,
    /// Where authentications are initiated: the guide's text and its samples disagree.
    pub authentication_path: String,
    /// `Retry-After` of a 429, in seconds; absent by default, as Jumio promises none.
    pub retry_after_seconds: Option<u32>,
    /// Initiates let through in any second.
    pub initiate_per_second: usize,
    /// Initiates let through in any minute.
    pub initiate_per_minute: usize,
    /// Takes `http` and IP addresses in URLs, with any port, when the host is loopback.
    pub allow_loopback_urls: bool,
    /// Refuses a verification without `customerInternalReference`.
    pub require_customer_internal_reference: bool,
}

/// The path of the guide's text.
pub(crate) const AUTHENTICATION_PATH: &str = "/api/authentication/v1/facemap/initiate";
/// The path of the guide's samples.
pub(crate) const SAMPLE_AUTHENTICATION_PATH: &str = "/api/v4/initiateAuthentication";

impl Default for Settings {
    fn default() -> Self {
        Self {
            callback_url: None,
            metadata_layout: MetadataLayout::Either,
            supersession: Supersession::AtOnce,
            wrong_facemap: WrongFacemap::Fails,
            require_deletion: true,
            redirect_url: RedirectUrl::WebFields,
            authentication_path: AUTHENTICATION_PATH.to_owned(),
            retry_after_seconds: None,
            initiate_per_second: 3,
            initiate_per_minute: 180,
            allow_loopback_urls: true,
            require_customer_internal_reference: false,
        }
    }
}

impl Settings {
    /// These settings with the fields of `change` put over them.
    ///
    /// # Errors
    ///
    /// When `change` is no JSON object, names an unknown field or gives one a wrong value.
    pub(crate) fn with(&self, change: &serde_json::Value) -> Result<Self, SandboxError> {
        let invalid = |why: String| SandboxError::Invalid(format!("these settings cannot be used: {why}"));
        let mut all = serde_json::to_value(self).map_err(|e| invalid(e.to_string()))?;
        let (Some(all_fields), Some(changes)) = (all.as_object_mut(), change.as_object()) else {
            return Err(invalid("a JSON object is needed".to_owned()));
        };
        for (name, value) in changes {
            all_fields.insert(name.clone(), value.clone());
        }
        let settings: Self = serde_json::from_value(all).map_err(|e| invalid(e.to_string()))?;
        let path = settings.authentication_path.trim_end_matches('/');
        if path != AUTHENTICATION_PATH && path != SAMPLE_AUTHENTICATION_PATH {
            let paths =
                format!("authenticationPath is {AUTHENTICATION_PATH} or {SAMPLE_AUTHENTICATION_PATH}");
            return Err(invalid(paths));
        }
        Ok(settings)
    }
}

/// How `enrollmentMetadata` is laid out: the guide's samples nest it, its table does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataLayout {
    /// `{"enrollmentMetadata":{…}}` only.
    Nested,
    /// `{…}` only.
    Flat,
    /// Both; the journal says which came.
    Either,
}

/// When a superseded authentication ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supersession {
    /// As soon as the newer one is initiated.
    AtOnce,
    /// When the person tries to use it, or its time is over.
    AtTry,
}

/// What happens to a facemap that is not the enrollment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrongFacemap {
    /// It is taken, but the person cannot pass: the best result is `FAILED`.
    Fails,
    /// The initiate is refused.
    Refused,
    /// It is taken and may pass, as if it had not been looked at.
    Ignored,
}

/// Which authentications get a `redirectUrl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RedirectUrl {
    /// Those with a field of the web journey (`successUrl`, `errorUrl`, `locale`, `tokenLifetimeInMinutes`).
    WebFields,
    /// All.
    Always,
}

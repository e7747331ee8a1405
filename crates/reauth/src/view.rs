//! What the API shows of an authentication.

use model::{
    AuthenticationId, AuthenticationRef, AuthenticationState, Channel, EnrollmentRef, Timestamp,
    UserReference,
};
use register::Authentication;
use serde::Serialize;

/// An authentication as the private API shows it (contract §4). It may hold a link of Jumio's, which whoever has it
/// can use: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationView {
    /// The vault's id.
    pub authentication_id: AuthenticationId,
    /// Jumio's reference, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_transaction_reference: Option<AuthenticationRef>,
    /// Jumio's page, for the web channel, while it can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// When that page stops working.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_url_expires_at: Option<Timestamp>,
    /// The enrollment compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment_transaction_reference: Option<EnrollmentRef>,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_reference: Option<UserReference>,
    /// In a browser or in an app.
    pub channel: Channel,
    /// Where it stands.
    pub state: AuthenticationState,
    /// When the vault was asked.
    pub created_at: Timestamp,
    /// When Jumio created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiated_at: Option<Timestamp>,
    /// When Jumio drops the facemap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ends_at: Option<Timestamp>,
    /// When the final result was confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// When the result was redeemed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redeemed_at: Option<Timestamp>,
    /// The company's reference of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_reference: Option<String>,
    /// Jumio's HTTP status, when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_status: Option<u16>,
}

impl AuthenticationView {
    /// Shows an authentication as of `now`. The link is shown only while it leads somewhere.
    #[must_use]
    pub fn of(authentication: &Authentication, now: Timestamp) -> Self {
        let row = &authentication.row;
        let private = authentication.private.as_ref();
        let usable = row.state == AuthenticationState::Initiated
            && row.window_ends_at.is_some_and(|end| now < end)
            && row.redirect_expires_at.is_none_or(|end| now < end);
        let redirect_url = private.and_then(|p| p.redirect_url.clone()).filter(|_| usable);
        Self {
            authentication_id: authentication.id,
            authentication_transaction_reference: private.and_then(|p| p.reference),
            redirect_url_expires_at: row.redirect_expires_at.filter(|_| redirect_url.is_some()),
            redirect_url,
            enrollment_transaction_reference: private.map(|p| p.enrollment_reference),
            user_reference: private.map(|p| p.user_reference.clone()),
            channel: row.channel,
            state: row.state,
            created_at: row.created_at,
            initiated_at: row.initiated_at,
            window_ends_at: row.window_ends_at,
            completed_at: row.completed_at,
            redeemed_at: row.redeemed_at,
            request_reference: private.and_then(|p| p.request_reference.clone()),
            refused_status: row.refused_status,
        }
    }
}

impl std::fmt::Debug for AuthenticationView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticationView")
            .field("authentication_id", &self.authentication_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The answer to an initiate request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Initiated {
    /// The authentication.
    #[serde(flatten)]
    pub authentication: AuthenticationView,
    /// Whether it was open already.
    pub deduplicated: bool,
}

//! What the company asks for, and whether what is open already is the same.

use jumio::Journey;
use model::{EnrollmentRef, LinkId, UserReference};
use register::{Authentication, AuthenticationPrivate};
use serde::Deserialize;

/// What to do when a transaction with other parameters is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IfOpen {
    /// Say so, and name what differs.
    #[default]
    #[serde(skip)]
    Tell,
    /// Give it out all the same.
    Reuse,
    /// Take its place, knowingly.
    Replace,
}

/// A checked request for an authentication.
#[derive(Debug, Clone)]
pub struct AuthenticationRequest {
    /// The person.
    pub user_reference: UserReference,
    /// The enrollment to compare with; the person's current one if not given.
    pub enrollment: Option<EnrollmentRef>,
    /// Mobile, or web with its fields.
    pub journey: Journey,
    /// The company's own reference of this request.
    pub request_reference: Option<String>,
    /// What to do when another one is open.
    pub if_open: IfOpen,
    /// Whether a batch asks, and nobody waits at the door: its transaction yields to whoever does.
    pub batch: bool,
    /// The link whose button was pressed for it.
    pub link: Option<LinkId>,
}

impl AuthenticationRequest {
    /// The parameters, by their names in the API, in which an open transaction is not what this request asks for.
    /// Nothing differs when an app asks for what is open in a browser: Jumio's SDK takes the reference of either.
    pub(crate) fn differs(
        &self,
        open: &Authentication,
        private: &AuthenticationPrivate,
    ) -> Vec<&'static str> {
        let mut differs = Vec::new();
        if self.request_reference != private.request_reference {
            differs.push("requestReference");
        }
        let Journey::Web(web) = &self.journey else { return differs };
        if open.row.channel == model::Channel::Mobile {
            differs.push("channel");
            return differs;
        }
        let fields = [
            ("successUrl", web.success_url() == private.success_url.as_deref()),
            ("errorUrl", web.error_url() == private.error_url.as_deref()),
            ("locale", web.locale() == private.locale.as_deref()),
            ("tokenLifetimeInMinutes", web.token_lifetime_minutes() == private.token_lifetime_minutes),
        ];
        differs.extend(fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name));
        differs
    }
}

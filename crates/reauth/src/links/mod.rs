//! The vault's own links. The company sends one to a person; it becomes a transaction at Jumio when that person presses
//! the button behind it, because Jumio's own link would be dead fifteen minutes after it was made.

mod create;
mod end;
mod press;
mod show;
pub(crate) mod token;

use jiff::{SignedDuration, Timestamp};
use jumio::{RedirectHosts, Rules, WebJourney};
use model::{AuthenticationId, AuthenticationState, LinkId, LinkState, Secret, UserReference};
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// Characters of a purpose at most.
const PURPOSE_CHARS: usize = 200;

/// The keys of `[links]` that act here, with their units, and what a person may be sent to.
#[derive(Debug, Clone)]
pub struct LinksConfig {
    /// The public base under which `/r/…` is reached, without a slash at its end.
    pub base_url: String,
    /// How long a link lives if the company does not say.
    pub default_life: SignedDuration,
    /// How long it may live at most.
    pub longest_life: SignedDuration,
    /// Final results after which it is used up.
    pub max_results: u32,
    /// Jumio's rules for the journey, with the hosts that `successUrl` and `errorUrl` may lead to.
    pub rules: Rules,
    /// Where a person may be sent to when the button is pressed.
    pub redirects: RedirectHosts,
}

/// What it is for, in the company's words to the person: 1 to 200 visible characters without outer spaces.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkPurpose(String);

impl LinkPurpose {
    /// The text, to be escaped wherever it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LinkPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkPurpose(..)")
    }
}

impl FromStr for LinkPurpose {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let visible = model::text::printable(text, PURPOSE_CHARS) == text && text.trim() == text;
        if visible && (1..=PURPOSE_CHARS).contains(&text.chars().count()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must have 1 to 200 visible characters, without spaces at its ends")
        }
    }
}

impl<'de> Deserialize<'de> for LinkPurpose {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A checked request for a link.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// The person.
    pub user_reference: UserReference,
    /// What it is for.
    pub purpose: Option<LinkPurpose>,
    /// `successUrl`, `errorUrl` and `locale`, checked.
    pub journey: WebJourney,
    /// When it ends; `[links] default_days` from now if not given.
    pub expires_at: Option<Timestamp>,
    /// The company's own reference of this request.
    pub request_reference: Option<String>,
}

/// A link as the private API shows it. It holds what whoever has it can press: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkView {
    /// The vault's id.
    pub link_id: LinkId,
    /// What to send to the person, as long as it opens anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: LinkState,
    /// The person.
    pub user_reference: UserReference,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The company's reference of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_reference: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was first pressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressed_at: Option<Timestamp>,
    /// The transactions that it led to, oldest first.
    pub authentications: Vec<LinkAuthentication>,
}

/// A transaction that a link led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkAuthentication {
    /// The vault's id.
    pub authentication_id: AuthenticationId,
    /// Where it stands.
    pub state: AuthenticationState,
    /// When the button was pressed for it.
    pub created_at: Timestamp,
    /// When its result was confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

impl fmt::Debug for LinkView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkView")
            .field("link_id", &self.link_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// What the page behind a link tells the person.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkPage {
    /// What it is for, as the company says: not escaped.
    pub purpose: Option<String>,
    /// When the company asked.
    pub asked_at: Timestamp,
    /// The language that the company asked for, in Jumio's spelling.
    pub locale: Option<String>,
    /// Where Jumio may send the person at the end.
    pub leads_back_to: Vec<String>,
}

impl fmt::Debug for LinkPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkPage(..)")
    }
}

/// What there is behind a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A page with a button.
    Page(LinkPage),
    /// Nothing: unknown, used up, expired, withdrawn, purged. Nobody is told which.
    Dead,
    /// It cannot be looked up at the moment.
    Busy(Busy),
}

/// What came of pressing the button.
#[derive(Debug)]
pub enum Pressed {
    /// Jumio's page, checked to be one.
    Redirect(Secret),
    /// Not now.
    Busy(Busy),
    /// Nothing: see [`Shown::Dead`].
    Dead,
}

/// Come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// When.
    pub retry_after: Duration,
    /// Why, as far as the person may know.
    pub why: BusyWhy,
    /// The language that the company asked for, once the link is known to be one.
    pub locale: Option<String>,
}

/// Why a press led nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusyWhy {
    /// Many people press at the same time, or the service is not there for a moment. It will be soon.
    Soon,
    /// Nobody knows what came of the last press. It is not repeated before this is settled.
    Unsettled,
    /// The person is in the middle of another check.
    OtherOpen,
    /// The person has tried too often.
    TooOften,
}

//! What a batch is ordered with, and whether it can be.

use crate::{Reauth, error::ReauthError, links::LinkPurpose};
use jumio::{Journey, Violations, WebFields};
use model::{Channel, EnrollmentRef, Timestamp, UserReference, limits};
use register::{BatchSource, BatchTerms, Delivery};
use serde::Deserialize;
use std::fmt;

/// Items of a batch at most.
pub const MOST_ITEMS: u64 = 1_000_000;

/// Items a minute that can be asked for at most.
const MOST_PER_MINUTE: u32 = 100_000;

/// Characters of what the items' own references begin with, at most: a dash and the number follow.
const PREFIX_CHARS: usize = 80;

/// The body of `POST /v1/batches`; with a file, its query.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BatchRequest {
    /// These enrollments.
    pub enrollments: Option<Vec<EnrollmentRef>>,
    /// The current enrollments of these users.
    pub user_references: Option<Vec<UserReference>>,
    /// Whatever this lets through.
    pub filter: Option<BatchFilter>,
    /// A link, or a transaction at once; a link if not given.
    pub delivery: Option<WantedDelivery>,
    /// In a browser or in an app; in a browser if not given.
    pub channel: Option<Channel>,
    /// Where the person is sent after success.
    pub success_url: Option<String>,
    /// Where the person is sent after an error.
    pub error_url: Option<String>,
    /// The language.
    pub locale: Option<String>,
    /// What it is for, in the company's words to the person.
    pub purpose: Option<String>,
    /// What the items' own references begin with.
    pub request_reference: Option<String>,
    /// When the links end.
    pub expires_at: Option<Timestamp>,
    /// Items a minute at most.
    pub per_minute: Option<u32>,
    /// Only counts.
    pub dry_run: bool,
    /// The total that a dry run counted.
    pub expect_total: Option<u64>,
}

/// [`Delivery`] as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WantedDelivery {
    /// A link.
    Link,
    /// A transaction at once.
    Transaction,
}

/// Which of the people who can be re-authenticated: those who meet every criterion that is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BatchFilter {
    /// Last authenticated before this time; who never was counts from the vaulting.
    pub last_authenticated_before: Option<Timestamp>,
    /// Vaulted before this time.
    pub vaulted_before: Option<Timestamp>,
}

/// What a list or a file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOf {
    /// Jumio's references of enrollments.
    Enrollments,
    /// The company's references of users.
    Users,
}

/// Whom an item is about.
#[derive(Clone, PartialEq, Eq)]
pub enum Who {
    /// This enrollment.
    Enrollment(EnrollmentRef),
    /// This user's current enrollment, when its turn comes.
    User(UserReference),
}

/// An item as it was asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct NewItem {
    /// Whom it is about.
    pub who: Who,
    /// Its own language.
    pub locale: Option<String>,
    /// Its own reference.
    pub request_reference: Option<String>,
}

impl From<Who> for NewItem {
    fn from(who: Who) -> Self {
        Self { who, locale: None, request_reference: None }
    }
}

impl fmt::Debug for BatchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchRequest").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Who(..)")
    }
}

impl fmt::Debug for NewItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewItem(..)")
    }
}

impl BatchRequest {
    /// Where the items come from; `None`: from the body itself.
    fn source(&self, violations: &mut Violations) -> Option<BatchSource> {
        let given = [
            self.enrollments.as_ref().map(|_| BatchSource::Enrollments),
            self.user_references.as_ref().map(|_| BatchSource::UserReferences),
            self.filter.as_ref().map(|_| BatchSource::Filter),
        ];
        let mut given = given.into_iter().flatten();
        let source = given.next();
        if given.next().is_some() {
            violations.add(
                "",
                "exactly one of enrollments, userReferences and filter says whom; there are several",
            );
        }
        source
    }

    /// Whether the lists are neither empty nor too long, and the filter lets not everybody through.
    fn check_lists(&self, now: Timestamp, violations: &mut Violations) {
        let lists = [
            ("/enrollments", self.enrollments.as_ref().map(Vec::len)),
            ("/userReferences", self.user_references.as_ref().map(Vec::len)),
        ];
        for (pointer, length) in lists {
            match length {
                Some(0) => violations.add(pointer, "must name at least one"),
                Some(length) if length as u64 > MOST_ITEMS => {
                    violations.add(pointer, too_many());
                }
                _ => {}
            }
        }
        let Some(filter) = &self.filter else { return };
        let times = [filter.last_authenticated_before, filter.vaulted_before];
        if times.iter().all(Option::is_none) {
            violations.add("/filter", "needs at least one of lastAuthenticatedBefore and vaultedBefore");
        }
        if times.into_iter().flatten().any(|time| time > now) {
            violations.add("/filter", "a time must not lie in the future");
        }
    }
}

/// The limit, in words.
pub(super) fn too_many() -> String {
    format!("a batch has at most {MOST_ITEMS} items; order several")
}

impl Reauth {
    /// What all items of a batch have in common, and where they come from: [`BatchSource::Csv`] if the request names
    /// nobody.
    ///
    /// # Errors
    /// [`ReauthError::Invalid`] with every rule that is broken.
    pub fn check_batch(&self, wanted: &BatchRequest) -> Result<(BatchSource, BatchTerms), ReauthError> {
        let mut violations = Violations::none();
        let source = wanted.source(&mut violations).unwrap_or(BatchSource::Csv);
        wanted.check_lists(self.now(), &mut violations);
        let delivery = match wanted.delivery {
            Some(WantedDelivery::Transaction) => Delivery::Transaction,
            Some(WantedDelivery::Link) | None => Delivery::Link,
        };
        self.check_journey(wanted, delivery, &mut violations);
        if wanted.per_minute.is_some_and(|rate| !(1..=MOST_PER_MINUTE).contains(&rate)) {
            violations.add("/perMinute", format!("must be from 1 to {MOST_PER_MINUTE}"));
        }
        if wanted.request_reference.as_deref().is_some_and(|text| !is_reference(text, PREFIX_CHARS)) {
            violations.add(
                "/requestReference",
                format!("must have 1 to {PREFIX_CHARS} printable ASCII characters"),
            );
        }
        let terms = BatchTerms {
            delivery,
            channel: wanted.channel.unwrap_or(Channel::Web),
            success_url: wanted.success_url.clone(),
            error_url: wanted.error_url.clone(),
            locale: wanted.locale.clone(),
            purpose: wanted.purpose.clone(),
            request_reference: wanted.request_reference.clone(),
            expires_at: wanted.expires_at,
            per_minute: wanted.per_minute,
        };
        Ok((source, violations.or(terms).map_err(ReauthError::Invalid)?))
    }

    fn check_journey(&self, wanted: &BatchRequest, delivery: Delivery, violations: &mut Violations) {
        let web = WebFields {
            success_url: wanted.success_url.clone(),
            error_url: wanted.error_url.clone(),
            locale: wanted.locale.clone(),
            token_lifetime_in_minutes: None,
        };
        let channel = wanted.channel.unwrap_or(Channel::Web);
        if let Err(more) = Journey::check(channel, &web, &self.config.links.rules) {
            more.iter().for_each(|one| violations.add(one.pointer.clone(), one.rule.clone()));
        }
        if delivery == Delivery::Transaction {
            let others =
                [("/purpose", wanted.purpose.is_some()), ("/expiresAt", wanted.expires_at.is_some())];
            for (pointer, _) in others.into_iter().filter(|(_, given)| *given) {
                violations.add(pointer, "is for the delivery link only");
            }
            return;
        }
        if channel != Channel::Web {
            violations.add("/channel", "must be web: a link opens in a browser");
        }
        if let Some(Err(rule)) = wanted.purpose.as_deref().map(str::parse::<LinkPurpose>) {
            violations.add("/purpose", rule);
        }
        if let Err(ReauthError::Invalid(more)) = self.expiry(wanted.expires_at, self.now()) {
            more.iter().for_each(|one| violations.add(one.pointer.clone(), one.rule.clone()));
        }
    }

    /// An item of a file, from its cells.
    ///
    /// # Errors
    /// What is wrong with which of them, in words. No cell is repeated.
    pub fn check_item(
        &self,
        of: ListOf,
        reference: &str,
        locale: Option<&str>,
        request_reference: Option<&str>,
    ) -> Result<NewItem, String> {
        let who = match of {
            ListOf::Enrollments => {
                let parsed = reference.parse().map(Who::Enrollment);
                parsed.map_err(|error: model::InvalidReference| {
                    format!("enrollment must be {}", error.rule())
                })?
            }
            ListOf::Users => {
                let parsed = reference.parse().map(Who::User);
                parsed.map_err(|error: model::InvalidReference| {
                    format!("userReference must be {}", error.rule())
                })?
            }
        };
        if let Some(locale) = locale {
            let web = WebFields { locale: Some(locale.to_owned()), ..WebFields::default() };
            if jumio::WebJourney::check(&web, &self.config.links.rules).is_err() {
                return Err("locale is none of Jumio's for authentications".to_owned());
            }
        }
        if request_reference.is_some_and(|text| !is_reference(text, limits::USER_REFERENCE_CHARS)) {
            return Err("requestReference must have 1 to 100 printable ASCII characters".to_owned());
        }
        Ok(NewItem {
            who,
            locale: locale.map(str::to_owned),
            request_reference: request_reference.map(str::to_owned),
        })
    }
}

fn is_reference(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| (0x20..=0x7e).contains(&b))
}

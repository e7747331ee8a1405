//! An order to destroy: whom, why, by whom. Parsed once, where it comes in.

use audit::Actor;
use model::{EnrollmentRef, Timestamp, UserReference};
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// Characters of a case reference at most.
const CASE_CHARS: usize = 64;
/// References in one list at most.
const MOST_LISTED: usize = 10_000;

/// Why an order is not one. It repeats nothing of what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidOrder {
    /// Nothing says whom.
    #[error(
        "an order needs exactly one of userReference, enrollments, vaultedBefore, lastUsedBefore; there is none"
    )]
    NoCriterion,
    /// More than one thing says whom.
    #[error(
        "an order needs exactly one of userReference, enrollments, vaultedBefore, lastUsedBefore; there are several"
    )]
    SeveralCriteria,
    /// A list without an entry.
    #[error("enrollments must name at least one reference")]
    EmptyList,
    /// A list that is too long.
    #[error("enrollments must name at most 10000 references; order them in several parts")]
    LongList,
    /// A time that has not come yet.
    #[error("vaultedBefore and lastUsedBefore must not lie in the future")]
    Future,
    /// No reason of the list.
    #[error("reason must be one of erasure-request, consent-withdrawn, retention, error, other")]
    Reason,
    /// No case reference.
    #[error("caseReference must be 1 to 64 letters, digits or dashes")]
    CaseReference,
    /// No id of an order.
    #[error("the id of a purge must be 32 lower-case hexadecimal digits")]
    PurgeId,
}

/// Why somebody is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PurgeReason {
    /// The person asked for it.
    ErasureRequest,
    /// The person withdrew the consent.
    ConsentWithdrawn,
    /// The time for which it may be kept is over.
    Retention,
    /// It should never have been here.
    Error,
    /// Something else: the case reference tells.
    Other,
}

impl PurgeReason {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ErasureRequest, Self::ConsentWithdrawn, Self::Retention, Self::Error, Self::Other];

    /// The spelling in the API, in receipts and in the book.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ErasureRequest => "erasure-request",
            Self::ConsentWithdrawn => "consent-withdrawn",
            Self::Retention => "retention",
            Self::Error => "error",
            Self::Other => "other",
        }
    }
}

impl FromStr for PurgeReason {
    type Err = InvalidOrder;
    fn from_str(text: &str) -> Result<Self, InvalidOrder> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(InvalidOrder::Reason)
    }
}

impl fmt::Display for PurgeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The company's number of a case: 1 to 64 letters, digits and dashes, so that no name fits in by accident.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct CaseReference(String);

impl CaseReference {
    /// The reference as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CaseReference {
    type Err = InvalidOrder;
    fn from_str(text: &str) -> Result<Self, InvalidOrder> {
        let fits = (1..=CASE_CHARS).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidOrder::CaseReference)
        }
    }
}

impl fmt::Display for CaseReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for CaseReference {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why, and on whose order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Why.
    pub reason: PurgeReason,
    /// The company's number of the case.
    pub case_reference: Option<CaseReference>,
    /// On whose order.
    pub actor: Actor,
}

/// Whom an order for many is about.
#[derive(Clone, PartialEq, Eq)]
pub enum Criterion {
    /// Every enrollment of this user.
    User(UserReference),
    /// These enrollments, each once, in order.
    Enrollments(Vec<EnrollmentRef>),
    /// Whatever was vaulted before this time.
    VaultedBefore(Timestamp),
    /// Whatever was vaulted, and last used (or vaulted, if it was never used) before this time.
    LastUsedBefore(Timestamp),
}

/// A criterion without what it says about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CriterionKind {
    /// [`Criterion::User`].
    UserReference,
    /// [`Criterion::Enrollments`].
    Enrollments,
    /// [`Criterion::VaultedBefore`].
    VaultedBefore,
    /// [`Criterion::LastUsedBefore`].
    LastUsedBefore,
}

impl CriterionKind {
    /// The field of the request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserReference => "userReference",
            Self::Enrollments => "enrollments",
            Self::VaultedBefore => "vaultedBefore",
            Self::LastUsedBefore => "lastUsedBefore",
        }
    }
}

impl Criterion {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> CriterionKind {
        match self {
            Self::User(_) => CriterionKind::UserReference,
            Self::Enrollments(_) => CriterionKind::Enrollments,
            Self::VaultedBefore(_) => CriterionKind::VaultedBefore,
            Self::LastUsedBefore(_) => CriterionKind::LastUsedBefore,
        }
    }

    /// The time that it names. It is held against everybody again when their turn comes.
    pub(crate) const fn before(&self) -> Option<Timestamp> {
        match self {
            Self::VaultedBefore(time) | Self::LastUsedBefore(time) => Some(*time),
            Self::User(_) | Self::Enrollments(_) => None,
        }
    }

    /// One spelling of each criterion, for the token that confirms it.
    pub(crate) fn spelled(&self) -> Vec<u8> {
        let mut bytes = self.kind().as_str().as_bytes().to_vec();
        bytes.push(0);
        match self {
            Self::User(user) => bytes.extend(user.as_str().as_bytes()),
            Self::Enrollments(list) => list.iter().for_each(|reference| bytes.extend(reference.as_bytes())),
            Self::VaultedBefore(time) | Self::LastUsedBefore(time) => {
                bytes.extend(time.as_nanosecond().to_be_bytes());
            }
        }
        bytes
    }
}

impl fmt::Debug for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Criterion({})", self.kind().as_str())
    }
}

/// The body of `POST /v1/purges`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PurgeRequest {
    /// Every enrollment of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_reference: Option<UserReference>,
    /// These enrollments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollments: Option<Vec<EnrollmentRef>>,
    /// Whatever was vaulted before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vaulted_before: Option<Timestamp>,
    /// Whatever was last used before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_before: Option<Timestamp>,
    /// Why.
    pub reason: PurgeReason,
    /// The company's number of the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_reference: Option<CaseReference>,
    /// Only counts and lists.
    #[serde(default)]
    pub dry_run: bool,
    /// The total of the dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_total: Option<u64>,
    /// The token of the dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_token: Option<String>,
}

impl PurgeRequest {
    /// Whom it is about: exactly one criterion. A list is put in order and its repetitions are dropped.
    ///
    /// # Errors
    /// [`InvalidOrder`].
    pub fn criterion(&self) -> Result<Criterion, InvalidOrder> {
        let list = self.enrollments.clone().map(|mut list| {
            list.sort_unstable();
            list.dedup();
            Criterion::Enrollments(list)
        });
        let mut given = [
            self.user_reference.clone().map(Criterion::User),
            list,
            self.vaulted_before.map(Criterion::VaultedBefore),
            self.last_used_before.map(Criterion::LastUsedBefore),
        ]
        .into_iter()
        .flatten();
        let criterion = given.next().ok_or(InvalidOrder::NoCriterion)?;
        if given.next().is_some() {
            return Err(InvalidOrder::SeveralCriteria);
        }
        match &criterion {
            Criterion::Enrollments(list) if list.is_empty() => Err(InvalidOrder::EmptyList),
            Criterion::Enrollments(list) if list.len() > MOST_LISTED => Err(InvalidOrder::LongList),
            _ => Ok(criterion),
        }
    }

    /// Why, on the order of `actor`.
    #[must_use]
    pub fn order(&self, actor: Actor) -> Order {
        Order { reason: self.reason, case_reference: self.case_reference.clone(), actor }
    }
}

impl fmt::Debug for PurgeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PurgeRequest").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

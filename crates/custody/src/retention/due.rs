//! Whose time is over, and why.

use super::RetentionConfig;
use crate::{Custody, CustodyError, HoldView, hold::is_gone};
use jiff::SignedDuration;
use model::{EnrollmentRef, EnrollmentState, Timestamp, UserReference};
use records::{EnrollmentKey, Index, tables};
use register::EnrollmentRow;
use seal::Pseudonym;
use serde::{Deserialize, Serialize};

/// The keys of all enrollments: a row that does not open must not hide the others.
static KEYS: Index<(EnrollmentKey,)> = Index::new(tables::ENROLLMENTS);

/// Rows looked at for one page of a list.
const LOOKED_AT: usize = 5000;
/// Rows read at once.
pub(super) const ROWS: usize = 256;

/// Why an enrollment's time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyDue {
    /// `max_age_days` have passed since the onboarding.
    Age,
    /// `max_idle_days` have passed since the last use.
    Idle,
}

/// An enrollment whose time is over on the day that was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DueEnrollment {
    /// Jumio's reference. `None` where the record about the person does not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment_transaction_reference: Option<EnrollmentRef>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_reference: Option<UserReference>,
    /// The enrollment's pseudonym: what it is in the book and on receipts.
    pub subject: Pseudonym,
    /// Where it stands.
    pub state: EnrollmentState,
    /// Why.
    pub why: WhyDue,
    /// Since when its time is over, or will be.
    pub due_at: Timestamp,
    /// When its facemap became durable here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vaulted_at: Option<Timestamp>,
    /// When the person was onboarded, where that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onboarded_at: Option<Timestamp>,
    /// When it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The hold that keeps it all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldView>,
}

/// Some of them. A page may be short, even empty, and still have a `next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionPage {
    /// In the order of their pseudonyms.
    pub items: Vec<DueEnrollment>,
    /// Where to go on; `None` at the end.
    pub next: Option<EnrollmentKey>,
}

/// Whether it has a facemap that could be destroyed.
pub(super) const fn has_facemap(row: &EnrollmentRow) -> bool {
    row.vaulted_at.is_some() && !is_gone(row.state)
}

/// When an enrollment's time is over, and why; of two reasons the one that comes first. `None`: never, as things are.
pub(super) fn due(row: &EnrollmentRow, config: &RetentionConfig) -> Option<(Timestamp, WhyDue)> {
    let vaulted = row.vaulted_at.filter(|_| has_facemap(row))?;
    let after = |since: Timestamp, days: u32| {
        let days = SignedDuration::from_hours(24) * i32::try_from(days).ok().filter(|days| *days > 0)?;
        // A time beyond the calendar never comes.
        since.checked_add(days).ok()
    };
    let age = after(row.onboarded_at.unwrap_or(vaulted), config.max_age_days).map(|at| (at, WhyDue::Age));
    let idle = after(row.last_used_at.unwrap_or(vaulted), config.max_idle_days).map(|at| (at, WhyDue::Idle));
    [age, idle].into_iter().flatten().min_by_key(|(at, _)| *at)
}

impl Custody {
    /// What would be destroyed by `on`, and why, if nobody were used until then; with those that a hold keeps. At most
    /// `limit` of them after the one with the key `after`.
    ///
    /// # Errors
    /// When a record cannot be read. Those that do not open are logged and left out.
    pub async fn retention_on(
        &self,
        on: Timestamp,
        after: Option<EnrollmentKey>,
        limit: usize,
    ) -> Result<RetentionPage, CustodyError> {
        let (mut items, mut last, mut looked_at) = (Vec::new(), after, 0);
        while looked_at < LOOKED_AT {
            let keys = self.enrollment_keys(last).await?;
            let is_end = keys.len() < ROWS;
            for key in keys {
                if items.len() == limit {
                    return Ok(RetentionPage { items, next: last });
                }
                (last, looked_at) = (Some(key), looked_at + 1);
                items.extend(self.due_by(key, on).await?);
            }
            if is_end {
                return Ok(RetentionPage { items, next: None });
            }
        }
        Ok(RetentionPage { items, next: last })
    }

    async fn due_by(&self, key: EnrollmentKey, on: Timestamp) -> Result<Option<DueEnrollment>, CustodyError> {
        let Some(row) = self.readable_row(key).await? else { return Ok(None) };
        let Some((due_at, why)) = due(&row, &self.parts.config.retention).filter(|(at, _)| *at <= on) else {
            return Ok(None);
        };
        let person = match self.parts.register.enrollment_by_key(key).await {
            Ok(found) => found,
            Err(error) if error.is_damage() => None,
            Err(error) => return Err(error.into()),
        };
        let hold = match &person {
            Some(found) => self.hold_on(found).await?,
            None => None,
        };
        let private = person.and_then(|found| found.private);
        Ok(Some(DueEnrollment {
            enrollment_transaction_reference: private.as_ref().map(|person| person.reference),
            user_reference: private.and_then(|person| person.user_reference),
            subject: key.0,
            state: row.state,
            why,
            due_at,
            vaulted_at: row.vaulted_at,
            onboarded_at: row.onboarded_at,
            last_used_at: row.last_used_at,
            hold,
        }))
    }

    /// The next keys, at most [`ROWS`].
    pub(super) async fn enrollment_keys(
        &self,
        after: Option<EnrollmentKey>,
    ) -> Result<Vec<EnrollmentKey>, CustodyError> {
        let after = after.map(|key| (key,));
        let keys = KEYS.keys(self.records(), Vec::new(), after.as_ref(), ROWS).await?;
        Ok(keys.into_iter().map(|(key,)| key).collect())
    }

    /// The row of an enrollment; one that does not open is logged and is nobody's here.
    pub(super) async fn readable_row(
        &self,
        key: EnrollmentKey,
    ) -> Result<Option<EnrollmentRow>, CustodyError> {
        match self.parts.register.enrollment_row(key).await {
            Ok(row) => Ok(row),
            Err(error) if error.is_damage() => {
                tracing::error!(enrollment = %key.0, %error, "retention leaves an enrollment out that does not open");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

//! What an order for many would do.

use crate::{
    Criterion, Custody, CustodyError, InvalidOrder,
    purge::many::chosen::{Chosen, Standing},
};
use model::{EnrollmentRef, EnrollmentState, Timestamp, UserReference};
use records::EnrollmentKey;
use serde::Serialize;

/// Enrollments that a dry run lists; all of them are counted.
const LISTED: usize = 100;

/// What an order would do: the answer of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Enrollments that would be destroyed: `expectTotal` of the order.
    pub total: u64,
    /// Enrollments that would be left, because of a hold.
    pub held: u64,
    /// Enrollments that are destroyed already, or are being destroyed.
    pub already_purged: u64,
    /// References of the list that nothing is known under.
    pub unknown: Vec<EnrollmentRef>,
    /// The first of those that would be destroyed or left.
    pub enrollments: Vec<PlannedEnrollment>,
    /// Whether `enrollments` holds all of them.
    pub complete: bool,
    /// `confirmToken` of the order, valid for an hour.
    pub confirm_token: String,
    /// Until when.
    pub confirm_until: Timestamp,
}

/// One of those that an order is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedEnrollment {
    /// Jumio's reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment_transaction_reference: Option<EnrollmentRef>,
    /// The user, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_reference: Option<UserReference>,
    /// Where it stands.
    pub state: EnrollmentState,
    /// When its facemap became durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vaulted_at: Option<Timestamp>,
    /// When it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Whether it would be left because of a hold.
    pub held: bool,
}

impl Custody {
    /// Counts and lists whom an order would be about, and makes the token that confirms it. Changes nothing.
    ///
    /// # Errors
    /// [`CustodyError::Invalid`] for a time in the future.
    pub async fn plan_purge(&self, criterion: &Criterion) -> Result<Plan, CustodyError> {
        self.check_time(criterion)?;
        let mut chosen = Chosen::by(self, criterion);
        let (mut total, mut held, mut already_purged) = (0, 0, 0);
        let mut listed = Vec::new();
        while let Some(page) = chosen.page().await? {
            for (key, standing) in page {
                match standing {
                    Standing::Due => total += 1,
                    Standing::Held => held += 1,
                    Standing::Already => {
                        already_purged += 1;
                        continue;
                    }
                }
                if listed.len() < LISTED {
                    listed.push((key, standing));
                }
            }
        }
        let complete = listed.len() as u64 == total + held;
        let mut enrollments = Vec::with_capacity(listed.len());
        for (key, standing) in listed {
            enrollments.extend(self.planned(key, standing).await?);
        }
        let (confirm_token, confirm_until) = self.confirm_token(criterion, total);
        let unknown = chosen.unknown;
        Ok(Plan { total, held, already_purged, unknown, enrollments, complete, confirm_token, confirm_until })
    }

    async fn planned(
        &self,
        key: EnrollmentKey,
        standing: Standing,
    ) -> Result<Option<PlannedEnrollment>, CustodyError> {
        let found = self.parts.register.enrollment_to_purge(key).await?;
        Ok(found.map(|found| PlannedEnrollment {
            enrollment_transaction_reference: found.private.as_ref().map(|person| person.reference),
            user_reference: found.private.as_ref().and_then(|person| person.user_reference.clone()),
            state: found.row.state,
            vaulted_at: found.row.vaulted_at,
            last_used_at: found.row.last_used_at,
            held: standing == Standing::Held,
        }))
    }

    /// "Before tomorrow" would be everybody, by a slip of the hand.
    pub(crate) fn check_time(&self, criterion: &Criterion) -> Result<(), CustodyError> {
        match criterion {
            Criterion::VaultedBefore(before) | Criterion::LastUsedBefore(before) if *before > self.now() => {
                Err(InvalidOrder::Future.into())
            }
            _ => Ok(()),
        }
    }
}

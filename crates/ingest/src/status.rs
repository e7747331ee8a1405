//! Looking: one enrollment, many, and the counts for `/v1/status`.

use crate::{
    CallbackState, EnrollmentPage, EnrollmentView, Ingest, IngestError,
    inbox::{INBOX, InboxRow},
};
use model::{CallbackId, EnrollmentRef, EnrollmentState, Timestamp};
use records::EnrollmentKey;
use register::{Enrollment, EnrollmentFilter};
use serde::Serialize;

/// Rows that are counted at most: above it the count reads "at least".
const MOST: usize = 100_000;
/// Vaulted enrollments that are looked at for what they wait for.
const MOST_WAITING: usize = 1000;

/// How many, and since when the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// How many; at most 100 000 are counted.
    pub count: usize,
    /// The oldest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
}

/// The onboardings' part of `/v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IngestStatus {
    /// Enrollments by state, each since when the oldest is in it.
    pub enrollments: Vec<(EnrollmentState, Count)>,
    /// Vaulted ones that wait for their release, among the oldest 1000.
    pub waiting_for_release: Count,
    /// Vaulted ones whose original is still at Jumio although it may go, among the oldest 1000.
    pub waiting_for_deletion: Count,
    /// Callbacks by state.
    pub callbacks: Vec<(&'static str, Count)>,
}

impl Ingest {
    /// One enrollment.
    ///
    /// # Errors
    /// [`IngestError::Unknown`]. A tombstone is shown as such.
    pub async fn get(&self, reference: &EnrollmentRef) -> Result<EnrollmentView, IngestError> {
        let found = self.register.enrollment(reference).await?.ok_or(IngestError::Unknown)?;
        let is_current = self.is_current(&found).await?;
        Ok(EnrollmentView::of(&found, is_current, Some(*reference)))
    }

    /// At most `limit` enrollments, oldest first.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub async fn list(&self, filter: &EnrollmentFilter, limit: usize) -> Result<EnrollmentPage, IngestError> {
        let found = self.register.enrollments(filter, limit).await?;
        let next = found.last().filter(|_| found.len() == limit).map(|last| last.key);
        let mut items = Vec::with_capacity(found.len());
        for enrollment in &found {
            let is_current = self.is_current(enrollment).await?;
            items.push(EnrollmentView::of(enrollment, is_current, None));
        }
        Ok(EnrollmentPage { items, next })
    }

    /// The cursor that stands for an enrollment: its key is a pseudonym and says nothing.
    #[must_use]
    pub fn cursor_of(key: EnrollmentKey) -> String {
        key.0.to_string()
    }

    /// Reads such a cursor.
    #[must_use]
    pub fn cursor(text: &str) -> Option<EnrollmentKey> {
        text.parse().ok().map(EnrollmentKey)
    }

    /// A stored callback without its body: never any personal data.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn callback(&self, id: CallbackId) -> Result<Option<InboxRow>, IngestError> {
        Ok(INBOX.get(self.records(), &(id,)).await?.map(|read| InboxRow { body: None, ..read.value }))
    }

    /// The counts for `/v1/status`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn status(&self) -> Result<IngestStatus, IngestError> {
        let mut enrollments = Vec::new();
        for state in EnrollmentState::ALL {
            let (count, oldest) = self.register.count_enrollments(*state, MOST).await?;
            enrollments.push((*state, Count { count, oldest }));
        }
        let mut callbacks = Vec::new();
        for state in CallbackState::ALL {
            let (count, oldest) = self.count_callbacks(state, MOST).await?;
            callbacks.push((state.as_str(), Count { count, oldest }));
        }
        let mut waiting_for_release = Count { count: 0, oldest: None };
        let mut waiting_for_deletion = waiting_for_release;
        let filter =
            EnrollmentFilter { state: Some(EnrollmentState::Vaulted), ..EnrollmentFilter::default() };
        for vaulted in self.register.enrollments(&filter, MOST_WAITING).await? {
            let row = &vaulted.row;
            let waits = match row.released_at {
                Some(_) => &mut waiting_for_deletion,
                None => &mut waiting_for_release,
            };
            waits.count += 1;
            waits.oldest.get_or_insert(row.released_at.unwrap_or(row.since));
        }
        Ok(IngestStatus { enrollments, waiting_for_release, waiting_for_deletion, callbacks })
    }

    async fn is_current(&self, enrollment: &Enrollment) -> Result<bool, IngestError> {
        let Some(user) = enrollment.row.user else { return Ok(false) };
        let row = match self.register.user(user).await {
            // Nobody can say that it is: it is shown as one that is not, and the others are shown too.
            Err(error) if error.is_damage() => {
                tracing::error!(%error, "the row of a user cannot be read; run `facemap-vault verify`");
                return Ok(false);
            }
            read => read?,
        };
        Ok(row.is_some_and(|read| read.value.current == Some(enrollment.key)))
    }
}

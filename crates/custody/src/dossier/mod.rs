//! Everything about one person on one page. Reading it is itself written down, before anything is read.
//!
//! Of somebody who was purged there is what was never about the person by name: the book by pseudonym, and the receipts.
//! The book also leads to purged enrollments, because their records no longer name their user.

mod links;
mod view;

pub use links::DossierLink;
use view::disclosures;
pub use view::{
    Cut, Dossier, DossierAuthentication, DossierCallbacks, DossierDisclosure, DossierEnrollment, DossierEntry,
};

use crate::{Custody, CustodyError, hold::is_gone};
use audit::{Action, Actor, Begin, Details, Listed, Outcome};
use model::UserReference;
use records::EnrollmentKey;
use register::{Authentication, Enrollment, EnrollmentRow};
use seal::Pseudonym;
use std::collections::{BTreeMap, BTreeSet};

/// Enrollments on one page at most.
const MOST_ENROLLMENTS: usize = 100;
/// Authentications on one page at most.
const MOST_AUTHENTICATIONS: usize = 1000;
/// Entries of the book on one page at most.
const MOST_ENTRIES: usize = 5000;
/// Entries read at once.
const PAGE: usize = 500;

/// What is gathered on the way.
struct Gathered {
    rows: BTreeMap<EnrollmentKey, Enrollment>,
    entries: BTreeMap<u64, Listed>,
    cut: Cut,
}

impl Custody {
    /// Everything about the user, for `actor`. Somebody of whom nothing is known has an empty dossier.
    ///
    /// # Errors
    /// [`CustodyError::Audit`]: the reading could not be written down, so nothing was read.
    pub async fn dossier(&self, user: &UserReference, actor: Actor) -> Result<Dossier, CustodyError> {
        let subject = self.records().user_key(user).0;
        let begin = Begin::about(Action::DossierRead, subject, actor);
        let stroke = self.parts.audit.begin(begin).await?;
        let put_together = self.put_together(user, subject).await;
        let outcome = if put_together.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.parts.audit.finish_alone(&stroke, outcome, Details::new()).await?;
        put_together
    }

    async fn put_together(&self, user: &UserReference, subject: Pseudonym) -> Result<Dossier, CustodyError> {
        let mut all = Gathered { rows: BTreeMap::new(), entries: BTreeMap::new(), cut: Cut::default() };
        let mut order = self.living(subject, &mut all).await?;
        self.gather_entries(subject, &mut all).await?;
        order.extend(self.purged_of(&order, &mut all).await?);
        for key in &order {
            self.gather_entries(key.0, &mut all).await?;
        }
        let mut enrollments = Vec::with_capacity(order.len());
        for key in &order {
            enrollments.extend(self.dossier_enrollment(*key, &all).await?);
        }
        let authentications = self.uses(user, &mut all.cut).await?;
        let links = self.links(user, &mut all.cut).await?;
        let attempts = self.attempts(user).await?;
        let callbacks = self.callbacks(&order, &authentications).await?;
        Ok(Dossier {
            user_reference: user.clone(),
            subject,
            at: self.now(),
            enrollments,
            authentications: authentications.into_iter().map(DossierAuthentication::of).collect(),
            links,
            attempts,
            disclosures: disclosures(&all.entries),
            callbacks,
            entries: all.entries.into_values().map(DossierEntry::of).collect(),
            cut: all.cut,
        })
    }

    /// The enrollments whose records name the user, oldest first.
    async fn living(
        &self,
        subject: Pseudonym,
        all: &mut Gathered,
    ) -> Result<Vec<EnrollmentKey>, CustodyError> {
        let register = &self.parts.register;
        let found = register.rows_of_user(records::UserKey(subject), None, MOST_ENROLLMENTS + 1).await?;
        all.cut.enrollments = found.len() > MOST_ENROLLMENTS;
        let mut order = Vec::with_capacity(found.len());
        for (place, row) in found.into_iter().take(MOST_ENROLLMENTS) {
            if row.is_none() {
                all.cut.damaged = true;
                continue;
            }
            // While it is being purged nothing about the person is given out; that there is one may be shown.
            let opened = register.enrollment_by_key(place.2).await;
            match opened {
                Ok(Some(enrollment)) => {
                    order.push(place.2);
                    all.rows.insert(place.2, enrollment);
                }
                Ok(None) => {}
                Err(error) if error.is_damage() => all.cut.damaged = true,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(order)
    }

    /// Enrollments of the user that the book knows and no index does: they were purged.
    async fn purged_of(
        &self,
        known: &[EnrollmentKey],
        all: &mut Gathered,
    ) -> Result<Vec<EnrollmentKey>, CustodyError> {
        let subjects: BTreeSet<EnrollmentKey> = all
            .entries
            .values()
            .filter(|item| item.entry.person.is_some())
            .filter_map(|item| item.entry.subject.map(EnrollmentKey))
            .filter(|key| !known.contains(key))
            .collect();
        let mut purged = Vec::new();
        for key in subjects {
            if known.len() + purged.len() == MOST_ENROLLMENTS {
                all.cut.enrollments = true;
                break;
            }
            // Whatever is not purged would be in the index: it has another user by now.
            match self.parts.register.enrollment_by_key(key).await {
                Ok(Some(found)) if is_gone(found.row.state) => {
                    purged.push(key);
                    all.rows.insert(key, found);
                }
                Ok(_) => {}
                Err(error) if error.is_damage() => all.cut.damaged = true,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(purged)
    }

    async fn gather_entries(&self, about: Pseudonym, all: &mut Gathered) -> Result<(), CustodyError> {
        let (mut after, mut seen) = (0, 0);
        loop {
            let page = match self.parts.audit.entries_about(about, after, PAGE).await {
                Ok(page) => page,
                Err(audit::AuditError::Damaged { position }) => {
                    tracing::error!(
                        position,
                        "an audit entry is left out of a dossier; run `facemap-vault verify`"
                    );
                    all.cut.damaged = true;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            seen += page.items.len();
            all.entries.extend(page.items.into_iter().map(|item| (item.position, item)));
            let Some(next) = page.next else { return Ok(()) };
            if seen >= MOST_ENTRIES {
                all.cut.entries = true;
                return Ok(());
            }
            after = next;
        }
    }

    async fn dossier_enrollment(
        &self,
        key: EnrollmentKey,
        all: &Gathered,
    ) -> Result<Option<DossierEnrollment>, CustodyError> {
        let Some(found) = all.rows.get(&key) else { return Ok(None) };
        let EnrollmentRow { state, since, origin, created_at, .. } = found.row;
        let row = &found.row;
        let purge = if is_gone(state) { self.purge_of(key).await? } else { None };
        Ok(Some(DossierEnrollment {
            subject: key.0,
            enrollment_transaction_reference: found.private.as_ref().map(|person| person.reference),
            customer_internal_reference: found
                .private
                .as_ref()
                .and_then(|person| person.customer_internal_reference.clone()),
            state,
            since,
            origin,
            created_at,
            reasons: row.reasons.clone(),
            facemap_bytes: row.facemap_bytes,
            onboarded_at: row.onboarded_at,
            vaulted_at: row.vaulted_at,
            released_at: row.released_at,
            original_deleted_at: row.original_deleted_at,
            last_used_at: row.last_used_at,
            replaced_by: row.replaced_by.map(|key| key.0),
            hold: self.hold_on(found).await?,
            purge,
        }))
    }

    async fn uses(&self, user: &UserReference, cut: &mut Cut) -> Result<Vec<Authentication>, CustodyError> {
        let register = &self.parts.register;
        let mut found =
            match register.authentications_of_user(user, None, None, MOST_AUTHENTICATIONS + 1).await {
                Ok(found) => found,
                Err(error) if error.is_damage() => {
                    tracing::error!(%error, "the uses are left out of a dossier; run `facemap-vault verify`");
                    cut.damaged = true;
                    Vec::new()
                }
                Err(error) => return Err(error.into()),
            };
        cut.authentications = found.len() > MOST_AUTHENTICATIONS;
        found.truncate(MOST_AUTHENTICATIONS);
        Ok(found)
    }

    async fn callbacks(
        &self,
        enrollments: &[EnrollmentKey],
        uses: &[Authentication],
    ) -> Result<DossierCallbacks, CustodyError> {
        let transactions = uses.iter().filter_map(|one| one.row.transaction).map(|key| key.0);
        let about: Vec<Pseudonym> = enrollments.iter().map(|key| key.0).chain(transactions).collect();
        if about.is_empty() {
            return Ok(DossierCallbacks { complete: true, ..DossierCallbacks::default() });
        }
        let received = self.parts.forget.received(&about).await?;
        Ok(DossierCallbacks {
            count: received.times.len(),
            times: received.times,
            complete: received.complete,
        })
    }
}

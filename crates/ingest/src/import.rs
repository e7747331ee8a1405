//! Bringing in a facemap that was held elsewhere: `PUT /v1/enrollments/{ref}/facemap`.
//!
//! While Jumio still has the original, Jumio alone says what the transaction is, and the bytes must equal Jumio's. Once
//! it is gone, nobody can say so any more: then an admin attests it.

use crate::{
    ATTEMPTS, EnrollmentView, Ingest, IngestError,
    import_slots::is_moved,
    original::Original,
    step::{Step, Then},
};
use audit::{Action, Actor, Begin, Details, Outcome, Stroke};
use jiff::Timestamp;
use jumio::Violations;
use model::{EnrollmentOrigin, EnrollmentRef, EnrollmentState, FacemapBytes, UserReference, text::printable};
use notify::EventKind;
use register::{Enrollment, EnrollmentPrivate, EnrollmentRow, FacemapNote};
use std::fmt;
use vault::{Contents, SlotKind, SlotRef};

/// Characters of an attestation at most.
pub const ATTESTATION_CHARS: usize = 500;
/// The first day of 2010: Jumio onboarded nobody before.
const EARLIEST: Timestamp = Timestamp::constant(1_262_304_000, 0);

/// A facemap to bring in, without its bytes.
#[derive(Clone)]
pub struct Import {
    /// Jumio's reference of the onboarding.
    pub reference: EnrollmentRef,
    /// The company's reference of the user.
    pub user_reference: UserReference,
    /// The company's word that the facemap is this user's: 1 to 500 printable characters. Needed where the original is
    /// gone at Jumio, kept only there.
    pub attestation: Option<String>,
    /// What whoever held the facemap says about the onboarding.
    pub claims: ImportClaims,
    /// Who brings it in.
    pub actor: Actor,
}

/// What whoever held a facemap says about its onboarding. The last three are in Jumio's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportClaims {
    /// When the person was onboarded.
    pub onboarded_at: Option<Timestamp>,
    /// When the facemap was last used.
    pub last_used_at: Option<Timestamp>,
    /// `verificationStatus`.
    pub status: Option<String>,
    /// `similarity`.
    pub similarity: Option<String>,
    /// `validity`, in whatever case.
    pub validity: Option<String>,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The enrollment.
    pub view: EnrollmentView,
    /// The same facemap was there before. Nothing was changed.
    pub already: bool,
}

/// What the register says about a reference, as far as an import goes on.
pub(crate) enum Known {
    /// Nothing.
    Nothing,
    /// An enrollment without a facemap: the import takes it over.
    Takes(Box<Enrollment>),
    /// An enrollment with this very facemap.
    Same(Box<Enrollment>),
}

/// A checked import on its way.
struct Arrival<'a> {
    import: &'a Import,
    contents: Contents,
    original: Original,
    now: Timestamp,
    slot: SlotRef,
}

impl Import {
    /// Refuses what no vault could store, whatever Jumio says.
    fn check(&self, facemap: &FacemapBytes, now: Timestamp) -> Result<(), Violations> {
        let mut violations = Violations::none();
        if facemap.is_empty() {
            violations.add("", "must hold the bytes of a facemap");
        }
        if let Some(text) = &self.attestation {
            let is_printable = printable(text, ATTESTATION_CHARS) == *text && !text.trim().is_empty();
            if !is_printable {
                violations.add("/attestation", "must have 1 to 500 printable characters");
            }
        }
        let times = [("/onboardedAt", self.claims.onboarded_at), ("/lastUsedAt", self.claims.last_used_at)];
        for (pointer, time) in times {
            if time.is_some_and(|time| time > now || time < EARLIEST) {
                violations.add(pointer, "must lie between 2010 and now");
            }
        }
        let (onboarded, used) = (self.claims.onboarded_at, self.claims.last_used_at);
        if onboarded.zip(used).is_some_and(|(onboarded, used)| used < onboarded) {
            violations.add("/lastUsedAt", "must not lie before onboardedAt");
        }
        violations.or(())
    }
}

impl Ingest {
    /// Brings in a facemap. A repetition with the same bytes changes nothing.
    ///
    /// Where Jumio has the original, the enrollment is vaulted and goes on like any other. Where it is gone, the
    /// enrollment gets ready at once, unless its user has another one: then it waits for its release like any second
    /// one.
    ///
    /// # Errors
    /// [`IngestError::Invalid`], [`IngestError::Purged`], [`IngestError::ContentDiffers`],
    /// [`IngestError::UserReferenceDiffers`], [`IngestError::NotEligible`], [`IngestError::NotFinished`],
    /// [`IngestError::NotComparable`], [`IngestError::AttestationNeeded`], [`IngestError::Unconfirmed`]: nothing was
    /// stored.
    pub async fn import(&self, import: &Import, facemap: FacemapBytes) -> Result<Imported, IngestError> {
        let now = self.clock.now();
        import.check(&facemap, now).map_err(IngestError::Invalid)?;
        let contents = Contents::of(&facemap);
        if let Known::Same(same) = self.known(import, &contents).await? {
            return self.was_there(import, &same).await;
        }
        let original = self.original(import, &contents).await?;
        let stroke = self.begin_import(import, &original).await?;
        let is_gone = matches!(original, Original::Gone);
        let subject = self.records().enrollment_key(&import.reference).0;
        let slot = match self.vault.prepare(SlotKind::Facemap, subject).await {
            Ok(slot) => slot,
            Err(error) => return self.end_import(&stroke, error.into()).await,
        };
        let arrival = Arrival { import, contents, original, now, slot };
        match self.bring_in(&arrival, facemap, &stroke).await {
            Ok(Known::Same(same)) => {
                self.vault.give_back(slot).await?;
                let already = Details::new().with("already", true);
                self.audit.finish_alone(&stroke, Outcome::Refused, already).await?;
                return self.was_there(import, &same).await;
            }
            Ok(Known::Takes(_) | Known::Nothing) => self.give_back_others(subject, slot).await,
            Err(error) => {
                // What may have been committed keeps its slot. If it was not, the slot goes with the next import, the
                // purge, or after a day.
                if !matches!(error, IngestError::Records(_)) {
                    self.vault.give_back(slot).await?;
                }
                return self.end_import(&stroke, error).await;
            }
        }
        if is_gone {
            self.hand_over_now(&import.reference).await?;
        }
        Ok(Imported { view: self.get(&import.reference).await?, already: false })
    }

    /// What importing means for what is known under this reference.
    async fn known(&self, import: &Import, contents: &Contents) -> Result<Known, IngestError> {
        let Some(known) = self.settled(&import.reference).await? else {
            return Ok(Known::Nothing);
        };
        if matches!(known.row.state, EnrollmentState::Purging | EnrollmentState::Purged) {
            return Err(IngestError::Purged);
        }
        let person = Self::person(&known)?;
        if person.user_reference.as_ref().is_some_and(|user| *user != import.user_reference) {
            return Err(IngestError::UserReferenceDiffers);
        }
        if let Some(held) = &person.contents {
            let is_same = held == contents;
            return if is_same { Ok(Known::Same(Box::new(known))) } else { Err(IngestError::ContentDiffers) };
        }
        match known.row.state {
            // Jumio has decided, and nobody's word stands against it.
            EnrollmentState::Ineligible => Err(IngestError::NotEligible { reasons: known.row.reasons }),
            EnrollmentState::AwaitingUser
            | EnrollmentState::Received
            | EnrollmentState::Confirming
            | EnrollmentState::Fetching
            | EnrollmentState::Abandoned
            | EnrollmentState::Failed
            | EnrollmentState::Foreign => Ok(Known::Takes(Box::new(known))),
            state => Err(IngestError::Inconsistent { state }),
        }
    }

    async fn was_there(&self, import: &Import, known: &Enrollment) -> Result<Imported, IngestError> {
        self.give_back_others(known.key.0, known.row.slot).await;
        match self.look_again(known).await {
            Err(error) if !error.is_conflict() => return Err(error),
            _ => {}
        }
        Ok(Imported { view: self.get(&import.reference).await?, already: true })
    }

    /// Writes the import down. Without that it does not happen.
    async fn begin_import(&self, import: &Import, original: &Original) -> Result<Stroke, IngestError> {
        let subject = self.records().enrollment_key(&import.reference).0;
        let user = self.records().user_key(&import.user_reference).0;
        let mut begin = Begin::about(Action::Imported, subject, import.actor.clone()).of_user(user);
        begin = begin.with("original", original.as_str());
        if let (Original::Gone, Some(text)) = (original, &import.attestation) {
            // Keyed: whoever reads the book and guesses a text about somebody learns nothing.
            let hash = self.records().keys().pseudonyms().of("attestation", text.as_bytes());
            begin = begin.with("attestation", hash);
        }
        Ok(self.audit.begin(begin).await?)
    }

    async fn end_import(&self, stroke: &Stroke, error: IngestError) -> Result<Imported, IngestError> {
        let outcome = match error {
            IngestError::Purged | IngestError::ContentDiffers | IngestError::UserReferenceDiffers => {
                Outcome::Refused
            }
            IngestError::Records(_) => Outcome::Unknown,
            _ => Outcome::Failed,
        };
        if let Err(error) = self.audit.finish_alone(stroke, outcome, Details::new()).await {
            tracing::warn!(%error, "the end of an import could not be written down; the next start does");
        }
        Err(error)
    }

    /// Puts the facemap under its own slot and commits that it is there. What was known before is given back:
    /// [`Known::Same`] when somebody else brought the same one in meanwhile.
    async fn bring_in(
        &self,
        arrival: &Arrival<'_>,
        facemap: FacemapBytes,
        stroke: &Stroke,
    ) -> Result<Known, IngestError> {
        let Arrival { import, contents, slot, .. } = arrival;
        let known = self.known(import, contents).await?;
        if let Known::Same(_) = known {
            return Ok(known);
        }
        let (row, private) = self.rows_of(arrival, &known);
        let state = row.state;
        let note = FacemapNote::of(&row, &private).ok_or(IngestError::Inconsistent { state })?;
        let put = match self.vault.put(*slot, &import.reference, &note.to_bytes(), facemap).await {
            // Somebody else's import, or a purge, was first and has burnt what the record does not name.
            Err(error) if is_moved(&error) => {
                let known = self.known(import, contents).await?;
                return if matches!(known, Known::Same(_)) { Ok(known) } else { Err(IngestError::Busy) };
            }
            put => put?,
        };
        if put != *contents {
            return Err(IngestError::ContentDiffers);
        }
        for _ in 0..ATTEMPTS {
            // Read again each time: a purge that came first leaves a tombstone, and the commit demands that it did not.
            let known = self.known(import, contents).await?;
            if let Known::Same(_) = known {
                return Ok(known);
            }
            match self.commit_import(arrival, &known, stroke).await {
                Err(error) if error.is_conflict() => {}
                Err(IngestError::Vault(error)) if is_moved(&error) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(known),
            }
        }
        Err(IngestError::Busy)
    }

    async fn commit_import(
        &self,
        arrival: &Arrival<'_>,
        known: &Known,
        stroke: &Stroke,
    ) -> Result<(), IngestError> {
        let (row, private) = self.rows_of(arrival, known);
        let key = self.records().enrollment_key(&arrival.import.reference);
        let mut commit = self.records().commit();
        self.tell_of(&mut commit, EventKind::EnrollmentVaulted, key, &row, &private).await?;
        // In every round anew: a hold that was there in the one before may have ended.
        if self.vault.view(arrival.slot).await?.hold != row.hold {
            self.vault.set_hold(arrival.slot, row.hold).await?;
        }
        match known {
            Known::Takes(old) => {
                let mut taken = Enrollment::clone(old);
                (taken.row, taken.private) = (row, Some(private));
                self.register.update_enrollment(&mut commit, &taken).await?;
            }
            Known::Nothing | Known::Same(_) => {
                self.register.insert_enrollment(&mut commit, row, &private).await?;
            }
        }
        self.wake_enrollment(&mut commit, key, arrival.now).await?;
        let details = Details::new().with("bytes", arrival.contents.bytes);
        self.audit.finish_with(&mut commit, stroke, Outcome::Done, details);
        Ok(commit.submit().await?)
    }

    /// The rows of what arrives. An enrollment that was known moves to the new slot: a fetch that is under way puts what
    /// it brings under the old one.
    fn rows_of(&self, arrival: &Arrival<'_>, known: &Known) -> (EnrollmentRow, EnrollmentPrivate) {
        let Arrival { import, contents, original, now, slot } = arrival;
        let user = self.records().user_key(&import.user_reference);
        let old = match known {
            Known::Takes(old) => Some(old),
            Known::Nothing | Known::Same(_) => None,
        };
        let fresh =
            || EnrollmentRow::new(EnrollmentState::Vaulted, EnrollmentOrigin::Imported, *now, *slot, None);
        let mut row = old.map_or_else(fresh, |old| old.row.clone());
        row.enter(EnrollmentState::Vaulted, *now);
        (row.slot, row.user, row.trouble) = (*slot, Some(user), None);
        row.vaulted_at = Some(*now);
        row.onboarded_at = import.claims.onboarded_at;
        row.last_used_at = import.claims.last_used_at;
        row.facemap_bytes = Some(contents.bytes);
        let mut customer_internal_reference =
            old.and_then(|old| old.private.as_ref()).and_then(|p| p.customer_internal_reference.clone());
        let mut attestation = None;
        match original {
            Original::Confirmed { internal_reference } => {
                customer_internal_reference =
                    customer_internal_reference.or_else(|| internal_reference.clone());
                if row.origin == EnrollmentOrigin::Callback {
                    // From now on the company's word makes it ours, not a claim.
                    row.origin = EnrollmentOrigin::Announced;
                }
            }
            Original::Gone => {
                row.origin = EnrollmentOrigin::Imported;
                row.deletion_confirmed_at = Some(*now);
                attestation.clone_from(&import.attestation);
            }
        }
        let private = EnrollmentPrivate {
            reference: import.reference,
            user_reference: Some(import.user_reference.clone()),
            customer_internal_reference,
            contents: Some(*contents),
            replaced_by: None,
            attestation,
        };
        (row, private)
    }

    /// Takes the steps from vaulted to ready without waiting for the job. What keeps it from going on keeps the job too,
    /// which stays.
    async fn hand_over_now(&self, reference: &EnrollmentRef) -> Result<(), IngestError> {
        for _ in 0..ATTEMPTS {
            let found = self.register.enrollment(reference).await?;
            let Some(found) = found.filter(|found| found.row.state == EnrollmentState::Vaulted) else {
                return Ok(());
            };
            let Step { commit, then } = match self.hand_over(found).await {
                Ok(step) => step,
                Err(error) if error.is_conflict() => continue,
                Err(error) => {
                    tracing::info!(%error, "an imported enrollment gets ready a little later");
                    return Ok(());
                }
            };
            match commit.submit().await {
                Err(error) if error.is_conflict() => continue,
                other => other?,
            }
            if !matches!(then, Then::At(due) if due <= self.clock.now()) {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("reference", &self.reference).finish_non_exhaustive()
    }
}

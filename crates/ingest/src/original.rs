//! What Jumio still says about a facemap that is brought in.

use crate::{Import, ImportClaims, Ingest, IngestError, confirm::has_no_data, eligibility::eligible};
use jumio::{JumioError, Progress, ScanDetails};
use model::{Similarity, VerificationStatus};
use register::IneligibleReason;
use vault::Contents;

/// What became of the original.
pub(crate) enum Original {
    /// Jumio has it, it meets the conditions, and its facemap has the same bytes.
    Confirmed {
        /// The company's own reference of the transaction, as Jumio names it.
        internal_reference: Option<String>,
    },
    /// Jumio has neither the transaction nor its facemap.
    Gone,
}

impl Original {
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "confirmed",
            Self::Gone => "gone",
        }
    }
}

impl ImportClaims {
    /// The conditions of seed 003 that do not hold, as far as these claims tell. What they do not say holds only where
    /// Jumio says it.
    fn reasons(&self, silence_is_fine: bool) -> Vec<IneligibleReason> {
        let status = self.status.as_deref().map(VerificationStatus::from_jumio);
        let similarity = self.similarity.as_deref().map(Similarity::from_jumio);
        let validity = self.validity.as_deref().map(|text| text.eq_ignore_ascii_case("true"));
        let conditions = [
            (
                status.map(|status| status == VerificationStatus::ApprovedVerified),
                IneligibleReason::VerificationStatus,
            ),
            (similarity.map(|similarity| similarity == Similarity::Match), IneligibleReason::Similarity),
            (validity, IneligibleReason::Validity),
        ];
        let holds = |said: Option<bool>| said.unwrap_or(silence_is_fine);
        conditions.into_iter().filter(|(said, _)| !holds(*said)).map(|(_, reason)| reason).collect()
    }
}

fn none_of(reasons: Vec<IneligibleReason>) -> Result<(), IngestError> {
    if reasons.is_empty() { Ok(()) } else { Err(IngestError::NotEligible { reasons }) }
}

/// A question that Jumio did not answer can be put again: nothing was asked to be done.
fn unanswered(error: IngestError) -> IngestError {
    match error {
        IngestError::Jumio(error @ (JumioError::RateLimited { .. } | JumioError::Refused { .. })) => {
            IngestError::Jumio(error)
        }
        IngestError::Jumio(error) => IngestError::Unconfirmed(error),
        other => other,
    }
}

impl Ingest {
    /// Asks Jumio about the original of what is brought in.
    pub(crate) async fn original(
        &self,
        import: &Import,
        contents: &Contents,
    ) -> Result<Original, IngestError> {
        none_of(import.claims.reasons(true))?;
        self.draw_known_retrieval().await?;
        match self.heard(self.jumio.scan_details(import.reference).await) {
            Err(IngestError::Jumio(JumioError::NotFound)) => self.see_it_gone(import).await,
            Err(error) => Err(unanswered(error)),
            Ok(details) => self.compare(import, contents, details).await,
        }
    }

    /// Jumio has the transaction: it must be a good one, of this user, and its facemap must be the same.
    async fn compare(
        &self,
        import: &Import,
        contents: &Contents,
        details: ScanDetails,
    ) -> Result<Original, IngestError> {
        if details.reference != Some(import.reference) {
            let what = "the retrieval answer is about another transaction";
            return Err(unanswered(JumioError::Malformed { what }.into()));
        }
        if details.state.progress() == Progress::Waiting || has_no_data(&details) {
            return Err(IngestError::NotFinished);
        }
        if let Err(reasons) = eligible(&details, Some(&import.user_reference)) {
            return Err(IngestError::NotEligible { reasons });
        }
        self.draw_known_retrieval().await?;
        match self.heard(self.jumio.facemap(import.reference, None).await) {
            Ok(original) if Contents::of(&original) == *contents => {
                Ok(Original::Confirmed { internal_reference: details.internal_reference })
            }
            Ok(_) => Err(IngestError::ContentDiffers),
            Err(IngestError::Jumio(JumioError::NotFound)) => Err(IngestError::NotComparable),
            Err(error) => Err(unanswered(error)),
        }
    }

    /// Jumio has no details: it counts as gone only if there is no status and no facemap either. Then somebody must
    /// stand for it, and say that it met the conditions.
    async fn see_it_gone(&self, import: &Import) -> Result<Original, IngestError> {
        self.draw_known_retrieval().await?;
        match self.heard(self.jumio.scan_status(import.reference).await) {
            Err(IngestError::Jumio(JumioError::NotFound)) => {}
            Err(error) => return Err(unanswered(error)),
            Ok(_) => return Err(IngestError::NotFinished),
        }
        self.draw_known_retrieval().await?;
        match self.heard(self.jumio.facemap_is_gone(import.reference).await) {
            Ok(true) => {}
            Ok(false) => return Err(IngestError::NotComparable),
            Err(error) => return Err(unanswered(error)),
        }
        none_of(import.claims.reasons(false))?;
        if import.attestation.is_none() {
            return Err(IngestError::AttestationNeeded);
        }
        Ok(Original::Gone)
    }
}

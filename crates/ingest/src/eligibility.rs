//! Which onboardings have a facemap that may be used (seed 003), and whose it is.

use jumio::{NamedUser, ScanDetails};
use model::{Similarity, UserReference, VerificationStatus};
use register::IneligibleReason;

/// Judges what the Retrieval API says. `announced` is the user for whom the onboarding was started or announced.
///
/// # Errors
/// Every condition that does not hold, not only the first.
pub(crate) fn eligible(
    details: &ScanDetails,
    announced: Option<&UserReference>,
) -> Result<UserReference, Vec<IneligibleReason>> {
    let mut reasons = Vec::new();
    if details.verification_status != Some(VerificationStatus::ApprovedVerified) {
        reasons.push(IneligibleReason::VerificationStatus);
    }
    if details.similarity != Some(Similarity::Match) {
        reasons.push(IneligibleReason::Similarity);
    }
    if details.validity != Some(true) {
        reasons.push(IneligibleReason::Validity);
    }
    if details.facemap_href.is_none() {
        reasons.push(IneligibleReason::FacemapMissing);
    }
    let user = match (&details.user_reference, announced) {
        (NamedUser::User(named), Some(announced)) if named != announced => {
            reasons.push(IneligibleReason::UserReferenceDiffers);
            None
        }
        // Somebody is named, and nobody can say that it is the announced one.
        (NamedUser::Unreadable, _) => {
            reasons.push(IneligibleReason::UserReferenceDiffers);
            None
        }
        (NamedUser::Nobody, None) => {
            reasons.push(IneligibleReason::UserReferenceMissing);
            None
        }
        (NamedUser::User(named), _) => Some(named),
        // Where Jumio names nobody, the company's own word stands: it was given through the authenticated API.
        (NamedUser::Nobody, announced) => announced,
    };
    match user {
        Some(user) if reasons.is_empty() => Ok(user.clone()),
        _ => Err(reasons),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jumio::ScanState;

    fn good() -> ScanDetails {
        ScanDetails {
            reference: None,
            state: ScanState::Done,
            verification_status: Some(VerificationStatus::ApprovedVerified),
            similarity: Some(Similarity::Match),
            validity: Some(true),
            user_reference: NamedUser::User("ines".parse().unwrap()),
            internal_reference: None,
            facemap_href: Some("https://netverify.com/facemap".into()),
            date: None,
            unknown_values: 0,
            jumio_date: None,
        }
    }

    #[test]
    fn an_approved_live_matching_person_with_a_facemap_is_eligible() {
        let user: UserReference = "ines".parse().unwrap();
        assert_eq!(eligible(&good(), Some(&user)), Ok(user.clone()));
        assert_eq!(eligible(&good(), None), Ok(user));
    }

    type Spoil = fn(&mut ScanDetails);

    #[test]
    fn each_condition_alone_makes_it_ineligible_and_is_named() {
        let ines: UserReference = "ines".parse().unwrap();
        let cases: [(Spoil, IneligibleReason); 9] = [
            (
                |d| d.verification_status = Some(VerificationStatus::DeniedFraud),
                IneligibleReason::VerificationStatus,
            ),
            (
                |d| d.verification_status = Some(VerificationStatus::Unknown),
                IneligibleReason::VerificationStatus,
            ),
            (|d| d.verification_status = None, IneligibleReason::VerificationStatus),
            (|d| d.similarity = Some(Similarity::NoMatch), IneligibleReason::Similarity),
            (|d| d.similarity = Some(Similarity::NotPossible), IneligibleReason::Similarity),
            (|d| d.similarity = None, IneligibleReason::Similarity),
            (|d| d.validity = Some(false), IneligibleReason::Validity),
            (|d| d.validity = None, IneligibleReason::Validity),
            (|d| d.facemap_href = None, IneligibleReason::FacemapMissing),
        ];
        for (spoil, reason) in cases {
            let mut details = good();
            spoil(&mut details);
            assert_eq!(eligible(&details, Some(&ines)), Err(vec![reason]));
        }
    }

    #[test]
    fn another_user_than_the_announced_one_is_refused_however_good_the_rest_is() {
        let other: UserReference = "Ines".parse().unwrap();
        assert_eq!(eligible(&good(), Some(&other)), Err(vec![IneligibleReason::UserReferenceDiffers]));
    }

    #[test]
    fn where_jumio_names_nobody_the_announced_user_stands_and_without_one_nobody_is_guessed() {
        let ines: UserReference = "ines".parse().unwrap();
        let nameless = ScanDetails { user_reference: NamedUser::Nobody, ..good() };
        assert_eq!(eligible(&nameless, Some(&ines)), Ok(ines));
        assert_eq!(eligible(&nameless, None), Err(vec![IneligibleReason::UserReferenceMissing]));
    }

    #[test]
    fn a_user_that_cannot_be_read_is_nobodys_facemap_announced_or_not() {
        let ines: UserReference = "ines".parse().unwrap();
        let unreadable = ScanDetails { user_reference: NamedUser::Unreadable, ..good() };
        for announced in [Some(&ines), None] {
            let refused = eligible(&unreadable, announced);
            assert_eq!(refused, Err(vec![IneligibleReason::UserReferenceDiffers]));
        }
    }

    #[test]
    fn all_failed_conditions_are_named_together() {
        let details = ScanDetails {
            verification_status: None,
            similarity: None,
            validity: None,
            facemap_href: None,
            user_reference: NamedUser::Nobody,
            ..good()
        };
        assert_eq!(eligible(&details, None).unwrap_err().len(), 5);
    }
}

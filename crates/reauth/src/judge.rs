//! Does what the Retrieval API says belong to this authentication? Pure.

use jiff::SignedDuration;
use jumio::AuthenticationDetails;
use model::{AuthenticationResult, AuthenticationState, Timestamp, limits};
use register::AuthenticationPrivate;

/// What a retrieval answer means for an authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not final yet.
    Pending,
    /// Final, and certainly this authentication's.
    Final(AuthenticationState),
    /// The answer is about something else; it changes nothing.
    NotOurs(Mismatch),
}

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// Another transaction, or none is named.
    Transaction,
    /// Another enrollment, or none is named.
    Enrollment,
    /// Another user.
    User,
    /// From before it was asked for, or without a date.
    Date,
}

impl Mismatch {
    /// A code for the log and the audit.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Transaction => "other-transaction",
            Self::Enrollment => "other-enrollment",
            Self::User => "other-user",
            Self::Date => "older-than-the-request",
        }
    }
}

/// Judges a retrieval answer (DESIGN §3.12): it must name the same reference and enrollment, the same user where it
/// names one, and a final one must bear a date not before `created_at` less the clock skew.
#[must_use]
pub fn judge(
    details: &AuthenticationDetails,
    private: &AuthenticationPrivate,
    created_at: Timestamp,
) -> Verdict {
    if private.reference.is_none() || details.reference != private.reference {
        return Verdict::NotOurs(Mismatch::Transaction);
    }
    if details.enrollment != Some(private.enrollment_reference) {
        return Verdict::NotOurs(Mismatch::Enrollment);
    }
    if details.user_reference.as_ref().is_some_and(|user| *user != private.user_reference) {
        return Verdict::NotOurs(Mismatch::User);
    }
    let Some(state) = final_state(details.result) else { return Verdict::Pending };
    // A name that is none of a user's says as little as another user's; it comes as no name and an unknown value.
    if details.user_reference.is_none() && details.unknown_values > 0 {
        return Verdict::NotOurs(Mismatch::User);
    }
    let earliest = created_at - SignedDuration::from_secs(limits::CLOCK_SKEW_SECONDS);
    if details.date.is_none_or(|date| date < earliest) {
        return Verdict::NotOurs(Mismatch::Date);
    }
    Verdict::Final(state)
}

const fn final_state(result: AuthenticationResult) -> Option<AuthenticationState> {
    match result {
        AuthenticationResult::Passed => Some(AuthenticationState::Passed),
        AuthenticationResult::Failed => Some(AuthenticationState::Failed),
        AuthenticationResult::Invalid => Some(AuthenticationState::Invalid),
        AuthenticationResult::Expired => Some(AuthenticationState::Expired),
        AuthenticationResult::Created | AuthenticationResult::Started | AuthenticationResult::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AuthenticationId, rng::SeededRng};

    const OURS: &str = "11111111-1111-1111-1111-111111111111";
    const ENROLLMENT: &str = "22222222-2222-2222-2222-222222222222";
    const OTHER: &str = "33333333-3333-3333-3333-333333333333";

    fn private() -> AuthenticationPrivate {
        AuthenticationPrivate {
            id: AuthenticationId::random(&SeededRng::new(1)),
            reference: Some(OURS.parse().unwrap()),
            enrollment_reference: ENROLLMENT.parse().unwrap(),
            user_reference: "user-1".parse().unwrap(),
            redirect_url: None,
            success_url: None,
            error_url: None,
            locale: None,
            token_lifetime_minutes: None,
            request_reference: None,
        }
    }

    fn passed() -> AuthenticationDetails {
        AuthenticationDetails {
            reference: Some(OURS.parse().unwrap()),
            enrollment: Some(ENROLLMENT.parse().unwrap()),
            user_reference: Some("user-1".parse().unwrap()),
            result: AuthenticationResult::Passed,
            date: Some(created() + SignedDuration::from_secs(60)),
            unknown_values: 0,
            jumio_date: None,
        }
    }

    fn created() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn verdict(change: impl FnOnce(&mut AuthenticationDetails)) -> Verdict {
        let mut details = passed();
        change(&mut details);
        judge(&details, &private(), created())
    }

    #[test]
    fn a_result_that_fits_in_everything_is_final() {
        for (result, state) in [
            (AuthenticationResult::Passed, AuthenticationState::Passed),
            (AuthenticationResult::Failed, AuthenticationState::Failed),
            (AuthenticationResult::Invalid, AuthenticationState::Invalid),
            (AuthenticationResult::Expired, AuthenticationState::Expired),
        ] {
            assert_eq!(verdict(|d| d.result = result), Verdict::Final(state));
        }
        assert_eq!(verdict(|d| d.user_reference = None), Verdict::Final(AuthenticationState::Passed));
    }

    #[test]
    fn what_is_not_final_or_not_known_changes_nothing() {
        for result in
            [AuthenticationResult::Created, AuthenticationResult::Started, AuthenticationResult::Unknown]
        {
            assert_eq!(verdict(|d| d.result = result), Verdict::Pending);
        }
    }

    #[test]
    fn another_transactions_enrollments_users_or_older_result_is_not_ours() {
        use Mismatch::{Date, Enrollment, Transaction, User};
        assert_eq!(verdict(|d| d.reference = Some(OTHER.parse().unwrap())), Verdict::NotOurs(Transaction));
        assert_eq!(verdict(|d| d.reference = None), Verdict::NotOurs(Transaction));
        assert_eq!(verdict(|d| d.enrollment = Some(OTHER.parse().unwrap())), Verdict::NotOurs(Enrollment));
        assert_eq!(verdict(|d| d.enrollment = None), Verdict::NotOurs(Enrollment));
        let unreadable = verdict(|d| (d.user_reference, d.unknown_values) = (None, 1));
        assert_eq!(unreadable, Verdict::NotOurs(User), "a name in a form that no user has");
        assert_eq!(verdict(|d| d.user_reference = Some("user-2".parse().unwrap())), Verdict::NotOurs(User));
        let skew = SignedDuration::from_secs(limits::CLOCK_SKEW_SECONDS);
        let just_too_old = created() - skew - SignedDuration::from_millis(1);
        assert_eq!(verdict(|d| d.date = Some(just_too_old)), Verdict::NotOurs(Date));
        assert_eq!(verdict(|d| d.date = None), Verdict::NotOurs(Date));
        assert_eq!(verdict(|d| d.date = Some(created() - skew)), Verdict::Final(AuthenticationState::Passed));
    }

    #[test]
    fn nothing_makes_a_transaction_without_a_reference_pass() {
        let unknown = AuthenticationPrivate { reference: None, ..private() };
        assert_eq!(judge(&passed(), &unknown, created()), Verdict::NotOurs(Mismatch::Transaction));
        let nameless = AuthenticationDetails { reference: None, ..passed() };
        assert_eq!(judge(&nameless, &unknown, created()), Verdict::NotOurs(Mismatch::Transaction));
    }
}

//! What can be told.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $text:literal),+ $(,)?) => {
        /// What happened (contract §5).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $text)] $name),+
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }
        }
    };
}

kinds! {
    /// A facemap rests here. It asks for the release.
    EnrollmentVaulted => "enrollment.vaulted",
    /// The original is gone; the person can be re-authenticated.
    EnrollmentReady => "enrollment.ready",
    /// A condition does not hold: there will be no facemap.
    EnrollmentIneligible => "enrollment.ineligible",
    /// It was tried for as long as configured, in vain.
    EnrollmentFailed => "enrollment.failed",
    /// Another enrollment of the same user took its place.
    EnrollmentReplaced => "enrollment.replaced",
    /// It is destroyed.
    EnrollmentPurged => "enrollment.purged",
    /// Retention stopped and asks, because it would destroy more than its bound allows.
    EnrollmentRetentionDue => "enrollment.retention-due",
    /// Jumio has created a transaction.
    AuthenticationInitiated => "authentication.initiated",
    /// There is a final result.
    AuthenticationCompleted => "authentication.completed",
    /// Somebody pressed the button behind a link.
    LinkPressed => "link.pressed",
    /// A link can no longer be used, and nobody passed with it.
    LinkExpired => "link.expired",
    /// Every item of a batch has come to its end.
    BatchCompleted => "batch.completed",
    /// An order to purge many has come to its end.
    PurgeCompleted => "purge.completed",
    /// A user was sent to Jumio too often.
    UserLocked => "user.locked",
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

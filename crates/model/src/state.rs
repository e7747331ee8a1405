//! The states of an enrollment and of an authentication, as the API and the store spell them.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The spelling in the API, in the store, and in logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads that spelling.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|s| s.as_str() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

states! {
    /// Where an enrollment stands, from the first we hear of it to its tombstone.
    EnrollmentState {
        /// Started or announced; the person has not finished at Jumio, as far as we know.
        AwaitingUser = "awaiting-user",
        /// A callback (or a poll) says that the person has finished; nothing is confirmed.
        Received = "received",
        /// The Retrieval API is being asked.
        Confirming = "confirming",
        /// Eligible; the facemap is being fetched.
        Fetching = "fetching",
        /// The facemap is durable here; the original still exists at Jumio. Waits for release or deletion.
        Vaulted = "vaulted",
        /// The original is gone: the facemap can be used.
        Ready = "ready",
        /// The person never finished.
        Abandoned = "abandoned",
        /// One of the conditions of seed 003 does not hold.
        Ineligible = "ineligible",
        /// Tried for as long as configured: a dead letter.
        Failed = "failed",
        /// Not one of ours.
        Foreign = "foreign",
        /// A purge is under way: nothing opens any more.
        Purging = "purging",
        /// Destroyed; nothing brings it back.
        Purged = "purged",
    }
}

states! {
    /// Where an authentication stands.
    AuthenticationState {
        /// Being posted to Jumio.
        Initiating = "initiating",
        /// Jumio has it; the person may begin.
        Initiated = "initiated",
        /// Live, and the person who was onboarded.
        Passed = "passed",
        /// Not the person, or not live.
        Failed = "failed",
        /// The capture could not be judged.
        Invalid = "invalid",
        /// Nobody finished in time.
        Expired = "expired",
        /// A later transaction took its place.
        Superseded = "superseded",
        /// Nobody knows whether Jumio created it. It was handed to nobody and can never pass.
        Unknown = "unknown",
        /// Jumio refused to create it.
        Refused = "refused",
    }
}

states! {
    /// Where a link stands.
    LinkState {
        /// Nobody has pressed the button yet.
        Open = "open",
        /// Somebody has; it can be pressed again until it is used up.
        Pressed = "pressed",
        /// Used up: passed, or tried as often as allowed.
        Completed = "completed",
        /// Its time is over.
        Expired = "expired",
        /// Taken back by the company.
        Withdrawn = "withdrawn",
    }
}

impl LinkState {
    /// Whether the link can still be pressed, as long as its time is not over.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Open | Self::Pressed)
    }
}

impl AuthenticationState {
    /// Whether nothing changes it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Passed | Self::Failed | Self::Invalid | Self::Expired | Self::Superseded | Self::Refused
        )
    }
}

states! {
    /// How an enrollment came to us.
    EnrollmentOrigin {
        /// Started here, through `POST /v1/verifications`.
        Started = "started",
        /// Started elsewhere and announced, through `POST /v1/enrollments`.
        Announced = "announced",
        /// First heard of in a callback (`accept = "all"` or a configured reference prefix).
        Callback = "callback",
        /// Brought in from another place where it was kept.
        Imported = "imported",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_spelled_alike_for_people_and_for_serde() {
        for state in EnrollmentState::ALL {
            assert_eq!(serde_json::to_string(state).unwrap(), format!("\"{state}\""));
            assert_eq!(EnrollmentState::parse(state.as_str()), Some(*state));
        }
        for state in AuthenticationState::ALL {
            assert_eq!(serde_json::to_string(state).unwrap(), format!("\"{state}\""));
        }
    }
}

//! References and ids. Each is parsed once, where data comes in, and is correct from then on.

use crate::{Rng, limits};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};
use thiserror::Error;
use uuid::Uuid;

/// A reference or id that does not have the form it must have. The text of the input is not repeated: it may be
/// somebody's personal data, or a secret pasted into the wrong field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} must be {rule}")]
pub struct InvalidReference {
    what: &'static str,
    rule: &'static str,
}

impl InvalidReference {
    /// What the value must be, as a phrase that follows "must be".
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule
    }
}

const UUID_RULE: &str =
    "36 characters of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, in hexadecimal digits";

fn parse_uuid(what: &'static str, text: &str) -> Result<Uuid, InvalidReference> {
    let bad = InvalidReference { what, rule: UUID_RULE };
    // The uuid crate also reads braced, urn and undashed forms; Jumio knows one form only.
    if text.len() != limits::JUMIO_REFERENCE_CHARS {
        return Err(bad);
    }
    Uuid::try_parse(text).map_err(|_| bad)
}

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// The sixteen bytes behind the text.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id with these sixteen bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl FromStr for $name {
            type Err = InvalidReference;
            fn from_str(text: &str) -> Result<Self, InvalidReference> {
                parse_uuid($what, text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! random_id {
    ($name:ident) => {
        impl $name {
            /// A new random id (UUID version 4).
            #[must_use]
            pub fn random(rng: &dyn Rng) -> Self {
                let mut bytes = [0; 16];
                rng.fill(&mut bytes);
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
        }
    };
}

uuid_newtype! {
    /// Jumio's reference of an onboarding: its ID Verification transaction, also called scan reference. In canonical
    /// lower case, so that two spellings cannot become two people.
    EnrollmentRef, "an enrollment transaction reference"
}
uuid_newtype! {
    /// Jumio's reference of an Authentication transaction, in canonical lower case.
    AuthenticationRef, "an authentication transaction reference"
}
uuid_newtype! {
    /// The vault's own id of an authentication; it exists before Jumio has given a reference.
    AuthenticationId, "an authentication id"
}
uuid_newtype! {
    /// The vault's own id of a callback in the inbox.
    CallbackId, "a callback id"
}
uuid_newtype! {
    /// The vault's own id of a link. It is no secret: what opens the link is the token, which cannot be made from it
    /// without the held key.
    LinkId, "a link id"
}
uuid_newtype! {
    /// The vault's own id of a batch.
    BatchId, "a batch id"
}
random_id!(AuthenticationId);
random_id!(BatchId);
random_id!(CallbackId);
random_id!(LinkId);

/// The company's own reference of a user: 1 to 100 printable ASCII characters without outer spaces, compared byte for
/// byte. Jumio forbids personal data in it; it is treated as personal data all the same and never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserReference(String);

impl UserReference {
    /// The reference as text: for requests to Jumio and answers to the company's backend.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserReference {
    type Err = InvalidReference;
    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let fits = (1..=limits::USER_REFERENCE_CHARS).contains(&text.len());
        let printable = text.bytes().all(|b| (0x20..=0x7e).contains(&b));
        if fits && printable && text.trim_matches(' ').len() == text.len() {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidReference {
                what: "a user reference",
                rule: "1 to 100 printable ASCII characters without outer spaces",
            })
        }
    }
}

impl fmt::Debug for UserReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserReference(..)")
    }
}

impl Serialize for UserReference {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserReference {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_become_lower_case_and_nothing_else_is_accepted() {
        let upper = "ABCDEF01-2345-6789-ABCD-EF0123456789";
        let parsed: EnrollmentRef = upper.parse().unwrap();
        assert_eq!(parsed.to_string(), upper.to_lowercase());
        for other in
            ["", "abcdef0123456789abcdef0123456789", "{abcdef01-2345-6789-abcd-ef0123456789}", &upper[1..]]
        {
            assert!(other.parse::<EnrollmentRef>().is_err(), "{other}");
        }
    }

    #[test]
    fn a_user_reference_is_never_shown_by_debug_nor_repeated_by_an_error() {
        let user: UserReference = "ines-4711".parse().unwrap();
        assert!(!format!("{user:?}").contains("ines"));
        let error = " ines-4711".parse::<UserReference>().unwrap_err();
        assert!(!error.to_string().contains("ines"));
    }

    proptest! {
        #[test]
        fn a_user_reference_is_kept_byte_for_byte_or_refused(text in "\\PC{0,110}") {
            match text.parse::<UserReference>() {
                Ok(user) => prop_assert_eq!(user.as_str(), text.as_str()),
                Err(_) => prop_assert!(
                    text.is_empty() || text.len() > 100 || !text.is_ascii() || text.starts_with(' ') || text.ends_with(' ')
                ),
            }
        }

        #[test]
        fn any_text_is_parsed_without_panic(text in "\\PC{0,60}") {
            if let Ok(reference) = text.parse::<AuthenticationRef>() {
                prop_assert_eq!(reference.to_string(), text.to_lowercase());
            }
        }
    }
}

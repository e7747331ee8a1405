//! Keys: fixed-width parts whose bytes sort as the values do.

use jiff::Timestamp;
use model::{AuthenticationId, BatchId, CallbackId, LinkId};
use seal::Pseudonym;
use serde::{Deserialize, Serialize};

/// A part of a key, of a width that never varies.
pub trait KeyPart: Sized {
    /// Appends the part.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes the part off the front; `None` if it is not one.
    fn take(from: &mut &[u8]) -> Option<Self>;
}

/// A whole key.
pub trait Key: Sized {
    /// The key's bytes. A shorter tuple's bytes are a prefix of a longer one's that begins alike.
    fn encode(&self) -> Vec<u8>;
    /// The key with these bytes; `None` if they are not one.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

fn take_array<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*head)
}

impl KeyPart for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        take_array::<1>(from).map(|[b]| b)
    }
}

impl KeyPart for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        take_array(from).map(Self::from_be_bytes)
    }
}

/// Microseconds since 1970, with the sign bit turned so that bytes sort as times do.
impl KeyPart for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend((self.as_microsecond() ^ i64::MIN).to_be_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        Self::from_microsecond(take_array(from).map(i64::from_be_bytes)? ^ i64::MIN).ok()
    }
}

impl KeyPart for Pseudonym {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        take_array(from).map(Self::from_bytes)
    }
}

impl KeyPart for AuthenticationId {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        take_array(from).map(Self::from_bytes)
    }
}

impl KeyPart for CallbackId {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        take_array(from).map(Self::from_bytes)
    }
}

impl KeyPart for LinkId {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        take_array(from).map(Self::from_bytes)
    }
}

impl KeyPart for BatchId {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        take_array(from).map(Self::from_bytes)
    }
}

macro_rules! pseudonym_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Pseudonym);

        impl KeyPart for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                Pseudonym::take(from).map(Self)
            }
        }
    };
}

pseudonym_key! {
    /// An enrollment: the pseudonym of its reference.
    EnrollmentKey
}
pseudonym_key! {
    /// A user: the pseudonym of the user reference.
    UserKey
}
pseudonym_key! {
    /// An authentication at Jumio: the pseudonym of its reference.
    TransactionKey
}

macro_rules! tuple_key {
    ($($part:ident),+) => {
        impl<$($part: KeyPart),+> Key for ($($part,)+) {
            fn encode(&self) -> Vec<u8> {
                #[expect(non_snake_case, reason = "the parts are named after their types")]
                let ($($part,)+) = self;
                let mut out = Vec::new();
                $($part.put(&mut out);)+
                out
            }
            fn decode(mut bytes: &[u8]) -> Option<Self> {
                let key = ($($part::take(&mut bytes)?,)+);
                bytes.is_empty().then_some(key)
            }
        }
    };
}
tuple_key!(A);
tuple_key!(A, B);
tuple_key!(A, B, C);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_as_their_values_do(a: (u8, i32, u64), b: (u8, i32, u64)) {
            let key = |(s, t, n): (u8, i32, u64)| (s, Timestamp::from_second(t.into()).unwrap(), n);
            prop_assert_eq!(key(a).encode().cmp(&key(b).encode()), a.cmp(&b));
        }

        #[test]
        fn a_key_is_read_back_as_it_was_written_and_not_with_a_byte_more_or_less(n: u64, s: u8) {
            let bytes = (s, n).encode();
            prop_assert_eq!(<(u8, u64)>::decode(&bytes), Some((s, n)));
            prop_assert_eq!(<(u8, u64)>::decode(&bytes[1..]), None);
            prop_assert_eq!(<(u8, u64)>::decode(&[&bytes[..], &[0]].concat()), None);
        }
    }
}

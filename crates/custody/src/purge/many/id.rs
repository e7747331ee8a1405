//! The id of an order for many.

use crate::purge::InvalidOrder;
use model::{Rng, hex};
use records::KeyPart;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The id of an order for many: random, 32 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PurgeId(#[serde(with = "hex")] [u8; 16]);

impl PurgeId {
    /// A new random id.
    #[must_use]
    pub fn random(rng: &dyn Rng) -> Self {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        Self(bytes)
    }
}

impl FromStr for PurgeId {
    type Err = InvalidOrder;
    fn from_str(text: &str) -> Result<Self, InvalidOrder> {
        hex::decode(text).map(Self).ok_or(InvalidOrder::PurgeId)
    }
}

impl fmt::Display for PurgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for PurgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PurgeId({self})")
    }
}

impl KeyPart for PurgeId {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let (head, rest) = from.split_first_chunk::<16>()?;
        *from = rest;
        Some(Self(*head))
    }
}

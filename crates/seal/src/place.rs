//! What a value is for and where it lies. Both are bound to it, so that it opens nowhere else.

use crate::{KeyId, envelope};
use std::fmt;

/// What a sealed value is for. Each purpose has its own encryption key, even under one and the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A row of a table.
    Record,
    /// A field about a person, under the key of the person's slot.
    PersonField,
    /// A raw callback, under the key of its hour.
    InboxBody,
    /// A facemap.
    Facemap,
    /// A facemap's data key under the secret of its slot.
    SlotLayer,
    /// Anything under a wrapping key of the provider.
    WrappingLayer,
    /// An entry of the audit chain.
    AuditEntry,
}

impl Purpose {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Record,
        Self::PersonField,
        Self::InboxBody,
        Self::Facemap,
        Self::SlotLayer,
        Self::WrappingLayer,
        Self::AuditEntry,
    ];

    /// The label that goes into the key derivation. Part of the format: a changed label makes every value of that
    /// purpose unreadable.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::PersonField => "person-field",
            Self::InboxBody => "inbox-body",
            Self::Facemap => "facemap",
            Self::SlotLayer => "slot-layer",
            Self::WrappingLayer => "wrapping-layer",
            Self::AuditEntry => "audit-entry",
        }
    }
}

/// Where a sealed value lies. It goes into the associated data: an envelope that was moved, swapped or rolled back
/// to an earlier generation does not open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table, or what stands for it (`slots`, `content`, `held-keys`).
    pub table: &'a str,
    /// The record's id in that table.
    pub record: &'a [u8],
    /// The field of the record.
    pub field: &'a str,
    /// Which writing of the record this is, or the generation of a slot.
    pub generation: u64,
}

impl Place<'_> {
    /// The associated data of a value at this place under this key. Each part carries its length (64 bits, big endian),
    /// so that no two places have the same bytes. Envelopes are bound to it; a provider that seals by itself (an HSM, a
    /// transit service) gives it to its own AEAD. Part of the format: other bytes, and nothing opens.
    #[must_use]
    pub fn associated_data(&self, key: KeyId) -> Vec<u8> {
        let generation = self.generation.to_be_bytes();
        let parts: [&[u8]; 7] = [
            &[envelope::FORMAT],
            &[envelope::ALGORITHM],
            key.as_bytes(),
            self.table.as_bytes(),
            self.record,
            self.field.as_bytes(),
            &generation,
        ];
        let bytes = parts.iter().map(|part| size_of::<u64>() + part.len()).sum();
        let mut data = Vec::with_capacity(bytes);
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// Without the record's id: whoever chooses it may have put somebody's name there.
impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({}, .., {}, generation {})", self.table, self.field, self.generation)
    }
}

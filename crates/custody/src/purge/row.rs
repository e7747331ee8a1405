//! The rows of an erasure: how far it is, its receipts, and what is still to be deleted at Jumio.

use crate::{Custody, CustodyError, Order, PurgeId};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use model::Timestamp;
use records::{EnrollmentKey, Key as _, Record, Table, UserKey, tables};
use seal::Pseudonym;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vault::{PersonKey, SlotRef};

pub(crate) static ERASURES: Table<(EnrollmentKey,), ErasureRow> = Table::new(tables::ERASURES, "erasures");
pub(crate) static REMOTE: Table<RemoteKey, RemoteRow> = Table::new(tables::ERASURE_REMOTE, "erasure-remote");

/// Whose, of which kind, and the pseudonym of the reference.
pub(crate) type RemoteKey = (EnrollmentKey, u8, Pseudonym);

/// The original. Stored: never renumber.
pub(crate) const ORIGINAL: u8 = 1;
/// An authentication. Stored: never renumber.
pub(crate) const AUTHENTICATION: u8 = 2;

const FIELD: &str = "at-jumio";

/// An erasure. It names nobody: what must still be known of the person rests under slots that are burnt at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErasureRow {
    pub(crate) order: Order,
    pub(crate) ordered_at: Timestamp,
    /// Where the book has the begin, written before anything was done.
    #[serde(default)]
    pub(crate) begin: Option<u64>,
    /// The order for many that it belongs to.
    pub(crate) purge: Option<PurgeId>,
    /// Other orders for many that are about the same person: they come to their end at Jumio with it.
    #[serde(default)]
    pub(crate) awaited_by: Vec<PurgeId>,
    /// The slot that is burnt.
    pub(crate) slot: SlotRef,
    /// The user's pseudonym for the book, until it is done.
    pub(crate) user: Option<UserKey>,
    /// The slot of what is still to be deleted at Jumio.
    pub(crate) remote_slot: Option<SlotRef>,
    /// Whether the original is to be deleted and not yet among what is to be.
    pub(crate) original_due: bool,
    pub(crate) content_bytes: u64,
    pub(crate) authentications: u64,
    pub(crate) bodies: u64,
    pub(crate) jumio: AtJumio,
    /// When the record became a tombstone.
    pub(crate) purged_at: Option<Timestamp>,
    pub(crate) receipt: Option<String>,
    pub(crate) jumio_receipt: Option<String>,
}

/// What became of what Jumio had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AtJumio {
    /// Rows that are left.
    pub(crate) left: u64,
    pub(crate) unnamed: u64,
    pub(crate) original_seen_gone_at: Option<Timestamp>,
    /// Whether the original is not known to be ours, so that nobody asked for its deletion.
    pub(crate) original_not_asked: bool,
    pub(crate) original: BTreeMap<u16, u64>,
    pub(crate) authentications: BTreeMap<u16, u64>,
    /// When nothing was left there any more.
    pub(crate) done_at: Option<Timestamp>,
    /// Why it was given up.
    pub(crate) trouble: Option<String>,
}

impl AtJumio {
    /// Whether Jumio was asked for a deletion, and answered.
    pub(crate) fn has_answers(&self) -> bool {
        !self.original.is_empty() || !self.authentications.is_empty()
    }

    /// Adds somebody else's, for the sum over an order. It is done once all are.
    pub(crate) fn add(&mut self, other: &Self) {
        self.left += other.left;
        self.unnamed += other.unnamed;
        self.original_not_asked |= other.original_not_asked;
        let add = |sum: &mut BTreeMap<u16, u64>, more: &BTreeMap<u16, u64>| {
            for (status, count) in more {
                *sum.entry(*status).or_default() += count;
            }
        };
        add(&mut self.original, &other.original);
        add(&mut self.authentications, &other.authentications);
        if other.done_at.is_none() {
            self.done_at = None;
        }
    }
}

/// A reference at Jumio, sealed under the erasure's own slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemoteRow {
    sealed: String,
}

impl RemoteRow {
    pub(crate) fn seal(
        custody: &Custody,
        slot_key: &PersonKey,
        key: &RemoteKey,
        reference: &[u8; 16],
    ) -> Self {
        let envelope = slot_key.seal(&*custody.parts.rng, &key.encode(), FIELD, reference);
        Self { sealed: BASE64_STANDARD_NO_PAD.encode(envelope) }
    }

    /// The reference as Jumio writes it.
    pub(crate) fn open<R: std::str::FromStr>(
        &self,
        slot_key: &PersonKey,
        key: &RemoteKey,
    ) -> Result<R, CustodyError> {
        let envelope = BASE64_STANDARD_NO_PAD.decode(&self.sealed).map_err(|_| CustodyError::Damaged)?;
        let bytes = slot_key.open(&key.encode(), FIELD, &envelope).map_err(|_| CustodyError::Damaged)?;
        let bytes: [u8; 16] = bytes.as_slice().try_into().map_err(|_| CustodyError::Damaged)?;
        // Any id of sixteen bytes is written alike.
        model::CallbackId::from_bytes(bytes).to_string().parse().map_err(|_| CustodyError::Damaged)
    }
}

impl ErasureRow {
    /// The orders for many that are about the person.
    pub(crate) fn orders(&self) -> impl Iterator<Item = PurgeId> + '_ {
        self.purge.into_iter().chain(self.awaited_by.iter().copied())
    }
}

impl Custody {
    /// The erasure of an enrollment.
    pub(crate) async fn erasure(
        &self,
        key: EnrollmentKey,
    ) -> Result<Option<Record<ErasureRow>>, CustodyError> {
        Ok(ERASURES.get(self.records(), &(key,)).await?)
    }

    /// The erasure of an enrollment that is being purged.
    pub(crate) async fn erasure_under_way(
        &self,
        key: EnrollmentKey,
    ) -> Result<Record<ErasureRow>, CustodyError> {
        self.erasure(key).await?.ok_or(CustodyError::Damaged)
    }
}

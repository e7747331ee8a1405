//! What is stated: what was destroyed, how, when, by whom, why. In pseudonyms; nothing here names a person.

use model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the form.
pub const VERSION: u32 = 1;

/// How a purge destroys, in version 1. Part of what is signed: the words change with the version only.
pub const HOW: &str = "The slot that held the person's secret and wrapped data key was overwritten in place with \
    random bytes and synced to the disk. Facemap, personal fields and everything else sealed under it can no longer be \
    opened in any copy of the records, contents or their backups. The content file was then overwritten, synced and \
    removed. Copies of the slot file itself, if any were taken, are bound to be destroyed within the backup horizon. \
    While jumioDeletion is pending, what Jumio still has is asked to be deleted until it is; if Jumio refuses for as long \
    as configured, the deletion stays listed as not done, and no second statement is issued.";

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatementKind {
    /// An enrollment was destroyed here.
    Purge,
    /// What Jumio still had of it was deleted there: the second statement.
    PurgeJumio,
    /// Many were destroyed on one order.
    PurgeBatch,
}

/// A statement. Its first field is the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    /// The form: [`VERSION`].
    pub version: u32,
    /// What it is about.
    pub kind: StatementKind,
    /// The vault's id.
    pub vault: String,
    /// Whether its people are simulated.
    pub simulated: bool,
    /// The enrollment's pseudonym, in hexadecimal digits; none for many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The generation of the slot that was burnt: no other use of any slot ever has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// What was destroyed here.
    pub destroyed: Destroyed,
    /// How: [`HOW`].
    pub how: String,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// When it was done.
    pub at: Timestamp,
    /// On whose order.
    pub by: By,
    /// Why.
    pub reason: String,
    /// The company's number of the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_reference: Option<String>,
    /// Until when copies of the slot file may exist.
    pub backup_horizon: BackupHorizon,
    /// What became of what Jumio had.
    pub jumio_deletion: JumioDeletion,
    /// Where it stands in the book.
    pub audit: AuditPlace,
    /// The order, for many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// The [`crate::fingerprint`] of the receipt that this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
}

/// What was destroyed, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destroyed {
    /// Enrollments, each with its slot.
    pub enrollments: u64,
    /// Bytes of facemaps whose content files were overwritten.
    pub content_bytes: u64,
    /// Records of authentications that were removed.
    pub authentications: u64,
    /// Raw callbacks that were made unreadable.
    pub inbox_bodies: u64,
}

/// On whose order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct By {
    /// `token`, `operator` or `system`.
    pub kind: String,
    /// The API token's public id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name that the operator gave the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Until when copies of the slot file may exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupHorizon {
    /// Days for which backups of the slot file are kept, as configured at that time.
    pub days: u32,
    /// When the last of them is over.
    pub until: Timestamp,
}

/// Whether what Jumio had is deleted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JumioState {
    /// Not all of it, as far as is known.
    Pending,
    /// All that was known to be there; also when nothing was.
    Done,
    /// All that can be named there is, and something is left that may be there and cannot be named: see
    /// [`JumioDeletion::unnamed`].
    Incomplete,
}

/// What became of what Jumio had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JumioDeletion {
    /// Whether it is deleted.
    pub state: JumioState,
    /// When the last of it was, where Jumio answered of any of it that it was deleted just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// When Jumio last answered that it has nothing of it, where it answered nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_gone_at: Option<Timestamp>,
    /// What is not deleted yet, in numbers.
    pub left: u64,
    /// Authentications without a reference, because nobody knows whether Jumio created them: they cannot be named there.
    pub unnamed: u64,
    /// What Jumio answered.
    pub evidence: Evidence,
}

/// Jumio's answers. 200: deleted just now. 404: not there any more, or never was; Jumio does not say which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// When the original was seen gone before the purge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_seen_gone_at: Option<Timestamp>,
    /// Whether nobody asked for the deletion of the original, because it is not known to be this company's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub original_not_asked: bool,
    /// The HTTP status of the deletion of the original, by status: how many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub original: BTreeMap<u16, u64>,
    /// The HTTP statuses of the deletions of authentications: how many of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authentications: BTreeMap<u16, u64>,
}

/// Where it stands in the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditPlace {
    /// The chain.
    pub epoch: u64,
    /// The position of the entry that was written before anything was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<u64>,
    /// The position of the entry with which it went on last, where it was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<u64>,
    /// The position at which the chain ended when this was signed. Everything up to it is bound by `link`, so whoever
    /// keeps the receipt can tell later whether the book was cut or changed.
    pub position: u64,
    /// The link at that position, in hexadecimal digits.
    pub link: String,
}

/// An order for many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    /// The order's id.
    pub purge_id: String,
    /// By what they were chosen: the name of the criterion.
    pub criterion: String,
    /// Enrollments that the order was about.
    pub total: u64,
    /// Those that are destroyed on this order.
    pub done: u64,
    /// Those that were destroyed meanwhile on other orders, by whom and why their own receipts say. They are not in
    /// [`Statement::destroyed`]; what Jumio had of them is waited for.
    #[serde(default)]
    pub done_by_others: u64,
    /// Those that were left because of a hold.
    pub held: u64,
    /// Those that were left because the criterion was not true of them any more when their turn came.
    #[serde(default)]
    pub not_due: u64,
    /// Those that could not be destroyed.
    pub failed: u64,
    /// The [`crate::fingerprint`] of the first receipts of those that are destroyed, on whose order ever, in the order of
    /// their pseudonyms.
    pub receipts_sha256: String,
}

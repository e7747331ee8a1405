//! What is said about keys. Ids and counts, never a key.

use model::Timestamp;
use seal::KeyId;
use serde::{Deserialize, Serialize};

/// All keys of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeysView {
    /// The provider's name, as in the configuration.
    pub provider: &'static str,
    /// Wrapping keys first, then the held keys.
    pub items: Vec<KeyView>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum KeyView {
    /// A key of the provider's, under which others lie.
    #[serde(rename = "wrapping", rename_all = "camelCase")]
    Wrapping {
        /// Its id.
        id: KeyId,
        /// Whether it wraps what is new.
        active: bool,
        /// Whether the provider has it. What lies under a key that is missing does not open.
        present: bool,
        /// Slots whose data key lies under it.
        slots: u64,
        /// Whether held keys lie under it.
        held_keys: bool,
    },
    /// A key that this vault was made with, and that never changes; it lies under a wrapping key.
    #[serde(rename = "held", rename_all = "camelCase")]
    Held {
        /// Its id.
        id: KeyId,
        /// What it is for.
        #[serde(rename = "use")]
        purpose: String,
    },
}

/// A new key was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotatedView {
    /// The new key, which wraps what is new from now on.
    pub id: KeyId,
    /// The key that did until now. It is still needed for what lies under it.
    pub previous: KeyId,
    /// Whether the held keys lie under the new key already. If not, a rewrap does it.
    pub held_keys_rewrapped: bool,
}

/// How a rewrap stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RewrapState {
    /// It goes on.
    Running,
    /// Everything lies under the active key.
    Done,
    /// It looked at everything, and something does not open, which it left as it was; `verify` names it.
    Incomplete,
    /// It failed for too long and was given up. Ordered again, it goes on.
    Failed,
}

/// How far a rewrap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RewrapView {
    /// How it stands.
    pub state: RewrapState,
    /// The key under which everything is to lie.
    pub key: KeyId,
    /// Slots that it brought under the active key.
    pub done: u64,
    /// Slots that were to be brought there, as far as it knows.
    pub total: u64,
    /// Slots whose wrapped key does not open.
    pub damaged: u64,
    /// When it was ordered.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

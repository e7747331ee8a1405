//! Looking through the inbox: for operators, without anybody's data.

use crate::{
    CallbackOutcome, CallbackState, Ingest, IngestError, TokenScope,
    inbox::{BY_STATE, INBOX, InboxRow},
};
use model::{CallbackId, Timestamp};
use queue::{DeadLetter, JobKey, Kind};
use records::Key as _;
use seal::Pseudonym;
use serde::Serialize;
use std::net::IpAddr;

/// Where a list of callbacks goes on: a state, a time and an id, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackCursor(pub(crate) (u8, Timestamp, CallbackId));

impl CallbackCursor {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    /// From those bytes; `None` when they are none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        <(u8, Timestamp, CallbackId)>::decode(bytes).map(Self)
    }
}

/// A callback without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallbackView {
    /// The vault's id.
    pub callback_id: CallbackId,
    /// Where it stands.
    pub state: CallbackState,
    /// When it came.
    pub received_at: Timestamp,
    /// The address that it came from, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Whose token it came with: `portal`, `verification`, `authentication`, or `none`.
    pub token: &'static str,
    /// The pseudonym of the transaction that it is about, once it was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Pseudonym>,
    /// What became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<CallbackOutcome>,
    /// When it was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// Fields or values in it that this version does not know.
    pub unknown_values: u32,
    /// Whether its body is still here, sealed: only then it can be judged again.
    pub replayable: bool,
    /// How often it was tried before it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Why it was given up, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A page of callbacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackPage {
    /// Those of one state together, and of those the oldest first. A page may be short and still not be the last.
    pub items: Vec<CallbackView>,
    /// Where the next page begins, if there may be one.
    pub next: Option<CallbackCursor>,
}

impl Ingest {
    /// At most `limit` callbacks after a cursor: those in one state, or all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn callbacks(
        &self,
        state: Option<CallbackState>,
        after: Option<CallbackCursor>,
        limit: usize,
    ) -> Result<CallbackPage, IngestError> {
        let prefix = state.map(|state| (state.number(),).encode()).unwrap_or_default();
        let after = after.map(|after| after.0);
        let keys = BY_STATE.keys(self.records(), prefix, after.as_ref(), limit).await?;
        let next = keys.last().copied().filter(|_| keys.len() == limit).map(CallbackCursor);
        let mut items = Vec::with_capacity(keys.len());
        for (number, _, id) in keys {
            // It may have gone on to another state since, where it is listed too.
            let row = INBOX.get(self.records(), &(id,)).await?.map(|read| read.value);
            if let Some(row) = row.filter(|row| row.state.number() == number) {
                items.push(self.callback_view(id, &row).await?);
            }
        }
        Ok(CallbackPage { items, next })
    }

    pub(crate) async fn callback_view(
        &self,
        id: CallbackId,
        row: &InboxRow,
    ) -> Result<CallbackView, IngestError> {
        let given_up = match row.state {
            CallbackState::Dead => self.queue.dead_letter(&JobKey::new(Kind::Callback, &id)).await?,
            _ => None,
        };
        let given_up = given_up.map(|DeadLetter { attempts, reason, .. }| (attempts, reason));
        let (attempts, trouble) = given_up.unzip();
        Ok(CallbackView {
            callback_id: id,
            state: row.state,
            received_at: row.received_at,
            source: row.source,
            token: match row.scope {
                TokenScope::Portal => "portal",
                TokenScope::None => "none",
                TokenScope::Verification(_) => "verification",
                TokenScope::Authentication(_) => "authentication",
            },
            about: row.about,
            outcome: row.outcome,
            settled_at: row.settled_at,
            unknown_values: row.unknown_values,
            replayable: row.body.is_some(),
            attempts,
            trouble,
        })
    }
}

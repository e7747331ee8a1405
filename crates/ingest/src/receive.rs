//! The inbox's slot in the door: a callback is durable before anybody answers 200 (DESIGN §3.11).

use crate::{
    ATTEMPTS, Ingest, IngestError,
    inbox::{BY_STATE, CallbackState, INBOX, InboxRow, TokenScope},
};
use jumio::Subject;
use model::CallbackId;
use std::net::IpAddr;

impl Ingest {
    /// Stores a callback, sealed, together with the job that will judge it. Once this has answered it is durable.
    ///
    /// The body is not read here: what it says is a claim, and all judgement comes later.
    ///
    /// # Errors
    /// Whenever it could not be stored. The answer to Jumio must not be 200 then.
    pub async fn receive(
        &self,
        body: &[u8],
        scope: TokenScope,
        source: Option<IpAddr>,
    ) -> Result<CallbackId, IngestError> {
        for _ in 0..ATTEMPTS {
            match self.receive_once(body, scope, source).await {
                // The epoch was closed between the look at it and the commit.
                Err(error) if error.is_conflict() => {}
                other => return other,
            }
        }
        Err(IngestError::Busy)
    }

    async fn receive_once(
        &self,
        body: &[u8],
        scope: TokenScope,
        source: Option<IpAddr>,
    ) -> Result<CallbackId, IngestError> {
        let epoch = self.current_epoch().await?;
        epoch.takes_anything();
        let id = CallbackId::random(self.rng.as_ref());
        let now = self.clock.now();
        let mut commit = self.records().commit();
        let (head, parts) = self.seal_body(&mut commit, &epoch, id, body);
        let row = InboxRow {
            state: CallbackState::Pending,
            received_at: now,
            scope,
            source,
            epoch: epoch.number,
            body: Some(head),
            parts,
            about: None,
            outcome: None,
            settled_at: None,
            unknown_values: 0,
        };
        commit.insert(&INBOX, &(id,), &row);
        commit.index(&BY_STATE, &(CallbackState::Pending.number(), now, id));
        epoch.require_open(&mut commit);
        self.enqueue_callback(&mut commit, id).await?;
        match commit.submit().await {
            Ok(()) => Ok(id),
            Err(error) => {
                if error.is_conflict() {
                    self.forget_epoch(epoch.number).await;
                }
                Err(error.into())
            }
        }
    }

    /// Whether a token that was made for one transaction came with that transaction's callback: for the porch, before
    /// it stores anything. A body that names no transaction fits every token; it will be settled as malformed.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub async fn scope_matches(&self, body: &[u8], scope: TokenScope) -> Result<bool, IngestError> {
        match (scope, jumio::callback::subject_of(body)) {
            (TokenScope::Portal | TokenScope::None, _) | (_, None) => Ok(true),
            (scope, Some(subject)) => self.serves(scope, subject).await,
        }
    }

    /// Whether a token of this scope serves this transaction.
    pub(crate) async fn serves(&self, scope: TokenScope, subject: Subject) -> Result<bool, IngestError> {
        match (scope, subject) {
            (TokenScope::Portal | TokenScope::None, _) => Ok(true),
            (TokenScope::Verification(intent), Subject::Scan(reference)) => {
                let found = self.register.enrollment(&reference).await?;
                Ok(found.is_some_and(|found| found.row.callback_intent == Some(intent)))
            }
            (TokenScope::Authentication(id), Subject::Authentication(reference)) => {
                let found = self.register.authentication_by_reference(&reference).await?;
                match found {
                    Some(found) => Ok(found.id == id),
                    // Its person was purged before anybody knew under which reference Jumio has it.
                    None => Ok(self.register.unnamed(id, self.clock.now()).await?.is_some()),
                }
            }
            _ => Ok(false),
        }
    }
}

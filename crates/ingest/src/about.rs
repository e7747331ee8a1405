//! When callbacks about somebody came: for the dossier.

use crate::{Ingest, IngestError, inbox::INBOX};
use model::{CallbackId, Timestamp};
use records::{Index, RecordsError, tables};
use seal::Pseudonym;
use std::collections::HashSet;

static KEYS: Index<(CallbackId,)> = Index::new(tables::INBOX);

/// Rows read at once.
const ROWS: usize = 256;
/// Callbacks looked at for one question.
const LOOKED_AT: usize = 200_000;

/// Callbacks about somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedAbout {
    /// When they came, oldest first.
    pub times: Vec<Timestamp>,
    /// Whether every callback was looked at that is still kept and was judged.
    pub complete: bool,
}

impl Ingest {
    /// When callbacks about these transactions came: pseudonyms of enrollments and of authentications. Callbacks are
    /// kept for 30 days, and only judged ones say whom they are about.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn received_about(&self, about: &[Pseudonym]) -> Result<ReceivedAbout, IngestError> {
        let about: HashSet<Pseudonym> = about.iter().copied().collect();
        let (mut times, mut complete, mut after, mut looked_at) = (Vec::new(), true, None, 0);
        loop {
            let keys = KEYS.keys(self.records(), Vec::new(), after.as_ref(), ROWS).await?;
            let is_end = keys.len() < ROWS;
            looked_at += keys.len();
            after = keys.last().copied().or(after);
            for key in keys {
                match INBOX.get(self.records(), &key).await {
                    Ok(Some(row)) if row.value.about.is_some_and(|one| about.contains(&one)) => {
                        times.push(row.value.received_at);
                    }
                    Ok(_) => {}
                    Err(RecordsError::Damaged { .. }) => complete = false,
                    Err(error) => return Err(error.into()),
                }
            }
            if is_end || looked_at >= LOOKED_AT {
                times.sort_unstable();
                return Ok(ReceivedAbout { times, complete: complete && is_end });
            }
        }
    }
}

//! Reading the book.

use crate::{
    Action, Actor, Audit, AuditError, Entry, Link,
    chain::{self, BY_SUBJECT, CHAIN},
    opening::ROWS,
};
use model::Timestamp;
use records::{Key as _, RecordsError};
use seal::Pseudonym;
use store::Range;

/// Rows after which one call gives back what it has, however little that is.
const LOOKED_AT: usize = 20 * ROWS;

/// Which entries are wanted. An empty filter wants all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this action.
    pub action: Option<Action>,
    /// About this subject or user.
    pub subject: Option<Pseudonym>,
    /// By this actor.
    pub actor: Option<Actor>,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether an entry is wanted.
    #[must_use]
    pub fn wants(&self, entry: &Entry) -> bool {
        self.action.is_none_or(|action| action == entry.action)
            && self.subject.is_none_or(|subject| entry.subjects().any(|named| named == subject))
            && self.actor.as_ref().is_none_or(|actor| *actor == entry.actor)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.until.is_none_or(|until| entry.at < until)
    }
}

/// An entry with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its position in the chain.
    pub position: u64,
    /// The chain's epoch when it was written.
    pub epoch: u64,
    /// Its link.
    pub link: Link,
    /// The entry.
    pub entry: Entry,
}

/// Some of the wanted entries, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub items: Vec<Listed>,
    /// Where to go on: the position that was looked at last. `None` at the end of the chain.
    pub next: Option<u64>,
}

impl Audit {
    /// At most `limit` of the entries after position `after` (0 for all) and up to `until` (`None` for all). A page may
    /// be short, even empty, and still have a `next`: one call looks at a bounded number of entries.
    ///
    /// # Errors
    /// [`AuditError::Damaged`]: an entry at this position or soon behind it does not open in its place.
    /// [`AuditError::Read`].
    pub async fn entries(
        &self,
        after: u64,
        until: Option<u64>,
        filter: &Filter,
        limit: usize,
    ) -> Result<Page, AuditError> {
        let records = &self.inner.records;
        let before = until.and_then(|last| last.checked_add(1)).map(|end| end.to_be_bytes().to_vec());
        let mut page = Page { items: Vec::new(), next: None };
        let (mut last, mut looked_at) = (after, 0);
        // A page without a filter needs one more than it holds; a filter that lets little through needs more each time.
        let mut rows_at_once = limit.saturating_add(1).min(ROWS);
        while looked_at < LOOKED_AT {
            let range = Range {
                after: Some(last.to_be_bytes().to_vec()),
                before: before.clone(),
                ..Range::default()
            };
            let rows = CHAIN.scan(records, &range, rows_at_once).await.map_err(|error| match error {
                RecordsError::Damaged { .. } => AuditError::Damaged { position: last + 1 },
                other => AuditError::Read(other),
            })?;
            let at_end = rows.len() < rows_at_once;
            looked_at += rows.len();
            rows_at_once = (2 * rows_at_once).min(ROWS);
            for ((position,), row) in rows {
                if page.items.len() == limit {
                    page.next = Some(last);
                    return Ok(page);
                }
                let opened = chain::open(records, position, &row.value);
                let (_, entry) = opened.ok_or(AuditError::Damaged { position })?;
                last = position;
                if filter.wants(&entry) {
                    page.items.push(Listed { position, epoch: row.value.epoch, link: row.value.link, entry });
                }
            }
            if at_end {
                return Ok(page);
            }
        }
        page.next = Some(last);
        Ok(page)
    }

    /// At most `limit` of the entries about an enrollment or a user after position `after` (0 for all), oldest first,
    /// found by their index.
    ///
    /// # Errors
    /// [`AuditError::Damaged`]: an entry that the index names does not open in its place, or is about somebody else.
    /// [`AuditError::Read`].
    pub async fn entries_about(
        &self,
        subject: Pseudonym,
        after: u64,
        limit: usize,
    ) -> Result<Page, AuditError> {
        let records = &self.inner.records;
        let most = limit.clamp(1, LOOKED_AT);
        let keys = BY_SUBJECT.keys(records, (subject,).encode(), Some(&(subject, after)), most + 1).await?;
        let has_more = keys.len() > most;
        let mut items = Vec::with_capacity(keys.len().min(most));
        for (_, position) in keys.into_iter().take(most) {
            let damaged = AuditError::Damaged { position };
            let row = match CHAIN.get(records, &(position,)).await {
                Ok(row) => row.ok_or(damaged.clone())?.value,
                Err(RecordsError::Damaged { .. }) => return Err(damaged),
                Err(error) => return Err(error.into()),
            };
            let (_, entry) = chain::open(records, position, &row).ok_or(damaged.clone())?;
            if entry.subjects().all(|named| named != subject) {
                return Err(damaged);
            }
            items.push(Listed { position, epoch: row.epoch, link: row.link, entry });
        }
        let next = items.last().filter(|_| has_more).map(|last| last.position);
        Ok(Page { items, next })
    }
}

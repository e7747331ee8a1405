//! Walking the whole chain, a page at a time.

use crate::{
    AuditError, Finding, Head, Verification,
    beside::{self, Seen},
    border,
    chain::{self, BORDER_KEY, CHAIN, ChainRow, Checked, HEAD, HEAD_KEY},
    opening::ROWS,
};
use records::{Key as _, Records, RecordsError, tables};
use store::Range;

/// A position, and the row that is there; `None` when it does not open.
type Found = (u64, Option<ChainRow>);

/// How far the walk is.
struct Walk<'a> {
    records: &'a Records,
    at: Head,
    /// Behind an entry that does not open the next link cannot be followed: it starts again from there.
    followed: bool,
    /// Where the last epoch began.
    border: Option<Head>,
    seen: Seen,
}

/// Follows the links from the first entry, then looks at what rests beside the chain. After damage it goes on with the
/// link that is stored, so that one changed entry is one finding.
pub(crate) async fn walk(
    records: &Records,
    head: Option<Head>,
    report: &mut Verification,
) -> Result<(), AuditError> {
    let end = match head {
        Some(head) => head.position,
        None => last_key(records).await?,
    };
    let at = Head::genesis(records);
    let mut walk = Walk { records, at, followed: true, border: None, seen: Seen::default() };
    loop {
        let rows = page(records, walk.at.position, end).await?;
        let is_last = rows.len() < ROWS;
        for (position, row) in rows {
            walk.step(position, row.as_ref(), report).await?;
        }
        if is_last {
            break;
        }
    }
    walk.skip_to(end.saturating_add(1), report);
    if let Some(head) = head {
        if walk.followed && walk.at != head && end > 0 {
            report.add(Finding::HeadChanged);
        } else {
            walk.compare_border(report).await?;
        }
        behind_the_end(records, end, report).await?;
    }
    beside::look(records, end, &walk.seen, report).await
}

impl Walk<'_> {
    /// Looks at the row that was found at `position`.
    async fn step(
        &mut self,
        position: u64,
        row: Option<&ChainRow>,
        report: &mut Verification,
    ) -> Result<(), AuditError> {
        self.skip_to(position, report);
        report.checked += 1;
        let checked = row.map(|row| (row, chain::check(self.records, &self.at, row)));
        let (row, entry) = match checked {
            None | Some((_, Checked::DoesNotOpen)) => {
                report.add_blind(position, Finding::Changed { position });
                (self.at.position, self.followed) = (position, false);
                return Ok(());
            }
            Some((row, Checked::Follows(next, entry))) => {
                if self.followed && next.epoch != self.at.epoch {
                    self.meet_border(next, border::old_head(&entry), report).await?;
                }
                (row, entry)
            }
            Some((row, Checked::DoesNotFollow(entry))) => {
                if self.followed {
                    report.add(Finding::Relinked { position });
                }
                (row, entry)
            }
            Some((row, Checked::NoBorder(entry))) => {
                report.add(Finding::Border { position });
                (row, entry)
            }
        };
        if row.epoch != self.at.epoch {
            self.border = Some(Head { epoch: row.epoch, position, link: row.link });
        }
        self.at = Head { epoch: row.epoch, position, link: row.link };
        self.followed = true;
        self.seen.add(self.records, position, &entry);
        Ok(())
    }

    /// Positions before `position` that have no row are missing.
    fn skip_to(&mut self, position: u64, report: &mut Verification) {
        if self.at.position + 1 < position {
            report.add_missing(self.at.position + 1, position);
            (self.at.position, self.followed) = (position - 1, false);
        }
    }

    /// A new epoch that names an end of the old one must not contradict what is still here of it.
    async fn meet_border(
        &self,
        border: Head,
        old: Option<Head>,
        report: &mut Verification,
    ) -> Result<(), AuditError> {
        let Some(old) = old.filter(|old| (1..border.position).contains(&old.position)) else { return Ok(()) };
        let row = match CHAIN.get(self.records, &(old.position,)).await {
            Ok(row) => row.map(|row| row.value),
            Err(RecordsError::Damaged { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if row.is_some_and(|row| row.epoch == old.epoch && row.link != old.link) {
            report.add(Finding::Border { position: border.position });
        }
        Ok(())
    }

    /// The record of where the epoch begins must be what the walk has met.
    async fn compare_border(&self, report: &mut Verification) -> Result<(), AuditError> {
        let stored = match HEAD.get(self.records, &BORDER_KEY).await {
            Ok(stored) => stored.map(|read| read.value),
            Err(RecordsError::Damaged { .. }) => {
                report.add(Finding::HeadChanged);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // Where an entry was not readable the border may have been there.
        if stored != self.border && report.blind.is_empty() {
            report.add(Finding::HeadChanged);
        }
        Ok(())
    }
}

/// The rows after `after` up to `end`. Only where one of them does not open are they read one by one.
pub(crate) async fn page(records: &Records, after: u64, end: u64) -> Result<Vec<Found>, AuditError> {
    let before = end.checked_add(1).map(|end| (end,).encode());
    let range = Range { after: Some((after,).encode()), before, ..Range::default() };
    match CHAIN.scan(records, &range, ROWS).await {
        Ok(rows) => {
            return Ok(rows.into_iter().map(|((position,), row)| (position, Some(row.value))).collect());
        }
        Err(RecordsError::Damaged { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut rows = Vec::new();
    for position in keys_after(records, after).await? {
        if position > end {
            break;
        }
        match CHAIN.get(records, &(position,)).await {
            Ok(row) => rows.extend(row.map(|row| (position, Some(row.value)))),
            Err(RecordsError::Damaged { .. }) => rows.push((position, None)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rows)
}

async fn last_key(records: &Records) -> Result<u64, AuditError> {
    let mut last = 0_u64;
    loop {
        let keys = keys_after(records, last).await?;
        match keys.last() {
            Some(key) => last = *key,
            None => return Ok(last),
        }
    }
}

/// Entries that were appended since the walk began are no finding: the head is read again.
async fn behind_the_end(records: &Records, end: u64, report: &mut Verification) -> Result<(), AuditError> {
    let mut last = end;
    loop {
        let keys = keys_after(records, last).await?;
        let Some(next) = keys.last().copied() else { return Ok(()) };
        let now = match HEAD.get(records, &HEAD_KEY).await {
            Ok(head) => head.map_or(0, |head| head.value.position),
            // Reported already, or when the walk is made again.
            Err(RecordsError::Damaged { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for position in keys.into_iter().filter(|position| *position > now) {
            report.add(Finding::BehindTheEnd { position });
        }
        last = next;
    }
}

async fn keys_after(records: &Records, last: u64) -> Result<Vec<u64>, AuditError> {
    let range = Range { after: Some((last,).encode()), ..Range::default() };
    let rows = records.store().scan(tables::AUDIT, &range, ROWS).await.map_err(RecordsError::from)?;
    let keys = rows.into_iter().map(|row| <(u64,)>::decode(&row.key).map(|(position,)| position));
    keys.collect::<Option<Vec<_>>>().ok_or(AuditError::Read(RecordsError::Damaged { table: "audit" }))
}

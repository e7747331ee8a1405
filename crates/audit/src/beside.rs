//! What rests beside the chain and must agree with it: the index of whom entries are about, the marks of open begins,
//! entries that wait for their position, the sinks' cursors.

use crate::{
    AuditError, Entry, Finding, Verification,
    book::PENDING,
    chain::{self, CHAIN, HEAD, HEAD_KEY, OPEN},
    entry::Part,
    opening::ROWS,
    sink::CURSORS,
};
use records::{Key, Records, RecordsError, Table, tables};
use seal::Pseudonym;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;
use store::{Range, TableId};

/// What the walk has met and what therefore must be there. The index is compared by a keyed sum, so that a walk over
/// millions of entries holds none of them in memory.
#[derive(Default)]
pub(crate) struct Seen {
    index: Sum,
    /// Begins without a finish so far.
    open: BTreeSet<u64>,
}

/// Which index rows there are: two sets that have the same sum are the same, for whoever has not the key.
#[derive(Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    tags: [u8; 32],
}

impl Sum {
    fn add(&mut self, records: &Records, key: &[u8]) {
        self.rows += 1;
        for (sum, byte) in self.tags.iter_mut().zip(chain::tag(records, "audit-index", key)) {
            *sum ^= byte;
        }
    }
}

impl Seen {
    /// An entry that opens.
    pub(crate) fn add(&mut self, records: &Records, position: u64, entry: &Entry) {
        for subject in entry.subjects() {
            self.index.add(records, &(subject, position).encode());
        }
        match entry.part {
            Part::Begin => drop(self.open.insert(position)),
            Part::Finish { begin } => drop(self.open.remove(&begin)),
            Part::Note => {}
        }
    }
}

/// Looks at all that rests beside the chain, which was walked up to `end`.
pub(crate) async fn look(
    records: &Records,
    end: u64,
    seen: &Seen,
    report: &mut Verification,
) -> Result<(), AuditError> {
    if stored_index(records, end, report).await? != seen.index {
        missing_in_index(records, end, report).await?;
        wrong_in_index(records, end, report).await?;
    }
    open_marks(records, report).await?;
    if report.blind.is_empty() {
        for begin in &seen.open {
            lost_mark(records, *begin, end, report).await?;
        }
    }
    each(records, &PENDING, tables::AUDIT_PENDING, |_, entry| {
        if entry.is_none() {
            report.add(Finding::PendingChanged);
        }
    })
    .await?;
    each(records, &CURSORS, tables::AUDIT_SINK, |_, cursor| {
        if cursor.is_none() {
            report.add(Finding::SinkChanged);
        }
    })
    .await
}

/// Every row of a table: its key and its value, each `None` where it cannot be read.
async fn each<K: Key, V: Serialize + DeserializeOwned>(
    records: &Records,
    table: &Table<K, V>,
    id: TableId,
    mut look: impl FnMut(Option<K>, Option<V>),
) -> Result<(), AuditError> {
    let mut after = None;
    loop {
        let range = Range { after, ..Range::default() };
        let rows = records.store().scan(id, &range, ROWS).await.map_err(RecordsError::from)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.key.to_vec());
        for row in rows {
            let Some(key) = K::decode(&row.key) else {
                look(None, None);
                continue;
            };
            match table.get(records, &key).await {
                Ok(Some(read)) => look(Some(key), Some(read.value)),
                // Finished, or appended, in the meantime.
                Ok(None) => {}
                Err(RecordsError::Damaged { .. }) => look(Some(key), None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A page of the index, raw: keys and whether the row is empty, as it must be.
async fn index_page(
    records: &Records,
    after: Option<Vec<u8>>,
) -> Result<Vec<(Vec<u8>, Option<(Pseudonym, u64)>)>, AuditError> {
    let range = Range { after, ..Range::default() };
    let rows =
        records.store().scan(tables::AUDIT_BY_SUBJECT, &range, ROWS).await.map_err(RecordsError::from)?;
    let read = |row: store::Row| {
        let key = <(Pseudonym, u64)>::decode(&row.key).filter(|_| row.value.value.is_empty());
        (row.key.to_vec(), key)
    };
    Ok(rows.into_iter().map(read).collect())
}

/// The sum of what the index says of the entries that were walked and read.
async fn stored_index(records: &Records, end: u64, report: &mut Verification) -> Result<Sum, AuditError> {
    let (mut sum, mut later, mut after) = (Sum::default(), 0, None);
    loop {
        let rows = index_page(records, after).await?;
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
        for (bytes, key) in rows {
            match key {
                None => report.add(Finding::IndexDamaged),
                Some((_, position)) if position > end => later = later.max(position),
                Some((_, position)) if report.blind.contains(&position) => {}
                Some(_) => sum.add(records, &bytes),
            }
        }
    }
    // Entries that were appended since the walk began are no finding.
    let head = match HEAD.get(records, &HEAD_KEY).await {
        Ok(head) => head.map_or(0, |head| head.value.position),
        Err(RecordsError::Damaged { .. }) => later,
        Err(error) => return Err(error.into()),
    };
    // An entry that stands behind the end is a finding already.
    if later > head.max(end) && entry_at(records, later).await?.is_none() {
        report.add(Finding::IndexWrong { position: later });
    }
    Ok(sum)
}

async fn missing_in_index(records: &Records, end: u64, report: &mut Verification) -> Result<(), AuditError> {
    for position in 1..=end {
        let Some(entry) = entry_at(records, position).await? else { continue };
        for subject in entry.subjects() {
            let key = (subject, position).encode();
            let row =
                records.store().get(tables::AUDIT_BY_SUBJECT, &key).await.map_err(RecordsError::from)?;
            if row.is_none() {
                report.add(Finding::IndexMissing { position });
            }
        }
    }
    Ok(())
}

async fn wrong_in_index(records: &Records, end: u64, report: &mut Verification) -> Result<(), AuditError> {
    let mut after = None;
    loop {
        let rows = index_page(records, after).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = Some(last.clone());
        for (subject, position) in rows.into_iter().filter_map(|(_, key)| key) {
            if position > end || report.blind.contains(&position) {
                continue;
            }
            let entry = entry_at(records, position).await?;
            if entry.is_none_or(|entry| entry.subjects().all(|named| named != subject)) {
                report.add(Finding::IndexWrong { position });
            }
        }
    }
}

/// The entry at a position, if there is one that opens.
async fn entry_at(records: &Records, position: u64) -> Result<Option<Entry>, AuditError> {
    match CHAIN.get(records, &(position,)).await {
        Ok(row) => Ok(row.and_then(|row| chain::open(records, position, &row.value)).map(|(_, entry)| entry)),
        Err(RecordsError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Every mark of an open begin must repeat that begin.
async fn open_marks(records: &Records, report: &mut Verification) -> Result<(), AuditError> {
    let mut marks = Vec::new();
    each(records, &OPEN, tables::AUDIT_OPEN, |key, entry| marks.push((key, entry))).await?;
    for (key, entry) in marks {
        // Position 0 is nobody's: the mark's own key is none.
        let position = key.map_or(0, |(position,)| position);
        if entry.is_none()
            || (!report.blind.contains(&position) && entry_at(records, position).await? != entry)
        {
            report.add(Finding::OpenChanged { position });
        }
    }
    Ok(())
}

/// A begin that the walk saw no finish of: it is marked as open, or its finish came since. They are asked in the order in
/// which a finish moves: from the mark to the entries that wait, and from there into the chain.
async fn lost_mark(
    records: &Records,
    begin: u64,
    end: u64,
    report: &mut Verification,
) -> Result<(), AuditError> {
    match OPEN.get(records, &(begin,)).await {
        Ok(None) => {}
        // One that does not open is among the findings already.
        Ok(Some(_)) | Err(RecordsError::Damaged { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let finishes = |entry: &Entry| entry.part == Part::Finish { begin };
    let mut found = false;
    each(records, &PENDING, tables::AUDIT_PENDING, |_, entry| {
        found |= entry.is_none_or(|entry| finishes(&entry));
    })
    .await?;
    let mut position = end;
    while !found {
        position += 1;
        let Some(entry) = entry_at(records, position).await? else {
            report.add(Finding::OpenMissing { position: begin });
            return Ok(());
        };
        found = finishes(&entry);
    }
    Ok(())
}

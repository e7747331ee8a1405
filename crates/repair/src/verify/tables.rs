//! The records: each opens in its place, and each row that names another is answered by it.

use super::Walk;
use crate::{
    Finding, RepairError,
    finding::{RowFault, RowName},
    progress::Stage,
};
use records::{RecordsError, RowPlace, Shape, Ties};
use store::{Range, TableId, Versioned};
use vault::SlotStatus;

/// Rows that are read at once.
const PAGE: usize = 512;

impl Walk<'_> {
    /// Every row of every table.
    pub(super) async fn tables(&mut self) -> Result<(), RepairError> {
        for number in 1..=u8::MAX {
            let table = TableId(number);
            if self.shape(table).is_some_and(Shape::is_index) {
                continue;
            }
            if self.shape(table).is_some() {
                self.table(table).await?;
            } else if !self.page(table, None, 1).await?.is_empty() {
                self.report.add(Finding::UnknownTable(table));
            }
        }
        let indexes = self.parts.shapes.iter().filter(|shape| shape.is_index()).map(Shape::id);
        for index in indexes.collect::<Vec<_>>() {
            self.index(index).await?;
        }
        Ok(())
    }

    /// An index. Each row of a table was found in its indexes; where an index has as many rows as were found, it has no
    /// others, and none has to be opened once more.
    async fn index(&mut self, table: TableId) -> Result<(), RepairError> {
        let (mut rows, mut after, mut is_of_form) = (0, None, true);
        loop {
            let page = self.page(table, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            rows += page.len() as u64;
            is_of_form &= page.iter().all(|(key, stored)| self.ties(table, key, stored).is_some());
        }
        if is_of_form && self.found.get(&table).copied().unwrap_or(0) == rows {
            self.report.counts.records += rows;
            return Ok(());
        }
        self.table(table).await
    }

    async fn table(&mut self, table: TableId) -> Result<(), RepairError> {
        let mut suspects = Vec::new();
        let mut after = None;
        loop {
            let rows = self.page(table, after, PAGE).await?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            self.report.counts.records += rows.len() as u64;
            self.progress.at(Stage::Records, self.report.counts.records, None);
            for (key, stored) in rows {
                let mut present = Vec::new();
                let findings = self.row(table, &key, &stored, &mut present).await?;
                for index in present {
                    *self.found.entry(index).or_default() += 1;
                }
                if !findings.is_empty() {
                    suspects.push((key, findings));
                }
            }
        }
        for (key, findings) in suspects {
            self.settle_row(table, &key, findings).await?;
        }
        Ok(())
    }

    /// Looks again at a row that seemed wrong: what is wrong every time is told.
    async fn settle_row(
        &mut self,
        table: TableId,
        key: &[u8],
        mut findings: Vec<Finding>,
    ) -> Result<(), RepairError> {
        for _ in 0..self.looks_again() {
            self.pause().await;
            let now = match self.stored(&(table, key.to_vec())).await? {
                Some(stored) => {
                    for (index, ..) in
                        self.ties(table, key, &stored).map(|ties| ties.slots).unwrap_or_default()
                    {
                        self.reread_slot(index).await?;
                    }
                    self.row(table, key, &stored, &mut Vec::new()).await?
                }
                None => Vec::new(),
            };
            findings.retain(|finding| now.contains(finding));
            if findings.is_empty() {
                return Ok(());
            }
        }
        for finding in findings {
            self.report.add(finding);
        }
        Ok(())
    }

    /// What is wrong with one row. The indexes in which it was found are added to `present`.
    async fn row(
        &self,
        table: TableId,
        key: &[u8],
        stored: &Versioned,
        present: &mut Vec<TableId>,
    ) -> Result<Vec<Finding>, RepairError> {
        let Some(shape) = self.shape(table) else { return Ok(Vec::new()) };
        let name = RowName::new(shape.name(), key);
        let Some(ties) = self.ties(table, key, stored) else {
            return Ok(vec![Finding::Row(name, RowFault::DoesNotOpen)]);
        };
        let mut faults = self.tied(shape, key, &ties, present).await?;
        faults.extend(self.of_people(table, key, stored).await?);
        Ok(faults.into_iter().map(|fault| Finding::Row(name.clone(), fault)).collect())
    }

    async fn tied(
        &self,
        shape: &Shape,
        key: &[u8],
        ties: &Ties,
        present: &mut Vec<TableId>,
    ) -> Result<Vec<RowFault>, RepairError> {
        let mut faults = Vec::new();
        for place in &ties.indexed {
            match self.stored(place).await? {
                Some(_) => present.push(place.0),
                None => faults.push(RowFault::IndexMissing(self.name(place.0))),
            }
        }
        for place in &ties.needs {
            if self.stored(place).await?.is_none() {
                faults.push(RowFault::Dangling(self.name(place.0)));
            }
        }
        if let Some(place) = &ties.leads_to {
            match self.stored(place).await? {
                None => faults.push(RowFault::LeadsNowhere),
                // A row that does not open is told of by itself.
                Some(stored) => {
                    if self
                        .ties(place.0, &place.1, &stored)
                        .is_some_and(|target| !target.indexed.iter().any(|row| is(row, shape.id(), key)))
                    {
                        faults.push(RowFault::LeadsToAnother);
                    }
                }
            }
        }
        for mark in &ties.slots {
            let is_there = self.map.find(*mark).is_some_and(|view| view.status != SlotStatus::Burnt);
            // Without a slot file, or where the sector is damaged, that is told already.
            if self.slots.is_some() && !is_there && !self.map.is_damaged(mark.0) {
                faults.push(RowFault::SlotGone);
            }
        }
        Ok(faults)
    }

    fn ties(&self, table: TableId, key: &[u8], stored: &Versioned) -> Option<Ties> {
        let records = self.records.as_ref()?;
        self.shape(table)?.look(records, key, stored).ok()
    }

    fn name(&self, table: TableId) -> &'static str {
        self.shape(table).map_or("an unknown table", Shape::name)
    }

    async fn stored(&self, place: &RowPlace) -> Result<Option<Versioned>, RepairError> {
        let Some(records) = &self.records else { return Ok(None) };
        Ok(records.store().get(place.0, &place.1).await.map_err(RecordsError::from)?)
    }

    async fn page(
        &self,
        table: TableId,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Versioned)>, RepairError> {
        let Some(records) = &self.records else { return Ok(Vec::new()) };
        let range = Range { after, ..Range::default() };
        let rows = records.store().scan(table, &range, limit).await.map_err(RecordsError::from)?;
        Ok(rows.into_iter().map(|row| (row.key.to_vec(), row.value)).collect())
    }
}

fn is(row: &RowPlace, table: TableId, key: &[u8]) -> bool {
    row.0 == table && row.1 == key
}

//! Export and import: what the committer does between two groups with all rows at once.

use crate::{
    committer::{Committer, Trouble},
    layout::{self, IMPORTING_KEY, SEQUENCE_KEY, full_key, read, unreadable},
};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use store::{
    ExportSink, ImportSource, Pages, RESERVED_TABLE, StoreError, TableId, TableRow, Transferred, Version,
};
use tokio::sync::oneshot;

type Answer = oneshot::Sender<Result<Transferred, StoreError>>;

/// An export that waits for its turn.
pub(crate) struct Export {
    pub(crate) sink: Box<dyn ExportSink>,
    pub(crate) answer: Answer,
}

/// An import that waits for its turn.
pub(crate) struct Import {
    pub(crate) last: Version,
    pub(crate) source: Box<dyn ImportSource>,
    pub(crate) answer: Answer,
}

impl Committer {
    /// Walks through all rows. It is the committer itself that walks, so nothing is written meanwhile.
    pub(crate) fn export(&self, export: Export) {
        let Export { mut sink, answer } = export;
        let outcome = catch_unwind(AssertUnwindSafe(|| self.walk(&mut *sink, &answer)))
            .unwrap_or_else(|_| Err(StoreError::Io("the walk through its records did not finish".into())));
        self.shared.set_busy(false);
        // A caller that went away has ended the export itself.
        let _gone = answer.send(outcome);
    }

    fn walk(&self, sink: &mut dyn ExportSink, answer: &Answer) -> Result<Transferred, StoreError> {
        let db = self.usable()?;
        let last = Version(self.sequence);
        let (mut pages, mut done) = (Pages::default(), Transferred::none(last));
        self.shared.set_busy(true);
        sink.begin(last).map_err(StoreError::Stopped)?;
        let mut hand_out = |page: Vec<TableRow>| {
            if answer.is_closed() {
                return Err(StoreError::Stopped("whoever asked for them has gone".into()));
            }
            done.add(&page);
            sink.rows(page).map_err(StoreError::Stopped)?;
            // What is reported as trouble is one page that does not come back, not the whole walk.
            self.shared.set_busy(true);
            Ok(())
        };
        for entry in db.range(first_row()..) {
            let (key, raw) = entry.map_err(|error| unreadable(&error))?;
            let (table, key) = key.split_first().ok_or_else(layout::damaged)?;
            let row = TableRow {
                table: TableId(*table),
                key: Bytes::copy_from_slice(key),
                value: read(&db, &raw)?,
            };
            pages.push(row).map_or(Ok(()), &mut hand_out)?;
        }
        pages.finish().map_or(Ok(()), hand_out)?;
        Ok(done)
    }

    /// Fills an empty database. From its first write to its last the database bears a mark with which it is not opened.
    pub(crate) fn import(&mut self, import: Import) {
        let Import { last, mut source, answer } = import;
        self.shared.set_busy(true);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.fill(last, &mut *source)))
            .unwrap_or_else(|_| Err(self.given_up(StoreError::Io("it did not finish".into()))));
        self.shared.set_busy(false);
        let _gone = answer.send(outcome);
    }

    fn fill(&mut self, last: Version, source: &mut dyn ImportSource) -> Result<Transferred, StoreError> {
        let db = self.usable()?;
        if db.range(first_row()..).next().transpose().map_err(|error| unreadable(&error))?.is_some() {
            return Err(StoreError::NotEmpty);
        }
        if !self.has_space() {
            return Err(StoreError::NoSpace);
        }
        let done = self.put_all(&db, last, source).map_err(|error| self.given_up(error))?;
        self.sequence = self.sequence.max(last.0);
        self.note_sequence();
        Ok(done)
    }

    fn put_all(
        &self,
        db: &sled::Db,
        last: Version,
        source: &mut dyn ImportSource,
    ) -> Result<Transferred, StoreError> {
        let mut begin = sled::Batch::default();
        begin.insert(IMPORTING_KEY, b"");
        self.put(db, begin)?;
        let mut done = Transferred::none(last);
        let (mut batch, mut bytes, mut number) = (sled::Batch::default(), 0, 0_u32);
        let mut before: Vec<u8> = Vec::new();
        while let Some(page) = source.rows().map_err(StoreError::Stopped)? {
            done.add(&page);
            for row in page {
                self.config.limits.check_row(last, &row)?;
                let key = full_key(row.table, &row.key);
                if key <= before {
                    return Err(StoreError::NotAnExport("its records are not in their order"));
                }
                // Versions repeat among the rows, and the parts of large values are told apart by this.
                number = number.wrapping_add(1);
                layout::put(&mut batch, &key, number, &row.value);
                bytes += row.bytes();
                before = key;
                if bytes >= self.config.group_bytes {
                    self.put(db, std::mem::take(&mut batch))?;
                    bytes = 0;
                }
            }
        }
        self.put(db, batch)?;
        // Last, and in one: the number, and that the database is whole.
        let mut end = sled::Batch::default();
        end.remove(IMPORTING_KEY);
        end.insert(SEQUENCE_KEY, &self.sequence.max(last.0).to_be_bytes());
        self.put(db, end)?;
        Ok(done)
    }

    fn put(&self, db: &sled::Db, batch: sled::Batch) -> Result<(), StoreError> {
        if !self.has_space() {
            return Err(StoreError::NoSpace);
        }
        self.shared.set_busy(true);
        self.write(db, batch).map_err(|trouble| match trouble {
            Trouble::Full(_) => StoreError::NoSpace,
            Trouble::Failed(why) => StoreError::Io(why),
        })
    }

    /// Half an import must not be taken for a store.
    fn given_up(&self, error: StoreError) -> StoreError {
        tracing::error!(%error, "The records of a backup were not all put into the store; its folder is of no use.");
        self.shared
            .fail("the records of a backup were not all put into it; remove its folder and begin again");
        error
    }

    fn usable(&self) -> Result<sled::Db, StoreError> {
        match self.shared.failure() {
            Some(failure) => Err(failure),
            None => self.shared.db().ok_or_else(|| StoreError::Io("it is not open".into())),
        }
    }
}

/// The first key behind the engine's own table.
fn first_row() -> [u8; 1] {
    [RESERVED_TABLE.0 + 1]
}

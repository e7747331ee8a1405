//! All rows in one file.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | magic |
//! | 8..16 | the store's last commit |
//! | then for each row: 1, 2, 4, 8, key, value | table, bytes of the key, bytes of the value, version, key, value |
//! | 1, 8 | zero, and the number of rows |
//!
//! Numbers are big-endian. Nothing in it is plain: keys hold pseudonyms, values are sealed.

use crate::{RepairError, backup::manifest::digest_file};
use bytes::Bytes;
use std::{
    fs::{File, OpenOptions},
    io::{BufReader, BufWriter, ErrorKind, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use store::{ExportSink, ImportSource, Limits, PAGE_BYTES, PAGE_ROWS, TableId, TableRow, Version, Versioned};

const MAGIC: &[u8; 8] = b"FMVRECS1";

/// The file, as it is written.
pub(crate) struct RecordsSink {
    file: BufWriter<File>,
    rows: u64,
    /// Whether it was written to its end, and how many rows are in it.
    done: std::sync::mpsc::Sender<u64>,
}

impl RecordsSink {
    pub(crate) fn create(path: &Path, done: std::sync::mpsc::Sender<u64>) -> Result<Self, RepairError> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(RepairError::io("create", path))?;
        Ok(Self { file: BufWriter::with_capacity(1024 * 1024, file), rows: 0, done })
    }

    fn row(&mut self, row: &TableRow) -> std::io::Result<()> {
        let (key, value) = (&row.key, &row.value.value);
        let key_bytes = u16::try_from(key.len()).map_err(|_| ErrorKind::InvalidData)?;
        let value_bytes = u32::try_from(value.len()).map_err(|_| ErrorKind::InvalidData)?;
        self.file.write_all(&[row.table.0])?;
        self.file.write_all(&key_bytes.to_be_bytes())?;
        self.file.write_all(&value_bytes.to_be_bytes())?;
        self.file.write_all(&row.value.version.0.to_be_bytes())?;
        self.file.write_all(key)?;
        self.file.write_all(value)
    }
}

impl ExportSink for RecordsSink {
    fn begin(&mut self, last: Version) -> Result<(), String> {
        let head = [&MAGIC[..], &last.0.to_be_bytes()].concat();
        self.file.write_all(&head).map_err(|error| error.to_string())
    }

    fn rows(&mut self, rows: Vec<TableRow>) -> Result<(), String> {
        rows.iter().try_for_each(|row| self.row(row)).map_err(|error| error.to_string())?;
        self.rows += rows.len() as u64;
        Ok(())
    }
}

impl Drop for RecordsSink {
    fn drop(&mut self) {
        let end = [&[0][..], &self.rows.to_be_bytes()].concat();
        let written = self.file.write_all(&end).and_then(|()| self.file.flush());
        if written.and_then(|()| self.file.get_ref().sync_all()).is_ok() {
            // Nobody waits any more if the export itself failed.
            let _gone = self.done.send(self.rows);
        }
    }
}

/// The file, as it is read back. Its digest must have been compared before: what is read here is believed.
pub struct RecordsFile {
    file: BufReader<File>,
    path: PathBuf,
    last: Version,
    rows: u64,
    ended: bool,
}

impl RecordsFile {
    /// Opens it.
    ///
    /// # Errors
    /// [`RepairError::Backup`] when it is not such a file.
    pub fn open(path: &Path) -> Result<Self, RepairError> {
        let file = File::open(path).map_err(RepairError::io("read", path))?;
        let mut file = BufReader::with_capacity(1024 * 1024, file);
        let no_records = || RepairError::Backup(format!("{} holds no records", path.display()));
        let magic: [u8; 8] = take(&mut file).map_err(|_| no_records())?;
        let last = take(&mut file).map(u64::from_be_bytes).map_err(|_| no_records())?;
        if magic != *MAGIC {
            return Err(no_records());
        }
        Ok(Self { file, path: path.to_owned(), last: Version(last), rows: 0, ended: false })
    }

    /// The last commit of the store that it was taken from.
    #[must_use]
    pub const fn last(&self) -> Version {
        self.last
    }

    /// Bytes and digest of the whole file.
    ///
    /// # Errors
    /// [`RepairError::Io`].
    pub fn digest(&self) -> Result<(u64, [u8; 32]), RepairError> {
        digest_file(&self.path)
    }

    fn row(&mut self) -> std::io::Result<Option<TableRow>> {
        let [table] = take(&mut self.file)?;
        if table == 0 {
            let rows = u64::from_be_bytes(take(&mut self.file)?);
            self.ended = true;
            return if rows == self.rows { Ok(None) } else { Err(ErrorKind::InvalidData.into()) };
        }
        let limits = Limits::default();
        let key_bytes = usize::from(u16::from_be_bytes(take(&mut self.file)?));
        let value_bytes = u32::from_be_bytes(take(&mut self.file)?) as usize;
        let version = Version(u64::from_be_bytes(take(&mut self.file)?));
        if key_bytes > limits.key_bytes || value_bytes > limits.value_bytes {
            return Err(ErrorKind::InvalidData.into());
        }
        let (mut key, mut value) = (vec![0; key_bytes], vec![0; value_bytes]);
        self.file.read_exact(&mut key)?;
        self.file.read_exact(&mut value)?;
        self.rows += 1;
        let value = Versioned { version, value: Bytes::from(value) };
        Ok(Some(TableRow { table: TableId(table), key: Bytes::from(key), value }))
    }
}

impl ImportSource for RecordsFile {
    fn rows(&mut self) -> Result<Option<Vec<TableRow>>, String> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while !self.ended && page.len() < PAGE_ROWS && bytes < PAGE_BYTES {
            let row = self.row().map_err(|error| format!("{}: {error}", self.path.display()))?;
            bytes += row.as_ref().map_or(0, TableRow::bytes);
            page.extend(row);
        }
        Ok((!page.is_empty()).then_some(page))
    }
}

fn take<const N: usize>(from: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

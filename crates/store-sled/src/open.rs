//! Opening the database, and saying in plain words why it cannot be opened.

use crate::{
    SledConfig,
    disk::{self, RealDisk},
    layout::{FORMAT, FORMAT_KEY, IMPORTING_KEY, KEY_BYTES, SEQUENCE_KEY, describe},
    mark, patience,
};
use std::{
    io::{self, ErrorKind},
    path::Path,
    thread,
    time::{Duration, Instant},
};
use store::StoreError;

/// What to do about a store that does not open. sled may have cleared pieces of its own log that it cannot read, so it is
/// not said that nothing was changed at all.
pub(crate) const REBUILD: &str = "slots and facemaps were not touched. `facemap-vault verify` says what is left of them; if it stays so, \
     `facemap-vault rebuild-index` makes the store anew from them";

/// How long the lock of a database that is just being closed is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// An opened database.
pub(crate) struct Opened {
    pub(crate) db: sled::Db,
    pub(crate) disk: RealDisk,
    /// The number of the last commit.
    pub(crate) sequence: u64,
}

/// Opens or makes the database, checks that it is one of ours, and makes all its files durable.
pub(crate) fn open(config: &SledConfig) -> Result<Opened, StoreError> {
    if config.limits.key_bytes > KEY_BYTES {
        return Err(unusable(format!("it can keep keys of at most {KEY_BYTES} bytes")));
    }
    let existing =
        disk::make_folder(&config.path).map_err(|error| unusable(format!("its folder: {error}")))?;
    if disk::has_blobs(&config.path).map_err(|error| unusable(format!("its folder: {error}")))? {
        return Err(unusable(format!(
            "`blobs` is not empty, and this service never puts anything there: the folder was changed by something \
             else, and what lies in there may not be durable; {REBUILD}"
        )));
    }
    let config = config.clone();
    let limit = patience::for_sled(&config.path, config.open_timeout)?;
    patience::within(limit, move || {
        let db = open_locked(&config)?;
        let mark = mark::read(&config.path).map_err(|error| unusable(format!("{error}; {REBUILD}")))?;
        let sequence = check_format(&db, mark)?;
        let durable = disk::sync_folder(&config.path, &existing)
            .and_then(|()| note(&config.path, mark, sequence))
            .and_then(|()| RealDisk::open(&config.path));
        let disk =
            durable.map_err(|error| unusable(format!("its files could not be made durable: {error}")))?;
        Ok(Opened { db, disk, sequence })
    })
}

fn open_locked(config: &SledConfig) -> Result<sled::Db, StoreError> {
    let sled = sled::Config::new()
        .path(&config.path)
        .cache_capacity(config.cache_bytes)
        // The committer flushes; a second flusher would write between its write and its sync.
        .flush_every_ms(None);
    let began = Instant::now();
    loop {
        match sled.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                // sled's own threads may hold a closed database for a moment longer.
                if began.elapsed() > LOCK_PATIENCE.min(config.open_timeout / 2) {
                    return Err(unusable(
                        "another process has it open; two must never use the same folder, stop the other one first"
                            .into(),
                    ));
                }
                thread::sleep(Duration::from_millis(20));
            }
            other => return other.map_err(|error| explain(&error)),
        }
    }
}

fn explain(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Io(io) if is_full(io.kind()) => {
            unusable("its disk is full; free some space and start again".into())
        }
        sled::Error::Io(io)
            if matches!(io.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
        {
            unusable(format!("its folder cannot be written to: {io}"))
        }
        other => unusable(format!("{}; {REBUILD}", describe(other))),
    }
}

/// Whether a write failed because there was no room for it.
pub(crate) fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// A full disk must not keep a store from being opened whose older mark is still true.
fn note(folder: &Path, mark: Option<u64>, sequence: u64) -> io::Result<()> {
    match mark::write(folder, sequence) {
        Err(error) if mark.is_some() && is_full(error.kind()) => Ok(()),
        other => other,
    }
}

/// The number of the last commit; a new database gets format and number first.
fn check_format(db: &sled::Db, mark: Option<u64>) -> Result<u64, StoreError> {
    let read = |key| db.get(key).map_err(|error| explain(&error));
    let Some(format) = read(FORMAT_KEY)? else {
        return match mark {
            None if db.is_empty() => mark_as_ours(db),
            None => Err(foreign()),
            Some(mark) => Err(lost(0, mark)),
        };
    };
    let format = u32::from_be_bytes(format.as_ref().try_into().map_err(|_| foreign())?);
    if format > FORMAT {
        return Err(unusable(format!(
            "it was written by a newer version of this service (format {format}, this one knows {FORMAT}); install that \
             version again, or restore a backup made with this one"
        )));
    }
    if read(IMPORTING_KEY)?.is_some() {
        return Err(unusable(
            "the records of a backup were being put into it, and that was not finished; remove its folder and restore \
             the backup again"
                .into(),
        ));
    }
    let sequence = read(SEQUENCE_KEY)?.ok_or_else(foreign)?;
    let sequence = u64::from_be_bytes(sequence.as_ref().try_into().map_err(|_| foreign())?);
    match mark {
        Some(mark) if sequence < mark => Err(lost(sequence, mark)),
        _ => Ok(sequence),
    }
}

fn lost(sequence: u64, mark: u64) -> StoreError {
    unusable(format!(
        "it holds {sequence} commits and had {mark} at least, so its file is damaged or was exchanged; {REBUILD}"
    ))
}

fn mark_as_ours(db: &sled::Db) -> Result<u64, StoreError> {
    let mut batch = sled::Batch::default();
    batch.insert(FORMAT_KEY, &FORMAT.to_be_bytes());
    batch.insert(SEQUENCE_KEY, &0_u64.to_be_bytes());
    db.apply_batch(batch).and_then(|()| db.flush()).map_err(|error| explain(&error))?;
    Ok(0)
}

fn foreign() -> StoreError {
    unusable(format!(
        "there is a sled database in its folder that this service did not write, or damaged; {REBUILD}"
    ))
}

pub(crate) fn unusable(why: String) -> StoreError {
    StoreError::Unusable(why)
}

//! How long opening may take: sled has been seen to panic, or never to return, on a damaged file.
//!
//! A limit in seconds alone would refuse a large database on a slow disk. So all files are read here once before sled reads
//! them: that shows how fast they are to be had, and a disk that gives nothing at all. sled reads each of them about once
//! more, then mostly from the system's cache; it gets several times as long.

use crate::open::{REBUILD, unusable};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel},
    thread,
    time::{Duration, Instant},
};
use store::StoreError;

/// How many times as long as our own reading sled's may take. Measured: sled opened 607 MB in 0.12 s out of the system's cache, in
/// 0.6 s from the disk: it reads each file once, and does little besides.
const TIMES: u32 = 4;
const CHUNK_BYTES: usize = 1024 * 1024;

/// Reads the database's files, and says how long sled may take for them: `at_least` that long.
///
/// # Errors
/// [`StoreError::Unusable`] when they cannot be read, or nothing comes for `at_least`.
pub(crate) fn for_sled(folder: &Path, at_least: Duration) -> Result<Duration, StoreError> {
    let files = files(folder).map_err(|error| unreadable(&error))?;
    let reading = watched(at_least, move |progress| files.iter().try_for_each(|path| read(path, progress)))?;
    Ok(at_least.max(reading * TIMES))
}

/// Does work that tells of its progress, and says how long it took; gives up when nothing is told for `patience`.
pub(crate) fn watched(
    patience: Duration,
    work: impl FnOnce(&Sender<()>) -> io::Result<()> + Send + 'static,
) -> Result<Duration, StoreError> {
    let (tell, told) = channel();
    let began = Instant::now();
    let spawned = thread::Builder::new().name("store-read".into()).spawn(move || work(&tell));
    let reader = spawned.map_err(|error| unusable(format!("no thread to read it in: {error}")))?;
    loop {
        match told.recv_timeout(patience) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => {
                return Err(unusable(format!(
                    "its disk has given nothing for {} s; nothing was changed, look after the disk and start again",
                    patience.as_secs()
                )));
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let outcome = reader.join().unwrap_or_else(|_| Err(io::Error::other("reading ended early")));
    outcome.map(|()| began.elapsed()).map_err(|error| unreadable(&error))
}

/// Does `work`, which must be done within `limit`. The thread of one that is not cannot be ended: it keeps the database
/// locked until the process ends.
///
/// # Errors
/// Those of `work`; [`StoreError::Unusable`] when it panics or takes too long.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (send, receive) = sync_channel(1);
    let spawned = thread::Builder::new().name("store-open".into()).spawn(move || {
        // If nobody waits any more the database is closed again right here.
        drop(send.send(work()));
    });
    spawned.map_err(|error| unusable(format!("no thread to open it in: {error}")))?;
    receive.recv_timeout(limit).unwrap_or_else(|error| {
        let what = match error {
            RecvTimeoutError::Timeout => {
                format!("sled did not finish opening it within {} s", limit.as_secs())
            }
            RecvTimeoutError::Disconnected => "sled gave up on it".to_owned(),
        };
        Err(unusable(format!("{what}, so it is probably damaged; {REBUILD}")))
    })
}

/// What sled reads when it opens: its log and its snapshots.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_read = |name: &OsStr| name == "db" || name.to_str().is_some_and(|name| name.starts_with("snap."));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_read(&entry.file_name()) {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn read(path: &Path, progress: &Sender<()>) -> io::Result<()> {
    let mut file = match File::open(path) {
        // sled removes snapshots of its own accord, also while another process has it open.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(()),
            // Whoever waited may have given up; then this ends with the file.
            Ok(_) => drop(progress.send(())),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn unreadable(error: &io::Error) -> StoreError {
    unusable(format!("its files cannot be read ({error}); nothing was changed; {REBUILD}"))
}

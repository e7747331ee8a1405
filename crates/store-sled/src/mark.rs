//! What the store is known to have reached, noted beside the database.
//!
//! sled takes damage in its log for the end of the log: it opens, and what came behind is not there any more, down to
//! an empty database. So the number of a commit that is durable for certain lies in a file of its own; a database that
//! does not reach it has lost something and is refused.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::Path,
};

const MARK: &str = "mark";
const NEW_MARK: &str = "mark.new";
/// Commits after which a running engine notes its number again.
const EVERY: u64 = 4096;

/// The number noted last; none if the database has never been opened to its end.
pub(crate) fn read(folder: &Path) -> io::Result<Option<u64>> {
    match fs::read_to_string(folder.join(MARK)) {
        Ok(text) => text.trim_end().parse().map(Some).map_err(|_| io::Error::other("`mark` holds no number")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Notes a number, durably. The commit must be durable already.
pub(crate) fn write(folder: &Path, sequence: u64) -> io::Result<()> {
    let new = folder.join(NEW_MARK);
    let mut file = File::create(&new)?;
    writeln!(file, "{sequence}")?;
    file.sync_all()?;
    fs::rename(new, folder.join(MARK))?;
    File::open(folder)?.sync_all()
}

/// Whether a running engine that went from one number to another should note it.
pub(crate) const fn is_due(before: u64, now: u64) -> bool {
    before / EVERY < now / EVERY
}

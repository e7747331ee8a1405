//! The anchor: a small file beside the slots, on a path of its own, that remembers where the chain ended.
//!
//! Format, 89 bytes: magic (8), version (1), epoch (8), position (8), link (32), HMAC over all that (32); numbers big-endian.

use crate::{AuditError, Head, Link, chain};
use records::Records;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"fmvaudit";
const VERSION: u8 = 1;
const SIGNED_BYTES: usize = 8 + 1 + 8 + 8 + 32;
const FILE_BYTES: usize = SIGNED_BYTES + 32;
const LABEL: &str = "audit-anchor";

/// The head that the anchor file remembers; `None` when there is no file.
///
/// # Errors
/// [`AuditError::AnchorDamaged`] when it is not an anchor of this vault, [`AuditError::AnchorIo`].
pub(crate) fn read(records: &Records, path: &Path) -> Result<Option<Head>, AuditError> {
    match fs::read(path) {
        Ok(bytes) => parse(records, &bytes).map(Some).ok_or(AuditError::AnchorDamaged),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(AuditError::AnchorIo(error.kind().to_string())),
    }
}

/// Makes the anchor file remember `head`: a new file, synced, renamed over the old one, folder synced. After a crash
/// there is the old one or the new one.
///
/// # Errors
/// [`AuditError::AnchorIo`].
pub(crate) fn write(records: &Records, path: &Path, head: &Head) -> Result<(), AuditError> {
    replace(path, &encode(records, head)).map_err(|error| AuditError::AnchorIo(error.kind().to_string()))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn encode(records: &Records, head: &Head) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&head.epoch.to_be_bytes());
    bytes.extend_from_slice(&head.position.to_be_bytes());
    bytes.extend_from_slice(head.link.as_bytes());
    let tag = chain::tag(records, LABEL, &bytes);
    bytes.extend_from_slice(&tag);
    bytes
}

fn parse(records: &Records, bytes: &[u8]) -> Option<Head> {
    let (signed, tag) = bytes.split_at_checked(SIGNED_BYTES)?;
    // Not in constant time: whoever can write this file and time a start has easier ways to try.
    if tag != chain::tag(records, LABEL, signed) {
        return None;
    }
    let rest = signed.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (position, rest) = rest.split_first_chunk()?;
    let (link, _) = rest.split_first_chunk()?;
    Some(Head {
        epoch: u64::from_be_bytes(*epoch),
        position: u64::from_be_bytes(*position),
        link: Link::from_bytes(*link),
    })
}

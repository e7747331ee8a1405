//! What a backup says of itself, with an HMAC over it.

use crate::{RepairError, rebuild::sync_parent};
use model::{Rng, Timestamp, hex};
use ring::digest::{Context, SHA256};
use seal::HeldKeys;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use subtle::ConstantTimeEq as _;
use vault::VaultId;

/// The format that this version writes and reads.
pub(crate) const FORMAT: u32 = 1;
/// The manifest's name, without its ending.
pub(crate) const MANIFEST: &str = "manifest";
/// The part with the rows.
pub(crate) const RECORDS: &str = "records";
const LABEL: &str = "backup-manifest";
const SLOTS_LABEL: &str = "backup-slots-manifest";
/// No manifest is longer: contents are listed in a part of their own.
const MOST_BYTES: u64 = 1024 * 1024;

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name in the folder.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256.
    #[serde(with = "hex")]
    pub sha256: [u8; 32],
}

/// Where the book ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadOf {
    /// The epoch.
    pub epoch: u64,
    /// The position.
    pub position: u64,
    /// The link.
    pub link: String,
}

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The format.
    pub format: u32,
    /// Which backup: its slots say the same.
    #[serde(with = "hex")]
    pub backup: [u8; 16],
    /// Which vault.
    pub vault: VaultId,
    /// The slot file's epoch.
    pub epoch: u64,
    /// Whether its people are simulated.
    pub simulated: bool,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Where the book ended.
    pub audit_head: HeadOf,
    /// Rows of all tables.
    pub rows: u64,
    /// Content files.
    pub contents: u64,
    /// Bytes of content files.
    pub content_bytes: u64,
    /// Whether slots were copied too, to another folder.
    pub with_slots: bool,
    /// The files in the folder, but for manifest and content files.
    pub parts: Vec<Part>,
}

/// What a copy of the slot file is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlotsManifest {
    /// The format.
    pub format: u32,
    /// Which backup it was made with.
    #[serde(with = "hex")]
    pub backup: [u8; 16],
    /// Which vault.
    pub vault: VaultId,
    /// The slot file's epoch.
    pub epoch: u64,
    /// When the backup was begun: what was burnt before is burnt in the copy.
    pub created_at: Timestamp,
    /// The copy.
    pub part: Part,
}

impl Manifest {
    /// A new backup's id.
    pub(crate) fn new_id(rng: &dyn Rng) -> [u8; 16] {
        let mut id = [0; 16];
        rng.fill(&mut id);
        id
    }

    /// Writes it into the folder, durably.
    pub(crate) fn write(&self, folder: &Path, keys: &HeldKeys) -> Result<(), RepairError> {
        write(self, &folder.join(MANIFEST), LABEL, keys)
    }

    /// Reads and checks the manifest of the backup in this folder.
    ///
    /// # Errors
    /// [`RepairError::Backup`] when it was changed, or is another vault's.
    pub fn read(folder: &Path, keys: &HeldKeys) -> Result<Self, RepairError> {
        let manifest: Self = read(&folder.join(MANIFEST), LABEL, keys)?;
        known_format(manifest.format)?;
        Ok(manifest)
    }

    /// The part of this name.
    pub(crate) fn part(&self, name: &str) -> Result<&Part, RepairError> {
        let part = self.parts.iter().find(|part| part.name == name);
        part.ok_or_else(|| RepairError::Backup(format!("its manifest does not name the part `{name}`")))
    }
}

impl SlotsManifest {
    /// Writes it beside the copy of the slot file, durably.
    pub(crate) fn write(&self, slots: &Path, keys: &HeldKeys) -> Result<(), RepairError> {
        write(self, slots, SLOTS_LABEL, keys)
    }

    /// Reads the manifest beside a copy of the slot file, and checks both.
    ///
    /// # Errors
    /// [`RepairError::Backup`] when either was changed, or they do not belong together.
    pub fn read(slots: &Path, keys: &HeldKeys) -> Result<Self, RepairError> {
        let manifest: Self = read(slots, SLOTS_LABEL, keys)?;
        known_format(manifest.format)?;
        check_file(slots, &manifest.part)?;
        Ok(manifest)
    }
}

fn known_format(format: u32) -> Result<(), RepairError> {
    if format == FORMAT {
        return Ok(());
    }
    Err(RepairError::Backup(format!("it has format {format}, this program knows format {FORMAT}")))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn write<T: Serialize>(manifest: &T, path: &Path, label: &str, keys: &HeldKeys) -> Result<(), RepairError> {
    let json = serde_json::to_vec_pretty(manifest)
        .map_err(|error| RepairError::Backup(format!("its manifest cannot be written: {error}")))?;
    let mac = hex::encode(&keys.audit_links().tag(label, &json));
    create(&with_ending(path, ".json"), &json)?;
    create(&with_ending(path, ".mac"), mac.as_bytes())?;
    sync_parent(path)
}

fn read<T: DeserializeOwned>(path: &Path, label: &str, keys: &HeldKeys) -> Result<T, RepairError> {
    let (json_path, mac_path) = (with_ending(path, ".json"), with_ending(path, ".mac"));
    let json = read_small(&json_path)?;
    let mac = read_small(&mac_path)?;
    // Letter by letter: one that is written otherwise was changed too.
    let expected = hex::encode(&keys.audit_links().tag(label, &json));
    if !bool::from(expected.as_bytes().ct_eq(&mac)) {
        return Err(RepairError::Backup(format!(
            "{} was changed, or belongs to a vault with other keys",
            json_path.display()
        )));
    }
    serde_json::from_slice(&json)
        .map_err(|error| RepairError::Backup(format!("{} cannot be read: {error}", json_path.display())))
}

fn read_small(path: &Path) -> Result<Vec<u8>, RepairError> {
    let file =
        File::open(path).map_err(|error| RepairError::Backup(format!("{}: {error}", path.display())))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(RepairError::io("read", path))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(RepairError::Backup(format!("{} is too long", path.display())));
    }
    Ok(bytes)
}

/// Writes a new file, durably, but for its name.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), RepairError> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(RepairError::io("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(RepairError::io("write", path))
}

/// Bytes and digest of a file.
pub(crate) fn digest_file(path: &Path) -> Result<(u64, [u8; 32]), RepairError> {
    let mut file = File::open(path).map_err(RepairError::io("read", path))?;
    let mut context = Context::new(&SHA256);
    let (mut bytes, mut buffer) = (0, vec![0; 1024 * 1024]);
    loop {
        let read = file.read(&mut buffer).map_err(RepairError::io("read", path))?;
        if read == 0 {
            break;
        }
        context.update(&buffer[..read]);
        bytes += read as u64;
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok((bytes, digest))
}

/// Refuses a file that is not the one that a manifest names.
pub(crate) fn check_file(path: &Path, part: &Part) -> Result<(), RepairError> {
    if fs::symlink_metadata(path).map_or(true, |metadata| !metadata.is_file()) {
        return Err(RepairError::Backup(format!("{} is missing", path.display())));
    }
    if digest_file(path)? == (part.bytes, part.sha256) {
        return Ok(());
    }
    Err(RepairError::Backup(format!(
        "{} is not the file that was written: it was changed or cut off",
        path.display()
    )))
}

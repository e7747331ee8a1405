//! Taking a backup, of a house in use or of one that is at rest.

use crate::{
    RepairError,
    backup::{
        contents::{CONTENTS, Copied, Copying, digest_list},
        folder::{Target, targets},
        manifest::{FORMAT, HeadOf, Manifest, Part, RECORDS, SlotsManifest, digest_file},
        records_file::RecordsSink,
    },
    progress::{Progress, Stage},
};
use audit::{Action, Actor, Audit, Begin, Details, Outcome};
use model::{Clock, Rng};
use records::Records;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};
use vault::{Mode, Vault, VaultError};

/// Content files that are copied in one go.
const AT_ONCE: usize = 64;

/// What is backed up, and where to.
pub struct BackupParts {
    /// The records.
    pub records: Records,
    /// Slots and contents.
    pub vault: Arc<Vault>,
    /// The book.
    pub audit: Audit,
    /// The folder of the content files.
    pub content_dir: PathBuf,
    /// Folders of the house: a backup never lies in one of them.
    pub own_folders: Vec<PathBuf>,
    /// The folder for records and contents: not there yet, or empty, and no mount point.
    pub to: PathBuf,
    /// The folder for the slots, if they are to be copied: likewise.
    pub slots_to: Option<PathBuf>,
    /// By whose order.
    pub actor: Actor,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// Takes a backup. Its folders get their names only when everything in them is durable. It is written down in the book.
///
/// # Errors
/// [`RepairError::Refused`] for folders that cannot be used: nothing was written. Whatever else goes wrong leaves a
/// folder with the ending `.partial` behind, which is no backup.
pub async fn backup(parts: &BackupParts, progress: &dyn Progress) -> Result<Manifest, RepairError> {
    let (to, slots_to) = targets(&parts.to, parts.slots_to.as_deref(), &parts.own_folders)?;
    let begin = Begin::general(Action::BackedUp, parts.actor.clone()).with("slots", parts.slots_to.is_some());
    let stroke = parts.audit.begin(begin).await?;
    let taken = take(parts, (&to, slots_to.as_ref()), progress).await;
    let (outcome, details) = match &taken {
        Ok(manifest) => {
            (Outcome::Done, Details::new().with("rows", manifest.rows).with("contents", manifest.contents))
        }
        Err(_) => (Outcome::Failed, Details::new()),
    };
    parts.audit.finish_alone(&stroke, outcome, details).await?;
    taken
}

async fn take(
    parts: &BackupParts,
    (to, slots_to): (&Target, Option<&Target>),
    progress: &dyn Progress,
) -> Result<Manifest, RepairError> {
    let created_at = parts.clock.now();
    let id = Manifest::new_id(&*parts.rng);
    let keys = Arc::clone(parts.records.keys());
    let (vault, epoch) = (parts.vault.id(), parts.vault.epoch());
    // Both at once: what cannot be used says so before hours of copying.
    let partial = to.begin()?;
    let slots_partial = slots_to.map(Target::begin).transpose()?;
    if let Some(folder) = slots_partial {
        let copy = folder.join("slots");
        parts.vault.copy_slots(&copy).await?;
        let of = copy.clone();
        let (bytes, sha256) = blocking(move || digest_file(&of)).await?;
        let part = Part { name: "slots".into(), bytes, sha256 };
        SlotsManifest { format: FORMAT, backup: id, vault, epoch, created_at, part }.write(&copy, &keys)?;
    }
    let copied = copy_contents(parts, partial, progress).await?;
    let head = parts.audit.head().await?;
    let (done, rows) = mpsc::channel();
    let sink = RecordsSink::create(&partial.join(RECORDS), done)?;
    let exported = parts.records.store().export(Box::new(sink)).await?;
    if rows.recv().ok() != Some(exported.rows) {
        return Err(RepairError::Backup("its records could not be written to their end".into()));
    }
    let of = partial.to_owned();
    let digests = blocking(move || Ok((digest_file(&of.join(RECORDS))?, digest_list(&of)?)));
    let ((bytes, sha256), (list_bytes, list_sha256)) = digests.await?;
    let manifest = Manifest {
        format: FORMAT,
        backup: id,
        vault,
        epoch,
        simulated: parts.vault.mode() == Mode::Simulated,
        created_at,
        audit_head: HeadOf { epoch: head.epoch, position: head.position, link: head.link.to_string() },
        rows: exported.rows,
        contents: copied.files,
        content_bytes: copied.bytes,
        with_slots: parts.slots_to.is_some(),
        parts: vec![
            Part { name: RECORDS.into(), bytes, sha256 },
            Part { name: CONTENTS.into(), bytes: list_bytes, sha256: list_sha256 },
        ],
    };
    manifest.write(partial, &keys)?;
    if let Some(folder) = slots_to {
        folder.end()?;
    }
    to.end()?;
    Ok(manifest)
}

/// Copies the content files, some at a time, so that a house in use goes on beside it.
async fn copy_contents(
    parts: &BackupParts,
    to: &Path,
    progress: &dyn Progress,
) -> Result<Copied, RepairError> {
    let files: Vec<_> = parts.vault.contents().await?.files.into_iter().map(|(id, _)| id).collect();
    let mut copying = Copying::begin(&parts.content_dir, to)?;
    for (turn, some) in files.chunks(AT_ONCE).enumerate() {
        let some = some.to_vec();
        copying = blocking(move || copying.some(&some)).await?;
        progress.at(Stage::Copying, (turn * AT_ONCE) as u64, Some(files.len() as u64));
    }
    blocking(move || copying.end()).await
}

/// Does what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RepairError> + Send + 'static,
) -> Result<T, RepairError> {
    let stopped = |_| RepairError::Vault(VaultError::Stopping);
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}

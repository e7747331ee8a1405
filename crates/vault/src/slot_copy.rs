//! A copy of the slot file of a running vault, as it was at one moment, while hardly anybody waits for it.

use crate::{
    error::VaultError,
    fault::{Faults, Step},
    files::sync_dir,
    sector::SECTOR,
    slot_file::{SCAN, SlotFile, position},
    vault::Vault,
};
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
    sync::PoisonError,
};
use zeroize::Zeroizing;

const DOING: &str = "copy the slot file";

impl Vault {
    /// Copies the slot file to `to`, durably: every slot as it was at the same moment, towards the end of the call. A
    /// slot that was burnt before this was called is burnt in the copy. The copy holds the secrets of all slots; what
    /// is burnt later lives on in it, which is why backups have a horizon.
    ///
    /// # Errors
    /// [`VaultError::Exists`] rather than replacing a file, [`VaultError::NoSpace`], [`VaultError::Io`],
    /// [`VaultError::Poisoned`].
    pub async fn copy_slots(&self, to: &Path) -> Result<(), VaultError> {
        let to = to.to_owned();
        self.run(move |inner| inner.slots.copy(&to, &inner.faults)).await
    }
}

impl SlotFile {
    fn copy(&self, to: &Path, faults: &Faults) -> Result<(), VaultError> {
        self.check()?;
        let _one_at_a_time = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
        let copy = copy.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => VaultError::Exists { path: to.to_owned() },
            _ => VaultError::io(DOING)(error),
        })?;
        let copied = self.copy_into(&copy, faults);
        self.state.write().unwrap_or_else(PoisonError::into_inner).changed = None;
        if let Err(error) = copied {
            // Half a copy must not be taken for one. The first error is the one to tell.
            let _ = fs::remove_file(to);
            return Err(error);
        }
        sync_dir(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    }

    fn copy_into(&self, copy: &File, faults: &Faults) -> Result<(), VaultError> {
        let mut buffer = Zeroizing::new(vec![0; SCAN as usize * SECTOR]);
        let mut piece = |from: u32, end: u32| {
            // Read and written, never cloned by the file system: shared blocks would be moved, not overwritten, when a
            // slot is burnt.
            let piece = &mut buffer[..(end - from) as usize * SECTOR];
            self.file.read_exact_at(piece, position(from))?;
            copy.write_all_at(piece, position(from))
        };
        let slots = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.changed = Some(BTreeSet::new());
            state.header.slots
        };
        for from in (0..slots).step_by(SCAN as usize) {
            // So that no sector is read while it is written.
            let _state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            piece(from, slots.min(from + SCAN)).map_err(VaultError::io(DOING))?;
        }
        faults.reach(Step::Copied)?;
        // From here on nothing changes, and what changed since the beginning is copied once more.
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let changed = state.changed.take().unwrap_or_default();
        for index in changed.range(..slots) {
            piece(*index, *index + 1).map_err(VaultError::io(DOING))?;
        }
        for from in (slots..state.header.slots).step_by(SCAN as usize) {
            piece(from, state.header.slots.min(from + SCAN)).map_err(VaultError::io(DOING))?;
        }
        copy.write_all_at(&state.header.encode(), 0).map_err(VaultError::io(DOING))?;
        drop(state);
        copy.sync_all().map_err(VaultError::io(DOING))
    }
}

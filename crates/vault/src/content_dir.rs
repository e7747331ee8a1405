//! The folder of content files, `content/ab/<facemap id>`, where `ab` is the id's first byte.

use crate::{
    content_form,
    error::{Damage, VaultError},
    fault::{Faults, Step},
    files::{create_private_dir, forget, sync_dir},
    types::{FacemapId, VaultId},
};
use model::{Rng, hex};
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use zeroize::Zeroizing;

/// What a temporary file's name ends with. It was never anybody's facemap.
const TEMPORARY: &str = ".new";

/// Bytes of a content file at most: more is nothing that this program wrote, and is not taken into memory.
const LONGEST: usize = 256 * 1024 * 1024;
/// Random bytes that are written at once over what is destroyed.
const NOISE_BYTES: usize = 64 * 1024;

/// The folder that ext4 has on every volume.
const VOLUMES_OWN: &str = "lost+found";

/// The folder.
pub(crate) struct ContentDir {
    root: PathBuf,
    /// Which of the 256 folders are known to be durable.
    durable: Mutex<Vec<bool>>,
}

/// What is in the folder.
#[derive(Default)]
pub(crate) struct Listing {
    /// Facemap id and length of each content file, in order of the ids.
    pub(crate) files: Vec<(FacemapId, u64)>,
    /// What interrupted writes left behind.
    pub(crate) temporaries: Vec<PathBuf>,
    /// What is neither: nothing that this program wrote.
    pub(crate) strangers: u64,
}

impl ContentDir {
    /// Creates the folder, durably; it may be there if it is empty, as a new volume is.
    pub(crate) fn create(root: &Path) -> Result<(), VaultError> {
        create_private_dir(root)?;
        for entry in fs::read_dir(root).map_err(VaultError::io("read the content folder"))? {
            if entry.map_err(VaultError::io("read the content folder"))?.file_name() != VOLUMES_OWN {
                return Err(VaultError::Exists { path: root.to_owned() });
            }
        }
        Ok(())
    }

    /// The folder that is there.
    pub(crate) fn open(root: &Path) -> Result<Self, VaultError> {
        if !root.is_dir() {
            return Err(VaultError::Unusable {
                path: root.to_owned(),
                what: "the folder of the contents is not there; mount its disk or correct `store.path`"
                    .into(),
            });
        }
        Ok(Self::at(root))
    }

    /// The folder, whether it is there or not: for looking only.
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), durable: Mutex::new(vec![false; 256]) }
    }

    /// The vaults that content files say they are of, at most `limit` files asked. It proves nothing.
    pub(crate) fn claimed_vaults(&self, limit: usize) -> Vec<VaultId> {
        let claimed = |(id, _): &(FacemapId, u64)| {
            let mut fixed = [0; content_form::FIXED];
            File::open(self.path(*id)).and_then(|mut file| file.read_exact(&mut fixed)).ok()?;
            content_form::claimed_vault(&fixed)
        };
        self.list().unwrap_or_default().files.iter().take(limit).filter_map(claimed).collect()
    }

    /// Writes a content file: temporary file in the same folder, fsync, rename, fsync of the folder. When it answers
    /// the content is durable under its name, and what was there before is gone from that name.
    pub(crate) fn write(
        &self,
        id: FacemapId,
        parts: &[&[u8]],
        rng: &dyn Rng,
        faults: &Faults,
    ) -> Result<(), VaultError> {
        const DOING: &str = "write a content file";
        let folder = self.folder(id)?;
        let mut tail = [0; 4];
        rng.fill(&mut tail);
        let temporary = folder.join(format!("{id}.{}{TEMPORARY}", hex::encode(&tail)));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            let (last, first) = parts.split_last().ok_or(io::ErrorKind::InvalidInput)?;
            first.iter().try_for_each(|part| file.write_all(part))?;
            faults.refused(Step::TemporaryHalf)?;
            if faults.reach(Step::TemporaryHalf).is_err() {
                return Ok(Err(Step::TemporaryHalf));
            }
            file.write_all(last)?;
            file.sync_all()?;
            Ok(Ok(()))
        })();
        match written {
            Ok(Ok(())) => {}
            Ok(Err(step)) => return faults.reach(step),
            Err(error) => {
                // The disk may be full: what is half written must not stay. If it does, the next start removes it.
                let _ = fs::remove_file(&temporary);
                return Err(VaultError::io(DOING)(error));
            }
        }
        faults.reach(Step::TemporaryDurable)?;
        if let Err(error) = fs::rename(&temporary, self.path(id)) {
            let _ = fs::remove_file(&temporary);
            return Err(VaultError::io(DOING)(error));
        }
        faults.reach(Step::Renamed)?;
        sync_dir(&folder)
    }

    /// Reads a whole content file of exactly `bytes` into one buffer that is sized once.
    pub(crate) fn read(
        &self,
        id: FacemapId,
        bytes: u64,
        from_disk: bool,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        const DOING: &str = "read a content file";
        let (mut file, metadata) = self.opened(id)?;
        if metadata.len() != bytes {
            return Err(VaultError::Damaged(Damage::Form));
        }
        if from_disk {
            forget(&file);
        }
        let bytes = usize::try_from(bytes).map_err(|_| VaultError::Damaged(Damage::Form))?;
        let mut buffer = Zeroizing::new(vec![0; bytes]);
        file.read_exact(&mut buffer).map_err(VaultError::io(DOING))?;
        Ok(buffer)
    }

    /// Reads a whole content file of whatever length into a buffer that was used before.
    pub(crate) fn read_whole(
        &self,
        id: FacemapId,
        mut buffer: Zeroizing<Vec<u8>>,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        const DOING: &str = "read a content file";
        let (mut file, metadata) = self.opened(id)?;
        let bytes = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if bytes > LONGEST {
            return Err(VaultError::Damaged(Damage::Form));
        }
        if bytes > buffer.capacity() {
            // Growing would copy and leave the old facemap behind; this wipes it.
            buffer = Zeroizing::new(Vec::with_capacity(bytes));
        }
        buffer.resize(bytes, 0);
        file.read_exact(&mut buffer).map_err(VaultError::io(DOING))?;
        Ok(buffer)
    }

    fn opened(&self, id: FacemapId) -> Result<(File, Metadata), VaultError> {
        const DOING: &str = "read a content file";
        let file = File::open(self.path(id)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => VaultError::Damaged(Damage::NoContent),
            _ => VaultError::io(DOING)(error),
        })?;
        let metadata = file.metadata().map_err(VaultError::io(DOING))?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(VaultError::Damaged(Damage::Form)) }
    }

    /// Whether there is a content file.
    pub(crate) fn has(&self, id: FacemapId) -> Result<bool, VaultError> {
        self.path(id).try_exists().map_err(VaultError::io("look for a content file"))
    }

    /// Overwrites a content file with random bytes in place, then removes it, durably. False when there is none. The
    /// slot's burning is what destroys; this keeps the ciphertext from lying about as well.
    pub(crate) fn destroy(&self, id: FacemapId, rng: &dyn Rng, faults: &Faults) -> Result<bool, VaultError> {
        const DOING: &str = "destroy a content file";
        let path = self.path(id);
        let file = match OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(VaultError::io(DOING)(error)),
        };
        let length = file.metadata().map_err(VaultError::io(DOING))?.len();
        let mut noise = vec![0; NOISE_BYTES];
        let mut at = 0;
        while at < length {
            rng.fill(&mut noise);
            let piece = usize::try_from(length - at).map_or(noise.len(), |left| left.min(noise.len()));
            file.write_all_at(&noise[..piece], at).map_err(VaultError::io(DOING))?;
            at += piece as u64;
        }
        file.sync_data().map_err(VaultError::io(DOING))?;
        faults.reach(Step::Overwritten)?;
        fs::remove_file(&path).map_err(VaultError::io(DOING))?;
        sync_dir(&self.folder(id)?)?;
        Ok(true)
    }

    /// Removes what interrupted writes left.
    pub(crate) fn remove_temporaries(temporaries: &[PathBuf]) -> Result<(), VaultError> {
        temporaries.iter().try_for_each(fs::remove_file).map_err(VaultError::io("remove a temporary file"))
    }

    /// Everything in the folder, with lengths.
    pub(crate) fn list(&self) -> Result<Listing, VaultError> {
        const DOING: &str = "list the content folder";
        let mut listing = Listing::default();
        for folder in fs::read_dir(&self.root).map_err(VaultError::io(DOING))? {
            let folder = folder.map_err(VaultError::io(DOING))?;
            if !folder.path().is_dir() {
                listing.strangers += 1;
                continue;
            }
            let Some([byte]) = folder.file_name().to_str().and_then(hex::decode::<1>) else {
                listing.strangers += u64::from(folder.file_name() != VOLUMES_OWN);
                continue;
            };
            for entry in fs::read_dir(folder.path()).map_err(VaultError::io(DOING))? {
                let entry = entry.map_err(VaultError::io(DOING))?;
                let metadata = entry.metadata().map_err(VaultError::io(DOING))?;
                let name = entry.file_name();
                let name = name.to_str().unwrap_or_default();
                match hex::decode(name) {
                    Some(id) if id[0] == byte && metadata.is_file() => {
                        listing.files.push((FacemapId(id), metadata.len()));
                    }
                    _ if name.ends_with(TEMPORARY) && metadata.is_file() => {
                        listing.temporaries.push(entry.path());
                    }
                    _ => listing.strangers += 1,
                }
            }
        }
        listing.files.sort_unstable();
        Ok(listing)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, id: FacemapId) -> PathBuf {
        self.root.join(hex::encode(&id.0[..1])).join(id.to_string())
    }

    /// The folder for this id, created and durable.
    fn folder(&self, id: FacemapId) -> Result<PathBuf, VaultError> {
        let folder = self.root.join(hex::encode(&id.0[..1]));
        // Held while syncing: a second writer must not rely on a folder that is there and not yet durable.
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = durable.get_mut(usize::from(id.0[0]))
            && !*known
        {
            create_private_dir(&folder)?;
            *known = true;
        }
        Ok(folder)
    }
}

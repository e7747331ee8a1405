//! Content files of a backup: copied, listed with their digests, and checked.

use crate::{
    RepairError,
    backup::manifest::{check_file, digest_file},
    progress::{Progress, Stage},
    rebuild::{sync, sync_parent},
};
use model::hex;
use ring::digest::{Context, SHA256};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{BufRead as _, BufReader, BufWriter, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use vault::FacemapId;

/// The list of content files.
pub(crate) const CONTENTS: &str = "contents";
/// The folder of content files.
pub(crate) const CONTENT_DIR: &str = "content";
/// The ending of a file that is being written; the vault's own for such files.
const TEMPORARY: &str = ".new";

/// How much was copied.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Copied {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// `content/ab/ID`.
pub(crate) fn path_of(content_dir: &Path, id: &str) -> PathBuf {
    content_dir.join(&id[..2]).join(id)
}

/// Content files on their way into a backup, and the list of them. Its work blocks; it is done some files at a time.
pub(crate) struct Copying {
    from: PathBuf,
    folder: PathBuf,
    list_path: PathBuf,
    list: BufWriter<File>,
    copied: Copied,
}

impl Copying {
    pub(crate) fn begin(from: &Path, to: &Path) -> Result<Self, RepairError> {
        let folder = to.join(CONTENT_DIR);
        make_dir(&folder)?;
        let list_path = to.join(CONTENTS);
        let list = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&list_path);
        let list = BufWriter::new(list.map_err(RepairError::io("create", &list_path))?);
        Ok(Self { from: from.to_owned(), folder, list_path, list, copied: Copied::default() })
    }

    /// Copies these. One that is gone by now was purged meanwhile.
    pub(crate) fn some(mut self, files: &[FacemapId]) -> Result<Self, RepairError> {
        for id in files.iter().map(ToString::to_string) {
            let Some((bytes, digest)) = copy_file(&path_of(&self.from, &id), &path_of(&self.folder, &id))?
            else {
                continue;
            };
            writeln!(self.list, "{id} {bytes} {}", hex::encode(&digest))
                .map_err(RepairError::io("write", &self.list_path))?;
            self.copied.files += 1;
            self.copied.bytes += bytes;
        }
        Ok(self)
    }

    /// Makes the list and all names durable.
    pub(crate) fn end(mut self) -> Result<Copied, RepairError> {
        self.list
            .flush()
            .and_then(|()| self.list.get_ref().sync_all())
            .map_err(RepairError::io("write", &self.list_path))?;
        sync_tree(&self.folder)?;
        Ok(self.copied)
    }
}

/// Copies a file, durably but for its name, and gives its length and digest; `None` when it is not there.
fn copy_file(from: &Path, to: &Path) -> Result<Option<(u64, [u8; 32])>, RepairError> {
    let mut source = match File::open(from) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RepairError::io("read", from)(error)),
    };
    if let Some(folder) = to.parent() {
        make_dir(folder)?;
    }
    // Read and written, never cloned by the file system: shared blocks would be moved, not overwritten, by a purge.
    let target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to);
    let mut target = target.map_err(RepairError::io("create", to))?;
    let mut context = Context::new(&SHA256);
    let (mut bytes, mut buffer) = (0, vec![0; 256 * 1024]);
    loop {
        let read = source.read(&mut buffer).map_err(RepairError::io("read", from))?;
        if read == 0 {
            break;
        }
        context.update(&buffer[..read]);
        target.write_all(&buffer[..read]).map_err(RepairError::io("write", to))?;
        bytes += read as u64;
    }
    target.sync_all().map_err(RepairError::io("write", to))?;
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(Some((bytes, digest)))
}

fn make_dir(folder: &Path) -> Result<(), RepairError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(RepairError::io("create", folder)(error))
        }
        _ => Ok(()),
    }
}

fn sync_tree(folder: &Path) -> Result<(), RepairError> {
    for entry in fs::read_dir(folder).map_err(RepairError::io("read", folder))? {
        sync(&entry.map_err(RepairError::io("read", folder))?.path())?;
    }
    sync(folder)?;
    sync_parent(folder)
}

/// The content files of a backup, each of which is as it was written.
#[derive(Debug)]
pub struct CheckedContents {
    folder: PathBuf,
    files: BTreeMap<String, (u64, [u8; 32])>,
}

impl CheckedContents {
    /// Reads the list and every file. The list's own digest was compared before.
    ///
    /// # Errors
    /// [`RepairError::Backup`] when a file is missing, changed, or more than the list says.
    pub fn check(backup: &Path, progress: &dyn Progress) -> Result<Self, RepairError> {
        let list_path = backup.join(CONTENTS);
        let list = File::open(&list_path).map_err(RepairError::io("read", &list_path))?;
        let mut checked = Self { folder: backup.join(CONTENT_DIR), files: BTreeMap::new() };
        for line in BufReader::new(list).lines() {
            let line = line.map_err(RepairError::io("read", &list_path))?;
            let (id, file) = parse(&line).ok_or_else(|| {
                RepairError::Backup(format!("{} has a line that is none", list_path.display()))
            })?;
            checked.files.insert(id, file);
        }
        let all = checked.files.len() as u64;
        for (done, (id, expected)) in checked.files.iter().enumerate() {
            let path = path_of(&checked.folder, id);
            let part = crate::backup::Part { name: id.clone(), bytes: expected.0, sha256: expected.1 };
            check_file(&path, &part)?;
            progress.at(Stage::Copying, done as u64 + 1, Some(all));
        }
        Ok(checked)
    }

    /// Whether the backup has the content of this facemap.
    #[must_use]
    pub fn has(&self, id: FacemapId) -> bool {
        self.files.contains_key(&id.to_string())
    }

    /// Puts these content files into a content folder, each whole or not at all, and compares what was written. It may
    /// be repeated.
    ///
    /// # Errors
    /// [`RepairError::Io`], [`RepairError::Backup`].
    pub(crate) fn restore(
        &self,
        content_dir: &Path,
        wanted: &[FacemapId],
        progress: &dyn Progress,
    ) -> Result<u64, RepairError> {
        make_dir(content_dir)?;
        let mut restored = 0;
        for (done, id) in wanted.iter().map(ToString::to_string).enumerate() {
            let Some(expected) = self.files.get(&id) else { continue };
            let to = path_of(content_dir, &id);
            let mut new = to.clone().into_os_string();
            new.push(TEMPORARY);
            let new = PathBuf::from(new);
            if copy_file(&path_of(&self.folder, &id), &new)? != Some(*expected) {
                return Err(RepairError::Backup(format!("{id} changed while it was read")));
            }
            fs::rename(&new, &to).map_err(RepairError::io("write", &to))?;
            restored += 1;
            progress.at(Stage::Copying, done as u64 + 1, Some(wanted.len() as u64));
        }
        sync_tree(content_dir)?;
        Ok(restored)
    }
}

fn parse(line: &str) -> Option<(String, (u64, [u8; 32]))> {
    let mut words = line.split(' ');
    let (id, bytes, digest) = (words.next()?, words.next()?, words.next()?);
    // The id becomes a path: it is sixteen bytes in hexadecimal, and nothing else.
    hex::decode::<16>(id)?;
    let file = (bytes.parse().ok()?, hex::decode::<32>(digest)?);
    words.next().is_none().then(|| (id.to_owned(), file))
}

/// The digest of the list itself.
pub(crate) fn digest_list(backup: &Path) -> Result<(u64, [u8; 32]), RepairError> {
    digest_file(&backup.join(CONTENTS))
}

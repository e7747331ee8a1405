//! The file of JSON lines.

use super::line::Line;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use tokio::runtime::Handle;

/// A file that is appended to, found again by its name whenever somebody has renamed it.
pub(super) struct JsonLines {
    path: PathBuf,
    file: Option<File>,
    runtime: Handle,
}

impl JsonLines {
    pub(super) fn new(path: PathBuf, runtime: Handle) -> Self {
        Self { path, file: None, runtime }
    }

    pub(super) async fn write(&mut self, lines: Vec<Line>) -> io::Result<()> {
        self.blocking(move |path, file| {
            let mut text = Vec::new();
            for line in &lines {
                text.extend_from_slice(line.text.as_bytes());
                text.push(b'\n');
            }
            current(path, file)?.write_all(&text)
        })
        .await
    }

    pub(super) async fn sync(&mut self) -> io::Result<()> {
        self.blocking(|_, file| file.as_ref().map_or(Ok(()), File::sync_data)).await
    }

    /// Runs file work where it may block. A file whose work did not come back is opened anew.
    async fn blocking(
        &mut self,
        work: impl FnOnce(&Path, &mut Option<File>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let (path, mut file) = (self.path.clone(), self.file.take());
        let done = self.runtime.spawn_blocking(move || {
            let done = work(&path, &mut file);
            (file, done)
        });
        let (file, done) = done.await.map_err(io::Error::other)?;
        self.file = file;
        done
    }
}

/// The file that has the name now. One that was renamed away is synced first: lines in it may not be durable yet.
fn current<'a>(path: &Path, file: &'a mut Option<File>) -> io::Result<&'a mut File> {
    if let Some(open) = file {
        if is_at(path, open)? {
            // Unwrap safety: it was there a moment ago; the borrow checker cannot see it through the early return.
            return Ok(file.as_mut().expect("the file is open"));
        }
        open.sync_data()?;
        *file = None;
    }
    Ok(file.insert(open(path)?))
}

/// Whether the open file is still the one under this name.
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens or makes the file. A line that a crash or a full disk cut short is ended, so that the next one stands alone.
fn open(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    if is_new {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

//! A secret that lies in a file and is read again when the file changes.

use crate::{
    files::{self, FileError},
    watched::Watched,
};
use model::Secret;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error;

/// Bytes of a secret at most.
const MOST: u64 = 4096;

/// A secret that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum SecretError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is nothing in it.
    #[error("{path} is empty; put the secret in, on one line")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It does not look like a secret.
    #[error("{path} does not hold one line of printable ASCII characters; is it the right file?")]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// A secret in a file, or (on a simulated vault) in the configuration.
pub(crate) struct SecretFile(Source);

enum Source {
    Inline(Arc<Secret>),
    File { path: PathBuf, secret: Watched<Secret> },
}

impl SecretFile {
    /// The credential of Jumio's in this file. It is not read yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self::named("a credential of Jumio's", path)
    }

    /// The secret in this file. It is not read yet. `what` it is stands in the log.
    pub(crate) fn named(what: &'static str, path: PathBuf) -> Self {
        let secret = Watched::new(what, vec![path.clone()]);
        Self(Source::File { path, secret })
    }

    /// A secret that is in no file.
    pub(crate) fn inline(secret: Secret) -> Self {
        Self(Source::Inline(Arc::new(secret)))
    }

    /// The secret as it is now. A file that became unusable after a good one was read does not count: the good one stays
    /// in force (and that is logged), so that a clumsy rotation stops nobody.
    pub(crate) fn current(&self) -> Result<Arc<Secret>, SecretError> {
        match &self.0 {
            Source::Inline(secret) => Ok(Arc::clone(secret)),
            Source::File { path, secret } => secret.current(|| read(path)),
        }
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Inline(_) => f.write_str("SecretFile(inline)"),
            Source::File { path, .. } => write!(f, "SecretFile({})", path.display()),
        }
    }
}

fn read(path: &Path) -> Result<Secret, SecretError> {
    let bytes = files::read_private(path, MOST)?;
    let text = bytes.trim_ascii();
    if text.is_empty() {
        return Err(SecretError::Empty { path: path.to_owned() });
    }
    let not_text = || SecretError::NotText { path: path.to_owned() };
    if !text.iter().all(|b| (b' '..=b'~').contains(b)) {
        return Err(not_text());
    }
    let text = std::str::from_utf8(text).map_err(|_| not_text())?;
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        files::create_private(&path, content).unwrap();
        (dir, path)
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_changes_nothing() {
        let (_dir, path) = fresh(b"one\n");
        let file = SecretFile::new(path.clone());
        assert_eq!(file.current().unwrap().expose(), "one");
        files::replace_private(&path, b"two\r\n").unwrap();
        assert_eq!(file.current().unwrap().expose(), "two");
        files::replace_private(&path, b"").unwrap();
        assert_eq!(file.current().unwrap().expose(), "two");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.current().unwrap().expose(), "two");
        files::create_private(&path, b"three").unwrap();
        assert_eq!(file.current().unwrap().expose(), "three");
    }

    #[test]
    fn an_empty_file_and_one_with_several_lines_are_no_secret() {
        let (_dir, path) = fresh(b" \n");
        assert!(matches!(SecretFile::new(path).current(), Err(SecretError::Empty { .. })));
        let (_dir, path) = fresh(b"one\ntwo");
        assert!(matches!(SecretFile::new(path).current(), Err(SecretError::NotText { .. })));
        let (_dir, path) = fresh("ünï".as_bytes());
        assert!(matches!(SecretFile::new(path).current(), Err(SecretError::NotText { .. })));
    }

    #[test]
    fn a_secret_shows_itself_to_nobody() {
        let (_dir, path) = fresh(b"hunter2");
        let file = SecretFile::new(path);
        file.current().unwrap();
        assert!(
            !format!("{file:?} {:?}", SecretFile::inline(Secret::new("hunter2".into()))).contains("hunter2")
        );
    }
}

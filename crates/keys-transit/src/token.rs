//! The token, in a file that is read again when it changes: whoever renews tokens replaces the file.

use crate::TokenError;
use model::Secret;
use std::{
    fmt,
    fs::{self, File, Metadata},
    io::{ErrorKind, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use zeroize::Zeroizing;

/// Bytes of a token file at most.
const MOST: usize = 4096;
/// Nobody but the owner and, reading, the group.
const OF_OTHERS: u32 = 0o027;

/// What changes when a file is changed or replaced.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

fn stamp(meta: &Metadata) -> Stamp {
    let (modified, changed) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    (meta.dev(), meta.ino(), meta.len(), modified, changed)
}

#[derive(Default)]
struct State {
    good: Option<Arc<Secret>>,
    seen: Option<Stamp>,
}

pub(crate) struct TokenFile {
    path: PathBuf,
    state: Mutex<State>,
}

impl TokenFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, state: Mutex::default() }
    }

    /// The token as it is now. A file that became unusable after a good one was read changes nothing: a clumsy renewal
    /// stops nobody before the old token ends.
    pub(crate) fn current(&self) -> Result<Arc<Secret>, TokenError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the reading: a change during it is found by the next look.
        let now = fs::metadata(&self.path).ok().as_ref().map(stamp);
        if let Some(good) = state.good.as_ref().filter(|_| state.seen == now) {
            return Ok(Arc::clone(good));
        }
        state.seen = now;
        match (read(&self.path), &state.good) {
            (Ok(token), _) => {
                let token = Arc::new(token);
                state.good = Some(Arc::clone(&token));
                Ok(token)
            }
            (Err(error), Some(good)) => {
                tracing::error!(
                    "The transit engine's token was replaced by an unusable one, the earlier stays in use: {error}"
                );
                Ok(Arc::clone(good))
            }
            (Err(error), None) => Err(error),
        }
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenFile({})", self.path.display())
    }
}

fn read(path: &Path) -> Result<Secret, TokenError> {
    let unreadable = |source| TokenError::Unreadable { path: path.to_owned(), source };
    let not_a_token = || TokenError::NotAToken { path: path.to_owned() };
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(ErrorKind::InvalidInput.into()));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if mode & OF_OTHERS != 0 {
        return Err(TokenError::Exposed { path: path.to_owned(), mode });
    }
    // Sized once: a buffer that grows leaves pieces of the token behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST + 1));
    file.take(MOST as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = bytes.trim_ascii();
    if text.is_empty() || bytes.len() > MOST || !text.iter().all(u8::is_ascii_graphic) {
        return Err(not_a_token());
    }
    let text = std::str::from_utf8(text).map_err(|_| not_a_token())?;
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn write(path: &Path, content: &str, mode: u32) {
        let new = path.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(&new, path).unwrap();
    }

    #[test]
    fn a_renewed_token_is_used_at_once_and_a_broken_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let file = TokenFile::new(path.clone());
        assert!(matches!(file.current(), Err(TokenError::Unreadable { .. })));
        write(&path, "s.one\n", 0o600);
        assert_eq!(file.current().unwrap().expose(), "s.one");
        write(&path, "s.two", 0o640);
        assert_eq!(file.current().unwrap().expose(), "s.two");
        for broken in ["", "two words", "ü", &"x".repeat(MOST + 1)] {
            write(&path, broken, 0o600);
            assert_eq!(file.current().unwrap().expose(), "s.two");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(file.current().unwrap().expose(), "s.two");
    }

    #[test]
    fn a_token_that_others_can_read_or_exchange_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        for mode in [0o604, 0o644, 0o602, 0o620, 0o660] {
            write(&path, "s.one", mode);
            let refused = TokenFile::new(path.clone()).current();
            assert!(matches!(refused, Err(TokenError::Exposed { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_token_is_shown_to_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        write(&path, "s.very-secret", 0o644);
        let file = TokenFile::new(path.clone());
        let error = file.current().unwrap_err();
        write(&path, "s.very-secret", 0o600);
        file.current().unwrap();
        assert!(!format!("{error} {error:?} {file:?}").contains("very-secret"));
    }
}

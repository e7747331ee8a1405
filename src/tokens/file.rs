//! The tokens' file: TOML that an operator can read, changed by one writer at a time.

use super::{Role, TokenHash, TokensError, generate};
use crate::files::{self, FileError};
use model::{Rng, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    time::Duration,
};

/// Bytes of the file at most: some thousand tokens.
const MOST: u64 = 1_048_576;

/// The form of the file. A later one is refused, not guessed at.
const FORMAT: u32 = 1;

/// A token, without the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenEntry {
    /// Who holds it: in the audit trail and in lists.
    pub(crate) name: String,
    /// What its holder may do.
    pub(crate) role: Role,
    /// Its SHA-256, in base64.
    sha256: TokenHash,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// From then on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    /// Since then it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<Timestamp>,
}

impl TokenEntry {
    /// Whether the token is accepted at this time.
    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }

    pub(super) const fn hash(&self) -> &TokenHash {
        &self.sha256
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    #[serde(default, rename = "token", skip_serializing_if = "Vec::is_empty")]
    tokens: Vec<TokenEntry>,
}

/// The tokens' file.
#[derive(Debug, Clone)]
pub(crate) struct TokensFile {
    path: PathBuf,
}

impl TokensFile {
    /// The file at this path, which need not be there yet.
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Every token, in the order in which they were made.
    pub(crate) fn read(&self) -> Result<Vec<TokenEntry>, TokensError> {
        let broken = |what: &str| TokensError::Broken { path: self.path.clone(), what: what.to_owned() };
        let bytes = files::read_private(&self.path, MOST)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| broken("it is not text"))?;
        let content: Content = toml::from_str(text).map_err(|error| broken(error.message()))?;
        if content.format != FORMAT {
            return Err(broken("its format is of another version of this program"));
        }
        Ok(content.tokens)
    }

    /// Makes a token and adds it; makes the file too when it is not there. The token is in the answer and nowhere else.
    pub(crate) fn create(
        &self,
        name: &str,
        role: Role,
        lifetime: Option<Duration>,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Result<Secret, TokensError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(fits) {
            return Err(TokensError::BadName);
        }
        let token = generate(rng);
        let entry = TokenEntry {
            name: name.to_owned(),
            role,
            sha256: TokenHash::of(token.expose()),
            created: now,
            expires: lifetime.map(|lifetime| now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)),
            revoked: None,
        };
        self.change(|tokens| {
            if tokens.iter().any(|token| token.name == entry.name) {
                return Err(TokensError::NameTaken);
            }
            tokens.push(entry);
            Ok(())
        })?;
        Ok(token)
    }

    /// Ends a token. It stays in the file, so that its name is not used again. Ending it twice changes nothing.
    pub(crate) fn revoke(&self, name: &str, now: Timestamp) -> Result<(), TokensError> {
        self.change(|tokens| {
            let token = tokens.iter_mut().find(|token| token.name == name).ok_or(TokensError::UnknownName)?;
            token.revoked.get_or_insert(now);
            Ok(())
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<TokenEntry>) -> Result<(), TokensError>,
    ) -> Result<(), TokensError> {
        let _lock = self.lock()?;
        let mut tokens = match self.read() {
            Err(TokensError::File(FileError::Io { source, .. }))
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Vec::new()
            }
            read => read?,
        };
        change(&mut tokens)?;
        let content = toml::to_string(&Content { format: FORMAT, tokens }).map_err(|error| {
            TokensError::Broken { path: self.path.clone(), what: format!("it cannot be written: {error}") }
        })?;
        let text = format!(
            "# API tokens of facemap-vault: hashes only. Changed by `facemap-vault tokens`.\n{content}"
        );
        Ok(files::replace_private(&self.path, text.as_bytes())?)
    }

    /// Held until dropped. A file beside it, because the file itself is replaced by each change.
    fn lock(&self) -> Result<File, FileError> {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let open = || {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|source| FileError::Io { path: path.clone(), source })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    /// Counts up: enough for different tokens.
    pub(in crate::tokens) struct Counter(pub(in crate::tokens) std::sync::atomic::AtomicU8);

    impl Rng for Counter {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
        }
    }

    pub(in crate::tokens) fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn fresh() -> (tempfile::TempDir, TokensFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = TokensFile::new(dir.path().join("tokens.toml"));
        (dir, file)
    }

    #[test]
    fn only_the_hash_of_a_token_reaches_the_file_and_only_its_owner_can_read_it() {
        let (_dir, file) = fresh();
        let token = file.create("backend", Role::App, None, now(), &Counter(1.into())).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(&token.expose()[4..]), "{text}");
        assert_eq!(std::fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
        assert_eq!(file.read().unwrap()[0].hash(), &TokenHash::of(token.expose()));
    }

    #[test]
    fn a_name_is_used_once_also_after_its_token_was_revoked() {
        let (_dir, file) = fresh();
        let rng = Counter(1.into());
        file.create("backend", Role::App, None, now(), &rng).unwrap();
        file.revoke("backend", now()).unwrap();
        file.revoke("backend", now() + Duration::from_mins(1)).unwrap();
        assert_eq!(file.read().unwrap()[0].revoked, Some(now()));
        assert!(matches!(file.create("backend", Role::App, None, now(), &rng), Err(TokensError::NameTaken)));
        assert!(matches!(file.revoke("nobody", now()), Err(TokensError::UnknownName)));
        for bad in ["", "a b", "a\n", "ä", &"x".repeat(65)] {
            assert!(matches!(file.create(bad, Role::App, None, now(), &rng), Err(TokensError::BadName)));
        }
    }

    #[test]
    fn of_many_writers_at_once_none_loses_a_token() {
        let (_dir, file) = fresh();
        let rng = Counter(1.into());
        std::thread::scope(|scope| {
            for n in 0..8 {
                let (file, rng) = (&file, &rng);
                scope.spawn(move || file.create(&format!("t{n}"), Role::App, None, now(), rng).unwrap());
            }
        });
        assert_eq!(file.read().unwrap().len(), 8);
    }

    #[test]
    fn a_file_of_another_format_or_with_unknown_fields_is_not_guessed_at() {
        for text in ["format = 2\n", "format = 1\nmore = 1\n", "[[token]]\n", "\u{1}"] {
            let (_dir, file) = fresh();
            files::create_private(file.path(), text.as_bytes()).unwrap();
            assert!(matches!(file.read(), Err(TokensError::Broken { .. })), "{text}");
            assert!(file.create("backend", Role::App, None, now(), &Counter(1.into())).is_err());
            assert_eq!(std::fs::read_to_string(file.path()).unwrap(), text);
        }
    }
}

//! The server's view of the tokens: always that of the file as it is now, or of the last good one.

use super::{Role, TokenEntry, TokenHash, TokensError, TokensFile};
use crate::watched::Watched;
use model::Timestamp;
use std::{path::PathBuf, sync::Arc};
use subtle::ConstantTimeEq as _;

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The token's name: unique for ever, fit for the audit trail and for scoping idempotency keys.
    pub(crate) name: String,
    /// What the caller may do.
    pub(crate) role: Role,
}

/// The tokens that the server accepts.
#[derive(Debug)]
pub(crate) struct TokenBook {
    file: TokensFile,
    tokens: Watched<Vec<TokenEntry>>,
}

impl TokenBook {
    /// Reads the file. At the start it must be good.
    ///
    /// # Errors
    /// [`TokensError`]: it is not there, open to others, or broken.
    pub(crate) fn open(path: PathBuf) -> Result<Self, TokensError> {
        let tokens = Watched::new("the API tokens", vec![path.clone()]);
        let book = Self { file: TokensFile::new(path), tokens };
        book.look()?;
        Ok(book)
    }

    /// Who presents this token, if it is valid now. Every entry is compared in constant time, and none ends the search,
    /// so the time taken tells nothing about how close a guess was.
    pub(crate) fn identify(&self, presented: &str, now: Timestamp) -> Option<Identity> {
        let hash = TokenHash::of(presented);
        let tokens = self.look().ok()?;
        let mut found = None;
        for entry in tokens.iter() {
            if bool::from(entry.hash().as_bytes().ct_eq(hash.as_bytes())) {
                found = Some(entry);
            }
        }
        let entry = found.filter(|entry| entry.is_valid_at(now))?;
        Some(Identity { name: entry.name.clone(), role: entry.role })
    }

    /// What is wrong with the file now, while the last good one is in force: for `/readyz` and status.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self.look() {
            Ok(_) => self.tokens.trouble(),
            Err(error) => Some(error.to_string()),
        }
    }

    fn look(&self) -> Result<Arc<Vec<TokenEntry>>, TokensError> {
        self.tokens.current(|| self.file.read())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::file::tests::{Counter, now},
        *,
    };
    use crate::files;
    use std::time::Duration;

    struct Case {
        _dir: tempfile::TempDir,
        file: TokensFile,
        rng: Counter,
    }

    fn case() -> Case {
        let dir = tempfile::tempdir().unwrap();
        let file = TokensFile::new(dir.path().join("tokens.toml"));
        Case { _dir: dir, file, rng: Counter(1.into()) }
    }

    fn open(case: &Case) -> TokenBook {
        TokenBook::open(case.file.path().to_owned()).unwrap()
    }

    #[test]
    fn a_running_server_notices_new_and_revoked_tokens() {
        let case = case();
        let first = case.file.create("first", Role::App, None, now(), &case.rng).unwrap();
        let book = open(&case);
        let second = case.file.create("second", Role::Admin, None, now(), &case.rng).unwrap();
        let identity = book.identify(second.expose(), now()).unwrap();
        assert_eq!((identity.name.as_str(), identity.role), ("second", Role::Admin));
        case.file.revoke("first", now()).unwrap();
        assert_eq!(book.identify(first.expose(), now()), None);
        assert!(book.identify(second.expose(), now()).is_some());
    }

    #[test]
    fn a_token_is_refused_from_the_moment_it_expires() {
        let case = case();
        let hour = Duration::from_hours(1);
        let token = case.file.create("short", Role::App, Some(hour), now(), &case.rng).unwrap();
        let book = open(&case);
        assert!(book.identify(token.expose(), now() + hour - Duration::from_nanos(1)).is_some());
        assert_eq!(book.identify(token.expose(), now() + hour), None);
    }

    #[test]
    fn a_broken_file_keeps_the_last_good_one_and_says_so() {
        let case = case();
        let token = case.file.create("first", Role::App, None, now(), &case.rng).unwrap();
        let book = open(&case);
        assert_eq!(book.trouble(), None);
        let good = std::fs::read(case.file.path()).unwrap();
        files::replace_private(case.file.path(), b"[[token").unwrap();
        assert!(book.identify(token.expose(), now()).is_some());
        assert!(book.trouble().unwrap().contains("is not a tokens file"));
        std::fs::remove_file(case.file.path()).unwrap();
        assert!(book.identify(token.expose(), now()).is_some());
        files::create_private(case.file.path(), &good).unwrap();
        assert_eq!(book.trouble(), None);
    }

    #[test]
    fn what_is_not_a_token_opens_nothing() {
        let case = case();
        let token = case.file.create("first", Role::App, None, now(), &case.rng).unwrap();
        let book = open(&case);
        for guess in ["", "fmv_", "first", &token.expose()[..46], &format!("{}A", token.expose())] {
            assert_eq!(book.identify(guess, now()), None, "{guess}");
        }
    }
}

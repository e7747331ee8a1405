//! The held keys, in a file beside the wrapping keys, whichever provider wraps them.

use crate::{
    KeysFileError, files,
    lists::{read_toml, to_toml},
};
use model::Rng;
use seal::{HeldKeys, HeldKeysFile, KeyProvider};
use std::path::{Path, PathBuf};

/// Where the held keys lie in this folder.
#[must_use]
pub fn held_keys_path(folder: &Path) -> PathBuf {
    folder.join("held-keys.toml")
}

/// Makes the held keys of a new vault and writes them, wrapped by the provider, into the folder.
///
/// # Errors
/// [`KeysFileError::Exists`] when there are held keys already; [`KeysFileError::Keys`] when the provider does not
/// wrap them; [`KeysFileError::NotWritten`].
pub async fn create_held_keys(
    folder: &Path,
    provider: &dyn KeyProvider,
    rng: &dyn Rng,
) -> Result<HeldKeys, KeysFileError> {
    files::make_folder(folder)?;
    let path = held_keys_path(folder);
    let made = HeldKeys::create(provider, rng).await;
    let (keys, file) = made.map_err(|source| KeysFileError::Keys { path: path.clone(), source })?;
    files::write_new(&path, to_toml(&file).as_bytes())?;
    Ok(keys)
}

/// Reads and opens the held keys of this folder.
///
/// # Errors
/// [`KeysFileError::Keys`] when they do not open: with [`seal::SealError::NotTheseKeys`] the wrapping keys are not those
/// that the vault was made with. The others as in [`crate::FileProvider::open`].
pub async fn load_held_keys(folder: &Path, provider: &dyn KeyProvider) -> Result<HeldKeys, KeysFileError> {
    let file = load_held_keys_file(folder)?;
    let opened = HeldKeys::open(provider, &file).await;
    opened.map_err(|source| KeysFileError::Keys { path: held_keys_path(folder), source })
}

/// Reads the held keys of this folder as they are stored, without opening them.
///
/// # Errors
/// As in [`load_held_keys`], but for those of opening.
pub fn load_held_keys_file(folder: &Path) -> Result<HeldKeysFile, KeysFileError> {
    files::check_folder(folder)?;
    read_toml(&held_keys_path(folder), HeldKeysFile::VERSION)
}

/// Puts the same held keys, wrapped anew, in the place of those of this folder. After a power cut the file is whole, the
/// old one or the new one: no wrapping key that the old one names may go before this has returned.
///
/// # Errors
/// [`KeysFileError::OtherHeldKeys`] when these are not the same keys; [`KeysFileError::Busy`] when somebody else changes the
/// folder; [`KeysFileError::NotWritten`]; and those of [`load_held_keys_file`].
pub fn store_held_keys(folder: &Path, file: &HeldKeysFile) -> Result<(), KeysFileError> {
    let _lock = files::lock(folder)?;
    let path = held_keys_path(folder);
    let there = load_held_keys_file(folder)?;
    let names = |file: &HeldKeysFile| {
        let mut names: Vec<_> = file.keys.iter().map(|key| (key.purpose.clone(), key.id)).collect();
        names.sort();
        (file.version, names)
    };
    if names(&there) != names(file) {
        return Err(KeysFileError::OtherHeldKeys { path });
    }
    files::replace(&path, to_toml(file).as_bytes())
}

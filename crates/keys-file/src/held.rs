//! The held keys, in a file beside the wrapping keys, whichever provider wraps them.

use crate::{
    KeysFileError, files,
    provider::{read_toml, write_toml},
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
    write_toml(&path, &file)?;
    Ok(keys)
}

/// Reads and opens the held keys of this folder.
///
/// # Errors
/// [`KeysFileError::Keys`] when they do not open: with [`seal::SealError::NotTheseKeys`] the wrapping keys are not those
/// that the vault was made with. The others as in [`crate::FileProvider::open`].
pub async fn load_held_keys(folder: &Path, provider: &dyn KeyProvider) -> Result<HeldKeys, KeysFileError> {
    files::check_folder(folder)?;
    let path = held_keys_path(folder);
    let file: HeldKeysFile = read_toml(&path, HeldKeysFile::VERSION)?;
    HeldKeys::open(provider, &file).await.map_err(|source| KeysFileError::Keys { path, source })
}

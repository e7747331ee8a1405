//! The provider: a keyring out of files.

use crate::{KeysFileError, files};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Rng;
use seal::{KEY_BYTES, KeyId, KeyProvider, Keyring, Place, ProviderError, SealingKey, SymmetricKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

const KEYRING: &str = "keyring.toml";
const KEYRING_VERSION: u32 = 1;
/// 32 bytes in base64.
const KEY_CHARS: usize = KEY_BYTES.div_ceil(3) * 4;
/// Bytes of a key file at most: the key, and what editors put after it.
const KEY_FILE_BYTES: usize = 256;
/// Bytes of a TOML file in the folder at most: thousands of keys fit in.
const TOML_BYTES: usize = 256 * 1024;

/// `keyring.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringFile {
    version: u32,
    active: KeyId,
    keys: Vec<KeyId>,
}

/// The wrapping keys of a folder. They are read once, at the start.
pub struct FileProvider {
    keyring: Keyring,
    rng: Arc<dyn Rng>,
    folder: PathBuf,
}

impl FileProvider {
    /// Makes a folder with one new key. The parent must exist; the folder itself may, if it has no keyring yet.
    ///
    /// # Errors
    /// [`KeysFileError::Exists`] when there is a keyring already; the modes as in [`FileProvider::open`];
    /// [`KeysFileError::NotWritten`].
    pub fn create(folder: &Path, rng: Arc<dyn Rng>) -> Result<Self, KeysFileError> {
        files::make_folder(folder)?;
        let list = folder.join(KEYRING);
        if list.symlink_metadata().is_ok() {
            return Err(KeysFileError::Exists { path: list });
        }
        let key = SymmetricKey::generate(&*rng);
        let id = KeyId::random(&*rng);
        write_key(&key_path(folder, id), &key)?;
        // The keyring last: it is what makes the folder one. A key that it does not name is not used.
        let file = KeyringFile { version: KEYRING_VERSION, active: id, keys: vec![id] };
        write_toml(&list, &file)?;
        Self::open(folder, rng)
    }

    /// Reads the folder.
    ///
    /// # Errors
    /// [`KeysFileError::WorldAccess`] and [`KeysFileError::GroupWrite`] for the folder or a file in it;
    /// [`KeysFileError::Missing`], [`KeysFileError::NotBase64`], [`KeysFileError::WrongLength`] for a key;
    /// [`KeysFileError::NewerFormat`], [`KeysFileError::Malformed`], [`KeysFileError::Keys`] for the keyring.
    pub fn open(folder: &Path, rng: Arc<dyn Rng>) -> Result<Self, KeysFileError> {
        files::check_folder(folder)?;
        let path = folder.join(KEYRING);
        let list: KeyringFile = read_toml(&path, KEYRING_VERSION)?;
        let read = |id: &KeyId| Ok(SealingKey::new(*id, read_key(&key_path(folder, *id))?));
        let keys: Vec<_> = list.keys.iter().map(read).collect::<Result<_, KeysFileError>>()?;
        let keyring = Keyring::new(list.active, keys);
        let keyring = keyring.map_err(|source| KeysFileError::Keys { path, source })?;
        Ok(Self { keyring, rng, folder: folder.to_owned() })
    }

    /// The ids of all keys, in order.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keyring.ids()
    }

    /// Where the held keys of this folder lie.
    #[must_use]
    pub fn held_keys_path(&self) -> PathBuf {
        crate::held_keys_path(&self.folder)
    }
}

impl fmt::Debug for FileProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileProvider({}, {:?})", self.folder.display(), self.keyring)
    }
}

#[async_trait]
impl KeyProvider for FileProvider {
    fn name(&self) -> &'static str {
        "file"
    }

    fn active(&self) -> KeyId {
        self.keyring.active()
    }

    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        Ok(self.keyring.wrap(&*self.rng, place, plaintext))
    }

    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        self.keyring.unwrap(place, wrapped)
    }

    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        Keyring::key_of(wrapped)
    }
}

fn key_path(folder: &Path, id: KeyId) -> PathBuf {
    folder.join(format!("wrapping-{id}.key"))
}

fn write_key(path: &Path, key: &SymmetricKey) -> Result<(), KeysFileError> {
    let mut line = Zeroizing::new([b'\n'; KEY_CHARS + 1]);
    // Unwrap safety: KEY_CHARS is what 32 bytes take in base64.
    STANDARD.encode_slice(key.expose(), &mut line[..KEY_CHARS]).expect("the line is as long as the key");
    files::write_new(path, &line[..])
}

fn read_key(path: &Path) -> Result<SymmetricKey, KeysFileError> {
    let wrong_length = || KeysFileError::WrongLength { path: path.to_owned() };
    let text = files::read(path, KEY_FILE_BYTES)?.ok_or_else(wrong_length)?;
    let mut bytes = Zeroizing::new([0; KEY_FILE_BYTES]);
    let length = STANDARD
        .decode_slice(text.trim_ascii(), &mut bytes[..])
        .map_err(|_| KeysFileError::NotBase64 { path: path.to_owned() })?;
    SymmetricKey::from_slice(&bytes[..length]).ok_or_else(wrong_length)
}

/// Every TOML file of the folder begins with its format, which is read before anything else.
#[derive(Deserialize)]
struct Format {
    version: u32,
}

pub(crate) fn read_toml<T: DeserializeOwned>(path: &Path, known: u32) -> Result<T, KeysFileError> {
    let malformed = |what: &str| KeysFileError::Malformed { path: path.to_owned(), what: what.to_owned() };
    let bytes = files::read(path, TOML_BYTES)?.ok_or_else(|| malformed("it is far too long"))?;
    let text = str::from_utf8(&bytes).map_err(|_| malformed("it is not text"))?;
    // Only the message: the whole error repeats lines of the file.
    let format: Format = toml::from_str(text).map_err(|error| malformed(error.message()))?;
    if format.version != known {
        return Err(KeysFileError::NewerFormat { path: path.to_owned(), found: format.version, known });
    }
    toml::from_str(text).map_err(|error| malformed(error.message()))
}

pub(crate) fn write_toml<T: Serialize>(path: &Path, value: &T) -> Result<(), KeysFileError> {
    // Unwrap safety: the two types that are written have only numbers, texts and lists, which TOML takes.
    let text = toml::to_string(value).expect("numbers, texts and lists are TOML");
    files::write_new(path, text.as_bytes())
}

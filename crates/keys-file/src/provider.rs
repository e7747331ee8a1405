//! The provider: a keyring out of files.

use crate::{
    KeysFileError, files,
    lists::{read_toml, to_toml},
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Rng;
use seal::{KEY_BYTES, KeyId, KeyProvider, Keyring, Place, ProviderError, SealingKey, SymmetricKey};
use serde::{Deserialize, Serialize};
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

/// `keyring.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringFile {
    version: u32,
    active: KeyId,
    keys: Vec<KeyId>,
}

/// The wrapping keys of a folder. They are read once, at the start; what is changed later is changed in the folder first.
pub struct FileProvider(Arc<Folder>);

/// What a change needs that goes on when its caller has gone.
struct Folder {
    keyring: Keyring,
    rng: Arc<dyn Rng>,
    path: PathBuf,
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
        files::write_new(&list, to_toml(&file).as_bytes())?;
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
        Ok(Self(Arc::new(Folder { keyring, rng, path: folder.to_owned() })))
    }

    /// Where the held keys of this folder lie.
    #[must_use]
    pub fn held_keys_path(&self) -> PathBuf {
        crate::held_keys_path(&self.0.path)
    }
}

impl fmt::Debug for FileProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileProvider({}, {:?})", self.0.path.display(), self.0.keyring)
    }
}

#[async_trait]
impl KeyProvider for FileProvider {
    fn name(&self) -> &'static str {
        "file"
    }

    fn active(&self) -> KeyId {
        self.0.keyring.active()
    }

    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        Ok(self.0.keyring.wrap(&*self.0.rng, place, plaintext))
    }

    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        self.0.keyring.unwrap(place, wrapped)
    }

    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        Keyring::key_of(wrapped)
    }

    fn ids(&self) -> Vec<KeyId> {
        self.0.keyring.ids()
    }

    /// [`ProviderError::ChangedElsewhere`] when the folder is not as this process read it: of two processes with the same
    /// folder only one rotates.
    async fn rotate(&self) -> Result<KeyId, ProviderError> {
        self.change(Folder::rotate).await
    }

    /// Also finishes a removal that was interrupted: a key file that no keyring names is destroyed as well.
    async fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        self.change(move |folder| folder.remove(id)).await
    }
}

impl FileProvider {
    /// Off the threads that serve others, since it waits for the disk; and to its end, whoever stops waiting for it.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let folder = Arc::clone(&self.0);
        let work = tokio::task::spawn_blocking(move || work(&folder));
        work.await.map_err(|error| ProviderError::NotChanged(error.to_string()))?
    }
}

impl Folder {
    /// The key's file first, then the keyring that names it, then memory: wherever this stops, each keyring that the disk
    /// may show names only keys that are there, and whatever was wrapped was wrapped under one that it names.
    fn rotate(&self) -> Result<KeyId, ProviderError> {
        let _lock = files::lock(&self.path).map_err(not_changed)?;
        let mut list = self.list()?;
        let key = SymmetricKey::generate(&*self.rng);
        let id = KeyId::random(&*self.rng);
        write_key(&key_path(&self.path, id), &key).map_err(not_changed)?;
        list.keys.push(id);
        list.active = id;
        self.replace_list(&list).map_err(not_changed)?;
        let taken = self.keyring.activate(SealingKey::new(id, key));
        taken.map_err(not_changed)?;
        Ok(id)
    }

    /// The keyring first: one that names a key whose file is gone would not open. The key's file is then one that nobody
    /// uses, and the same call with the same id destroys it when this one could not.
    fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        let _lock = files::lock(&self.path).map_err(not_changed)?;
        let mut list = self.list()?;
        if list.active == id {
            return Err(ProviderError::ActiveKey(id));
        }
        let named = list.keys.contains(&id);
        if named {
            list.keys.retain(|key| *key != id);
            self.replace_list(&list).map_err(not_changed)?;
            self.keyring.remove(id)?;
        }
        let destroyed = files::destroy(&key_path(&self.path, id));
        let destroyed = destroyed.map_err(|error| ProviderError::NotDestroyed(error.to_string()))?;
        if named || destroyed { Ok(()) } else { Err(ProviderError::NoSuchKey(id)) }
    }

    /// The keyring in the folder, if it is the one that is in memory.
    fn list(&self) -> Result<KeyringFile, ProviderError> {
        let list: KeyringFile = read_toml(&self.path.join(KEYRING), KEYRING_VERSION).map_err(not_changed)?;
        let mut ids = list.keys.clone();
        ids.sort_unstable();
        if list.active == self.keyring.active() && ids == self.keyring.ids() {
            Ok(list)
        } else {
            Err(ProviderError::ChangedElsewhere)
        }
    }

    fn replace_list(&self, list: &KeyringFile) -> Result<(), KeysFileError> {
        files::replace(&self.path.join(KEYRING), to_toml(list).as_bytes())
    }
}

fn not_changed(error: impl fmt::Display) -> ProviderError {
    ProviderError::NotChanged(error.to_string())
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

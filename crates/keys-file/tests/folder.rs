//! A folder of keys: what was made opens again, and everything that is not right is refused, with what to do.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

use keys_file::{FileProvider, KeysFileError, create_held_keys, held_keys_path, load_held_keys};
use seal::{KeyId, KeyProvider, Place, ProviderError, SealError, SystemRng};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

const PLACE: Place<'_> = Place { table: "slots", record: b"1", field: "data-key", generation: 1 };

/// A new folder with one key and its held keys.
async fn made() -> (TempDir, PathBuf, FileProvider) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("keys");
    let provider = FileProvider::create(&folder, Arc::new(SystemRng::new())).unwrap();
    create_held_keys(&folder, &provider, &SystemRng::new()).await.unwrap();
    (parent, folder, provider)
}

fn open(folder: &Path) -> Result<FileProvider, KeysFileError> {
    FileProvider::open(folder, Arc::new(SystemRng::new()))
}

fn key_file(folder: &Path, id: KeyId) -> PathBuf {
    folder.join(format!("wrapping-{id}.key"))
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn rewrite(path: &Path, change: impl FnOnce(String) -> String) {
    fs::write(path, change(fs::read_to_string(path).unwrap())).unwrap();
}

#[tokio::test]
async fn what_was_made_opens_again_with_the_same_keys() {
    let (_parent, folder, made) = made().await;
    let wrapped = made.wrap(&PLACE, b"a data key").await.unwrap();
    let opened = open(&folder).unwrap();
    assert_eq!((opened.name(), opened.active()), ("file", made.active()));
    assert_eq!(opened.ids(), [made.active()]);
    assert_eq!(opened.key_of(&wrapped), Ok(made.active()));
    assert_eq!(**opened.unwrap(&PLACE, &wrapped).await.unwrap(), *b"a data key");
    let elsewhere = Place { record: b"2", ..PLACE };
    assert_eq!(opened.unwrap(&elsewhere, &wrapped).await, Err(ProviderError::Refused));
}

#[tokio::test]
async fn held_keys_come_back_as_they_were_made() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("keys");
    let provider = FileProvider::create(&folder, Arc::new(SystemRng::new())).unwrap();
    let first = create_held_keys(&folder, &provider, &SystemRng::new()).await.unwrap();
    let again = load_held_keys(&folder, &open(&folder).unwrap()).await.unwrap();
    assert_eq!(first.pseudonyms().of("user", b"x"), again.pseudonyms().of("user", b"x"));
    assert_eq!(first.records().id(), again.records().id());
}

#[tokio::test]
async fn nobody_else_may_read_what_was_made_and_nothing_temporary_is_left() {
    let (_parent, folder, provider) = made().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&folder), 0o700);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(
        files,
        [provider.held_keys_path(), folder.join("keyring.toml"), key_file(&folder, provider.active())]
    );
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn no_file_of_the_folder_shows_a_key_of_another() {
    let (_parent, folder, provider) = made().await;
    let key = fs::read_to_string(key_file(&folder, provider.active())).unwrap();
    for file in [folder.join("keyring.toml"), held_keys_path(&folder)] {
        assert!(!fs::read_to_string(file).unwrap().contains(key.trim()));
    }
    assert!(!format!("{provider:?}").contains(key.trim()));
}

#[tokio::test]
async fn keys_are_never_overwritten() {
    let (_parent, folder, provider) = made().await;
    let files = [folder.join("keyring.toml"), held_keys_path(&folder), key_file(&folder, provider.active())];
    let before = files.clone().map(|path| fs::read(path).unwrap());
    let refused = FileProvider::create(&folder, Arc::new(SystemRng::new())).unwrap_err();
    assert!(matches!(refused, KeysFileError::Exists { .. }), "{refused}");
    let refused = create_held_keys(&folder, &provider, &SystemRng::new()).await.unwrap_err();
    assert!(matches!(refused, KeysFileError::Exists { .. }), "{refused}");
    assert_eq!(files.map(|path| fs::read(path).unwrap()), before);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "nothing was left behind");
}

#[test]
fn an_attempt_that_was_interrupted_does_not_stand_in_the_way() {
    let parent = tempfile::tempdir().unwrap();
    let id = KeyId::from_bytes([1; 8]);
    set_mode(parent.path(), 0o700);
    fs::write(parent.path().join("keyring.toml.new"), "half a file").unwrap();
    fs::write(key_file(parent.path(), id), "the key of a keyring that was never written").unwrap();
    let provider = FileProvider::create(parent.path(), Arc::new(SystemRng::new())).unwrap();
    assert_ne!(provider.active(), id);
    assert!(open(parent.path()).is_ok());
}

#[tokio::test]
async fn whatever_others_could_read_or_change_is_refused_with_what_to_do() {
    let (_parent, folder, provider) = made().await;
    let files = [folder.join("keyring.toml"), held_keys_path(&folder), key_file(&folder, provider.active())];
    for path in files.iter().chain([&folder]) {
        let usual = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let refused = async |mode| {
            set_mode(path, mode);
            let keys = async { load_held_keys(&folder, &open(&folder)?).await };
            let refused = keys.await.map(drop);
            set_mode(path, usual);
            refused
        };
        for world in [0o004, 0o002, 0o001] {
            let error = refused(usual | world).await.unwrap_err();
            assert!(matches!(&error, KeysFileError::WorldAccess { path: at, .. } if at == path), "{error}");
            assert!(error.to_string().contains("chmod o-rwx"), "{error}");
        }
        let error = refused(usual | 0o020).await.unwrap_err();
        assert!(matches!(&error, KeysFileError::GroupWrite { path: at, .. } if at == path), "{error}");
        assert!(error.to_string().contains("chmod g-w"), "{error}");
        assert!(refused(usual | 0o050).await.is_ok(), "a group that may read is the operator's choice");
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (_parent, folder, provider) = made().await;
    for path in [folder.join("keyring.toml"), key_file(&folder, provider.active()), held_keys_path(&folder)] {
        let aside = folder.join("aside");
        fs::rename(&path, &aside).unwrap();
        let keys = async { load_held_keys(&folder, &open(&folder)?).await };
        let error = keys.await.unwrap_err();
        assert!(matches!(&error, KeysFileError::Missing { path: at } if *at == path), "{error}");
        assert!(error.to_string().contains("bring it back"), "{error}");
        fs::rename(&aside, &path).unwrap();
    }
    let nowhere = folder.join("nowhere");
    assert!(matches!(open(&nowhere).unwrap_err(), KeysFileError::Missing { path } if path == nowhere));
}

#[tokio::test]
async fn a_key_file_that_is_not_a_key_is_refused_without_repeating_it() {
    let (_parent, folder, provider) = made().await;
    let path = key_file(&folder, provider.active());
    let key = fs::read_to_string(&path).unwrap();
    let key = key.trim();
    let long = "A".repeat(100_000);
    let short = "QUJD".repeat(10);
    for wrong in [&short, &format!("QUJD{key}"), "", &long, &"QUJD".repeat(64)] {
        fs::write(&path, wrong).unwrap();
        let error = open(&folder).unwrap_err();
        assert!(matches!(&error, KeysFileError::WrongLength { .. }), "{error} for {} bytes", wrong.len());
    }
    for wrong in ["not base64 at all, this line", &key.replace('=', ""), &key[1..], &format!("{key}\n{key}")]
    {
        fs::write(&path, wrong).unwrap();
        let error = open(&folder).unwrap_err();
        assert!(matches!(&error, KeysFileError::NotBase64 { .. }), "{error}");
        assert!(
            !format!("{error} {error:?}").contains("this line") && !format!("{error:?}").contains(&key[1..9])
        );
    }
    fs::write(&path, format!("  {key}\r\n\n")).unwrap();
    assert!(open(&folder).is_ok(), "what an editor puts around a key does no harm");
}

#[tokio::test]
async fn a_keyring_that_is_not_right_is_refused() {
    let (_parent, folder, provider) = made().await;
    let path = folder.join("keyring.toml");
    let right = fs::read_to_string(&path).unwrap();
    let refused = |text: String| {
        fs::write(&path, text).unwrap();
        open(&folder).unwrap_err()
    };
    let (id, other) = (provider.active(), KeyId::from_bytes([0xee; 8]));

    let error = refused(right.replace(&format!("active = \"{id}\""), &format!("active = \"{other}\"")));
    assert!(
        matches!(&error, KeysFileError::Keys { source, .. } if *source == SealError::NoActiveKey(other)),
        "{error}"
    );
    let error = refused(format!("version = 1\nactive = \"{id}\"\nkeys = [\"{id}\", \"{id}\"]\n"));
    assert!(
        matches!(&error, KeysFileError::Keys { source, .. } if *source == SealError::RepeatedKey(id)),
        "{error}"
    );
    let error = refused(format!("version = 1\nactive = \"{id}\"\nkeys = []\n"));
    assert!(
        matches!(&error, KeysFileError::Keys { source, .. } if *source == SealError::NoActiveKey(id)),
        "{error}"
    );
    let error =
        refused(format!("version = 2\nactive = \"{id}\"\nkeys = [\"{id}\"]\nsomething = \"later\"\n"));
    assert!(matches!(&error, KeysFileError::NewerFormat { found: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("use the version that wrote it"), "{error}");
    for wrong in [
        String::new(),
        "version = 1".to_owned(),
        right.clone() + "surprise = 1\n",
        right.replace(&id.to_string(), "../../etc/passwd"),
        right.to_uppercase(),
        "x".repeat(300 * 1024),
    ] {
        let error = refused(wrong);
        assert!(matches!(&error, KeysFileError::Malformed { .. }), "{error}");
        assert!(!error.to_string().contains("passwd"), "{error}");
    }
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(open(&folder).unwrap_err(), KeysFileError::Malformed { .. }));
}

#[tokio::test]
async fn keys_of_another_vault_are_told_apart_from_damage() {
    let (_parent, folder, provider) = made().await;
    let (_other_parent, other_folder, other) = made().await;
    // The other vault's held keys under this vault's wrapping keys.
    let error = load_held_keys(&other_folder, &provider).await.unwrap_err();
    assert!(matches!(&error, KeysFileError::Keys { source: SealError::NotTheseKeys, .. }), "{error}");
    assert!(error.to_string().contains("these are not the keys this vault was made with"), "{error}");
    // A key file of the right name and form, with the wrong key in it.
    fs::copy(key_file(&other_folder, other.active()), key_file(&folder, provider.active())).unwrap();
    let error = load_held_keys(&folder, &open(&folder).unwrap()).await.unwrap_err();
    assert!(matches!(&error, KeysFileError::Keys { source: SealError::NotTheseKeys, .. }), "{error}");
}

#[tokio::test]
async fn held_keys_of_a_later_format_and_damaged_ones_are_refused() {
    let (_parent, folder, provider) = made().await;
    let path = held_keys_path(&folder);
    let right = fs::read_to_string(&path).unwrap();
    rewrite(&path, |text| text.replacen("version = 2", "version = 3\nlater = true", 1));
    let error = load_held_keys(&folder, &provider).await.unwrap_err();
    assert!(matches!(&error, KeysFileError::NewerFormat { found: 3, known: 2, .. }), "{error}");
    let cut = right.rfind("[[keys]]").unwrap();
    fs::write(&path, &right[..cut]).unwrap();
    let error = load_held_keys(&folder, &provider).await.unwrap_err();
    assert!(matches!(&error, KeysFileError::Keys { source: SealError::DamagedHeldKeys(_), .. }), "{error}");
    fs::write(&path, &right).unwrap();
    assert!(load_held_keys(&folder, &provider).await.is_ok());
}

#[tokio::test]
async fn an_older_key_of_the_ring_still_unwraps() {
    let (_parent, folder, first) = made().await;
    let wrapped = first.wrap(&PLACE, b"x").await.unwrap();
    let (_other_parent, other_folder, second) = made().await;
    fs::copy(key_file(&other_folder, second.active()), key_file(&folder, second.active())).unwrap();
    let (old, new) = (first.active(), second.active());
    fs::write(
        folder.join("keyring.toml"),
        format!("version = 1\nactive = \"{new}\"\nkeys = [\"{old}\", \"{new}\"]\n"),
    )
    .unwrap();
    let both = open(&folder).unwrap();
    assert_eq!(**both.unwrap(&PLACE, &wrapped).await.unwrap(), *b"x");
    let again = both.wrap(&PLACE, b"x").await.unwrap();
    assert_eq!(both.key_of(&again), Ok(new));
    assert_eq!(first.unwrap(&PLACE, &again).await, Err(ProviderError::UnknownKey(new)));
}

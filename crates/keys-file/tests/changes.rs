//! Keys come and go: whatever fails half way leaves a folder that opens, and nothing that was wrapped is lost.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

use keys_file::{
    FileProvider, KeysFileError, create_held_keys, held_keys_path, load_held_keys, load_held_keys_file,
    store_held_keys,
};
use model::rng::SeededRng;
use seal::{HeldKeys, KeyId, KeyProvider, Place, ProviderError, SymmetricKey, SystemRng};
use std::{
    fs::{self, File},
    io::{Read as _, Seek as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

const PLACE: Place<'_> = Place { table: "slots", record: b"1", field: "data-key", generation: 1 };

fn made() -> (TempDir, PathBuf, FileProvider) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("keys");
    let provider = FileProvider::create(&folder, Arc::new(SystemRng::new())).unwrap();
    (parent, folder, provider)
}

fn open(folder: &Path) -> FileProvider {
    FileProvider::open(folder, Arc::new(SystemRng::new())).unwrap()
}

fn key_file(folder: &Path, id: KeyId) -> PathBuf {
    folder.join(format!("wrapping-{id}.key"))
}

async fn opens(provider: &FileProvider, wrapped: &[u8]) -> bool {
    provider.unwrap(&PLACE, wrapped).await.is_ok_and(|bytes| **bytes == *b"a data key")
}

async fn wrapped_by(provider: &FileProvider) -> Vec<u8> {
    provider.wrap(&PLACE, b"a data key").await.unwrap()
}

/// In the way of every file of this name: it is neither written, nor removed, nor replaced.
fn block(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::write(path.join("something"), "").unwrap();
}

fn unblock(path: &Path) {
    fs::remove_dir_all(path).unwrap();
}

#[tokio::test]
async fn after_a_rotation_new_values_are_under_the_new_key_and_the_old_ones_still_open() {
    let (_parent, folder, provider) = made();
    let (old, before) = (provider.active(), wrapped_by(&provider).await);
    let new = provider.rotate().await.unwrap();
    assert_ne!(new, old);
    let after = wrapped_by(&provider).await;
    for provider in [&provider, &open(&folder)] {
        assert_eq!(provider.active(), new);
        let mut ids = [old, new];
        ids.sort();
        assert_eq!(provider.ids(), ids);
        assert_eq!((provider.key_of(&before), provider.key_of(&after)), (Ok(old), Ok(new)));
        assert!(opens(provider, &before).await && opens(provider, &after).await);
    }
}

#[tokio::test]
async fn neither_the_active_key_nor_one_that_is_not_there_is_removed() {
    let (_parent, folder, provider) = made();
    let (old, wrapped) = (provider.active(), wrapped_by(&provider).await);
    assert_eq!(provider.remove(old).await, Err(ProviderError::ActiveKey(old)));
    let stranger = KeyId::from_bytes([7; 8]);
    assert_eq!(provider.remove(stranger).await, Err(ProviderError::NoSuchKey(stranger)));
    let new = provider.rotate().await.unwrap();
    assert_eq!(provider.remove(new).await, Err(ProviderError::ActiveKey(new)));
    assert!(opens(&provider, &wrapped).await && opens(&open(&folder), &wrapped).await);
}

#[tokio::test]
async fn a_removed_key_opens_nothing_any_more_and_its_bytes_are_overwritten_where_they_lay() {
    let (_parent, folder, provider) = made();
    let (old, wrapped) = (provider.active(), wrapped_by(&provider).await);
    let new = provider.rotate().await.unwrap();
    // Whoever has the file open still sees the very blocks in which the key lay.
    let mut file = File::open(key_file(&folder, old)).unwrap();
    provider.remove(old).await.unwrap();
    assert!(!key_file(&folder, old).exists());
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0), "{} bytes", bytes.len());
    for provider in [&provider, &open(&folder)] {
        assert_eq!(provider.ids(), [new]);
        assert_eq!(provider.unwrap(&PLACE, &wrapped).await, Err(ProviderError::UnknownKey(old)));
    }
    assert_eq!(provider.remove(old).await, Err(ProviderError::NoSuchKey(old)));
}

#[tokio::test]
async fn of_two_processes_with_one_folder_only_one_rotates() {
    let (_parent, folder, one) = made();
    let other = open(&folder);
    let new = one.rotate().await.unwrap();
    assert_eq!(other.rotate().await, Err(ProviderError::ChangedElsewhere));
    assert_eq!(other.remove(one.ids()[0]).await, Err(ProviderError::ChangedElsewhere));
    assert_eq!(open(&folder).active(), new);
    // Both at once, from where both know the same keyring.
    for _ in 0..20 {
        let both = [open(&folder), open(&folder)];
        let (first, second) = tokio::join!(both[0].rotate(), both[1].rotate());
        let rotated: Vec<_> = [&first, &second].into_iter().flatten().collect();
        assert_eq!(rotated.len(), 1, "{first:?} {second:?}");
        assert_eq!(open(&folder).active(), *rotated[0]);
    }
}

#[tokio::test]
async fn nobody_changes_the_folder_while_another_does() {
    let (_parent, folder, provider) = made();
    create_held_keys(&folder, &provider, &SystemRng::new()).await.unwrap();
    let held = load_held_keys_file(&folder).unwrap();
    provider.rotate().await.unwrap();
    let old = provider.ids().into_iter().find(|id| *id != provider.active()).unwrap();
    let other = File::open(&folder).unwrap();
    other.lock().unwrap();
    let refused = provider.rotate().await.unwrap_err();
    assert!(matches!(&refused, ProviderError::NotChanged(why) if why.contains("somebody else")), "{refused}");
    assert!(matches!(provider.remove(old).await, Err(ProviderError::NotChanged(_))));
    let refused = store_held_keys(&folder, &held).unwrap_err();
    assert!(matches!(&refused, KeysFileError::Busy { .. }) && refused.is_retryable(), "{refused}");
    drop(other);
    assert!(provider.rotate().await.is_ok());
    assert!(store_held_keys(&folder, &held).is_ok());
}

#[tokio::test]
async fn no_keyring_names_a_key_whose_file_was_not_written() {
    let (_parent, folder, made) = made();
    let wrapped = wrapped_by(&made).await;
    let provider = FileProvider::open(&folder, Arc::new(SeededRng::new(5))).unwrap();
    // The same randomness tells which id comes next.
    let next = SeededRng::new(5);
    drop(SymmetricKey::generate(&next));
    let id = KeyId::random(&next);
    block(&key_file(&folder, id));
    assert!(matches!(provider.rotate().await, Err(ProviderError::NotChanged(_))));
    for provider in [&provider, &open(&folder)] {
        assert_eq!(provider.ids(), [made.active()]);
        assert!(opens(provider, &wrapped).await);
    }
    assert!(provider.rotate().await.is_ok(), "with another id nothing is in the way");
}

#[tokio::test]
async fn a_key_that_no_keyring_names_is_ignored_and_does_not_stand_in_the_way() {
    let (_parent, folder, provider) = made();
    let (old, wrapped) = (provider.active(), wrapped_by(&provider).await);
    block(&folder.join("keyring.toml.new"));
    let refused = provider.rotate().await.unwrap_err();
    assert!(matches!(&refused, ProviderError::NotChanged(_)) && !refused.is_retryable(), "{refused}");
    unblock(&folder.join("keyring.toml.new"));
    let files = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("wrapping-")).count()
    };
    assert_eq!(files(&folder), 2, "the new key was written, and nobody names it");
    for provider in [&provider, &open(&folder)] {
        assert_eq!((provider.active(), provider.ids()), (old, vec![old]));
        assert!(opens(provider, &wrapped).await);
    }
    fs::write(folder.join("keyring.toml.new"), "half a fi").unwrap();
    fs::write(folder.join("wrapping-0101010101010101.key.new"), "half a k").unwrap();
    let new = open(&folder).rotate().await.unwrap();
    assert_eq!(open(&folder).active(), new);
    // Nobody names it, so it can go: this also finishes a removal that a crash cut off.
    let mut left = fs::read_dir(&folder).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let id: KeyId = name.strip_prefix("wrapping-")?.strip_suffix(".key")?.parse().unwrap();
        (![old, new].contains(&id)).then_some(id)
    });
    let left = left.next().unwrap();
    open(&folder).remove(left).await.unwrap();
    assert!(!key_file(&folder, left).exists());
    assert!(opens(&open(&folder), &wrapped).await);
}

#[tokio::test]
async fn a_key_whose_removal_fails_half_way_is_either_whole_or_can_be_removed_again() {
    let (_parent, folder, provider) = made();
    let (old, wrapped) = (provider.active(), wrapped_by(&provider).await);
    provider.rotate().await.unwrap();
    // The keyring cannot be written: the key stays as it was.
    block(&folder.join("keyring.toml.new"));
    assert!(matches!(provider.remove(old).await, Err(ProviderError::NotChanged(_))));
    unblock(&folder.join("keyring.toml.new"));
    assert!(opens(&provider, &wrapped).await && opens(&open(&folder), &wrapped).await);
    // The key's file cannot be overwritten: the keyring does not name it any more, and says so.
    let aside = folder.join("aside");
    fs::rename(key_file(&folder, old), &aside).unwrap();
    block(&key_file(&folder, old));
    assert!(matches!(provider.remove(old).await, Err(ProviderError::NotDestroyed(_))));
    unblock(&key_file(&folder, old));
    fs::rename(&aside, key_file(&folder, old)).unwrap();
    assert!(!open(&folder).ids().contains(&old) && !provider.ids().contains(&old));
    assert_eq!(provider.remove(old).await, Ok(()));
    assert!(!key_file(&folder, old).exists());
}

#[tokio::test]
async fn held_keys_wrapped_anew_open_under_the_new_key_alone() {
    let (_parent, folder, provider) = made();
    let held = create_held_keys(&folder, &provider, &SystemRng::new()).await.unwrap();
    let old = provider.active();
    let new = provider.rotate().await.unwrap();
    let file = load_held_keys_file(&folder).unwrap();
    assert_eq!(file.wrapping_keys(&provider), Ok(vec![old]));
    let anew = file.rewrapped(&provider).await.unwrap();
    assert_eq!(anew.wrapping_keys(&provider), Ok(vec![new]));
    fs::write(folder.join("held-keys.toml.new"), "half a fi").unwrap();
    store_held_keys(&folder, &anew).unwrap();
    provider.remove(old).await.unwrap();
    let again = load_held_keys(&folder, &open(&folder)).await.unwrap();
    assert_eq!(again.pseudonyms().of("user", b"x"), held.pseudonyms().of("user", b"x"));
    assert_eq!(again.receipts().public(), held.receipts().public());
}

#[tokio::test]
async fn held_keys_are_never_replaced_by_others() {
    let (_parent, folder, provider) = made();
    create_held_keys(&folder, &provider, &SystemRng::new()).await.unwrap();
    let before = fs::read(held_keys_path(&folder)).unwrap();
    let (_, others) = HeldKeys::create(&provider, &SystemRng::new()).await.unwrap();
    let mut fewer = load_held_keys_file(&folder).unwrap();
    fewer.keys.pop();
    for file in [others, fewer] {
        let refused = store_held_keys(&folder, &file).unwrap_err();
        assert!(matches!(refused, KeysFileError::OtherHeldKeys { .. }), "{refused}");
    }
    assert_eq!(fs::read(held_keys_path(&folder)).unwrap(), before);
    fs::remove_file(held_keys_path(&folder)).unwrap();
    let (_, others) = HeldKeys::create(&provider, &SystemRng::new()).await.unwrap();
    assert!(matches!(store_held_keys(&folder, &others), Err(KeysFileError::Missing { .. })));
}

#[tokio::test]
async fn a_rotation_goes_on_to_its_end_when_nobody_waits_for_it_any_more() {
    let (_parent, folder, provider) = made();
    let old = provider.active();
    {
        let mut rotation = Box::pin(provider.rotate());
        // Polled once, so that it has begun, and dropped.
        let first = std::future::poll_fn(|context| std::task::Poll::Ready(rotation.as_mut().poll(context)));
        let _ = first.await;
    }
    let ended = async {
        while provider.active() == old {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    assert_eq!(provider.active(), open(&folder).active());
    assert!(provider.rotate().await.is_ok());
}

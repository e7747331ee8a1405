//! What does not fit together is refused at the start: with the code of the contract, within seconds, with a sentence
//! that says what to do, and with nothing changed on the disk.

use crate::house::{House, below, free_port, printed, run};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// The code for a configuration that is wrong, and for everything else.
const DAMAGE: i32 = 2;
const CONFIGURATION: i32 = 78;
const FAILED: i32 = 1;

/// Every file below a folder: mode and digest. sled's own files are left out where the engine had to be opened to find
/// out that it is the wrong one: it writes to its log when it opens.
fn picture(dir: &Path, with_engine: bool) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let is_engines = |path: &Path| path.starts_with(dir.join("data/db"));
    below(dir)
        .into_iter()
        .filter(|path| with_engine || !is_engines(path))
        .map(|path| {
            let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
            let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            (path, (mode, ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref().to_vec()))
        })
        .collect()
}

/// A vault with one person in it, stopped.
async fn used() -> House {
    let mut house = House::new().await;
    house.enrolled("user-ines", b"the face of ines").await;
    house.stop().await;
    house
}

/// Another vault's folder, with somebody in it.
async fn another() -> House {
    let mut house = House::new().await;
    house.enrolled("malik", b"the face of malik").await;
    house.stop().await;
    house
}

/// The start is refused with this code and these words, and nothing has changed.
async fn is_refused(house: &House, code: i32, words: &[&str]) {
    refused(house, code, words, true).await;
}

/// As [`is_refused`], where the store had to be opened to see it.
async fn is_refused_by_content(house: &House, code: i32, words: &[&str]) {
    refused(house, code, words, false).await;
}

async fn refused(house: &House, code: i32, words: &[&str], with_engine: bool) {
    let before = picture(&house.dir, with_engine);
    for _ in 0..2 {
        let Some((ended, said)) = house.start.refusal(&house.http).await else {
            panic!("it started all the same; expected {words:?}")
        };
        assert_eq!(ended, code, "{said}");
        let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(!errors.is_empty(), "{said}");
        for word in words {
            assert!(errors.iter().any(|line| line.contains(word)), "no \"{word}\" in {errors:?}");
        }
        house.tells_nobody(&["user-ines", "malik", "the face of"]);
    }
    let after = picture(&house.dir, with_engine);
    let changed: Vec<_> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
}

/// What is done to a vault's files.
type Harm<'a> = Box<dyn Fn() + 'a>;

/// What is done to a file's bytes.
type Edit<'a> = Box<dyn Fn(&mut Vec<u8>) + 'a>;

/// Puts another file or folder in the place of one.
fn replace(from: &Path, to: &Path) {
    if to.is_dir() {
        fs::remove_dir_all(to).unwrap();
    }
    if from.is_dir() {
        fs::create_dir(to).unwrap();
        fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            replace(&path, &to.join(path.file_name().unwrap()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// Changes a file's bytes.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn wrapping_key(dir: &Path) -> PathBuf {
    let keys = below(&dir.join("keys"));
    keys.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "key")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_another_vault_are_refused() {
    let (house, other) = (used().await, another().await);
    replace(&other.dir.join("keys"), &house.dir.join("keys"));
    is_refused_by_content(&house, DAMAGE, &["keys.path", "put the right keys back"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_damaged_key_file_is_refused() {
    let (house, other) = (used().await, another().await);
    let intact = house.dir.with_file_name("keys-intact");
    replace(&house.dir.join("keys"), &intact);
    let key = wrapping_key(&house.dir);
    let held = house.dir.join("keys/held-keys.toml");
    let keyring = house.dir.join("keys/keyring.toml");
    let harms: Vec<(Harm<'_>, &[&str])> = vec![
        (Box::new(|| replace(&wrapping_key(&other.dir), &key)), &["held-keys.toml"]),
        (Box::new(|| edit(&key, |bytes| bytes.truncate(20))), &["base64", "bring the right file back"]),
        (Box::new(|| fs::remove_file(&key).unwrap()), &["is missing", "copy of the keys"]),
        (
            Box::new(|| edit(&held, |bytes| bytes.truncate(bytes.len() / 2))),
            &["held-keys.toml", "copy of the keys"],
        ),
        (Box::new(|| fs::remove_file(&held).unwrap()), &["held-keys.toml", "is missing"]),
        (Box::new(|| edit(&held, |bytes| flip_inside_a_value(bytes))), &["held-keys.toml"]),
        (
            Box::new(|| {
                edit(&keyring, |bytes| *bytes = text(bytes).replace("version = 1", "version = 2").into());
            }),
            &["format 2", "later"],
        ),
        (Box::new(|| fs::remove_file(&keyring).unwrap()), &["is missing"]),
        (Box::new(|| open_to_others(&key, 0o604)), &["open to every user", "chmod"]),
        (Box::new(|| open_to_others(&key, 0o620)), &["group", "chmod"]),
    ];
    for (harm, words) in harms {
        harm();
        is_refused(&house, FAILED, words).await;
        replace(&intact, &house.dir.join("keys"));
    }
    let mut house = house;
    house.start().await;
    house.reaches_ready_people(1).await;
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// One character of base64 in the last long value becomes another.
fn flip_inside_a_value(bytes: &mut [u8]) {
    let last = bytes.iter().rposition(|byte| *byte == b'"').unwrap();
    bytes[last - 20] = if bytes[last - 20] == b'A' { b'B' } else { b'A' };
}

fn open_to_others(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_file_that_is_damaged_or_not_this_vaults_is_refused() {
    let (house, other) = (used().await, another().await);
    let slots = house.dir.join("slots/slots");
    let intact = fs::read(&slots).unwrap();
    let sector = |n: usize| n * 512;
    let harms: Vec<(Edit<'_>, &[&str])> = vec![
        (Box::new(|bytes| bytes[0] ^= 1), &["slot file", "restore"]),
        (Box::new(|bytes| bytes[20] ^= 1), &["slot file", "restore"]),
        (Box::new(|bytes| newer(bytes)), &["format 2", "newer one"]),
        (Box::new(|bytes| bytes[sector(1) + 100] ^= 1), &["slot", "verify"]),
        (Box::new(|bytes| bytes[sector(2) + 8] ^= 1), &["slot", "verify"]),
        (Box::new(|bytes| bytes.truncate(sector(2))), &["slot file"]),
        (Box::new(|bytes| bytes.truncate(sector(1) + 100)), &["slot file"]),
        (Box::new(Vec::clear), &["slot file"]),
    ];
    for (harm, words) in harms {
        edit(&slots, |bytes| harm(bytes));
        is_refused_by_content(&house, DAMAGE, words).await;
        fs::write(&slots, &intact).unwrap();
    }
    fs::write(&slots, fs::read(other.dir.join("slots/slots")).unwrap()).unwrap();
    is_refused_by_content(&house, DAMAGE, &["another slot file", "store.slots_path"]).await;
    fs::remove_file(&slots).unwrap();
    is_refused(&house, DAMAGE, &["slots"]).await;
    fs::write(&slots, &intact).unwrap();
    open_to_others(&slots, 0o600);
    let mut house = house;
    house.start().await;
    house.reaches_ready_people(1).await;
}

/// The header of a later version, sealed as that version would: its checksum is right.
fn newer(bytes: &mut [u8]) {
    bytes[8..10].copy_from_slice(&2_u16.to_be_bytes());
    let checked = [&bytes[16..32], &bytes[..480]].concat();
    let checksum = ring::digest::digest(&ring::digest::SHA256, &checked);
    bytes[480..512].copy_from_slice(checksum.as_ref());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_lost_foreign_newer_or_has_blobs_is_refused() {
    let (house, other) = (used().await, another().await);
    let db = house.dir.join("data/db");
    let intact = house.dir.with_file_name("db-intact");
    replace(&db, &intact);

    fs::remove_dir_all(&db).unwrap();
    is_refused_by_content(&house, DAMAGE, &["store.path names another folder", "restore it"]).await;

    replace(&other.dir.join("data/db"), &db);
    is_refused_by_content(&house, DAMAGE, &["does not open", "right keys"]).await;

    replace(&intact, &db);
    fs::write(db.join("blobs/17"), b"large").unwrap();
    is_refused(&house, DAMAGE, &["`blobs` is not empty"]).await;

    replace(&intact, &db);
    edit_format(&db);
    is_refused_by_content(&house, DAMAGE, &["newer version"]).await;

    replace(&intact, &db);
    let mut house = house;
    house.start().await;
    house.reaches_ready_people(1).await;
}

/// Writes the number of a later format over that of the store, as such a version would.
fn edit_format(db: &Path) {
    let raw = store_sled::sled::Config::new().path(db).flush_every_ms(None).open().unwrap();
    raw.insert(b"\0format", &99_u32.to_be_bytes()).unwrap().unwrap();
    raw.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_that_is_missing_or_not_ours_is_refused() {
    let mut house = used().await;
    let folder = house.dir.join("data/content");
    let content = below(&folder).into_iter().find(|path| path.is_file()).unwrap();
    let intact = fs::read(&content).unwrap();
    fs::remove_file(&content).unwrap();
    is_refused_by_content(&house, DAMAGE, &["verify"]).await;
    fs::write(&content, &intact[..intact.len() - 1]).unwrap();
    is_refused_by_content(&house, DAMAGE, &["verify"]).await;
    fs::write(&content, &intact).unwrap();
    open_to_others(&content, 0o600);
    let stranger = content.with_file_name("0123456789abcdef0123456789abcdef");
    fs::write(&stranger, &intact).unwrap();
    is_refused_by_content(&house, DAMAGE, &["verify"]).await;
    fs::remove_file(&stranger).unwrap();
    house.start().await;
    house.reaches_ready_people(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_and_real_people_never_share_a_vault() {
    let mut house = used().await;
    let simulated = fs::read_to_string(&house.start.config).unwrap();
    let real: String = simulated
        .lines()
        .filter(|line| !line.contains("base_url  ") && !line.starts_with("simulated"))
        .map(|line| match line.split_once('=') {
            Some((key, _)) if key.trim() == "callback_base_url" => {
                "callback_base_url = \"https://vault.example.com\"\n".to_owned()
            }
            _ => format!("{line}\n"),
        })
        .filter(|line| !line.starts_with("base_url"))
        .collect();
    fs::write(&house.start.config, &real).unwrap();
    let settings = std::mem::take(&mut house.start.settings);
    house.start.settings = vec![
        ("JUMIO__CALLBACK_BASE_URL".to_owned(), "https://vault.example.com".to_owned()),
        ("REAUTH__ALLOWED_REDIRECT_HOSTS".to_owned(), "www.example.com".to_owned()),
        ("STORE__MIN_FREE_BYTES".to_owned(), "1048576".to_owned()),
    ];
    is_refused(&house, FAILED, &["Simulated", "another folder"]).await;
    fs::write(&house.start.config, simulated).unwrap();
    house.start.settings = settings;

    // The other way round: a folder for Jumio, and a configuration for the simulator.
    let dir = house.dir.with_file_name("real");
    printed(&run(&["init", "--dir", dir.to_str().unwrap()]));
    for piece in ["slots", "keys"] {
        replace(&dir.join(piece), &house.dir.join(piece));
    }
    fs::remove_dir_all(house.dir.join("data/db")).unwrap();
    for content in below(&house.dir.join("data/content")).into_iter().filter(|path| path.is_file()) {
        fs::remove_file(content).unwrap();
    }
    is_refused(&house, FAILED, &["Real", "another folder"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_and_ports_that_are_taken_are_refused() {
    let mut house = House::new().await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    let mut second = house.start.clone();
    (second.public, second.private) = (free_port(), free_port());
    second.log = house.start.log.with_file_name("second.log");
    let (code, said) = second.refusal(&house.http).await.unwrap();
    assert_eq!(code, FAILED, "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    house.reaches(&ines, "ready").await;
    assert_eq!(house.authenticate("user-ines").await.status, 201, "the first one goes on");
    house.stop().await;

    for (taken, key) in [(house.start.public, "public_listen"), (house.start.private, "private_listen")] {
        let listener = std::net::TcpListener::bind(("127.0.0.1", taken)).unwrap();
        let (code, said) = house.start.refusal(&house.http).await.unwrap();
        assert_eq!(code, FAILED, "{said}");
        let told = said.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(told.contains(key) && told.contains("another one running"), "{told}");
        drop(listener);
    }
    house.start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong_ends_with_78_and_names_every_problem() {
    let mut house = House::set_up(&[], None).await;
    open_to_others(&house.dir.join("tokens.toml"), 0o644);
    is_refused(&house, CONFIGURATION, &["tokens.toml", "chmod 600"]).await;
    open_to_others(&house.dir.join("tokens.toml"), 0o600);

    let tokens = fs::read(house.dir.join("tokens.toml")).unwrap();
    fs::write(house.dir.join("tokens.toml"), b"format = 99\n").unwrap();
    let (code, said) = house.start.refusal(&house.http).await.unwrap();
    assert!(matches!(code, FAILED | CONFIGURATION) && said.contains("another version"), "{code} {said}");
    fs::write(house.dir.join("tokens.toml"), tokens).unwrap();

    open_to_others(&house.dir.join("jumio-secret"), 0o644);
    is_refused(&house, CONFIGURATION, &["jumio-secret", "chmod 600"]).await;
    open_to_others(&house.dir.join("jumio-secret"), 0o600);

    let keep = house.start.settings.clone();
    let wrong = [
        ("REAUTH__SETTLE_SECONDS", "0", "settle_seconds"),
        ("INGEST__MAX_FACEMAP_BYTES", "many", "max_facemap_bytes"),
        ("INGEST__POLL_SCHEDULE_SECONDS", "60,40", "poll_schedule_seconds"),
        ("CALLBACKS__ALLOWED_SOURCES", "somewhere", "allowed_sources"),
        ("SERVER__NONSENSE", "1", "nonsense"),
        ("SERVER__PUBLIC_LISTEN", "0.0.0.0:8080", "public_listen"),
        ("STORE__ENGINE", "postgres", "engine"),
        ("KEYS__PROVIDER", "pkcs11", "provider"),
    ];
    for (key, value, named) in wrong {
        house.start.settings.push((key.to_owned(), value.to_owned()));
        is_refused(&house, CONFIGURATION, &[named]).await;
        house.start.settings.clone_from(&keep);
    }
    // All at once: all are named.
    house
        .start
        .settings
        .extend(wrong[..5].iter().map(|(key, value, _)| ((*key).to_owned(), (*value).to_owned())));
    let named: Vec<_> = wrong[..5].iter().map(|(_, _, named)| *named).collect();
    is_refused(&house, CONFIGURATION, &named).await;
    house.start.settings = keep;
    house.start().await;
}

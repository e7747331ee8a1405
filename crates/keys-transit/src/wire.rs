//! The JSON of the transit engine: what is asked, and the strict reading of what is answered.

use crate::versions::{SEAL_BYTES, Versions};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Versions of a key at most: an answer with more is not read.
const MOST_VERSIONS: u32 = 1_000_000;

/// A text in base64 that is wiped: as base64 a key is still a key.
type Text = Zeroizing<String>;

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    associated_data: &'a str,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
    associated_data: &'a str,
}

#[derive(Serialize)]
pub(crate) struct Config {
    pub(crate) min_decryption_version: u32,
    pub(crate) min_encryption_version: u32,
}

#[derive(Serialize)]
pub(crate) struct Trim {
    pub(crate) min_available_version: u32,
}

/// Every answer has what matters below `data`; what else is in it differs between servers and versions of them.
#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted<'a> {
    ciphertext: &'a str,
}

#[derive(Deserialize)]
struct Decrypted<'a> {
    // Base64 needs no escapes, so that this is a piece of the answer's own buffer, which is wiped.
    plaintext: &'a str,
}

/// What reading a key answers.
#[derive(Deserialize)]
pub(crate) struct Key {
    #[serde(rename = "type")]
    kind: String,
    derived: bool,
    latest_version: u32,
    min_decryption_version: u32,
    min_encryption_version: u32,
    #[serde(default)]
    min_available_version: u32,
    keys: BTreeMap<String, serde_json::Value>,
}

impl Key {
    /// Reads the answer; nothing when it is not one.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let key: Self = data(body)?;
        let (oldest, latest) = (key.min_decryption_version.max(1), key.latest_version);
        let sound = (1..=MOST_VERSIONS).contains(&latest)
            && oldest <= latest
            && key.min_available_version <= oldest
            && key.min_encryption_version <= latest
            && [oldest, latest].iter().all(|version| key.keys.contains_key(&version.to_string()));
        sound.then_some(key)
    }

    pub(crate) fn versions(&self) -> Versions {
        Versions {
            latest: self.latest_version,
            oldest: self.min_decryption_version.max(1),
            kept: self.min_available_version.max(1),
        }
    }

    /// The oldest version that the engine lets wrap; 0 for none but the latest.
    pub(crate) const fn min_encryption_version(&self) -> u32 {
        self.min_encryption_version
    }

    /// What keeps this service from using the key.
    pub(crate) fn objection(&self) -> Option<&'static str> {
        if self.kind != "aes256-gcm96" {
            return Some("is not of the type aes256-gcm96");
        }
        self.derived.then_some("derives other keys from a context")
    }
}

/// The engine's form of a ciphertext.
fn text_of(version: u32, ciphertext: &[u8]) -> String {
    format!("vault:v{version}:{}", STANDARD.encode(ciphertext))
}

fn read_text(text: &str) -> Option<(u32, Vec<u8>)> {
    let (version, encoded) = text.strip_prefix("vault:v")?.split_once(':')?;
    if version.starts_with(['0', '+']) {
        return None;
    }
    Some((version.parse().ok()?, STANDARD.decode(encoded).ok()?))
}

pub(crate) fn encrypt(plaintext: &[u8], associated_data: &[u8]) -> Zeroizing<Vec<u8>> {
    let plaintext = Text::new(STANDARD.encode(plaintext));
    let associated_data = STANDARD.encode(associated_data);
    // Sized once: base64 needs no escapes. A buffer that grows would leave pieces of the key behind.
    let names = 64;
    let mut body = Zeroizing::new(Vec::with_capacity(plaintext.len() + associated_data.len() + names));
    write(&mut body, &Encrypt { plaintext: &plaintext, associated_data: &associated_data });
    body
}

pub(crate) fn decrypt(version: u32, ciphertext: &[u8], associated_data: &[u8]) -> Zeroizing<Vec<u8>> {
    let (ciphertext, associated_data) = (text_of(version, ciphertext), STANDARD.encode(associated_data));
    body(&Decrypt { ciphertext: &ciphertext, associated_data: &associated_data })
}

pub(crate) fn body<T: Serialize>(value: &T) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::default();
    write(&mut body, value);
    body
}

fn write<T: Serialize>(body: &mut Vec<u8>, value: &T) {
    // Unwrap safety: these are plain structures of numbers and texts, and a Vec takes every byte.
    serde_json::to_writer(body, value).expect("numbers and texts are JSON");
}

fn data<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice::<Answer<T>>(body).ok().map(|answer| answer.data)
}

/// Version and raw ciphertext of what was wrapped; nothing when the answer is not about `bytes` bytes.
pub(crate) fn encrypted(body: &[u8], bytes: usize) -> Option<(u32, Vec<u8>)> {
    let answer: Answer<Encrypted<'_>> = serde_json::from_slice(body).ok()?;
    let (version, ciphertext) = read_text(answer.data.ciphertext)?;
    let fits = ciphertext.len() == bytes + SEAL_BYTES && (1..=MOST_VERSIONS).contains(&version);
    fits.then_some((version, ciphertext))
}

/// What was unwrapped; nothing when the answer does not hold exactly `bytes` bytes.
pub(crate) fn decrypted(body: &[u8], bytes: usize) -> Option<Zeroizing<Vec<u8>>> {
    let answer: Answer<Decrypted<'_>> = serde_json::from_slice(body).ok()?;
    let text = answer.data.plaintext;
    let mut plaintext = Zeroizing::new(vec![0; text.len() / 4 * 3]);
    let length = STANDARD.decode_slice(text, &mut plaintext).ok()?;
    plaintext.truncate(length);
    (length == bytes).then_some(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(change: impl FnOnce(&mut serde_json::Value)) -> Option<Key> {
        let mut data = json!({ "type": "aes256-gcm96", "derived": false, "latest_version": 3,
            "min_decryption_version": 2, "min_encryption_version": 0, "min_available_version": 2,
            "keys": { "2": 1, "3": 2 } });
        change(&mut data);
        Key::read(json!({ "data": data, "request_id": "x" }).to_string().as_bytes())
    }

    #[test]
    fn a_key_is_read_only_as_a_whole() {
        assert_eq!(key(|_| {}).unwrap().versions(), Versions { latest: 3, oldest: 2, kept: 2 });
        assert!(key(|data| data["keys"] = json!({ "3": 1 })).is_none(), "the oldest is missing");
        assert!(key(|data| data["latest_version"] = json!(0)).is_none());
        assert!(key(|data| data["min_decryption_version"] = json!(4)).is_none());
        assert!(key(|data| data["latest_version"] = json!("3")).is_none());
        assert!(key(|data| data["derived"] = json!(null)).is_none());
        assert!(key(|data| data["min_available_version"] = json!(3)).is_none());
        assert!(key(|data| data["type"] = json!("chacha20-poly1305")).unwrap().objection().is_some());
        assert!(key(|data| data["derived"] = json!(true)).unwrap().objection().is_some());
        assert!(key(|_| {}).unwrap().objection().is_none());
    }

    #[test]
    fn an_answer_about_something_else_is_none() {
        let answer = |text: &str| json!({ "data": { "ciphertext": text } }).to_string().into_bytes();
        let good = text_of(12, &[7; 48]);
        assert_eq!(encrypted(&answer(&good), 20), Some((12, vec![7; 48])));
        assert_eq!(encrypted(&answer(&good), 21), None, "another length");
        for bad in [
            "",
            "vault:v1",
            "vault:v01:AAAA",
            "vault:v+1:AAAA",
            "vault:v0:AAAA",
            "vault:v1:%%",
            "hsm:v1:AAAA",
        ] {
            assert_eq!(read_text(bad).filter(|(version, _)| *version > 0), None, "{bad}");
        }
        let answer = |text: &str| json!({ "data": { "plaintext": text } }).to_string().into_bytes();
        assert_eq!(decrypted(&answer("aGVsbG8="), 5).unwrap().as_slice(), b"hello");
        assert!(decrypted(&answer("aGVsbG8="), 4).is_none());
        assert!(decrypted(&answer("aGVsbG8"), 5).is_none());
        assert!(decrypted(&answer("not base64"), 5).is_none());
        assert!(decrypted(b"{}", 5).is_none());
        assert!(decrypted(b"<html>", 5).is_none());
    }

    #[test]
    fn a_request_body_with_a_key_in_it_never_grows() {
        let body = encrypt(&[1; 160], &[2; 300]);
        let sized = (160usize.div_ceil(3) + 300usize.div_ceil(3)) * 4 + 64;
        assert_eq!(body.capacity(), sized);
    }
}

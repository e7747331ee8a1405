//! The TOML files of the folder.

use crate::{KeysFileError, files};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::Path;

/// Bytes of a TOML file in the folder at most: thousands of keys fit in.
const TOML_BYTES: usize = 256 * 1024;

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

pub(crate) fn to_toml<T: Serialize>(value: &T) -> String {
    // Unwrap safety: the two types that are written have only numbers, texts and lists, which TOML takes.
    toml::to_string(value).expect("numbers, texts and lists are TOML")
}

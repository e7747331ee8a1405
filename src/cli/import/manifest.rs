//! The manifest of an import: CSV with a head line, or one JSON object in a line.

use crate::failure::Failure;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::{EnrollmentRef, FacemapBytes, Timestamp, UserReference};
use serde::Deserialize;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Bytes of a facemap at most, whatever the server allows.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// How the manifest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Comma-separated, with a head line that names the columns.
    Csv,
    /// One JSON object in a line.
    Ndjson,
}

/// A row as it stands in the manifest. Nothing in it is believed before [`Row::check`].
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Row {
    reference: String,
    user: String,
    path: Option<PathBuf>,
    /// Wiped when it is dropped, as everything that this process frees is.
    base64: Option<String>,
    onboarded_at: Option<String>,
    last_used_at: Option<String>,
    status: Option<String>,
    similarity: Option<String>,
    validity: Option<String>,
}

/// A row that can be sent.
pub(super) struct Checked {
    pub(super) reference: EnrollmentRef,
    pub(super) user: UserReference,
    pub(super) onboarded_at: Option<Timestamp>,
    pub(super) last_used_at: Option<Timestamp>,
    pub(super) status: Option<String>,
    pub(super) similarity: Option<String>,
    pub(super) validity: Option<String>,
    content: Content,
}

enum Content {
    Path(PathBuf),
    Base64(String),
}

impl Row {
    /// The reference as the vault spells it, if it is one.
    pub(super) fn reference(&self) -> Option<EnrollmentRef> {
        self.reference.trim().parse().ok()
    }

    /// Everything that can be known to be wrong before anything is sent.
    ///
    /// # Errors
    /// The rule that is broken; never the value.
    pub(super) fn check(self) -> Result<Checked, String> {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let time = |text: Option<String>, name: &str| {
            let parse = |text: String| {
                text.parse().map_err(|_| format!("{name} must be a time like 2024-05-01T12:00:00Z"))
            };
            some(text).map(parse).transpose()
        };
        let path = self.path.filter(|path| !path.as_os_str().is_empty());
        let base64 = self.base64.filter(|text| !text.is_empty());
        let content = match (path, base64) {
            (Some(path), None) => Content::Path(path),
            (None, Some(text)) => Content::Base64(text),
            _ => return Err("must have either path or base64".to_owned()),
        };
        Ok(Checked {
            reference: self
                .reference
                .trim()
                .parse()
                .map_err(|_| "reference must be a reference of Jumio's")?,
            user: self.user.parse().map_err(|_| "user must have 1 to 100 printable ASCII characters")?,
            onboarded_at: time(self.onboarded_at, "onboardedAt")?,
            last_used_at: time(self.last_used_at, "lastUsedAt")?,
            status: some(self.status),
            similarity: some(self.similarity),
            validity: some(self.validity),
            content,
        })
    }
}

impl Checked {
    /// The facemap, in a buffer that wipes itself. Relative paths are relative to `dir`.
    ///
    /// # Errors
    /// Why it cannot be read; never what is in it.
    pub(super) fn facemap(self, dir: &Path) -> Result<FacemapBytes, String> {
        let bytes = match self.content {
            Content::Base64(text) => {
                BASE64_STANDARD.decode(text.as_bytes()).map_err(|_| "base64 is not base64")?
            }
            Content::Path(path) => read(&dir.join(path))?,
        };
        if bytes.is_empty() { Err("the facemap is empty".to_owned()) } else { Ok(FacemapBytes::new(bytes)) }
    }
}

/// Reads a file into a buffer that is sized once: a growing one leaves copies behind.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("its file cannot be read ({})", error.kind());
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length > MOST_BYTES {
        return Err(format!("its file is larger than {MOST_BYTES} bytes"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// A row with the line it stands in, or what keeps it from being one.
pub(super) type Numbered = (u64, Result<Row, String>);

/// The rows of a manifest, one after another.
///
/// # Errors
/// When the manifest cannot be read, or its head line is wrong: nothing was sent then.
pub(super) fn rows(
    from: Box<dyn Read>,
    format: Format,
) -> Result<Box<dyn Iterator<Item = Numbered>>, Failure> {
    match format {
        Format::Ndjson => Ok(Box::new(json_rows(from))),
        Format::Csv => csv_rows(from),
    }
}

fn json_rows(from: Box<dyn Read>) -> impl Iterator<Item = Numbered> {
    BufReader::new(from).lines().zip(1u64..).filter_map(|(line, number)| match line {
        Ok(line) if line.trim().is_empty() => None,
        Ok(line) => {
            let line = Zeroizing::new(line);
            let row = serde_json::from_str(&line);
            // Without serde's words: they repeat what stands there.
            Some((number, row.map_err(|error| format!("is not a row: column {} is wrong", error.column()))))
        }
        Err(error) => Some((number, Err(format!("cannot be read ({})", error.kind())))),
    })
}

fn csv_rows(from: Box<dyn Read>) -> Result<Box<dyn Iterator<Item = Numbered>>, Failure> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(from);
    let heads =
        reader.headers().map_err(|_| Failure::failed("the manifest's head line cannot be read"))?.clone();
    for needed in ["reference", "user"] {
        if !heads.iter().any(|head| head == needed) {
            let text = format!("the manifest's head line has no column `{needed}`; nothing was sent");
            return Err(Failure::failed(text));
        }
    }
    Ok(Box::new(reader.into_records().map(move |record| match record {
        Ok(record) => {
            let line = record.position().map_or(0, csv::Position::line);
            let row = record.deserialize(Some(&heads));
            (line, row.map_err(|_| "is not a row: a column is unknown or cannot be read".to_owned()))
        }
        Err(error) => {
            let line = error.position().map_or(0, csv::Position::line);
            (line, Err("has another number of columns than the head line, or is not text".to_owned()))
        }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

    fn read(text: &str, format: Format) -> Vec<Numbered> {
        let from: Box<dyn Read> = Box::new(std::io::Cursor::new(text.to_owned()));
        rows(from, format).unwrap().collect()
    }

    #[test]
    fn csv_and_ndjson_say_the_same() {
        let csv =
            format!("reference,user,base64,onboardedAt\n{REFERENCE},u1,aGVsbG8=,2024-05-01T12:00:00Z\n");
        let json = format!(
            "{{\"reference\":\"{REFERENCE}\",\"user\":\"u1\",\"base64\":\"aGVsbG8=\",\"onboardedAt\":\"2024-05-01T12:00:00Z\"}}\n"
        );
        for (text, format, line) in [(csv, Format::Csv, 2), (json, Format::Ndjson, 1)] {
            let mut rows = read(&text, format);
            let (at, row) = rows.pop().unwrap();
            let checked = row.unwrap().check().unwrap();
            assert_eq!((at, checked.reference.to_string().as_str()), (line, REFERENCE));
            assert_eq!(checked.onboarded_at, Some("2024-05-01T12:00:00Z".parse().unwrap()));
            assert_eq!(checked.facemap(Path::new("/")).unwrap().expose(), b"hello");
        }
    }

    #[test]
    fn what_is_wrong_with_a_row_is_told_without_its_values() {
        let bad = [
            (format!("reference,user,base64\n{REFERENCE},u1,\n"), "path or base64"),
            ("reference,user,base64\nnot-a-reference-secret,u1,eA==\n".to_string(), "reference"),
            (
                format!("reference,user,base64,onboardedAt\n{REFERENCE},u1,eA==,yesterday-secret\n"),
                "onboardedAt",
            ),
            (format!("reference,user,base64\n{REFERENCE},,eA==\n"), "user"),
        ];
        for (text, expected) in bad {
            let (_, row) = read(&text, Format::Csv).pop().unwrap();
            let told = row.unwrap().check().map(|_| ()).unwrap_err();
            assert!(told.contains(expected) && !told.contains("secret"), "{told}");
        }
        for (text, format) in [("reference,user\na,b,c\n", Format::Csv), ("{\"secret\":1}\n", Format::Ndjson)]
        {
            let (_, row) = read(text, format).pop().unwrap();
            let told = row.map(|_| ()).unwrap_err();
            assert!(!told.contains("secret"), "{told}");
        }
        let from: Box<dyn Read> = Box::new(std::io::Cursor::new("reference\nx\n"));
        assert!(rows(from, Format::Csv).map(|_| ()).unwrap_err().message.contains("`user`"));
    }
}

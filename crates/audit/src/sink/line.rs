//! One entry as one line: a JSON object in ASCII. It holds pseudonyms and no personal data, as the entry itself.

use crate::{
    Entry, Link,
    chain::{self, ChainRow},
};
use model::Timestamp;
use records::Records;
use serde::Serialize;
use std::fmt::Write as _;

/// A line without its end.
pub(super) struct Line {
    pub(super) text: String,
    /// When the entry was handed in; `None` for one that cannot be read.
    pub(super) at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Whole<'a> {
    epoch: u64,
    position: u64,
    link: &'a Link,
    #[serde(flatten)]
    entry: &'a Entry,
}

#[derive(Serialize)]
struct Lost {
    position: u64,
    until: u64,
    #[serde(rename = "lost")]
    why: &'static str,
}

/// The line of the row at `position`. A collector must not be left with a gap that nobody explains: for an entry that
/// does not open the line says so.
pub(super) fn of(records: &Records, position: u64, row: Option<&ChainRow>) -> Line {
    let opened = row.and_then(|row| chain::open(records, position, row).map(|(_, entry)| (row, entry)));
    match opened {
        Some((row, entry)) => {
            let whole = Whole { epoch: row.epoch, position, link: &row.link, entry: &entry };
            Line { text: ascii(&whole), at: Some(entry.at) }
        }
        None => Line { text: ascii(&Lost { position, until: position, why: "damaged" }), at: None },
    }
}

/// The line for positions that have no entry.
pub(super) fn missing(position: u64, until: u64) -> Line {
    Line { text: ascii(&Lost { position, until, why: "missing" }), at: None }
}

/// JSON without any byte above 127: RFC 5424 wants a byte order mark before others, and collectors disagree about it.
fn ascii(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|_| r#"{"lost":"not writable"}"#.to_owned());
    let mut line = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            line.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Unwrap safety: writing to a String cannot fail.
                write!(line, "\\u{unit:04x}").expect("a String takes any text");
            }
        }
    }
    line
}

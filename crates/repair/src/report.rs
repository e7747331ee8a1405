//! What a check came to.

use crate::Finding;
use serde::Serialize;
use std::time::Duration;

/// Findings that a report lists; all of them are counted.
pub const LISTED: usize = 1000;

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Rows of all tables.
    pub records: u64,
    /// Slots, free ones included.
    pub slots: u64,
    /// Content files.
    pub contents: u64,
    /// Entries of the book.
    pub audit_entries: u64,
    /// Bytes of content files.
    pub content_bytes: u64,
}

/// The report of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether nothing is wrong.
    pub clean: bool,
    /// What is wrong: the first thousand.
    pub findings: Vec<Finding>,
    /// How much is wrong in all.
    pub found: u64,
    /// What is under way or left over, and no damage.
    pub information: Vec<String>,
    /// How much was looked at.
    pub counts: Counts,
    /// How long it took.
    #[serde(serialize_with = "seconds", rename = "seconds")]
    pub took: Duration,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Self {
            clean: true,
            findings: Vec::new(),
            found: 0,
            information: Vec::new(),
            counts: Counts { records: 0, slots: 0, contents: 0, audit_entries: 0, content_bytes: 0 },
            took: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.clean = false;
        self.found += 1;
        if self.findings.len() < LISTED {
            self.findings.push(finding);
        }
    }
}

fn seconds<S: serde::Serializer>(took: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64((took.as_secs_f64() * 1000.0).round() / 1000.0)
}

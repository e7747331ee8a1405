//! `[audit]`: where the audit log is handed to besides the vault's own disks.

use super::section::Section;
use ::audit::{Sink, SyslogAddress};

/// The section, checked.
#[derive(Debug)]
pub(crate) struct AuditSinks {
    /// Every sink that gets each entry, in order.
    pub(crate) sinks: Vec<Sink>,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> AuditSinks {
    let file = section.optional_path("jsonl_file").map(Sink::JsonLines);
    let parse = |text: &str| text.parse::<SyslogAddress>().map_err(str::to_owned);
    let syslog = section.parsed("syslog", None, parse, ToString::to_string).map(Sink::Syslog);
    AuditSinks { sinks: file.into_iter().chain(syslog).collect() }
}

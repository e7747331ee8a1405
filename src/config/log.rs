//! `[log]`: what the process tells about itself, on standard error.

use super::section::Section;

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// A sentence that a person can read.
    Text,
    /// A JSON object.
    Json,
}

/// The section, checked.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// The form of a line.
    pub(crate) format: LogFormat,
    /// Which events are written, as in `info,ingest=debug`.
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,actix_server=warn".to_owned() }
    }
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Log {
    let default = Log::default();
    let format =
        section.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)], default.format);
    let parse = |text: &str| match text.parse::<tracing_subscriber::filter::Targets>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be a level, or a list like \"info,ingest=debug\"".to_owned()),
    };
    let filter = section.parsed("filter", Some(default.filter), parse, String::clone).unwrap_or_default();
    Log { format, filter }
}

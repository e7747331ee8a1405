//! Why a command did not do what it should, and with which code the process ends then.

use crate::config::ConfigError;
use std::fmt;

/// The codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something went wrong.
    Failed = 1,
    /// The command line is wrong.
    Usage = 64,
    /// The configuration is wrong.
    Configuration = 78,
}

/// Why a command did not do what it should: what happened, what it means, what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The process's code.
    pub(crate) exit: Exit,
    /// For the operator.
    pub(crate) message: String,
}

impl Failure {
    /// Something went wrong.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Failed, message: message.to_string() }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }

    /// The configuration is wrong.
    pub(crate) fn configuration(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Configuration, message: message.to_string() }
    }
}

/// Commands that messages name, and that this version does not have.
const LATER: [&str; 3] = ["facemap-vault verify", "rebuild-index", "recovery acknowledge"];

/// The message; where it names a command that comes later, what to do until then stands beside it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if LATER.iter().any(|command| self.message.contains(command)) {
            f.write_str(
                " (`verify`, `rebuild-index` and `recovery acknowledge` come with the next version. Until then: check that \
                 store.path, store.slots_path and keys.path name the folders that belong together and are mounted; else put \
                 all of them back from one backup, taken while the service was stopped. Nothing was changed.)",
            )?;
        }
        Ok(())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::configuration(error)
    }
}

//! What is wrong with a configuration, said so that it can be put right: all of it at once.

use std::fmt;

/// One thing that is wrong: where, which key, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file with its line, or the environment variable.
    pub(crate) place: String,
    /// `section.key`, or what stands instead of it.
    pub(crate) key: String,
    /// What is wrong and what to do, as a phrase.
    pub(crate) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, text } = self;
        write!(f, "{place}: {key}: {text}")
    }
}

/// Everything that is wrong with a configuration, one sentence a line.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

//! Broken rules of a request, all of them at once, each with the place where it broke.

use serde::Serialize;
use std::fmt;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where: a JSON pointer (RFC 6901), such as `/presets/0/country`.
    pub pointer: String,
    /// What must be so, as a phrase that follows the field's name: "must be …".
    pub rule: String,
}

/// All broken rules of one request, in the order of the request's table. The refused values are not repeated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// No violation yet.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Notes one.
    pub fn add(&mut self, pointer: impl Into<String>, rule: impl Into<String>) {
        self.0.push(Violation { pointer: pointer.into(), rule: rule.into() });
    }

    /// Whether every rule is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The violations, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }

    /// `value` if every rule is kept.
    ///
    /// # Errors
    /// The violations, if there are any.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}", violation.pointer, violation.rule)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

//! A configured value before its key has given it a type: from the file, or from the environment.

use toml::de::{DeTable, DeValue};
use toml::{Spanned, de::Error};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The file, at this line (from 1).
    Line(usize),
    /// This environment variable.
    Variable(String),
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Text in quotes.
    Text(String),
    /// A whole number; `None` when it does not fit into 64 bits.
    Integer(Option<i64>),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A list.
    List(Vec<Value>),
    /// Something that no key takes, by its name in TOML.
    Other(&'static str),
    /// From the environment: the key decides how it is read.
    Raw(String),
}

impl Value {
    fn name(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Raw(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Other(name) => name,
        }
    }

    fn expected(&self, what: &str) -> String {
        format!("must be {what}, but is {}", self.name())
    }

    /// The value as text.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) | Self::Raw(text) => Ok(text),
            other => Err(other.expected("text in quotes")),
        }
    }

    /// The value as a whole number that is not negative.
    pub(super) fn integer(&self) -> Result<u64, String> {
        let number = match self {
            Self::Integer(number) => *number,
            Self::Raw(text) => Some(text.trim().parse().map_err(|_| "must be a whole number".to_owned())?),
            other => return Err(other.expected("a whole number")),
        };
        number.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| "must be a whole number from 0".to_owned())
    }

    /// The value as a number.
    pub(super) fn float(&self) -> Result<f64, String> {
        match self {
            Self::Float(number) => Ok(*number),
            // Fractions are small; a whole number that f64 cannot hold is far outside of every range.
            Self::Integer(Some(number)) => {
                i32::try_from(*number).map(f64::from).map_err(|_| "is too large".to_owned())
            }
            Self::Raw(text) => text.trim().parse().map_err(|_| "must be a number".to_owned()),
            other => Err(other.expected("a number")),
        }
    }

    /// The value as a yes or no.
    pub(super) fn flag(&self) -> Result<bool, String> {
        match self {
            Self::Flag(flag) => Ok(*flag),
            Self::Raw(text) => text.trim().parse().map_err(|_| "must be true or false".to_owned()),
            other => Err(other.expected("true or false")),
        }
    }

    /// The value as a list. From the environment: a TOML list when it begins with `[`, else separated by commas.
    pub(super) fn list(&self) -> Result<Vec<Self>, String> {
        match self {
            Self::List(items) => Ok(items.clone()),
            Self::Raw(text) if text.trim_start().starts_with('[') => match DeValue::parse(text.trim()) {
                Ok(value) => Self::from_toml(value.get_ref()).list(),
                Err(_) => Err("begins with [ but is not a list in TOML".to_owned()),
            },
            Self::Raw(text) if text.trim().is_empty() => Ok(Vec::new()),
            Self::Raw(text) => Ok(text.split(',').map(|item| Self::Raw(item.trim().to_owned())).collect()),
            other => Err(other.expected("a list")),
        }
    }

    /// Takes a value over from the parser.
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(n) => Self::Integer(i64::from_str_radix(n.as_str(), n.radix()).ok()),
            DeValue::Float(n) => n.as_str().parse().map_or(Self::Other("a number"), Self::Float),
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Array(items) => Self::List(items.iter().map(|i| Self::from_toml(i.get_ref())).collect()),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }
}

/// The parser's tables of a file, with every syntax error in it.
pub(super) fn parse_toml(text: &str) -> (Spanned<DeTable<'_>>, Vec<Error>) {
    DeTable::parse_recoverable(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_from_the_environment_is_toml_or_separated_by_commas() {
        let raw = |text: &str| Value::Raw(text.to_owned()).list();
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(raw(r#"["a,b", "c"]"#), Ok(vec![text("a,b"), text("c")]));
        assert_eq!(raw("a, b"), Ok(vec![Value::Raw("a".to_owned()), Value::Raw("b".to_owned())]));
        assert_eq!(raw("  "), Ok(Vec::new()));
        assert!(raw("[a").is_err());
    }

    #[test]
    fn numbers_are_read_in_every_spelling_of_toml_and_refused_beyond_64_bits() {
        let number = |text: &str| Value::from_toml(DeValue::parse(text).unwrap().get_ref()).integer();
        assert_eq!(number("0x10"), Ok(16));
        assert_eq!(number("1_000"), Ok(1000));
        assert!(number("-1").is_err());
        assert!(number("99999999999999999999").is_err());
        assert!(number("1.0").is_err());
    }
}

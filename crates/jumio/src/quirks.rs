//! Jumio's spellings (jumio-api §8), read in one place for callbacks and retrieval alike.

use crate::NamedUser;
use jiff::{civil::DateTime, tz::TimeZone};
use model::{Timestamp, UserReference};
use serde_json::Value;

/// Counts what this version does not know. Nothing fails for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unknowns(pub(crate) u32);

impl Unknowns {
    pub(crate) const fn count(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// `parsed`, counted when there was something to parse and it did not parse.
    pub(crate) const fn unless<T: Copy>(&mut self, parsed: Option<T>) -> Option<T> {
        if parsed.is_none() {
            self.count();
        }
        parsed
    }
}

/// A text that says something: not empty, not `N/A`.
pub(crate) fn said(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && !text.eq_ignore_ascii_case("N/A")).then_some(text)
}

/// A JSON value as text that says something; `null` and other types say nothing.
pub(crate) fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).and_then(said)
}

/// `true`, `"true"`, `"TRUE"`, and likewise false.
pub(crate) fn flag(value: Option<&Value>, unknowns: &mut Unknowns) -> Option<bool> {
    let value = value?;
    if let Value::Bool(flag) = value {
        return Some(*flag);
    }
    let flag = match text(Some(value)) {
        Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
        None if value.is_null() || value.is_string() => return None,
        _ => None,
    };
    unknowns.unless(flag)
}

/// RFC 3339 with any number of fraction digits; without an offset it is UTC.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let text = said(text)?;
    // A date alone is no time, and no form of Jumio's is longer than this.
    if text.len() > 40 || !text.contains('T') {
        return None;
    }
    text.parse().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

/// A date field: absent, or read, or counted.
pub(crate) fn date(text: Option<&str>, unknowns: &mut Unknowns) -> Option<Timestamp> {
    let text = text.and_then(said)?;
    unknowns.unless(timestamp(text))
}

/// Whom several fields for the same user name. Read byte for byte; anything but text, or two users, is unreadable and
/// counted.
pub(crate) fn named_user(fields: &[&Option<Value>], unknowns: &mut Unknowns) -> NamedUser {
    let mut named = NamedUser::Nobody;
    for field in fields.iter().filter_map(|field| field.as_ref()) {
        let one = match field {
            Value::Null => continue,
            Value::String(text) if said(text).is_none() => continue,
            Value::String(text) => text.parse().map_or(NamedUser::Unreadable, NamedUser::User),
            _ => NamedUser::Unreadable,
        };
        named = if named == NamedUser::Nobody || named == one { one } else { NamedUser::Unreadable };
    }
    if named == NamedUser::Unreadable {
        unknowns.count();
    }
    named
}

/// A user reference: absent, or read byte for byte, or counted.
pub(crate) fn user_reference(text: Option<&str>, unknowns: &mut Unknowns) -> Option<UserReference> {
    let text = text.filter(|text| said(text).is_some())?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        unknowns.count();
    }
    parsed
}

/// The whole seconds of an HTTP date (RFC 9110 §5.6.7), as in `Date` and `Retry-After`.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// An object that may also come as JSON text.
pub(crate) fn object(value: &Value) -> Option<std::borrow::Cow<'_, Value>> {
    use std::borrow::Cow;
    match value {
        Value::Object(_) => Some(Cow::Borrowed(value)),
        Value::String(text) => {
            serde_json::from_str::<Value>(text).ok().filter(Value::is_object).map(Cow::Owned)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_of_a_timestamp_is_the_same_moment() {
        let moment: Timestamp = "2019-05-30T08:37:35Z".parse().unwrap();
        for text in [
            "2019-05-30T08:37:35Z",
            "2019-05-30T08:37:35.0Z",
            "2019-05-30T08:37:35.00Z",
            "2019-05-30T08:37:35.000Z",
            "2019-05-30T08:37:35",
            "2019-05-30T08:37:35.000",
            "2019-05-30T10:37:35+02:00",
            " 2019-05-30T08:37:35Z ",
        ] {
            assert_eq!(timestamp(text), Some(moment), "{text}");
        }
        assert_eq!(timestamp("2019-05-30T08:37:35.5"), timestamp("2019-05-30T08:37:35.500Z"));
        for text in ["", "N/A", "2019-05-30", "yesterday", "2019-13-30T08:37:35Z", "1559205455"] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn every_form_of_a_flag_is_read_and_others_are_counted() {
        let mut unknowns = Unknowns::default();
        for (value, flag_is) in [
            (json!(true), Some(true)),
            (json!("true"), Some(true)),
            (json!("TRUE"), Some(true)),
            (json!(false), Some(false)),
            (json!("false"), Some(false)),
            (json!("FALSE"), Some(false)),
            (json!("N/A"), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(flag(Some(&value), &mut unknowns), flag_is, "{value}");
        }
        assert_eq!(unknowns.0, 0);
        for value in [json!("yes"), json!(1), json!({})] {
            assert_eq!(flag(Some(&value), &mut unknowns), None, "{value}");
        }
        assert_eq!(unknowns.0, 3);
    }

    #[test]
    fn an_http_date_is_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), "1994-11-06T08:49:37Z".parse().ok());
    }
}

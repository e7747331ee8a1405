//! Reading a JSON object field by field, so that all violations come out at once.

use super::{Rules, url};
use crate::Violations;
use model::limits;
use serde_json::{Map, Value};

pub(super) const REFERENCE_RULE: &str = "must be 1 to 100 characters without control characters";
pub(super) const PERSONAL_RULE: &str = "must not hold personal data such as an e-mail address";
const LIFETIME_RULE: &str = "must be a whole number of minutes from 5 to 86400";

/// An object that is being read. Fields that nobody asked for are violations at the end.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// JSON pointer of the object itself.
    at: String,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(object: &'a Map<String, Value>, at: String) -> Self {
        Self { object, at, asked: Vec::new() }
    }

    pub(super) fn pointer(&self, name: &str) -> String {
        // RFC 6901 §3.
        format!("{}/{}", self.at, name.replace('~', "~0").replace('/', "~1"))
    }

    /// The field's value; `null` counts as absent.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &'static str, violations: &mut Violations) -> Option<&'a str> {
        let text = self.value(name)?.as_str();
        if text.is_none() {
            violations.add(self.pointer(name), "must be a string");
        }
        text
    }

    /// A reference or criterion of the company's own.
    pub(super) fn reference(&mut self, name: &'static str, violations: &mut Violations) -> Option<String> {
        let text = self.text(name, violations)?;
        let length = text.chars().count();
        if !(1..=limits::USER_REFERENCE_CHARS).contains(&length) || text.chars().any(char::is_control) {
            violations.add(self.pointer(name), REFERENCE_RULE);
        }
        if looks_like_an_address(text) {
            violations.add(self.pointer(name), PERSONAL_RULE);
        }
        Some(text.to_owned())
    }

    /// A `successUrl` or `errorUrl`.
    pub(super) fn redirect_url(
        &mut self,
        name: &'static str,
        max_chars: usize,
        rules: &Rules,
        violations: &mut Violations,
    ) -> Option<String> {
        let text = self.text(name, violations)?;
        url::check_redirect(text, &self.pointer(name), max_chars, rules, violations);
        Some(text.to_owned())
    }

    pub(super) fn locale(
        &mut self,
        name: &'static str,
        known: &[&'static str],
        violations: &mut Violations,
    ) -> Option<String> {
        let text = self.text(name, violations)?;
        check_locale(text, &self.pointer(name), known, violations);
        Some(text.to_owned())
    }

    pub(super) fn lifetime(&mut self, name: &'static str, violations: &mut Violations) -> Option<u32> {
        let minutes = self.value(name)?.as_i64();
        let checked = minutes.and_then(checked_lifetime);
        if checked.is_none() {
            violations.add(self.pointer(name), LIFETIME_RULE);
        }
        checked
    }

    /// Names the fields that do not exist in Jumio's table.
    pub(super) fn finish(self, violations: &mut Violations) {
        for name in self.object.keys().filter(|name| !self.asked.contains(&name.as_str())) {
            // The name is a stranger's: shortened, and without what moves a cursor.
            violations.add(self.pointer(&model::text::printable(name, 60)), "is not a known field");
        }
    }
}

pub(super) fn check_locale(text: &str, pointer: &str, known: &[&'static str], violations: &mut Violations) {
    if !known.contains(&text) {
        violations.add(pointer, format!("must be one of {}", known.join(", ")));
    }
}

fn checked_lifetime(minutes: i64) -> Option<u32> {
    let (from, to) = limits::TOKEN_LIFETIME_MINUTES;
    u32::try_from(minutes).ok().filter(|minutes| (from..=to).contains(minutes))
}

pub(super) fn check_lifetime(minutes: i64, pointer: &str, violations: &mut Violations) -> Option<u32> {
    let checked = checked_lifetime(minutes);
    if checked.is_none() {
        violations.add(pointer, LIFETIME_RULE);
    }
    checked
}

/// Whether a text looks like an e-mail address, also with its `@` encoded for a URL.
pub(super) fn looks_like_an_address(text: &str) -> bool {
    let text = text.replace("%40", "@");
    text.match_indices('@').any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let domain: &str = text[at + 1..]
            .split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-')))
            .next()
            .unwrap_or("");
        before.is_some_and(|c| c.is_alphanumeric() || "._%+-".contains(c))
            && domain.split('.').filter(|label| !label.is_empty()).count() >= 2
    })
}

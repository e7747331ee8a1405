//! An answer of the private API, and what its problems mean at the command line.

use crate::failure::Failure;
use model::text::printable;
use serde_json::Value;

const DETAIL_CHARS: usize = 600;

/// Status and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// Whether it was done.
    pub(crate) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The body of what was done.
    ///
    /// # Errors
    /// What the server said instead, in words.
    pub(crate) fn done(self) -> Result<Value, Failure> {
        if self.is_success() { Ok(self.body) } else { Err(Failure::failed(self.problem())) }
    }

    /// The stable code of a problem (RFC 9457); empty when there is none.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// What the server said against it. Texts of the other side are made printable.
    pub(crate) fn problem(&self) -> String {
        let mut text = match self.body["detail"].as_str() {
            Some(detail) => format!("{} ({})", printable(detail, DETAIL_CHARS), printable(self.code(), 64)),
            None => format!("the server answered {} and said nothing of use", self.status),
        };
        for error in self.body["errors"].as_array().into_iter().flatten() {
            let [place, rule] = ["pointer", "detail"].map(|name| error[name].as_str().unwrap_or_default());
            text = format!("{text}\n{} {}", printable(place, 100), printable(rule, 200));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_problem_is_told_in_its_own_words_made_printable() {
        let body = json!({ "code": "held", "detail": "it is\u{1b}[2J held", "errors": [{ "pointer": "/x", "detail": "bad" }] });
        let told = Answer { status: 409, body }.done().unwrap_err().message;
        assert!(told.contains("held") && told.contains("/x bad") && !told.contains('\u{1b}'), "{told}");
        let silent = Answer { status: 502, body: Value::Null }.done().unwrap_err().message;
        assert!(silent.contains("502"), "{silent}");
    }
}

//! docs/events.md as the tests of the flows see it: what is really put is held against its examples.

use crate::Message;
use serde_json::{Map, Value};

const DOCS: &str = include_str!("../../../docs/events.md");

/// The examples, as they stand there.
///
/// # Panics
/// When an example is no JSON.
#[must_use]
pub fn examples() -> Vec<Value> {
    let blocks = DOCS.split("```json\n").skip(1);
    let read = |block: &str| {
        let text = block.split("```").next().unwrap_or_default();
        // Unwrap safety: this is for tests, which are to fail then.
        serde_json::from_str(text).expect("an example in docs/events.md is JSON")
    };
    blocks.map(read).collect()
}

/// The fields in which an event differs from the documented example that is most like it: `-name` is not in the event,
/// `+name` is not documented, `~name` is of another kind.
///
/// # Panics
/// When there is no example of it.
#[must_use]
pub fn differences(message: &Message) -> Vec<String> {
    let examples = examples().into_iter();
    let same = examples.filter(|example| example["type"] == message.kind.as_str());
    let differences = same.map(|example| compare(example["data"].as_object(), &message.data));
    // Unwrap safety: as above.
    differences.min_by_key(Vec::len).expect("there is an example of each kind of event")
}

fn compare(example: Option<&Map<String, Value>>, data: &Map<String, Value>) -> Vec<String> {
    let none = Map::new();
    let example = example.unwrap_or(&none);
    let missing = example.keys().filter(|name| !data.contains_key(*name)).map(|name| format!("-{name}"));
    let found = data.iter().filter_map(|(name, value)| match example.get(name) {
        None => Some(format!("+{name}")),
        Some(other) if kind(other) != kind(value) => Some(format!("~{name}")),
        Some(_) => None,
    });
    missing.chain(found).collect()
}

const fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

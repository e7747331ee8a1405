//! The file and the environment, laid over each other: sections with their keys, each with the place it came from.

use super::{
    problem::Problem,
    value::{Origin, Value, parse_toml},
};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};
use toml::de::DeValue;

/// What every environment variable of the configuration begins with. Two underscores, so that the variables of the
/// command line (`FACEMAP_VAULT_URL`) are not among them.
pub(crate) const VARIABLE_PREFIX: &str = "FACEMAP_VAULT__";

/// A value with the place it came from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Keys of a section, in alphabetical order.
pub(super) type Entries = BTreeMap<String, Entry>;

/// All sections.
pub(super) type Tree = BTreeMap<String, Entries>;

/// Reads the file's text, and the environment over it.
pub(super) fn read(
    text: &str,
    file: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) -> Tree {
    let mut tree = read_file(text, file, problems);
    for (name, value) in variables {
        read_variable(&name, &value, &mut tree, problems);
    }
    tree
}

/// The line (from 1) of a byte of the text.
fn line_of(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|b| *b == b'\n').count()
}

fn read_file(text: &str, file: &str, problems: &mut Vec<Problem>) -> Tree {
    let (table, errors) = parse_toml(text);
    let at = |byte: usize| format!("{file}:{}", line_of(text, byte));
    for error in errors {
        // Only the parser's message: its full report quotes the line, and that line may hold a secret.
        let place = error.span().map_or_else(|| file.to_owned(), |span| at(span.start));
        problems.push(Problem { place, key: "TOML".to_owned(), text: error.message().to_owned() });
    }
    let mut tree = Tree::new();
    for (section, content) in table.get_ref() {
        let DeValue::Table(keys) = content.get_ref() else {
            problems.push(Problem {
                place: at(section.span().start),
                key: section.get_ref().to_string(),
                text: "stands outside of every section; put it below the [section] it belongs to".to_owned(),
            });
            continue;
        };
        let entries = tree.entry(section.get_ref().to_string()).or_default();
        // Remembered even when it is empty, so that an unknown section is told of.
        for (key, value) in keys {
            let origin = Origin::Line(line_of(text, key.span().start));
            entries.insert(
                key.get_ref().to_string(),
                Entry { value: Value::from_toml(value.get_ref()), origin },
            );
        }
    }
    tree
}

fn read_variable(name: &OsStr, value: &OsStr, tree: &mut Tree, problems: &mut Vec<Problem>) {
    let Some(name) = name.to_str().filter(|name| name.starts_with(VARIABLE_PREFIX)) else { return };
    let mut refuse = |text: &str| {
        problems.push(Problem {
            place: "environment".to_owned(),
            key: model::text::printable(name, 100),
            text: text.to_owned(),
        });
    };
    let Some((section, key)) = name[VARIABLE_PREFIX.len()..].split_once("__") else {
        return refuse("names no key; the form is FACEMAP_VAULT__SECTION__KEY");
    };
    if name.chars().any(|c| c.is_ascii_lowercase()) {
        return refuse("has lower-case letters; write the whole name in capitals");
    }
    let Some(value) = value.to_str() else {
        return refuse("is not UTF-8 text");
    };
    let entry = Entry { value: Value::Raw(value.to_owned()), origin: Origin::Variable(name.to_owned()) };
    tree.entry(section.to_ascii_lowercase()).or_default().insert(key.to_ascii_lowercase(), entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        list.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_environment_wins_over_the_file_and_other_variables_are_left_alone() {
        let mut problems = Vec::new();
        let env = variables(&[
            ("FACEMAP_VAULT__JUMIO__REGION", "eu"),
            ("FACEMAP_VAULT_URL", "http://127.0.0.1:8081"),
            ("PATH", "/bin"),
        ]);
        let tree = read("[jumio]\nregion = \"us\"\n", "c.toml", env, &mut problems);
        assert_eq!(problems, []);
        assert_eq!(tree["jumio"]["region"].value, Value::Raw("eu".to_owned()));
        assert_eq!(tree.len(), 1);
    }

    #[test]
    fn a_syntax_error_names_its_line_and_quotes_nothing_of_it() {
        let mut problems = Vec::new();
        read("[jumio]\napi_secret = \"hunter2\nregion = \"us\"\n", "c.toml", Vec::new(), &mut problems);
        assert!(problems[0].place.starts_with("c.toml:2"), "{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"));
    }

    #[test]
    fn a_variable_without_a_key_and_one_in_lower_case_are_refused() {
        let mut problems = Vec::new();
        let env = variables(&[("FACEMAP_VAULT__JUMIO", "x"), ("FACEMAP_VAULT__jumio__region", "eu")]);
        let tree = read("", "c.toml", env, &mut problems);
        assert_eq!(problems.len(), 2);
        assert!(tree.is_empty());
    }
}

//! Reads one section, key by key. Each key is named once, with its default, range and unit; from that follow its
//! validation, the list of known keys, and what `check-config` prints. Serde and the layered-configuration crates end at
//! the first wrong value, and an operator wants to hear of all of them.

use super::{
    problem::Problem,
    tree::{Entries, Tree},
    value::{Origin, Value},
};
use std::{
    fmt::Write as _,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

/// A key with the value that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The section it stands in.
    pub(crate) section: &'static str,
    /// The key.
    pub(crate) key: &'static str,
    /// The value as TOML; `None` when nothing is set and there is no default.
    pub(crate) value: Option<String>,
    /// Where the value comes from.
    pub(crate) origin: Origin,
}

/// Reads all sections.
pub(super) struct Reader<'a> {
    /// Relative paths are relative to this folder: that of the file.
    pub(super) dir: &'a Path,
    /// The file's name, for places.
    pub(super) file: &'a str,
    pub(super) tree: Tree,
    pub(super) problems: Vec<Problem>,
    pub(super) settings: Vec<Setting>,
    pub(super) sections: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// Reads the section `name`; what is left in it afterwards is unknown and refused.
    pub(super) fn section<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Section<'_, 'a>) -> T,
    ) -> T {
        self.sections.push(name);
        let entries = self.tree.remove(name).unwrap_or_default();
        let mut section = Section { name, entries, known: Vec::new(), reader: self };
        let read = read(&mut section);
        section.refuse_the_rest();
        read
    }

    /// Refuses the sections that nobody has read.
    pub(super) fn finish(&mut self) {
        let known = self.sections.join(", ");
        for (name, entries) in std::mem::take(&mut self.tree) {
            let place =
                entries.values().next().map_or_else(|| self.file.to_owned(), |e| place(self.file, &e.origin));
            let text = format!("is not a section of the configuration; the sections are {known}");
            self.problems.push(Problem { place, key: format!("[{}]", printable(&name)), text });
        }
    }
}

fn printable(text: &str) -> String {
    model::text::printable(text, 60)
}

fn place(file: &str, origin: &Origin) -> String {
    match origin {
        Origin::Default => file.to_owned(),
        Origin::Line(line) => format!("{file}:{line}"),
        Origin::Variable(name) => format!("environment {name}"),
    }
}

/// Text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list_of<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
}

/// One section while it is read.
pub(super) struct Section<'r, 'a> {
    name: &'static str,
    entries: Entries,
    known: Vec<&'static str>,
    reader: &'r mut Reader<'a>,
}

impl Section<'_, '_> {
    /// Records a problem with a key.
    pub(super) fn problem(&mut self, key: &str, text: impl Into<String>) {
        let origin =
            self.reader.settings.iter().find(|s| s.section == self.name && s.key == key).map(|s| &s.origin);
        let place = place(self.reader.file, origin.unwrap_or(&Origin::Default));
        self.reader.problems.push(Problem { place, key: format!("{}.{key}", self.name), text: text.into() });
    }

    /// Whether somebody has set this key; only for keys that were read before.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.reader
            .settings
            .iter()
            .any(|s| s.section == self.name && s.key == key && s.origin != Origin::Default)
    }

    /// Every other reading of a key comes through here.
    fn read<T>(
        &mut self,
        key: &'static str,
        default: Option<T>,
        parse: impl FnOnce(&Value) -> Result<T, String>,
        show: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        self.known.push(key);
        let (value, origin) = match self.entries.remove(key) {
            None => (default, Origin::Default),
            Some(entry) => match parse(&entry.value) {
                Ok(value) => (Some(value), entry.origin),
                Err(text) => {
                    let place = place(self.reader.file, &entry.origin);
                    self.reader.problems.push(Problem { place, key: format!("{}.{key}", self.name), text });
                    (default, entry.origin)
                }
            },
        };
        let shown = value.as_ref().map(show);
        self.reader.settings.push(Setting { section: self.name, key, value: shown, origin });
        value
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        options: &[(&str, T)],
        default: T,
    ) -> T {
        let parse = |value: &Value| {
            let text = value.text()?;
            options.iter().find(|(word, _)| *word == text).map(|(_, option)| *option).ok_or_else(|| {
                let words: Vec<_> = options.iter().map(|(word, _)| quoted(word)).collect();
                format!("{} is not known here; write {}", quoted(&printable(text)), words.join(" or "))
            })
        };
        let show = |value: &T| {
            quoted(options.iter().find(|(_, option)| option == value).map_or("?", |(word, _)| word))
        };
        self.read(key, Some(default), parse, show).unwrap_or(default)
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.read(key, Some(default), Value::flag, bool::to_string).unwrap_or(default)
    }

    /// A whole number in a range, both ends included.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> u64 {
        let parse = |value: &Value| in_range(value, &range, unit);
        self.read(key, Some(default), parse, u64::to_string).unwrap_or(default)
    }

    /// A number of seconds in a range.
    pub(super) fn seconds(
        &mut self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_secs(self.number(key, default, range, "seconds"))
    }

    /// A number of bytes in a range.
    pub(super) fn bytes(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> usize {
        usize::try_from(self.number(key, default, range, "bytes")).unwrap_or(usize::MAX)
    }

    /// Moments in seconds, each later than the one before.
    pub(super) fn schedule(
        &mut self,
        key: &'static str,
        default: &[u64],
        most: usize,
        range: RangeInclusive<u64>,
    ) -> Vec<Duration> {
        let parse = |value: &Value| {
            let numbers: Vec<u64> =
                value.list()?.iter().map(|v| in_range(v, &range, "seconds")).collect::<Result<_, _>>()?;
            if numbers.is_empty() || numbers.len() > most {
                return Err(format!("must have 1 to {most} entries, but has {}", numbers.len()));
            }
            if !numbers.is_sorted_by(|a, b| a < b) {
                return Err("must rise: each entry is later than the one before it".to_owned());
            }
            Ok(numbers)
        };
        let numbers = self.read(key, Some(default.to_vec()), parse, |list| list_of(list, u64::to_string));
        numbers.unwrap_or_default().into_iter().map(Duration::from_secs).collect()
    }

    /// A part of a whole: above 0, up to 1.
    pub(super) fn fraction(&mut self, key: &'static str, default: f64) -> f64 {
        let parse = |value: &Value| {
            let number = value.float()?;
            if number > 0.0 && number <= 1.0 {
                Ok(number)
            } else {
                Err("must be above 0 and at most 1".to_owned())
            }
        };
        self.read(key, Some(default), parse, f64::to_string).unwrap_or(default)
    }

    /// Text with a form of its own, that must be there or may be absent: the caller tells.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        default: Option<T>,
        parse: impl FnOnce(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        self.read(key, default, |value| parse(value.text()?), |value| quoted(&show(value)))
    }

    /// A list of texts, each with a form of its own.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        default: Vec<T>,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Vec<T> {
        let parse = |value: &Value| value.list()?.iter().map(|item| parse(item.text()?)).collect();
        let show = |items: &Vec<T>| list_of(items, |item| quoted(&show(item)));
        self.read(key, Some(default), parse, show).unwrap_or_default()
    }

    /// A path, made absolute against the file's folder.
    pub(super) fn path(&mut self, key: &'static str, default: &str) -> PathBuf {
        let default = self.reader.dir.join(default);
        self.read_path(key, Some(default.clone())).unwrap_or(default)
    }

    /// A path that may be absent.
    pub(super) fn optional_path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.read_path(key, None)
    }

    fn read_path(&mut self, key: &'static str, default: Option<PathBuf>) -> Option<PathBuf> {
        let dir = self.reader.dir;
        let parse = |text: &str| {
            if text.is_empty() || text.contains('\0') {
                return Err("must be a path".to_owned());
            }
            Ok(dir.join(text))
        };
        self.parsed(key, default, parse, |path| path.display().to_string())
    }

    /// One path, or several in a list; none when the key is absent.
    pub(super) fn paths(&mut self, key: &'static str) -> Vec<PathBuf> {
        let dir = self.reader.dir;
        let parse = |value: &Value| {
            let items = match value {
                Value::Text(_) => vec![value.clone()],
                _ => value.list()?,
            };
            items.iter().map(|item| item.text().map(|text| dir.join(text))).collect::<Result<Vec<_>, _>>()
        };
        let show = |paths: &Vec<PathBuf>| list_of(paths, |path| quoted(&path.display().to_string()));
        self.read(key, None, parse, show).unwrap_or_default()
    }

    /// A secret written into the configuration itself. It is never shown.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<model::Secret> {
        let parse = |value: &Value| {
            let text = value.text()?;
            if text.is_empty() { Err("is empty".to_owned()) } else { Ok(model::Secret::new(text.to_owned())) }
        };
        self.read(key, None, parse, |_| quoted("(redacted)"))
    }

    fn refuse_the_rest(&mut self) {
        let mut known = String::new();
        for key in &self.known {
            // Unwrap safety: writing to a String cannot fail.
            write!(known, "{}{key}", if known.is_empty() { "" } else { ", " })
                .expect("a String takes any text");
        }
        for (key, entry) in std::mem::take(&mut self.entries) {
            let place = place(self.reader.file, &entry.origin);
            let text = format!("is not a key of [{}]; its keys are {known}", self.name);
            let key = format!("{}.{}", self.name, printable(&key));
            self.reader.problems.push(Problem { place, key, text });
        }
    }
}

fn in_range(value: &Value, range: &RangeInclusive<u64>, unit: &str) -> Result<u64, String> {
    let number = value.integer()?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(format!("is {number}, but must be {} to {} {unit}", range.start(), range.end()))
}

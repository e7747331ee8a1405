//! The words on the pages, in one table a language, and what a company puts in their place.

use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Characters of a text at most.
const MOST_CHARS: usize = 600;
/// Bytes of a file of texts at most.
const MOST_BYTES: u64 = 64 * 1024;

/// A language of the pages. Others fall back to English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Language {
    En,
    De,
    Es,
    Fr,
}

impl Language {
    pub(crate) const ALL: [Self; 4] = [Self::En, Self::De, Self::Es, Self::Fr];

    /// The tag of RFC 5646, for `lang` and for the file of texts.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Es => "es",
            Self::Fr => "fr",
        }
    }

    /// The language of a locale such as `de`, `de-CH` or `de_CH`.
    pub(crate) fn of_locale(locale: &str) -> Option<Self> {
        let primary = locale.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The best of ours in an `Accept-Language` header (RFC 9110, section 12.5.4). Of equals the first counts.
    pub(crate) fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(Self, f32)> = None;
        // Browsers send a handful; a stranger may send anything.
        for range in header.split(',').take(20) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
            let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse().ok());
            let weight: f32 = weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0);
            let Some(language) = Self::of_locale(tag.trim()) else { continue };
            if weight > 0.0 && best.is_none_or(|(_, than)| weight > than) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    const fn built_in(self) -> &'static str {
        match self {
            Self::En => include_str!("texts/en.toml"),
            Self::De => include_str!("texts/de.toml"),
            Self::Es => include_str!("texts/es.toml"),
            Self::Fr => include_str!("texts/fr.toml"),
        }
    }
}

/// The texts of one language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Texts {
    pub(crate) somebody: String,
    pub(crate) title: String,
    pub(crate) intro: String,
    pub(crate) purpose: String,
    pub(crate) who: String,
    pub(crate) asked: String,
    pub(crate) date: String,
    pub(crate) months: String,
    pub(crate) how: String,
    pub(crate) button: String,
    pub(crate) warning: String,
    pub(crate) dead_title: String,
    pub(crate) dead: String,
    pub(crate) busy_title: String,
    pub(crate) busy: String,
    pub(crate) busy_unsettled: String,
    pub(crate) busy_other: String,
    pub(crate) busy_often: String,
    pub(crate) busy_seconds: String,
    pub(crate) busy_minutes: String,
    pub(crate) busy_back: String,
}

/// Texts that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TextsError {
    /// The folder or a file in it cannot be read.
    #[error("{path} cannot be read: {source}; name a folder with texts such as de.toml")]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder holds none.
    #[error("{path} holds no texts; put en.toml, de.toml, es.toml or fr.toml there, or take texts_dir out")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not as it should be.
    #[error("{path}: {why}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// All texts.
#[derive(Debug)]
pub(crate) struct AllTexts(BTreeMap<Language, Texts>);

impl AllTexts {
    /// The built-in texts, with those of `dir` in the place of theirs.
    ///
    /// # Errors
    /// [`TextsError`]: a text that is wrong is found at the start, and not by a person.
    pub(crate) fn load(dir: Option<&Path>) -> Result<Self, TextsError> {
        let mut all = BTreeMap::new();
        let mut files = 0;
        for language in Language::ALL {
            // Unwrap safety: the built-in texts are parsed by a test.
            let mut table: toml::Table = language.built_in().parse().expect("the built-in texts are TOML");
            if let Some(dir) = dir {
                files += usize::from(lay_over(&mut table, &dir.join(format!("{}.toml", language.tag())))?);
            }
            // Unwrap safety: only texts whose keys are known were laid over it.
            let texts = Texts::deserialize(table).expect("the keys are those of the built-in texts");
            all.insert(language, texts);
        }
        match dir {
            Some(dir) if files == 0 => Err(TextsError::Empty { path: dir.to_owned() }),
            _ => Ok(Self(all)),
        }
    }

    /// The texts of a language.
    pub(crate) fn of(&self, language: Language) -> &Texts {
        &self.0[&language]
    }
}

/// Puts a file's texts in the place of the built-in ones. Whether there is such a file.
fn lay_over(table: &mut toml::Table, path: &Path) -> Result<bool, TextsError> {
    let wrong = |why: String| TextsError::Wrong { path: path.to_owned(), why };
    let unreadable = |source| TextsError::Unreadable { path: path.to_owned(), source };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unreadable(error)),
        Ok(found) if found.len() > MOST_BYTES => {
            return Err(wrong(format!("has more than {MOST_BYTES} bytes")));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let theirs: toml::Table = text.parse().map_err(|error| wrong(format!("is not TOML: {error}")))?;
    for (key, value) in theirs {
        let Some(ours) = table.get(&key).and_then(toml::Value::as_str) else {
            let known: Vec<_> = table.keys().map(String::as_str).collect();
            return Err(wrong(format!("`{key}` is not a text; the texts are {}", known.join(", "))));
        };
        let text = value.as_str().ok_or_else(|| wrong(format!("`{key}` must be a text")))?;
        check(&key, ours, text).map_err(|why| wrong(format!("`{key}` {why}")))?;
        table.insert(key, text.to_owned().into());
    }
    Ok(true)
}

fn check(key: &str, ours: &str, text: &str) -> Result<(), String> {
    let chars = text.chars().count();
    if !(1..=MOST_CHARS).contains(&chars) || model::text::printable(text, MOST_CHARS) != text {
        return Err(format!("must have 1 to {MOST_CHARS} visible characters"));
    }
    if key == "months" && text.split_whitespace().count() != 12 {
        return Err("must name the twelve months, with a space between them".to_owned());
    }
    for name in ["{day}", "{month}", "{year}", "{time}", "{count}"] {
        if text.contains(name) != ours.contains(name) {
            let verb = if ours.contains(name) { "must" } else { "must not" };
            return Err(format!("{verb} hold {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_text_with_the_same_places_in_it() {
        let all = AllTexts::load(None).unwrap();
        let table = |language: Language| -> toml::Table { language.built_in().parse().unwrap() };
        let english = table(Language::En);
        for language in Language::ALL {
            assert_eq!(all.of(language).months.split_whitespace().count(), 12, "{language:?}");
            let theirs = table(language);
            assert_eq!(theirs.len(), english.len());
            for (key, text) in &theirs {
                let (ours, text) = (english[key].as_str().unwrap(), text.as_str().unwrap());
                assert_eq!(check(key, ours, text), Ok(()), "{language:?} {key}");
                assert_eq!(text.contains("{brand}"), ours.contains("{brand}"), "{language:?} {key}");
            }
        }
    }

    #[test]
    fn the_language_is_the_best_that_we_have() {
        for (header, language) in [
            ("de-CH,de;q=0.9,en;q=0.8", Some(Language::De)),
            ("it, fr;q=0.5, es;q=0.7", Some(Language::Es)),
            ("de;q=0, en", Some(Language::En)),
            ("en;q=0.3,de;q=0.3", Some(Language::En)),
            ("DE", Some(Language::De)),
            ("deu", None),
            ("*", None),
            ("", None),
            ("fr;q=nonsense, es;q=-1, de;q=7", None),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
        assert_eq!(Language::of_locale("es-MX"), Some(Language::Es));
        assert_eq!(Language::of_locale("zh-CN"), None);
    }

    #[test]
    fn a_companys_texts_take_the_place_of_ours_and_wrong_ones_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(dir.path().join("de.toml"), text).unwrap();
        assert!(matches!(AllTexts::load(Some(dir.path())), Err(TextsError::Empty { .. })));
        write("title = \"Sind Sie es?\"\n");
        let all = AllTexts::load(Some(dir.path())).unwrap();
        assert_eq!(all.of(Language::De).title, "Sind Sie es?");
        assert_eq!(all.of(Language::De).button, AllTexts::load(None).unwrap().of(Language::De).button);
        for (text, part) in [
            ("titel = \"x\"", "`titel` is not a text"),
            ("title = 7", "`title` must be a text"),
            ("title = \"\"", "visible characters"),
            ("title = \"a\\u0007b\"", "visible characters"),
            ("months = \"Januar Februar\"", "twelve months"),
            ("date = \"{day}. {month}\"", "must hold {year}"),
            ("title = \"{count}\"", "must not hold {count}"),
            ("title", "is not TOML"),
        ] {
            write(text);
            let told = AllTexts::load(Some(dir.path())).unwrap_err().to_string();
            assert!(told.contains(part) && told.contains("de.toml"), "{text}: {told}");
        }
    }
}

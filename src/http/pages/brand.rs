//! What the pages look like: name, colour, picture, words. All of it is loaded and checked at the start.

use super::texts::{AllTexts, TextsError};
use crate::config::Links;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes of a picture at most: it goes along with every page.
const MOST_BYTES: u64 = 64 * 1024;

const STYLE: &str = include_str!("style.css");

/// The colour of the button, if the company names none.
const COLOR: (&str, &str) = ("#1f4e9c", "#ffffff");

/// What the pages are made with.
#[derive(Debug)]
pub(crate) struct Brand {
    /// Who asks; `None`: the texts have a word for it.
    pub(super) name: Option<String>,
    /// The picture as a `data:` URL.
    pub(super) logo: Option<String>,
    /// The style sheet.
    pub(super) style: String,
    /// Its digest, for the content policy.
    pub(super) style_source: String,
    /// The words.
    pub(super) texts: AllTexts,
}

/// A look that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum BrandError {
    /// The texts cannot be used.
    #[error(transparent)]
    Texts(#[from] TextsError),
    /// The picture cannot be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The picture is too large.
    #[error("{path} has more than {MOST_BYTES} bytes; it goes along with every page, so make it smaller")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is none of the pictures that every browser shows and that can hold no scripts.
    #[error(
        "{path} is not a PNG, JPEG or WebP picture; an SVG may hold scripts, so turn it into one of these"
    )]
    NotAPicture {
        /// The file.
        path: PathBuf,
    },
}

impl BrandError {
    /// The key of the configuration that is to blame.
    pub(crate) const fn key(&self) -> &'static str {
        match self {
            Self::Texts(_) => "links.texts_dir",
            Self::Unreadable { .. } | Self::TooLarge { .. } | Self::NotAPicture { .. } => "links.logo_file",
        }
    }
}

impl Brand {
    /// Loads what the configuration names.
    ///
    /// # Errors
    /// [`BrandError`] names what cannot be used, and why.
    pub(crate) fn load(links: &Links) -> Result<Self, BrandError> {
        let (color, on_color) = match links.brand_color {
            Some(color) => (color.css(), color.text().css()),
            None => (COLOR.0.to_owned(), COLOR.1.to_owned()),
        };
        let style = style(&color, &on_color);
        let digest = ring::digest::digest(&ring::digest::SHA256, style.as_bytes());
        Ok(Self {
            name: links.brand_name.clone(),
            logo: links.logo_file.as_deref().map(picture).transpose()?,
            style_source: format!("'sha256-{}'", BASE64_STANDARD.encode(digest)),
            style,
            texts: AllTexts::load(links.texts_dir.as_deref())?,
        })
    }
}

/// Both colours are six digits that were parsed: nothing else gets into the style sheet.
fn style(color: &str, on_color: &str) -> String {
    format!(":root{{--brand:{color};--on-brand:{on_color}}}\n{STYLE}")
}

fn picture(path: &Path) -> Result<String, BrandError> {
    let unreadable = |source| BrandError::Unreadable { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MOST_BYTES {
        return Err(BrandError::TooLarge { path: path.to_owned() });
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let kind = kind_of(&bytes).ok_or_else(|| BrandError::NotAPicture { path: path.to_owned() })?;
    Ok(format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes)))
}

/// The media type by what the file begins with, whatever it is called (WHATWG MIME Sniffing, section 6.1).
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    let is_webp = bytes.len() > 14 && bytes.starts_with(b"RIFF") && bytes[8..].starts_with(b"WEBPVP");
    match bytes {
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Some("image/png"),
        _ if bytes.starts_with(b"\xff\xd8\xff") => Some("image/jpeg"),
        _ if is_webp => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_what_it_holds_and_an_svg_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logo.png");
        let load = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            picture(&path)
        };
        assert!(load(b"\x89PNG\r\n\x1a\nrest").unwrap().starts_with("data:image/png;base64,"));
        assert!(load(b"\xff\xd8\xff\xe0rest").unwrap().starts_with("data:image/jpeg;base64,"));
        assert!(load(b"RIFF\x10\0\0\0WEBPVP8 rest").unwrap().starts_with("data:image/webp;base64,"));
        for bad in [&b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"[..], b"GIF89a", b"", b"RIFF"] {
            assert!(matches!(load(bad), Err(BrandError::NotAPicture { .. })), "{bad:?}");
        }
        let large = [b"\x89PNG\r\n\x1a\n".to_vec(), vec![0; 64 * 1024]].concat();
        assert!(matches!(load(&large), Err(BrandError::TooLarge { .. })));
        assert!(matches!(picture(&dir.path().join("none")), Err(BrandError::Unreadable { .. })));
    }
}

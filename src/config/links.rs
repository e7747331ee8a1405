//! `[links]`: what the company sends to its users, and how the page behind it looks.

use super::{
    jumio::Context,
    section::Section,
    urls::{self, UrlRules},
};
use std::{path::PathBuf, time::Duration};
use url::Url;

/// The page is white: against it the button must be seen (WCAG 2.2, 1.4.11).
const LEAST_CONTRAST: f64 = 3.0;

/// Days that a link may live at most.
pub(crate) const MOST_DAYS: u64 = 30;

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Links {
    /// Where people reach the public listener; `None`: where Jumio does.
    pub(crate) base_url: Option<Url>,
    /// How long a link lives if the company does not say.
    pub(crate) default_life: Duration,
    /// Final results after which a link is used up.
    pub(crate) max_results: u32,
    /// Who asks.
    pub(crate) brand_name: Option<String>,
    /// The colour of the button.
    pub(crate) brand_color: Option<Color>,
    /// A PNG, JPEG or WebP picture.
    pub(crate) logo_file: Option<PathBuf>,
    /// A folder with texts that take the place of the built-in ones.
    pub(crate) texts_dir: Option<PathBuf>,
}

/// A colour that was written as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Color([u8; 3]);

impl Color {
    const WHITE: Self = Self([255; 3]);
    const BLACK: Self = Self([0; 3]);

    /// Reads `#rrggbb`.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| Some(Self([byte(0)?, byte(2)?, byte(4)?])))?
    }

    /// The colour as `#rrggbb`.
    pub(crate) fn css(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// Black or white, whichever is read better on this colour: one of them always is well enough (4.5 to 1).
    pub(crate) fn text(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) { Self::WHITE } else { Self::BLACK }
    }

    /// The contrast ratio of WCAG 2.2, from 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// The relative luminance of WCAG 2.2.
    fn luminance(self) -> f64 {
        let linear = |byte: u8| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

pub(super) fn read(section: &mut Section<'_, '_>, context: Context) -> Links {
    let rules = UrlRules { loopback: context.simulated, ..UrlRules::default() };
    let days = section.number("default_days", 3, 1..=MOST_DAYS, "days");
    let max_results = section.number("max_attempts", 5, 1..=100, "attempts");
    Links {
        base_url: section.parsed("base_url", None, |text| urls::parse_url(text, rules), Url::to_string),
        default_life: Duration::from_secs(days * 86_400),
        max_results: u32::try_from(max_results).unwrap_or(u32::MAX),
        brand_name: section.parsed("brand_name", None, brand_name, String::clone),
        brand_color: section.parsed("brand_color", None, brand_color, |color| color.css()),
        logo_file: section.optional_path("logo_file"),
        texts_dir: section.optional_path("texts_dir"),
    }
}

fn brand_name(text: &str) -> Result<String, String> {
    let fits = (1..=60).contains(&text.chars().count()) && model::text::printable(text, 60) == text;
    if fits { Ok(text.to_owned()) } else { Err("must be 1 to 60 visible characters".to_owned()) }
}

fn brand_color(text: &str) -> Result<Color, String> {
    let color = Color::parse(text).ok_or_else(|| "must be a colour like #1a2b3c".to_owned())?;
    let contrast = color.contrast(Color::WHITE);
    if contrast >= LEAST_CONTRAST {
        return Ok(color);
    }
    Err(format!(
        "is too light: its contrast to the white page is {contrast:.1} to 1, and people need {LEAST_CONTRAST} to see \
         the button; take a darker one"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_that_nobody_sees_is_refused_and_the_text_on_others_can_be_read() {
        for (bad, part) in [
            ("red", "like #1a2b3c"),
            ("#12345", "like #1a2b3c"),
            ("#12345g", "like #1a2b3c"),
            ("#+1+1+1", "like #1a2b3c"),
            ("#ffffff", "too light"),
            ("#ffff00", "too light"),
        ] {
            assert!(brand_color(bad).unwrap_err().contains(part), "{bad}");
        }
        for good in ["#000000", "#0a7d3c", "#0B57D0", "#e60000", "#767676", "#8a8a8a"] {
            let color = brand_color(good).unwrap();
            assert!(color.contrast(color.text()) >= 4.5, "{good}");
            assert_eq!(color.css(), good.to_lowercase());
        }
        assert!((Color::WHITE.contrast(Color::BLACK) - 21.0).abs() < 1e-9);
    }
}

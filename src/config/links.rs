//! `[links]`: what the company sends to its users. Checked now, acts later.

use super::{
    jumio::Context,
    section::Section,
    urls::{self, UrlRules},
};
use url::Url;

pub(super) fn read(section: &mut Section<'_, '_>, context: Context) {
    let rules = UrlRules { loopback: context.simulated, ..UrlRules::default() };
    section.parsed("base_url", None, |text| urls::parse_url(text, rules), Url::to_string);
    section.number("default_days", 3, 1..=30, "days");
    section.number("max_attempts", 5, 1..=100, "attempts");
    section.parsed("brand_name", None, brand_name, String::clone);
    section.parsed("brand_color", None, brand_color, String::clone);
    section.optional_path("logo_file");
    section.optional_path("texts_dir");
}

fn brand_name(text: &str) -> Result<String, String> {
    let fits = (1..=60).contains(&text.chars().count()) && model::text::printable(text, 60) == text;
    if fits { Ok(text.to_owned()) } else { Err("must be 1 to 60 visible characters".to_owned()) }
}

fn brand_color(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('#').unwrap_or_default();
    let fits = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if fits { Ok(text.to_owned()) } else { Err("must be a colour like #1a2b3c".to_owned()) }
}

//! `[retention]`, `[purge]` and `[notifications]`, and the list of all keys that are checked now and act later.

use super::{
    jumio::Context,
    section::{Section, Setting},
    urls::{self, UrlRules},
    value::Origin,
};
use url::Url;

/// Keys that do nothing yet: a section, with a key or all of it.
const LATER: &[(&str, Option<&str>)] = &[
    ("callbacks", Some("forward_url")),
    ("ingest", Some("on_replacement")),
    ("reauth", Some("max_attempts")),
    ("reauth", Some("attempt_window_hours")),
    ("reauth", Some("delete_result")),
    ("links", None),
    ("store", Some("slot_backup_horizon_days")),
    ("retention", None),
    ("purge", None),
    ("notifications", None),
];

/// Whether a key is checked but does nothing in this version.
pub(crate) fn acts_later(setting: &Setting) -> bool {
    LATER.iter().any(|(section, key)| *section == setting.section && key.is_none_or(|key| key == setting.key))
}

/// The keys that somebody has set, and that do nothing yet.
pub(crate) fn set_but_later(settings: &[Setting]) -> Vec<String> {
    let set = |setting: &&Setting| acts_later(setting) && setting.origin != Origin::Default;
    settings.iter().filter(set).map(|setting| format!("{}.{}", setting.section, setting.key)).collect()
}

pub(super) fn read_retention(section: &mut Section<'_, '_>) {
    section.number("max_age_days", 0, 0..=36_500, "days");
    section.number("max_idle_days", 1095, 0..=36_500, "days");
    section.seconds("sweep_interval_seconds", 3600, 60..=86_400);
    section.fraction("max_fraction_per_day", 0.01);
}

pub(super) fn read_purge(section: &mut Section<'_, '_>) {
    section.number("confirm_above", 100, 0..=1_000_000, "enrollments");
}

pub(super) fn read_notifications(section: &mut Section<'_, '_>, context: Context) {
    // The company's own backend is inside: an address and a port are as good as a name.
    let rules = UrlRules { loopback: context.simulated, any_host: true, ..UrlRules::default() };
    let url = section.parsed("url", None, |text| urls::parse_url(text, rules), Url::to_string);
    let secrets = section.paths("secret_file");
    section.number("max_age_days", 7, 1..=90, "days");
    if secrets.len() > 2 {
        section
            .problem("secret_file", "names more than two files; two are enough while one replaces the other");
    }
    if url.is_some() && secrets.is_empty() {
        section.problem("secret_file", "is missing; events are signed with it");
    }
    if url.is_none() && !secrets.is_empty() && !section.is_set("url") {
        section.problem("url", "is missing; secret_file is for the events sent there");
    }
}

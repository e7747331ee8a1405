//! The list of all keys that are checked now and act later.

use super::{section::Setting, value::Origin};

/// Keys that do nothing yet: a section, with a key or all of it.
const LATER: &[(&str, Option<&str>)] =
    &[("callbacks", Some("forward_url")), ("reauth", Some("delete_result"))];

/// Whether a key is checked but does nothing in this version.
pub(crate) fn acts_later(setting: &Setting) -> bool {
    LATER.iter().any(|(section, key)| *section == setting.section && key.is_none_or(|key| key == setting.key))
}

/// The keys that somebody has set, and that do nothing yet.
pub(crate) fn set_but_later(settings: &[Setting]) -> Vec<String> {
    let set = |setting: &&Setting| acts_later(setting) && setting.origin != Origin::Default;
    settings.iter().filter(set).map(|setting| format!("{}.{}", setting.section, setting.key)).collect()
}

//! `[purge]`: how many are destroyed on one order without a dry run.

use super::section::Section;

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Purge {
    /// Orders about more enrollments need the token and the total of a dry run.
    pub(crate) confirm_above: u64,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Purge {
    Purge { confirm_above: section.number("confirm_above", 100, 0..=1_000_000, "enrollments") }
}

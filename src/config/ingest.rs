//! `[ingest]`: what happens with an onboarding.

use super::{jumio::Context, section::Section};
use ::ingest::{Accept, DeleteOriginal, OnReplacement};
use std::time::Duration;

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Ingest {
    /// Whose transactions are acted upon.
    pub(crate) accept: Accept,
    /// Beginnings of `customerInternalReference` that make a transaction known.
    pub(crate) reference_prefixes: Vec<String>,
    /// When the original is deleted at Jumio.
    pub(crate) delete_original: DeleteOriginal,
    /// Whether the original of somebody who is not eligible is deleted as well.
    pub(crate) delete_ineligible: bool,
    /// What becomes of an enrollment whose place another one took.
    pub(crate) on_replacement: OnReplacement,
    /// When a transaction that was not called back is asked for, counted from its start.
    pub(crate) poll_schedule: Vec<Duration>,
    /// How long a step is tried.
    pub(crate) retry_for: Duration,
    /// The largest facemap, in bytes.
    pub(crate) max_facemap: usize,
}

pub(super) fn read(section: &mut Section<'_, '_>, context: Context) -> Ingest {
    let accept = section.choice("accept", &[("known", Accept::Known), ("all", Accept::All)], Accept::Known);
    let reference_prefixes = section.list("reference_prefixes", Vec::new(), prefix, String::clone);
    let words = [
        ("on-release", DeleteOriginal::OnRelease),
        ("at-once", DeleteOriginal::AtOnce),
        ("never", DeleteOriginal::Never),
    ];
    let delete_original = section.choice("delete_original", &words, DeleteOriginal::OnRelease);
    let delete_ineligible = section.flag("delete_ineligible", false);
    let schedule = [40, 60, 100, 160, 240, 340, 460, 600, 760, 940];
    let poll_schedule = section.schedule("poll_schedule_seconds", &schedule, 10, 1..=86_400);
    let retry_for = Duration::from_hours(section.number("retry_for_hours", 72, 1..=720, "hours"));
    let max_facemap = section.bytes("max_facemap_bytes", 16_777_216, 1024..=67_108_864);
    let words = [("keep", OnReplacement::Keep), ("purge-previous", OnReplacement::PurgePrevious)];
    let on_replacement = section.choice("on_replacement", &words, OnReplacement::Keep);

    if !context.simulated && poll_schedule.first().is_some_and(|first| first.as_secs() < 40) {
        section.problem("poll_schedule_seconds", "begins before 40 seconds; Jumio asks for 40 at least");
    }
    Ingest {
        accept,
        reference_prefixes,
        delete_original,
        delete_ineligible,
        on_replacement,
        poll_schedule,
        retry_for,
        max_facemap,
    }
}

fn prefix(text: &str) -> Result<String, String> {
    if (1..=model::limits::USER_REFERENCE_CHARS).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic())
    {
        Ok(text.to_owned())
    } else {
        Err("has an entry that is not 1 to 100 printable ASCII characters without spaces".to_owned())
    }
}

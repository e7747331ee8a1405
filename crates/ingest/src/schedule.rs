//! When the Retrieval API is asked about a person who has not finished, as far as we know (jumio-api §4).

use crate::IngestConfig;
use jiff::Timestamp;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

/// When to ask next, after `polls` questions since `since` (the start, the announcement, or the last sign of life):
/// the configured offsets, then once a day.
#[must_use]
pub(crate) fn next_poll(config: &IngestConfig, since: Timestamp, polls: u32, now: Timestamp) -> Timestamp {
    let at = usize::try_from(polls).unwrap_or(usize::MAX);
    match config.poll_schedule.get(at) {
        Some(offset) => since + *offset,
        None => now + DAY,
    }
    .max(now)
}

/// When nobody waits any longer. After the token's end nobody can begin; without a known end the time starts with the
/// first we heard of it. A later callback or announcement still brings it back.
#[must_use]
pub(crate) fn abandon_at(
    config: &IngestConfig,
    created_at: Timestamp,
    token_expires_at: Option<Timestamp>,
) -> Timestamp {
    token_expires_at.unwrap_or(created_at) + config.retry_for
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn the_questions_follow_the_published_offsets_and_then_come_once_a_day() {
        let config = IngestConfig::default();
        let mut now = at(0);
        let mut asked = Vec::new();
        for polls in 0..12 {
            now = next_poll(&config, at(0), polls, now);
            asked.push(now.as_second());
        }
        let days = [940 + 86_400, 940 + 2 * 86_400];
        assert_eq!(asked, [&[40, 60, 100, 160, 240, 340, 460, 600, 760, 940][..], &days].concat());
    }

    #[test]
    fn a_question_that_is_late_is_due_now_and_never_in_the_past() {
        let config = IngestConfig::default();
        assert_eq!(next_poll(&config, at(0), 1, at(5000)), at(5000));
    }

    #[test]
    fn waiting_ends_after_the_tokens_end_and_the_configured_hours() {
        let config = IngestConfig::default();
        assert_eq!(abandon_at(&config, at(0), Some(at(3600))), at(3600 + 72 * 3600));
        assert_eq!(abandon_at(&config, at(10), None), at(10 + 72 * 3600));
    }
}

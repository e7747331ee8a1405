//! How fast a batch goes: what `perMinute` allows, and what was measured lately. Pure functions.

use jiff::{SignedDuration, Timestamp};
use register::{BatchRow, BatchState, ItemState};
use std::time::Duration;

/// What was put off may be caught up with for this long: not more, or a pause would be followed by a burst.
const CATCH_UP: Duration = Duration::from_secs(1);

/// A minute and what is caught up with: with this, no sliding minute holds more than is allowed.
const MINUTE: Duration = Duration::from_secs(61);

/// Seconds that are counted together.
const BUCKET_SECONDS: i64 = 10;

/// Seconds that the measured rate is about, at most.
const MEASURED_SECONDS: i64 = 300;

/// Less is not called a rate.
const SHORTEST_SECONDS: i64 = 20;

/// A batch that should go on and has not for this long is stalled.
pub(super) const STALLED_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How many may be taken now, `most` at most; or when the next may be.
pub(super) fn allowed(row: &BatchRow, now: Timestamp, most: usize) -> Result<usize, Timestamp> {
    let Some(gap) = gap(row) else { return Ok(most) };
    let from = from(row, now);
    if from > now {
        return Err(from);
    }
    let behind = Duration::try_from(now.duration_since(from)).unwrap_or_default();
    let places = usize::try_from(behind.as_micros() / gap.as_micros().max(1)).unwrap_or(usize::MAX);
    Ok(places.saturating_add(1).min(most))
}

/// Writes down that so many were taken.
pub(super) fn taken(row: &mut BatchRow, now: Timestamp, count: usize) {
    if let Some(gap) = gap(row) {
        row.next_at = Some(from(row, now) + gap * u32::try_from(count).unwrap_or(u32::MAX));
    }
}

fn gap(row: &BatchRow) -> Option<Duration> {
    row.terms.per_minute.map(|rate| MINUTE / rate.max(1))
}

fn from(row: &BatchRow, now: Timestamp) -> Timestamp {
    let next = row.next_at.unwrap_or(now);
    // A time from far ahead is one from before the clock was put back.
    let furthest = now + MINUTE;
    next.min(furthest).max(now - CATCH_UP)
}

/// Writes down that so many came to their end here.
pub(super) fn progressed(row: &mut BatchRow, now: Timestamp, count: usize) {
    if count == 0 {
        return;
    }
    row.progress_at = Some(now);
    row.trouble = None;
    let bucket = now.as_second().div_euclid(BUCKET_SECONDS);
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    row.lately.retain(|(at, _)| (bucket - MEASURED_SECONDS / BUCKET_SECONDS..=bucket).contains(at));
    match row.lately.last_mut() {
        Some((at, sum)) if *at == bucket => *sum = sum.saturating_add(count),
        _ => row.lately.push((bucket, count)),
    }
}

/// Items a minute, as measured over the last minutes in which it ran. `None`: not known.
pub(super) fn rate(row: &BatchRow, now: Timestamp) -> Option<f64> {
    if row.state != BatchState::Running {
        return None;
    }
    let measured = now.duration_since(row.since).as_secs().clamp(0, MEASURED_SECONDS);
    if measured < SHORTEST_SECONDS {
        return None;
    }
    let first = (now.as_second() - measured).div_euclid(BUCKET_SECONDS);
    let sum: u64 = row.lately.iter().filter(|(at, _)| *at >= first).map(|(_, sum)| u64::from(*sum)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people, not a count")]
    let rate = sum as f64 * 60.0 / measured as f64;
    Some((rate * 10.0).round() / 10.0)
}

/// Seconds until the last item is taken if it goes on like that. `None`: not known.
pub(super) fn seconds_left(row: &BatchRow, now: Timestamp) -> Option<u64> {
    let rate = rate(row, now).filter(|rate| *rate > 0.0)?;
    #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
    let seconds = (row.counts.of(ItemState::Queued) as f64 * 60.0 / rate).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and a cast saturates"
    )]
    let seconds = seconds as u64;
    Some(seconds)
}

/// Whether it should go on, and has not for a while.
pub(super) fn is_stalled(row: &BatchRow, now: Timestamp) -> bool {
    let should = match row.state {
        BatchState::Running => row.counts.of(ItemState::Queued) > 0,
        BatchState::Cancelling => true,
        _ => false,
    };
    let last =
        row.progress_at.map_or(row.since, |at| at.max(row.since)).max(row.next_at.unwrap_or(row.since));
    should && now.duration_since(last) >= STALLED_AFTER
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;

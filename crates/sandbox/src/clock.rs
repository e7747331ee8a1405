//! The sandbox's own clock: real time plus an offset, or standing still.
//!
//! Everything in this crate that depends on time (expiry, limits, dates in answers) reads this clock, so that
//! `PUT /_sandbox/clock` makes fifteen minutes pass at once.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::SandboxError;

/// A change of the clock, as `PUT /_sandbox/clock` takes it. The parts act in the order of the fields.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClockChange {
    /// Sets the clock to this moment.
    pub set: Option<Timestamp>,
    /// Moves the clock by this many seconds; negative values move it back.
    pub advance_seconds: Option<i64>,
    /// Moves the clock by this many milliseconds; negative values move it back.
    pub advance_millis: Option<i64>,
    /// `true` makes it stand still where it is, `false` lets it run again from there.
    pub frozen: Option<bool>,
}

/// Real time plus an offset; or a moment that only moves by hand.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    reading: Mutex<Reading>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Reading {
    offset: SignedDuration,
    frozen_at: Option<Timestamp>,
}

impl Clock {
    /// The sandbox's present.
    pub(crate) fn now(&self) -> Timestamp {
        let reading = *self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.now()
    }

    /// Whether the clock moves by hand only.
    pub(crate) fn is_frozen(&self) -> bool {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).frozen_at.is_some()
    }

    /// Applies a change whole or not at all, and returns the new present.
    pub(crate) fn apply(&self, change: &ClockChange) -> Result<Timestamp, SandboxError> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = change.set.unwrap_or_else(|| reading.now());
        let steps = [
            change.advance_seconds.map(SignedDuration::from_secs),
            change.advance_millis.map(SignedDuration::from_millis),
        ];
        for step in steps.into_iter().flatten() {
            now = now
                .checked_add(step)
                .map_err(|_| SandboxError::Invalid("the clock cannot go that far".to_owned()))?;
        }
        let frozen = change.frozen.unwrap_or(reading.frozen_at.is_some());
        *reading = Reading { offset: now.duration_since(real_now()), frozen_at: frozen.then_some(now) };
        Ok(now)
    }
}

impl Reading {
    fn now(self) -> Timestamp {
        self.frozen_at.unwrap_or_else(|| {
            let real = real_now();
            real.checked_add(self.offset).unwrap_or(real)
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox shares no code with the vault, not even model::Clock; this is its one reading of real time"
)]
fn real_now() -> Timestamp {
    Timestamp::now()
}

/// A date in one of Jumio's forms: UTC with 0 to 3 fraction digits, with or without the `Z`.
pub(crate) fn date(moment: Timestamp, fraction_digits: u8, zulu: bool) -> String {
    let text = match fraction_digits {
        0 => format!("{moment:.0}"),
        1 => format!("{moment:.1}"),
        2 => format!("{moment:.2}"),
        _ => format!("{moment:.3}"),
    };
    if zulu { text } else { text.trim_end_matches('Z').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_by_hand_only() {
        let clock = Clock::default();
        let start: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let change = ClockChange { set: Some(start), frozen: Some(true), ..ClockChange::default() };
        assert_eq!(clock.apply(&change).unwrap(), start);
        assert_eq!(clock.now(), start);
        clock.apply(&ClockChange { advance_millis: Some(1500), ..ClockChange::default() }).unwrap();
        assert_eq!(date(clock.now(), 3, true), "2026-03-01T10:00:01.500Z");
        assert!(clock.is_frozen());
    }

    #[test]
    fn dates_have_as_many_fraction_digits_as_asked() {
        let moment: Timestamp = "2019-05-30T08:37:35.129Z".parse().unwrap();
        let forms: Vec<String> = (0..4).map(|digits| date(moment, digits, true)).collect();
        let expected = [
            "2019-05-30T08:37:35Z",
            "2019-05-30T08:37:35.1Z",
            "2019-05-30T08:37:35.12Z",
            "2019-05-30T08:37:35.129Z",
        ];
        assert_eq!(forms, expected);
        assert_eq!(date(moment, 3, false), "2019-05-30T08:37:35.129");
    }

    #[test]
    fn a_change_that_cannot_be_made_changes_nothing() {
        let clock = Clock::default();
        clock.apply(&ClockChange { frozen: Some(true), ..ClockChange::default() }).unwrap();
        let before = clock.now();
        let change = ClockChange { advance_seconds: Some(i64::MAX), ..ClockChange::default() };
        assert!(clock.apply(&change).is_err());
        assert_eq!(clock.now(), before);
    }
}

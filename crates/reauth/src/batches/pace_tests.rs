use super::*;
use model::Channel;
use proptest::prelude::*;
use register::{BatchSource, BatchTerms, Counts, Delivery, ItemReason, ItemRow};
use serde_json::Value;

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).unwrap()
}

fn row(per_minute: Option<u32>) -> BatchRow {
    BatchRow {
        state: BatchState::Running,
        since: at(0),
        created_at: at(0),
        source: BatchSource::Csv,
        terms: BatchTerms {
            delivery: Delivery::Link,
            channel: Channel::Web,
            success_url: None,
            error_url: None,
            locale: None,
            purpose: None,
            request_reference: None,
            expires_at: None,
            per_minute,
        },
        actor: Value::Null,
        total: 0,
        unknown: 0,
        repeated: 0,
        counts: Counts::default(),
        in_hand: Vec::new(),
        next_at: None,
        lately: Vec::new(),
        progress_at: None,
        changed_at: None,
        trouble: None,
        cancelled_to: None,
        completed_at: None,
    }
}

fn queued(row: &mut BatchRow, count: u64) {
    let mut item = ItemRow::skipped(at(0), ItemReason::Unknown);
    item.state = ItemState::Queued;
    item.reason = None;
    (0..count).for_each(|_| row.counts.add(&item));
}

proptest! {
    #[test]
    fn no_sliding_minute_holds_more_than_is_allowed_and_nearly_all_of_it_is_used(
        rate in 1_u32..2000,
        steps in proptest::collection::vec(1_i64..400, 50..2000),
    ) {
        let mut row = row(Some(rate));
        let (mut now, mut times) = (0, Vec::new());
        for step in steps {
            now += step;
            if let Ok(count) = allowed(&row, at(now), 64) {
                taken(&mut row, at(now), count);
                times.extend(std::iter::repeat_n(now, count));
            }
        }
        let rate = rate as usize;
        for some in times.windows(rate + 1) {
            prop_assert!(some[rate] - some[0] >= 60_000, "{} within {} ms", rate + 1, some[rate] - some[0]);
        }
        // No step is longer than what is caught up with: nearly all of it is used, where 64 at once are enough.
        let elapsed = u64::try_from(now).unwrap();
        let wanted = usize::try_from(elapsed * rate as u64 * 97 / (61_000 * 100)).unwrap();
        prop_assert!(times.len() + 2 >= wanted, "{} of {}", times.len(), wanted);
    }
}

#[test]
fn a_long_stop_is_not_followed_by_a_burst() {
    let mut row = row(Some(60));
    taken(&mut row, at(0), 1);
    let hour = at(3_600_000);
    assert_eq!(allowed(&row, hour, 64), Ok(1));
    taken(&mut row, hour, 1);
    assert_eq!(allowed(&row, hour, 64).map_err(|next| next > hour), Err(true));
}

#[test]
fn without_a_pace_everything_may_go() {
    assert_eq!(allowed(&row(None), at(0), 64), Ok(64));
}

#[test]
fn a_rate_is_measured_or_not_known() {
    let mut row = row(None);
    queued(&mut row, 600);
    assert_eq!((rate(&row, at(5000)), seconds_left(&row, at(5000))), (None, None), "too early");
    for second in 0..60 {
        progressed(&mut row, at(second * 1000), 3);
    }
    assert_eq!(rate(&row, at(60_000)), Some(180.0));
    assert_eq!(seconds_left(&row, at(60_000)), Some(200));
    // It has stopped: the rate falls, and at last nobody knows when it ends.
    assert_eq!(rate(&row, at(120_000)), Some(90.0));
    assert_eq!(rate(&row, at(600_000)), Some(0.0));
    assert_eq!(seconds_left(&row, at(600_000)), None);
    row.state = BatchState::Paused;
    assert_eq!((rate(&row, at(60_000)), seconds_left(&row, at(60_000))), (None, None));
}

#[test]
fn a_batch_is_stalled_when_it_should_go_on_and_does_not() {
    let mut row = row(None);
    assert!(!is_stalled(&row, at(3_600_000)), "nothing waits");
    queued(&mut row, 1);
    assert!(!is_stalled(&row, at(299_000)));
    assert!(is_stalled(&row, at(300_000)));
    progressed(&mut row, at(200_000), 1);
    assert!(!is_stalled(&row, at(300_000)));
    row.state = BatchState::Paused;
    assert!(!is_stalled(&row, at(3_600_000)), "somebody wants it to stand");
}

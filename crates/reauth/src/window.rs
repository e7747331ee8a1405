//! The window's rules, as pure functions: what a request may do, given what is stored and the time.

use jiff::{SignedDuration, Timestamp};
use model::AuthenticationId;
use register::{WindowRow, WindowState};

/// Times that a transaction may knowingly be replaced within an hour, for one enrollment (contract §4).
pub const REPLACEMENTS_PER_HOUR: usize = 3;

/// Doublings of the settle time at most: with 30 seconds that is a little over four hours.
const MOST_DOUBLINGS: u32 = 9;

/// What a request finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nothing is open: the request may claim the window.
    Free,
    /// A transaction is open at Jumio.
    Open(AuthenticationId),
    /// This process is about to post, or posts.
    Busy,
    /// Another process holds it. Where one process has the store to itself, an earlier one left it behind: see
    /// [`recover`].
    Elsewhere,
    /// Nobody knows whether a transaction is open. Nothing may be posted before this time.
    Unsettled(Timestamp),
}

/// What the stored window means at `now` for a process.
#[must_use]
pub fn find(row: &WindowRow, process: u64, now: Timestamp) -> Finding {
    match &row.state {
        WindowState::Free => Finding::Free,
        WindowState::Claimed { process: holder, .. } | WindowState::Posting { process: holder, .. } => {
            if *holder == process {
                Finding::Busy
            } else {
                Finding::Elsewhere
            }
        }
        WindowState::Initiated { by, until } => {
            if now < *until {
                Finding::Open(*by)
            } else {
                Finding::Free
            }
        }
        WindowState::Unknown { settled_at, .. } => {
            if now < *settled_at {
                Finding::Unsettled(*settled_at)
            } else {
                Finding::Free
            }
        }
    }
}

/// The window once whoever held it is gone: a claim had posted nothing, so it is given back; a post may have been
/// carried out, so its outcome is unknown. The id is that of the authentication whose outcome is unknown from now on.
/// `None`: nobody held it.
#[must_use]
pub fn recover(
    row: &WindowRow,
    now: Timestamp,
    settle: SignedDuration,
    replaced_until: Option<Timestamp>,
) -> Option<(WindowRow, Option<AuthenticationId>)> {
    match &row.state {
        WindowState::Claimed { replaces, .. } => Some((give_back(row, replaces.zip(replaced_until)), None)),
        WindowState::Posting { by, .. } => Some((unknown(row, *by, now, settle), Some(*by))),
        _ => None,
    }
}

/// Whether one more knowing replacement is allowed, and if not, when it will be.
///
/// # Errors
/// The time from which on it is allowed.
pub fn may_replace(row: &WindowRow, now: Timestamp) -> Result<(), Timestamp> {
    let recent = replacements_since(row, now);
    match recent.len().checked_sub(REPLACEMENTS_PER_HOUR) {
        Some(over) => Err(recent[over] + SignedDuration::from_hours(1)),
        None => Ok(()),
    }
}

/// The window when a caller has the right to post.
#[must_use]
pub fn claim(
    row: &WindowRow,
    by: AuthenticationId,
    process: u64,
    now: Timestamp,
    replaces: Option<AuthenticationId>,
) -> WindowRow {
    WindowRow { state: WindowState::Claimed { by, process, since: now, replaces }, ..row.clone() }
}

/// The window at the moment before the first byte.
#[must_use]
pub fn post(
    row: &WindowRow,
    by: AuthenticationId,
    process: u64,
    now: Timestamp,
    replaces: Option<AuthenticationId>,
) -> WindowRow {
    WindowRow { state: WindowState::Posting { by, process, since: now, replaces }, ..row.clone() }
}

/// The window once Jumio has created the transaction. A knowing replacement counts from here: one that failed cost
/// nobody a transaction.
#[must_use]
pub fn initiated(
    row: &WindowRow,
    by: AuthenticationId,
    now: Timestamp,
    until: Timestamp,
    replaced: bool,
) -> WindowRow {
    let mut replaced_at = replacements_since(row, now);
    if replaced {
        replaced_at.push(now);
    }
    WindowRow { state: WindowState::Initiated { by, until }, unknown_in_a_row: 0, replaced_at }
}

/// The window when nobody knows whether Jumio created the transaction. Each unknown outcome in a row doubles the time
/// during which nothing is posted.
#[must_use]
pub fn unknown(row: &WindowRow, by: AuthenticationId, now: Timestamp, settle: SignedDuration) -> WindowRow {
    let doublings = row.unknown_in_a_row.min(MOST_DOUBLINGS);
    let settled_at = now + settle * 2_i32.pow(doublings);
    WindowRow {
        state: WindowState::Unknown { by, settled_at },
        unknown_in_a_row: row.unknown_in_a_row.saturating_add(1),
        replaced_at: row.replaced_at.clone(),
    }
}

/// The window after Jumio's refusal: a known outcome, so the unknown ones are no longer in a row.
#[must_use]
pub fn refused(row: &WindowRow, still_open: Option<(AuthenticationId, Timestamp)>) -> WindowRow {
    WindowRow { unknown_in_a_row: 0, ..give_back(row, still_open) }
}

/// The window when nothing was created: free again, or still open with the transaction that was to be replaced.
#[must_use]
pub fn give_back(row: &WindowRow, still_open: Option<(AuthenticationId, Timestamp)>) -> WindowRow {
    let state = match still_open {
        Some((by, until)) => WindowState::Initiated { by, until },
        None => WindowState::Free,
    };
    WindowRow { state, ..row.clone() }
}

/// The window after a final result, if it is the one of the open transaction: a final state ends it early.
#[must_use]
pub fn finish(row: &WindowRow, by: AuthenticationId) -> Option<WindowRow> {
    match &row.state {
        WindowState::Initiated { by: open, .. } if *open == by => {
            Some(WindowRow { state: WindowState::Free, ..row.clone() })
        }
        _ => None,
    }
}

/// The authentication that holds the window for a post.
#[must_use]
pub fn holder(row: &WindowRow) -> Option<AuthenticationId> {
    match &row.state {
        WindowState::Claimed { by, .. } | WindowState::Posting { by, .. } => Some(*by),
        _ => None,
    }
}

/// The open authentication whose place the holder wants to take.
#[must_use]
pub fn replaced(row: &WindowRow) -> Option<AuthenticationId> {
    match &row.state {
        WindowState::Claimed { replaces, .. } | WindowState::Posting { replaces, .. } => *replaces,
        _ => None,
    }
}

/// The transaction that is open at Jumio as far as the window says; also while somebody is about to take its place.
#[must_use]
pub fn open(row: &WindowRow) -> Option<AuthenticationId> {
    match &row.state {
        WindowState::Initiated { by, .. } => Some(*by),
        _ => replaced(row),
    }
}

/// When something may be posted again, if the outcome of the last post is unknown.
#[must_use]
pub fn settled_at(row: &WindowRow) -> Option<Timestamp> {
    match &row.state {
        WindowState::Unknown { settled_at, .. } => Some(*settled_at),
        _ => None,
    }
}

fn replacements_since(row: &WindowRow, now: Timestamp) -> Vec<Timestamp> {
    let hour_ago = now - SignedDuration::from_hours(1);
    row.replaced_at.iter().copied().filter(|at| *at > hour_ago).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::rng::SeededRng;

    const SETTLE: SignedDuration = SignedDuration::from_secs(30);

    fn id(n: u64) -> AuthenticationId {
        AuthenticationId::random(&SeededRng::new(n))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn an_open_transaction_is_open_until_its_last_moment_and_not_longer() {
        let open = initiated(&WindowRow::free(), id(1), at(0), at(900), false);
        assert_eq!(find(&open, 7, at(899)), Finding::Open(id(1)));
        assert_eq!(find(&open, 7, at(900)), Finding::Free);
    }

    #[test]
    fn only_this_process_is_waited_for() {
        for row in [
            claim(&WindowRow::free(), id(1), 7, at(0), None),
            post(&WindowRow::free(), id(1), 7, at(0), None),
        ] {
            assert_eq!(find(&row, 7, at(1)), Finding::Busy);
            assert_eq!(find(&row, 8, at(1)), Finding::Elsewhere);
        }
    }

    #[test]
    fn a_restart_releases_a_claim_and_makes_a_post_unknown() {
        let claimed = claim(&WindowRow::free(), id(1), 7, at(0), None);
        assert_eq!(recover(&claimed, at(5), SETTLE, None), Some((WindowRow::free(), None)));
        let posting = post(&WindowRow::free(), id(1), 7, at(0), None);
        let (row, lost) = recover(&posting, at(5), SETTLE, None).unwrap();
        assert_eq!(lost, Some(id(1)));
        assert_eq!(find(&row, 8, at(34)), Finding::Unsettled(at(35)));
        assert_eq!(find(&row, 8, at(35)), Finding::Free);
        assert_eq!(recover(&row, at(5), SETTLE, None), None, "an unknown outcome stays unknown");
    }

    #[test]
    fn a_claim_to_replace_gives_the_old_transaction_back() {
        let open = initiated(&WindowRow::free(), id(1), at(0), at(900), false);
        let claimed = claim(&open, id(2), 7, at(10), Some(id(1)));
        let (row, _) = recover(&claimed, at(20), SETTLE, Some(at(900))).unwrap();
        assert_eq!(find(&row, 8, at(20)), Finding::Open(id(1)));
        assert_eq!(give_back(&claimed, Some((id(1), at(900)))).state, open.state);
    }

    #[test]
    fn each_unknown_outcome_in_a_row_doubles_the_settle_time_and_a_known_one_ends_the_row() {
        let mut row = WindowRow::free();
        for seconds in [30, 60, 120, 240] {
            row = unknown(&row, id(1), at(0), SETTLE);
            assert_eq!(find(&row, 7, at(0)), Finding::Unsettled(at(seconds)));
        }
        for _ in 0..100 {
            row = unknown(&row, id(1), at(0), SETTLE);
        }
        assert_eq!(find(&row, 7, at(0)), Finding::Unsettled(at(30 * 512)), "bounded");
        row = initiated(&row, id(2), at(0), at(900), false);
        assert_eq!(find(&unknown(&row, id(3), at(0), SETTLE), 7, at(0)), Finding::Unsettled(at(30)));
    }

    #[test]
    fn three_replacements_an_hour_and_no_more() {
        let mut row = WindowRow::free();
        for minute in 0..3 {
            assert_eq!(may_replace(&row, at(minute * 60)), Ok(()));
            row = initiated(&row, id(1), at(minute * 60), at(2000), true);
        }
        assert_eq!(may_replace(&row, at(180)), Err(at(3600)));
        assert_eq!(may_replace(&row, at(3599)), Err(at(3600)));
        assert_eq!(may_replace(&row, at(3600)), Ok(()));
        assert_eq!(
            initiated(&row, id(1), at(9000), at(9900), false).replaced_at,
            Vec::new(),
            "forgotten in time"
        );
    }

    #[test]
    fn only_the_open_transactions_own_result_ends_the_window() {
        let open = initiated(&WindowRow::free(), id(1), at(0), at(900), false);
        assert_eq!(finish(&open, id(2)), None);
        assert_eq!(finish(&open, id(1)).unwrap().state, WindowState::Free);
        assert_eq!(finish(&unknown(&open, id(1), at(0), SETTLE), id(1)), None);
    }
}

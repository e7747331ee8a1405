//! `[reauth]`: the window, its results, and where people may be sent back to.

use super::{jumio::Context, section::Section, urls};
use model::limits;
use std::time::Duration;

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Reauth {
    /// How long one transaction stands for an enrollment.
    pub(crate) window: Duration,
    /// How long an unknown outcome blocks the next try, the first time.
    pub(crate) settle: Duration,
    /// How long a caller waits for the budget or for another caller's post.
    pub(crate) wait: Duration,
    /// When a result that was not called back is asked for, counted from the start.
    pub(crate) result_poll: Vec<Duration>,
    /// How long a passed authentication can be redeemed.
    pub(crate) result_valid: Duration,
    /// Transactions of a user at most, over all channels, within `attempt_window`.
    pub(crate) max_attempts: usize,
    /// See `max_attempts`.
    pub(crate) attempt_window: Duration,
    /// Hosts that `successUrl` and `errorUrl` may name.
    pub(crate) allowed_redirect_hosts: Vec<String>,
}

pub(super) fn read(section: &mut Section<'_, '_>, context: Context) -> Reauth {
    let jumios_window = u64::from(limits::JUMIO_WINDOW_MINUTES) * 60;
    let shortest = if context.simulated { 1 } else { jumios_window };
    let window = section.seconds("window_seconds", jumios_window, shortest..=86_400);
    let settle = section.seconds("settle_seconds", 30, 1..=3600);
    let wait = section.seconds("wait_seconds", 10, 0..=60);
    let result_poll = section.schedule("result_poll_seconds", &[30, 60, 120, 240, 480, 900], 20, 1..=86_400);
    let result_valid = section.seconds("result_valid_seconds", 300, 1..=86_400);
    let host = |text: &str| urls::host_name(text, context.simulated);
    let allowed_redirect_hosts = section.list("allowed_redirect_hosts", Vec::new(), host, String::clone);
    let max_attempts = section.number("max_attempts", 5, 1..=1000, "attempts");
    let attempt_hours = section.number("attempt_window_hours", 24, 1..=720, "hours");
    section.choice("delete_result", &[("never", ()), ("after-event", ())], ());

    if settle <= context.timeout {
        let least = context.timeout.as_secs() + 1;
        let text = format!(
            "must be longer than jumio.timeout_seconds, else an unknown post could still be under way; write {least} or more"
        );
        section.problem("settle_seconds", text);
    }
    Reauth {
        window,
        settle,
        wait,
        result_poll,
        result_valid,
        max_attempts: usize::try_from(max_attempts).unwrap_or(usize::MAX),
        attempt_window: Duration::from_secs(attempt_hours * 3600),
        allowed_redirect_hosts,
    }
}

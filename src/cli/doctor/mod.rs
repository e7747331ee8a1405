//! `doctor`: looks at everything around a vault that can be wrong, and says a line about each. It changes nothing, opens
//! no record, and may run beside a vault in service.

mod disk;
mod network;

use super::ConfigArg;
use crate::{
    boot::keys::open_keys,
    config::{self, Config},
    failure::Failure,
};
use jiff::Timestamp;
use model::{Clock as _, Rng, SystemClock, text::printable};
use seal::{KeyProvider as _, Place, SystemRng};
use std::{future::Future, sync::Arc, time::Duration};

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// No vault ran before this: a clock that shows less was never set.
const EARLIEST: &str = "2026-01-01T00:00:00Z";
const LINE_CHARS: usize = 400;
/// Where the value lies that the key provider is tried with: nowhere.
const TRIAL: Place<'static> = Place { table: "doctor", record: b"", field: "trial", generation: 0 };

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Well(String),
    Attention(String),
}

use Seen::{Attention, Well};

pub(super) fn run(args: &ConfigArg) -> Result<(), Failure> {
    let config = Config::load(&args.config)?;
    super::block_on(async {
        let seen = look(&config).await;
        let mut wanting = 0;
        for (what, seen) in seen {
            let (mark, text) = match seen {
                Well(text) => ("ok", text),
                Attention(text) => {
                    wanting += 1;
                    ("ATTENTION", text)
                }
            };
            println!("{mark:<9}  {what:<13}  {}", printable(&text, LINE_CHARS));
        }
        match wanting {
            0 => Ok(()),
            1 => Err(Failure::damage("one thing needs attention")),
            more => Err(Failure::damage(format!("{more} things need attention"))),
        }
    })
}

/// Everything, in the order in which it is told; what waits for others is looked at together.
async fn look(config: &Config) -> Vec<(&'static str, Seen)> {
    let mut seen = configuration(config);
    seen.extend(disk::permissions(config).into_iter().map(|seen| ("permissions", seen)));
    let (drift, jumio, keys) = tokio::join!(
        in_time(network::callback_addresses(config)),
        in_time(network::jumio(config)),
        in_time(keys(config)),
    );
    let reached = match jumio {
        Ok(reached) => reached,
        Err(slow) => network::Reached { tls: slow, clock: None },
    };
    let now = SystemClock.now();
    seen.push(("clock", reached.clock.map_or_else(|| unset_clock(now), |theirs| clock(now, theirs))));
    seen.push(("callbacks", drift.unwrap_or_else(|slow| slow)));
    seen.push(("Jumio", reached.tls));
    let disks = tokio::task::spawn_blocking({
        let places = disk::places(config);
        move || disk::look(&places)
    });
    match in_time(disks).await {
        Ok(Ok(disks)) => seen.extend(disks.into_iter().map(|seen| ("disk", seen))),
        Ok(Err(_stopped)) => {
            seen.push(("disk", Attention("the look at the disks did not come to its end".into())));
        }
        Err(slow) => seen.push(("disk", slow)),
    }
    seen.push(("keys", keys.unwrap_or_else(|slow| slow)));
    seen
}

async fn in_time<T>(look: impl Future<Output = T>) -> Result<T, Seen> {
    within(PATIENCE, look).await
}

async fn within<T>(patience: Duration, look: impl Future<Output = T>) -> Result<T, Seen> {
    let slow = |_| Attention(format!("no answer within {} s; what is asked here hangs", patience.as_secs()));
    tokio::time::timeout(patience, look).await.map_err(slow)
}

fn configuration(config: &Config) -> Vec<(&'static str, Seen)> {
    let mut problems = config::unsupported(config);
    problems.extend(config::check_files(config));
    let mut seen: Vec<Seen> = problems.iter().map(|problem| Attention(problem.to_string())).collect();
    seen.extend(config::warnings(config).into_iter().map(Attention));
    if seen.is_empty() {
        seen.push(Well("it is complete, and every file that it names is there".into()));
    }
    seen.into_iter().map(|seen| ("configuration", seen)).collect()
}

fn unset_clock(now: Timestamp) -> Seen {
    // Unwrap safety: a constant that a test reads.
    let earliest: Timestamp = EARLIEST.parse().expect("a time");
    if now < earliest {
        return Attention(format!("it shows {now}: it was never set, and every time limit goes wrong"));
    }
    Well(format!("it shows {now:.0}; nobody could be asked whether that is right"))
}

/// Jumio's windows and results are judged by times: seconds do not matter, minutes do.
fn clock(ours: Timestamp, theirs: Timestamp) -> Seen {
    let apart = ours.duration_since(theirs).unsigned_abs();
    if apart > Duration::from_mins(1) {
        return Attention(format!(
            "it differs from Jumio's by {} s; let a time service set it, or results look older than they are",
            apart.as_secs()
        ));
    }
    Well(format!("it agrees with Jumio's within {} s", apart.as_secs().max(1)))
}

/// Wraps a random value and unwraps it, as the service does for each facemap.
async fn keys(config: &Config) -> Seen {
    let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
    let open = match open_keys(&config.keys, &rng).await {
        Ok(open) => open,
        Err(closed) => {
            return Attention(format!(
                "{}; nothing can be decrypted before this works",
                Failure::from(closed)
            ));
        }
    };
    let mut value = zeroize::Zeroizing::new([0; 32]);
    rng.fill(&mut *value);
    let came_back = match open.provider.wrap(&TRIAL, &*value).await {
        Ok(wrapped) => open.provider.unwrap(&TRIAL, &wrapped).await,
        Err(error) => Err(error),
    };
    match came_back {
        Ok(back) if *back == *value => Well(format!(
            "the provider `{}` wraps and unwraps under key {}",
            open.provider.name(),
            open.provider.active()
        )),
        Ok(_) => {
            Attention("the provider gave back another value than it was given; do not serve with it".into())
        }
        Err(error) => Attention(format!("the provider opens, and then: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_minutes_off_needs_attention() {
        let noon: Timestamp = "2027-01-31T12:00:00Z".parse().unwrap();
        assert!(matches!(clock(noon, noon + Duration::from_secs(30)), Well(_)));
        assert!(matches!(clock(noon, noon + Duration::from_secs(90)), Attention(_)));
        assert!(matches!(clock(noon, noon - Duration::from_secs(90)), Attention(_)));
        assert!(matches!(unset_clock("2000-01-01T00:00:00Z".parse().unwrap()), Attention(_)));
    }

    #[tokio::test]
    async fn what_hangs_is_told_and_not_waited_for() {
        assert!(matches!(within(Duration::ZERO, std::future::pending::<()>()).await, Err(Attention(_))));
    }
}

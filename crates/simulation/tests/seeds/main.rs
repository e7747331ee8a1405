//! Seeds: run, held against the invariants, and replayed.

mod cast;
mod chance;
mod dice;
mod invariants;
mod jumio;
mod model;
mod operations;
mod run;
mod stage;
mod store;
mod world;

use run::{Outcome, Run};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Seeds that the tests run.
const SEEDS: u64 = 2000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Runs seeds on all cores.
fn run_all(first: u64, seeds: u64) -> (Outcome, Vec<(u64, Outcome)>) {
    let next = AtomicU64::new(first);
    let ended = Mutex::new((Outcome::default(), Vec::new()));
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + seeds {
                        return;
                    }
                    let outcome = Run::of(seed);
                    let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                    ended.0.add(&outcome);
                    if !outcome.wrong.is_empty() {
                        ended.1.push((seed, outcome));
                    }
                }
            });
        }
    });
    ended.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn whatever_happens_nothing_that_was_promised_is_broken() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let outcome = Run::of(seed);
        for line in &outcome.trace {
            println!("{line}");
        }
        assert!(outcome.wrong.is_empty(), "seed {seed}: {:#?}", outcome.wrong);
        return;
    }
    let first = number("SIMULATION_FIRST").unwrap_or(1);
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (all, mut wrong) = run_all(first, seeds);
    println!("{seeds} seeds from {first}: {}", all.told());
    wrong.sort_by_key(|(seed, _)| *seed);
    for (seed, outcome) in &wrong {
        println!("seed {seed}: {:#?}", outcome.wrong);
    }
    let failed: Vec<u64> = wrong.iter().map(|(seed, _)| *seed).collect();
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds fail: {failed:?}; replay one with SIMULATION_SEED",
        failed.len()
    );
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    for seed in 1..=20 {
        let (once, again) = (Run::of(seed), Run::of(seed));
        assert!(once.trace.len() > 50, "seed {seed} does something");
        let differs = once.trace.iter().zip(&again.trace).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(once.trace.len(), again.trace.len(), "seed {seed}");
    }
}

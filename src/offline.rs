//! A house at rest: the floor that the offline commands work on, without anything being served. Whoever holds the slot
//! file's lock is alone.

use crate::{
    boot::{engine::Engine, keys::open_keys},
    config::Config,
    failure::Failure,
};
use indicatif::ProgressBar;
use model::{Clock, Rng, SystemClock};
use queue::Kind;
use records::Shape;
use repair::{Ground, Progress, RepairError, Stage};
use seal::{KeyProvider, SystemRng};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use vault::{Mode, VaultPaths};

/// Jobs that a restore lays down again: of transactions on their way, and of purges.
const KEPT_JOBS: [Kind; 4] = [Kind::Enrollment, Kind::Purge, Kind::Erasure, Kind::JumioDeletion];

/// All tables, as their rooms describe them.
pub(crate) fn shapes() -> Vec<Shape> {
    [
        register::shapes(),
        audit::shapes(),
        queue::shapes(),
        ingest::shapes(),
        custody::shapes(),
        notify::shapes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The floor under the house that a configuration names. Opens the keys, and nothing else.
pub(crate) async fn ground(config: &Config) -> Result<Ground, Failure> {
    let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
    let open = open_keys(&config.keys, &rng).await?;
    let days = u64::from(config.store.slot_backup_horizon_days);
    Ok(Ground {
        engine: Arc::new(Engine::new(config.store.min_free_bytes)),
        db: config.store.db_dir(),
        paths: VaultPaths {
            slots_dir: config.store.slots_path.clone(),
            content_dir: config.store.content_dir(),
        },
        anchor: config.store.anchor_path(),
        mode: if config.jumio.simulated { Mode::Simulated } else { Mode::Real },
        provider: open.provider as Arc<dyn KeyProvider>,
        keys: open.held,
        shapes,
        kept_jobs: KEPT_JOBS.map(|kind| kind as u8).to_vec(),
        window: config.reauth.window,
        slot_backup_horizon: Duration::from_secs(days * 86_400),
        clock: Arc::new(SystemClock) as Arc<dyn Clock>,
        rng,
    })
}

/// Why a command of repair did not do what it should, with its code: damage and refused checks are 2.
pub(crate) fn failed(error: RepairError) -> Failure {
    if error.is_refusal() || error.is_corrupt_store() {
        Failure::damage(error)
    } else {
        Failure::failed(error)
    }
}

/// A progress bar for each stage of a walk, on a terminal.
#[derive(Default)]
pub(crate) struct Bars(Mutex<Option<(Stage, ProgressBar)>>);

impl Bars {
    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some((_, bar)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bars {
    fn at(&self, stage: Stage, done: u64, of: Option<u64>) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.as_ref().is_none_or(|(now, _)| *now != stage) {
            if let Some((_, bar)) = shown.take() {
                bar.finish_and_clear();
            }
            *shown = Some((stage, crate::client::bar(of.unwrap_or(0), stage.as_str())));
        }
        if let Some((_, bar)) = shown.as_ref() {
            if let Some(of) = of {
                bar.set_length(of);
            }
            bar.set_position(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from here on belong to rooms that do not tell of their tables yet. Lower it to nothing as they do: `verify`
    /// takes a table that nobody tells of for one of a newer version.
    const NOT_TOLD_YET: u8 = 70;

    #[test]
    fn every_table_is_told_of_once_so_that_the_walk_knows_it() {
        let numbered = include_str!("../crates/records/src/tables.rs");
        let numbers: Vec<u8> = numbered
            .lines()
            .filter_map(|line| line.strip_suffix(");")?.split_once("= TableId(")?.1.parse().ok())
            .filter(|number| *number < NOT_TOLD_YET)
            .collect();
        assert!(numbers.len() > 30);
        let shapes = shapes();
        for number in numbers {
            let told = shapes.iter().filter(|shape| shape.id().0 == number).count();
            assert_eq!(told, 1, "table {number}");
        }
    }
}

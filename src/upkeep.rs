//! Checks and backups of a running house: one of each at a time, in the background, and what came of the last.

use crate::{boot::House, config::Config, offline};
use audit::Actor;
use repair::{BackupParts, Manifest, Progress, RepairError, Report, Stage, VerifyParts};
use serde::Serialize;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{runtime::Handle, sync::Semaphore};

/// How long something that seems wrong is left alone before it is looked at again.
const PAUSE: Duration = Duration::from_millis(500);

/// Checks and backups. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Upkeep(Arc<Inner>);

struct Inner {
    house: Arc<House>,
    anchor: PathBuf,
    content_dir: PathBuf,
    own_folders: Vec<PathBuf>,
    check: Mutex<Check>,
    /// One backup at a time: two would write the same files' names.
    backup: Semaphore,
    /// Both outlive the request that ordered them.
    runtime: Handle,
}

/// The last check.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    /// Its number; 0 when there was none since the start.
    #[serde(rename = "checkId")]
    pub(crate) number: u64,
    /// Where it stands.
    pub(crate) state: CheckState,
    /// What it is busy with: a stage, how much is done, of how much.
    pub(crate) progress: Option<(&'static str, u64, Option<u64>)>,
    /// What it came to.
    pub(crate) report: Option<Report>,
    /// Why it could not be done.
    pub(crate) error: Option<String>,
}

/// Where a check stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CheckState {
    /// There was none.
    #[default]
    None,
    /// Under way.
    Running,
    /// At its end: the report says whether something is wrong.
    Done,
    /// It could not look at everything.
    Failed,
}

/// Why a backup was not taken.
pub(crate) enum NotBackedUp {
    /// Another one is under way.
    Busy,
    /// What went wrong.
    Failed(RepairError),
    /// The service is stopping.
    Stopping,
}

impl Upkeep {
    pub(crate) fn new(config: &Config, house: &Arc<House>) -> Self {
        Self(Arc::new(Inner {
            house: Arc::clone(house),
            anchor: config.store.anchor_path(),
            content_dir: config.store.content_dir(),
            own_folders: vec![
                config.store.path.clone(),
                config.store.slots_path.clone(),
                config.keys.path.clone(),
            ],
            check: Mutex::default(),
            backup: Semaphore::new(1),
            runtime: Handle::current(),
        }))
    }

    /// Begins a check, unless one is under way; tells of the one that is under way now.
    pub(crate) fn begin_check(&self) -> Check {
        let mut check = self.check();
        if check.state != CheckState::Running {
            let number = check.number + 1;
            *check = Check { number, state: CheckState::Running, ..Check::default() };
            let upkeep = self.clone();
            self.0.runtime.spawn(async move { upkeep.run_check().await });
        }
        check.clone()
    }

    /// The last check.
    pub(crate) fn last_check(&self) -> Check {
        self.check().clone()
    }

    async fn run_check(self) {
        let house = &self.0.house;
        let parts = VerifyParts {
            records: Ok(Some(house.register.records().clone())),
            slots: Ok(Arc::clone(&house.vault) as _),
            shapes: offline::shapes(),
            anchor: self.0.anchor.clone(),
            clock: Arc::clone(&house.clock),
            pause: Some(PAUSE),
        };
        let found = repair::verify(parts, &self).await;
        let mut check = self.check();
        match found {
            Ok(report) => {
                if !report.clean {
                    tracing::error!(found = report.found, "An integrity check found damage.");
                }
                (check.state, check.report) = (CheckState::Done, Some(report));
            }
            Err(error) => {
                tracing::error!("An integrity check could not be done: {error}");
                (check.state, check.error) = (CheckState::Failed, Some(error.to_string()));
            }
        }
    }

    /// Takes a backup, and waits for its end. It goes on if nobody waits any more.
    pub(crate) async fn backup(
        &self,
        to: PathBuf,
        slots_to: Option<PathBuf>,
        actor: Actor,
    ) -> Result<Manifest, NotBackedUp> {
        let upkeep = self.clone();
        let taking = self.0.runtime.spawn(async move {
            let _alone = upkeep.0.backup.try_acquire().map_err(|_| NotBackedUp::Busy)?;
            let house = &upkeep.0.house;
            let parts = BackupParts {
                records: house.register.records().clone(),
                vault: Arc::clone(&house.vault),
                audit: house.audit.clone(),
                content_dir: upkeep.0.content_dir.clone(),
                own_folders: upkeep.0.own_folders.clone(),
                to,
                slots_to,
                actor,
                clock: Arc::clone(&house.clock),
                rng: Arc::clone(&house.rng),
            };
            repair::backup(&parts, &repair::Unwatched).await.map_err(NotBackedUp::Failed)
        });
        taking.await.unwrap_or(Err(NotBackedUp::Stopping))
    }

    fn check(&self) -> MutexGuard<'_, Check> {
        self.0.check.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Upkeep {
    fn at(&self, stage: Stage, done: u64, of: Option<u64>) {
        self.check().progress = Some((stage.as_str(), done, of));
    }
}

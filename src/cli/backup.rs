//! `backup`: records, contents and, apart, slots.

use super::{block_on, load_checked, rebuild::say};
use crate::{
    client::{Server, cell},
    failure::Failure,
    offline,
};
use audit::{Actor, Audit};
use clap::{ArgGroup, Args};
use repair::{BackupParts, Ground, Manifest};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["slots", "no_slots"]))]
pub(super) struct BackupArgs {
    /// The configuration file, while no service runs; without it a running server is asked
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder for records and contents: not there yet, or empty, and no mount point
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The folder for the slots: another one, best on another machine
    #[arg(long, value_name = "DIR2")]
    slots: Option<PathBuf>,
    /// Copies no slots: what is copied alone restores no facemap
    #[arg(long)]
    no_slots: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: &BackupArgs) -> Result<(), Failure> {
    match &args.config {
        Some(config) => at_rest(args, config),
        None => block_on(through_server(args)),
    }
}

/// The running server takes it, on its own machine.
async fn through_server(args: &BackupArgs) -> Result<(), Failure> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(Failure::usage);
    let slots = args.slots.as_deref().map(absolute).transpose()?;
    let body = json!({ "to": absolute(&args.to)?, "slots": slots, "noSlots": args.no_slots });
    let taken = args.server.api()?.post(&["backups"], &body).await?.done()?;
    args.server.output.print(&taken, |taken| {
        let manifest = &taken["manifest"];
        let (rows, contents) = (cell(&manifest["rows"]), cell(&manifest["contents"]));
        format!("{rows} records and {contents} contents were copied.\n{}", of_slots(args))
    });
    Ok(())
}

fn at_rest(args: &BackupArgs, config: &Path) -> Result<(), Failure> {
    let config = load_checked(config)?;
    let own = vec![config.store.path.clone(), config.store.slots_path.clone(), config.keys.path.clone()];
    block_on(async {
        let ground = offline::ground(&config).await?;
        let bars = offline::Bars::default();
        let taken = take(args, &ground, own, &bars).await;
        bars.clear();
        ground.engine.close(&ground.db).await;
        tell(args, &taken?);
        Ok(())
    })
}

async fn take(
    args: &BackupArgs,
    ground: &Ground,
    own_folders: Vec<PathBuf>,
    bars: &offline::Bars,
) -> Result<Manifest, Failure> {
    let vault = ground.vault(ground.paths.clone()).await?;
    let store = ground.engine.open(&ground.db).await?;
    let records = ground.records(store);
    let clock = Arc::clone(&ground.clock);
    let audit = Audit::open(records.clone(), ground.anchor.clone(), clock).await?;
    let parts = BackupParts {
        records,
        vault,
        audit: audit.clone(),
        content_dir: ground.paths.content_dir.clone(),
        own_folders,
        to: args.to.clone(),
        slots_to: args.slots.clone(),
        actor: Actor::Operator,
        clock: Arc::clone(&ground.clock),
        rng: Arc::clone(&ground.rng),
    };
    let taken = repair::backup(&parts, bars).await;
    audit.close().await?;
    taken.map_err(offline::failed)
}

fn tell(args: &BackupArgs, taken: &Manifest) {
    say(format_args!(
        "{} records and {} contents ({} bytes) were copied to {}.",
        taken.rows,
        taken.contents,
        taken.content_bytes,
        args.to.display()
    ));
    say(format_args!("{}", of_slots(args)));
}

fn of_slots(args: &BackupArgs) -> String {
    match &args.slots {
        Some(slots) => format!(
            "The slots were copied to {}. Keep them apart: whoever has both and the keys has the facemaps. The keys were \
             not copied.",
            slots.display()
        ),
        None => "No slots were copied: this alone restores no facemap. The keys were not copied.".to_owned(),
    }
}

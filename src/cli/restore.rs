//! `restore`: from a backup to a house that starts.

use super::{
    block_on, load_checked,
    rebuild::{say, tell_lost},
};
use crate::{failure::Failure, offline};
use clap::Args;
use repair::RestoreOrder;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup's folder
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The copy of the slot file, where there is no live one
    #[arg(long, value_name = "FILE")]
    slots: Option<PathBuf>,
    /// Gives people up for ever whose slot has no content in the backup
    #[arg(long)]
    give_up_damaged: bool,
}

pub(super) fn run(args: &RestoreArgs) -> Result<(), Failure> {
    let config = load_checked(&args.config)?;
    crate::process::guard_memory();
    let order = RestoreOrder {
        from: args.from.clone(),
        slots: args.slots.clone(),
        give_up_damaged: args.give_up_damaged,
    };
    block_on(async {
        let ground = offline::ground(&config).await?;
        let bars = offline::Bars::default();
        let done = repair::restore(&ground, &order, &bars, |_| Ok(())).await;
        bars.clear();
        let done = done.map_err(offline::failed)?;
        let made = &done.rebuilt;
        say(format_args!(
            "Restored from a backup of {}: {} enrollments are ready, {} vaulted, {} without a facemap, {} purged, {} on hold.",
            done.taken_at, made.ready, made.vaulted, made.others, made.tombstones, made.holds
        ));
        if done.burnt > 0 {
            say(format_args!("{} people had been purged by then; their slots were burnt.", done.burnt));
        }
        tell_lost(&made.lost);
        Ok(())
    })
}

//! `rebuild-index`: the store made anew from slots and contents.

use super::{block_on, load_checked};
use crate::{failure::Failure, offline};
use clap::Args;
use repair::{RebuildDone, RebuildOrder};
use std::{
    fmt,
    io::{self, Write as _},
    path::PathBuf,
};

#[derive(Debug, Args)]
pub(super) struct RebuildArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Even if nothing is wrong with the store: what only it knows is lost
    #[arg(long)]
    force: bool,
    /// Gives people up for ever whose slot or content is damaged
    #[arg(long)]
    give_up_damaged: bool,
}

pub(super) fn run(args: &RebuildArgs) -> Result<(), Failure> {
    let config = load_checked(&args.config)?;
    crate::process::guard_memory();
    let order = RebuildOrder { force: args.force, give_up_damaged: args.give_up_damaged };
    block_on(async {
        let ground = offline::ground(&config).await?;
        let bars = offline::Bars::default();
        let done = repair::rebuild_index(&ground, order, &bars, |_| Ok(())).await;
        bars.clear();
        tell(&done.map_err(offline::failed)?);
        Ok(())
    })
}

fn tell(done: &RebuildDone) {
    let made = &done.rebuilt;
    say(format_args!(
        "The store was made anew: {} enrollments are ready, {} vaulted, {} purged, {} on hold.",
        made.ready, made.vaulted, made.tombstones, made.holds
    ));
    if let Some(old) = &done.old_store {
        say(format_args!(
            "The old store lies in {}; remove it when nobody needs it any more.",
            old.display()
        ));
    }
    if let Some(folder) = &done.unclaimed {
        say(format_args!("Content files without a slot lie in {}; nothing opens them.", folder.display()));
    }
    tell_lost(&made.lost);
}

/// What was lost, and what comes next.
pub(super) fn tell_lost(lost: &[String]) {
    say(format_args!("\nWhat was lost:"));
    for line in lost {
        say(format_args!("- {line}"));
    }
    say(format_args!(
        "\nRe-authentication waits for one window after this. Purges and retention wait until somebody has read the list \
         above and runs `facemap-vault recovery acknowledge`."
    ));
}

/// A line to the standard output. It is done already: that nobody reads on, as behind `| head`, does not undo it.
pub(super) fn say(line: fmt::Arguments<'_>) {
    let _nobody_reads = writeln!(io::stdout().lock(), "{line}");
}

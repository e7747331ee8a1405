//! `verify`: the walk over everything, of a house at rest.

use super::{block_on, load_checked};
use crate::{client::Output, failure::Failure, offline};
use clap::Args;
use repair::{Report, Slots, VerifyParts};
use std::{path::PathBuf, sync::Arc};
use vault::VaultError;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Text for people, JSON for scripts
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let config = load_checked(&args.config)?;
    crate::process::guard_memory();
    block_on(async {
        let ground = offline::ground(&config).await?;
        let slots = match ground.inspect().await {
            // A service that runs is no damage, and nothing can be said beside it.
            Err(error @ VaultError::InUse { .. }) => {
                return Err(Failure::failed(format!("{error}; or ask it: POST /v1/integrity-checks")));
            }
            other => other.map(|slots| Arc::new(slots) as Arc<dyn Slots>),
        };
        let records = if ground.db.exists() {
            ground.engine.open(&ground.db).await.map(|store| Some(ground.records(store)))
        } else {
            Ok(None)
        };
        let parts = VerifyParts {
            records,
            slots,
            shapes: offline::shapes(),
            anchor: ground.anchor.clone(),
            clock: Arc::clone(&ground.clock),
            pause: None,
        };
        let bars = offline::Bars::default();
        let report = repair::verify(parts, &bars).await;
        bars.clear();
        ground.engine.close(&ground.db).await;
        tell(&report.map_err(offline::failed)?, args.output)
    })
}

fn tell(report: &Report, output: Output) -> Result<(), Failure> {
    let json = serde_json::to_value(report).map_err(Failure::failed)?;
    output.print(&json, |_| text(report));
    if report.clean {
        return Ok(());
    }
    Err(Failure::damage(format!("damage was found in {} places", report.found)))
}

fn text(report: &Report) -> String {
    let findings =
        report.findings.iter().map(|finding| format!("- {finding}\n    what to do: {}", finding.advice()));
    let more = report.found.saturating_sub(report.findings.len() as u64);
    let more = (more > 0).then(|| format!("- and {more} more"));
    let information = report.information.iter().map(|line| format!("  ({line})"));
    let counts = &report.counts;
    let summary = format!(
        "{} records, {} slots, {} contents ({} bytes) and {} audit entries were looked at in {:.1} s: {}",
        counts.records,
        counts.slots,
        counts.contents,
        counts.content_bytes,
        counts.audit_entries,
        report.took.as_secs_f64(),
        if report.clean { "nothing is wrong." } else { "damage was found." }
    );
    let lines: Vec<_> = findings.chain(more).chain(information).chain([summary]).collect();
    lines.join("\n")
}

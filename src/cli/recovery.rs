//! `recovery acknowledge`: somebody has read what a rebuild or restore lost.

use super::{block_on, load_checked};
use crate::{
    client::{Output, Server, cell},
    failure::Failure,
    offline,
};
use audit::{Actor, Audit};
use clap::{Args, Subcommand};
use register::{RecoveryRow, Register};
use repair::{Acknowledged, Ground};
use serde_json::json;
use std::{path::PathBuf, sync::Arc};

#[derive(Debug, Subcommand)]
pub(super) enum RecoveryCommand {
    /// Says that the losses of a rebuild or restore are known: purges and retention go on
    #[command(after_help = "Examples:  facemap-vault recovery acknowledge
           facemap-vault recovery acknowledge --config /srv/facemap-vault/config.toml
           facemap-vault recovery acknowledge --audit --config /srv/facemap-vault/config.toml")]
    Acknowledge(AcknowledgeArgs),
}

#[derive(Debug, Args)]
pub(super) struct AcknowledgeArgs {
    /// The configuration file, while no service runs; without it a running server is asked
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the audit log does not fit its anchor: begins a new chain, which names the old one's end
    #[arg(long, requires = "config")]
    audit: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(command: &RecoveryCommand) -> Result<(), Failure> {
    let RecoveryCommand::Acknowledge(args) = command;
    match &args.config {
        Some(config) => {
            let config = load_checked(config)?;
            block_on(async {
                let ground = offline::ground(&config).await?;
                if args.audit { accept(&ground).await } else { offline_acknowledge(&ground).await }
            })
        }
        None => block_on(async {
            let answer = args.server.api()?.post(&["recovery", "acknowledge"], &json!({})).await?.done()?;
            args.server.output.print(&answer, |answer| {
                format!("Acknowledged at {}: purges and retention go on.", cell(&answer["acknowledgedAt"]))
            });
            Ok(())
        }),
    }
}

async fn accept(ground: &Ground) -> Result<(), Failure> {
    let border = repair::accept_book(ground).await.map_err(offline::failed)?;
    println!(
        "The audit log goes on in epoch {}, after {} entries that are still here.",
        border.head.epoch, border.kept
    );
    match border.old {
        Some(old) => println!("The old chain ended at position {} as far as its anchor knew.", old.position),
        None => println!("There was no anchor of the old chain."),
    }
    Ok(())
}

async fn offline_acknowledge(ground: &Ground) -> Result<(), Failure> {
    let vault = ground.vault(ground.paths.clone()).await?;
    let store = ground.engine.open(&ground.db).await?;
    let records = ground.records(store);
    let clock = Arc::clone(&ground.clock);
    let done = async {
        let audit = Audit::open(records.clone(), ground.anchor.clone(), clock).await?;
        let register = Register::new(records.clone(), vault);
        let done = repair::acknowledge(&register, &audit, Actor::Operator, &*ground.clock).await;
        audit.close().await?;
        done.map_err(offline::failed)
    }
    .await;
    ground.engine.close(&ground.db).await;
    tell(&done?, Output::Text);
    Ok(())
}

fn tell(done: &Acknowledged, output: Output) {
    let said = |row: &RecoveryRow| json!({ "since": row.since, "acknowledgedAt": row.acknowledged_at });
    match done {
        Acknowledged::Nothing => output.print(&json!({}), |_| "Nothing was rebuilt or restored.".into()),
        Acknowledged::Before(row) => output.print(&said(row), |_| "It was acknowledged before.".into()),
        Acknowledged::Now(row) => {
            output.print(&said(row), |_| "Acknowledged: purges and retention go on.".into());
        }
    }
}

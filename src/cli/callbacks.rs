//! `callbacks`: the inbox of a running server, and judging callbacks once more.

use crate::{
    client::{Server, cell, table},
    failure::Failure,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum CallbacksCommand {
    /// Lists callbacks, without what they say
    #[command(after_help = "Example:  facemap-vault callbacks list --state dead")]
    List(ListArgs),
    /// Has callbacks judged once more: one by its id, or all that were given up
    #[command(after_help = "Examples:  facemap-vault callbacks replay 0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f
           facemap-vault callbacks replay --all")]
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those in this state: pending, settled, foreign, malformed or dead
    #[arg(long)]
    state: Option<String>,
    /// Callbacks of a page
    #[arg(long, default_value = "50")]
    limit: String,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(super) struct ReplayArgs {
    /// The callback's id, as `callbacks list` shows it
    #[arg(group = "which")]
    id: Option<String>,
    /// All that were given up
    #[arg(long, group = "which")]
    all: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(command: &CallbacksCommand) -> Result<(), Failure> {
    super::block_on(async {
        match command {
            CallbacksCommand::List(args) => list(args).await,
            CallbacksCommand::Replay(args) => match &args.id {
                Some(id) => replay(args, id).await,
                None => replay_all(args).await,
            },
        }
    })
}

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let mut query = vec![("limit", args.limit.as_str())];
    query.extend(args.state.as_deref().map(|state| ("state", state)));
    query.extend(args.cursor.as_deref().map(|cursor| ("cursor", cursor)));
    let page = args.server.api()?.get(&["callbacks"], &query).await?.done()?;
    args.server.output.print(&page, |page| {
        let fields = ["callbackId", "state", "outcome", "receivedAt", "source", "replayable", "trouble"];
        let row = |item: &Value| -> Vec<String> { fields.map(|name| cell(&item[name])).into() };
        let rows: Vec<_> = page["items"].as_array().into_iter().flatten().map(row).collect();
        let heads = ["CALLBACK", "STATE", "OUTCOME", "RECEIVED", "SOURCE", "REPLAYABLE", "TROUBLE"];
        let mut text = table(&heads, &rows);
        if let Some(cursor) = page["nextCursor"].as_str() {
            text = format!("{text}more: --cursor {}\n", model::text::printable(cursor, 200));
        }
        text
    });
    Ok(())
}

async fn replay(args: &ReplayArgs, id: &str) -> Result<(), Failure> {
    let shown = args.server.api()?.post(&["callbacks", id, "replay"], &json!({})).await?.done()?;
    args.server.output.print(&shown, |shown| format!("{} is judged now.", cell(&shown["callbackId"])));
    Ok(())
}

async fn replay_all(args: &ReplayArgs) -> Result<(), Failure> {
    let api = args.server.api()?;
    let (mut replayed, mut gone) = (0, 0);
    loop {
        let done = api.post(&["callbacks", "replay"], &json!({ "state": "dead" })).await?.done()?;
        replayed += done["replayed"].as_u64().unwrap_or(0);
        // Those are met again in every round.
        gone = done["bodyGone"].as_u64().unwrap_or(0).max(gone);
        if done["more"] != true || done["replayed"] == 0 {
            break;
        }
    }
    let done = json!({ "replayed": replayed, "bodyGone": gone });
    args.server
        .output
        .print(&done, |_| format!("{replayed} are judged once more; of {gone} nothing is left to judge."));
    Ok(())
}

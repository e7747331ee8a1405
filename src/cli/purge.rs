//! `purge`: destroys people's facemaps through a running server, one or many, and shows the receipts.

use crate::{
    client::{Api, Server, bar, cell, table},
    failure::Failure,
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use std::{fs, path::PathBuf, time::Duration};

/// How often the progress of a purge is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

#[derive(Debug, Subcommand)]
pub(super) enum PurgeCommand {
    /// Destroys one enrollment for good, and prints the signed receipt
    #[command(
        after_help = "Example:  facemap-vault purge one 11111111-2222-3333-4444-555555555555 --reason erasure-request"
    )]
    One(OneArgs),
    /// Destroys many: first counted by a dry run, then ordered with the total and the token that it printed
    #[command(
        after_help = "Examples:  facemap-vault purge many --last-used-before 2023-01-01T00:00:00Z --reason retention --dry-run
           facemap-vault purge many --last-used-before 2023-01-01T00:00:00Z --reason retention \\
             --expect-total 812 --confirm-token TOKEN"
    )]
    Many(ManyArgs),
    /// Shows how far a purge of many is, and its receipt
    #[command(after_help = "Example:  facemap-vault purge show 0123456789abcdef0123456789abcdef")]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct Why {
    /// Why: erasure-request, consent-withdrawn, retention, error or other
    #[arg(long)]
    reason: String,
    /// The company's number of the case: letters, digits and dashes
    #[arg(long)]
    case_reference: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// Jumio's reference of the enrollment
    reference: String,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("who").required(true))]
pub(super) struct ManyArgs {
    /// Everything of this user
    #[arg(long, group = "who")]
    user: Option<String>,
    /// The references in this file, one in a line
    #[arg(long, group = "who", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Everything that was vaulted before this time
    #[arg(long, group = "who", value_name = "TIME")]
    vaulted_before: Option<String>,
    /// Everything that was last used before this time
    #[arg(long, group = "who", value_name = "TIME")]
    last_used_before: Option<String>,
    #[command(flatten)]
    why: Why,
    /// Only counts and lists
    #[arg(long)]
    dry_run: bool,
    /// The total that the dry run counted
    #[arg(long)]
    expect_total: Option<u64>,
    /// The token that the dry run printed
    #[arg(long)]
    confirm_token: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The id that the order printed
    id: String,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(command: &PurgeCommand) -> Result<(), Failure> {
    super::block_on(async {
        match command {
            PurgeCommand::One(args) => one(args).await,
            PurgeCommand::Many(args) => many(args).await,
            PurgeCommand::Show(args) => {
                let seen = args.server.api()?.get(&["purges", &args.id], &[]).await?.done()?;
                args.server.output.print(&seen, told);
                Ok(())
            }
        }
    })
}

async fn one(args: &OneArgs) -> Result<(), Failure> {
    let mut query = vec![("reason", args.why.reason.as_str())];
    query.extend(args.why.case_reference.as_deref().map(|case| ("caseReference", case)));
    let done = args.server.api()?.delete(&["enrollments", &args.reference], &query).await?.done()?;
    // The receipt alone on standard output: it goes into a file, and `receipt check` reads that.
    args.server.output.print(&done, |done| cell_whole(&done["receipt"]));
    eprintln!("Destroyed. What Jumio had: deletion {}.", cell(&done["jumioDeletion"]));
    Ok(())
}

async fn many(args: &ManyArgs) -> Result<(), Failure> {
    let mut order = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        order.extend(value.map(|value| (name.to_owned(), value)));
    };
    set("userReference", args.user.clone().map(Value::from));
    set("vaultedBefore", args.vaulted_before.clone().map(Value::from));
    set("lastUsedBefore", args.last_used_before.clone().map(Value::from));
    set("enrollments", args.file.as_ref().map(lines).transpose()?.map(Value::from));
    set("reason", Some(args.why.reason.clone().into()));
    set("caseReference", args.why.case_reference.clone().map(Value::from));
    set("expectTotal", args.expect_total.map(Value::from));
    set("confirmToken", args.confirm_token.clone().map(Value::from));
    set("dryRun", args.dry_run.then_some(Value::Bool(true)));
    let api = args.server.api()?;
    let answer = api.post(&["purges"], &Value::Object(order)).await?.done()?;
    if args.dry_run {
        args.server.output.print(&answer, |plan| {
            format!(
                "{} enrollments would be destroyed. To do it, repeat the command without --dry-run, with\n  \
                 --expect-total {} --confirm-token {}",
                cell(&plan["total"]),
                cell(&plan["total"]),
                cell_whole(&plan["confirmToken"])
            )
        });
        return Ok(());
    }
    let id = answer["purgeId"].as_str().unwrap_or_default().to_owned();
    eprintln!("Ordered as {id}; `facemap-vault purge show {id}` looks at it again.");
    let seen = follow(&api, &id).await?;
    args.server.output.print(&seen, told);
    if seen["failed"].as_u64().unwrap_or(0) == 0 {
        Ok(())
    } else {
        Err(Failure::failed(
            "some could not be destroyed; they are listed under `failed` and stay as they are",
        ))
    }
}

async fn follow(api: &Api, id: &str) -> Result<Value, Failure> {
    let shown = bar(0, "enrollments");
    loop {
        let seen = api.get(&["purges", id], &[]).await?.done()?;
        if seen["state"] != "running" {
            shown.finish_and_clear();
            return Ok(seen);
        }
        shown.set_length(seen["total"].as_u64().unwrap_or(0));
        shown.set_position(seen["done"].as_u64().unwrap_or(0));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn told(seen: &Value) -> String {
    let fields =
        ["purgeId", "state", "total", "done", "doneByOthers", "held", "notDue", "failed", "jumioDeletion"];
    let rows: Vec<Vec<String>> =
        fields.iter().map(|name| vec![(*name).to_owned(), cell(&seen[*name])]).collect();
    let mut text = table(&["", ""], &rows);
    if let Some(receipt) = seen["receipt"].as_str() {
        text.push_str("receipt:\n");
        text.push_str(&model::text::printable(receipt, usize::MAX));
    }
    text
}

/// A text that is of use only as a whole.
fn cell_whole(value: &Value) -> String {
    value.as_str().map_or_else(|| "-".to_owned(), |text| model::text::printable(text, usize::MAX))
}

fn lines(file: &PathBuf) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("{} cannot be read: {error}", file.display())))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

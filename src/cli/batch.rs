//! `batch`: re-authenticates many people through a running server.

use crate::{
    client::{Api, Server, bar, cell, table},
    failure::Failure,
};
use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::{fs, path::PathBuf, time::Duration};

/// How often the progress of a batch is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Items of one page.
const PAGE: &str = "500";

#[derive(Debug, Subcommand)]
pub(super) enum BatchCommand {
    /// Orders a batch: for the people in a file, or for whoever a filter finds
    #[command(
        after_help = "Examples:  facemap-vault batch start --file refs.csv --purpose \"Confirm that it is you\" --dry-run
           facemap-vault batch start --file refs.csv --purpose \"Confirm that it is you\" --expect-total 812 --watch
           facemap-vault batch start --last-authenticated-before 2025-01-01T00:00:00Z --per-minute 60

The file is CSV. Its first line names the columns: enrollment or userReference, and if you like locale and requestReference."
    )]
    Start(Box<StartArgs>),
    /// Follows a batch until everything is issued
    #[command(after_help = "Example:  facemap-vault batch watch 0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f")]
    Watch(OneArgs),
    /// Shows how far a batch is, and what came of it so far
    #[command(after_help = "Example:  facemap-vault batch show 0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f")]
    Show(OneArgs),
    /// Takes no further item until the batch is resumed
    #[command(after_help = "Example:  facemap-vault batch pause 0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f")]
    Pause(OneArgs),
    /// Goes on with a paused batch
    #[command(after_help = "Example:  facemap-vault batch resume 0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f")]
    Resume(OneArgs),
    /// Takes no further item, and withdraws the links that nobody has pressed
    #[command(after_help = "Example:  facemap-vault batch cancel 0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f")]
    Cancel(OneArgs),
    /// Lists the items of a batch; with `--output json` one in a line
    #[command(
        after_help = "Example:  facemap-vault batch items 0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f --state linked --with-urls --output json"
    )]
    Items(ItemsArgs),
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("who").required(true).multiple(true))]
pub(super) struct StartArgs {
    /// The people, as CSV
    #[arg(long, group = "who", value_name = "FILE", conflicts_with_all = ["last_authenticated_before", "vaulted_before"])]
    file: Option<PathBuf>,
    /// Whoever was last authenticated before this time
    #[arg(long, group = "who", value_name = "TIME")]
    last_authenticated_before: Option<String>,
    /// Whoever was vaulted before this time
    #[arg(long, group = "who", value_name = "TIME")]
    vaulted_before: Option<String>,
    /// link or transaction; a link if not given
    #[arg(long)]
    delivery: Option<String>,
    /// web or mobile
    #[arg(long)]
    channel: Option<String>,
    /// Where Jumio sends a person at the end
    #[arg(long, value_name = "URL")]
    success_url: Option<String>,
    /// The same, where it went wrong
    #[arg(long, value_name = "URL")]
    error_url: Option<String>,
    /// The language, for whoever has none in the file
    #[arg(long)]
    locale: Option<String>,
    /// What it is for: people read it
    #[arg(long)]
    purpose: Option<String>,
    /// What the items' own references begin with
    #[arg(long)]
    request_reference: Option<String>,
    /// When the links end
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Items a minute at most
    #[arg(long)]
    per_minute: Option<u32>,
    /// Only counts
    #[arg(long)]
    dry_run: bool,
    /// The total that the dry run counted
    #[arg(long)]
    expect_total: Option<u64>,
    /// Follows it until everything is issued
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The id that `batch start` printed
    id: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
pub(super) struct ItemsArgs {
    /// The id that `batch start` printed
    id: String,
    /// Only those in this state: queued, linked, initiated, deduplicated, skipped, failed or cancelled
    #[arg(long)]
    state: Option<String>,
    /// With what the people open: whoever has such a link can press it
    #[arg(long)]
    with_urls: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(command: &BatchCommand) -> Result<(), Failure> {
    super::block_on(async {
        match command {
            BatchCommand::Start(args) => start(args).await,
            BatchCommand::Watch(args) => {
                let seen = follow(&args.server.api()?, &args.id).await?;
                args.server.output.print(&seen, told);
                Ok(())
            }
            BatchCommand::Show(args) => {
                let seen = args.server.api()?.get(&["batches", &args.id], &[]).await?.done()?;
                args.server.output.print(&seen, told);
                Ok(())
            }
            BatchCommand::Pause(args) => act(args, "pause").await,
            BatchCommand::Resume(args) => act(args, "resume").await,
            BatchCommand::Cancel(args) => act(args, "cancel").await,
            BatchCommand::Items(args) => items(args).await,
        }
    })
}

async fn act(args: &OneArgs, act: &str) -> Result<(), Failure> {
    let seen = args.server.api()?.post(&["batches", &args.id, act], &json!({})).await?.done()?;
    args.server.output.print(&seen, told);
    Ok(())
}

async fn start(args: &StartArgs) -> Result<(), Failure> {
    let api = args.server.api()?;
    let terms = args.terms();
    let answer = if let Some(file) = &args.file {
        let text = fs::read(file)
            .map_err(|error| Failure::failed(format!("{} cannot be read: {error}", file.display())))?;
        let query: Vec<(&str, String)> = terms.iter().map(|(name, value)| (*name, spelled(value))).collect();
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        api.post_file(&["batches"], &query, "text/csv", Bytes::from(text)).await?
    } else {
        let filter = [
            ("lastAuthenticatedBefore", &args.last_authenticated_before),
            ("vaultedBefore", &args.vaulted_before),
        ];
        let filter =
            filter.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
        let mut order: Map<String, Value> =
            terms.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        order.insert("filter".to_owned(), Value::Object(filter.collect()));
        api.post(&["batches"], &Value::Object(order)).await?
    };
    let accepted = answer.done()?;
    args.server.output.print(&accepted, counted);
    let Some(id) = accepted["batchId"].as_str().filter(|_| args.watch) else { return Ok(()) };
    let seen = follow(&api, id).await?;
    args.server.output.print(&seen, told);
    Ok(())
}

impl StartArgs {
    fn terms(&self) -> Vec<(&'static str, Value)> {
        let texts = [
            ("delivery", &self.delivery),
            ("channel", &self.channel),
            ("successUrl", &self.success_url),
            ("errorUrl", &self.error_url),
            ("locale", &self.locale),
            ("purpose", &self.purpose),
            ("requestReference", &self.request_reference),
            ("expiresAt", &self.expires_at),
        ];
        let mut terms: Vec<(&str, Value)> =
            texts.into_iter().filter_map(|(name, value)| Some((name, json!(value.as_ref()?)))).collect();
        terms.extend(self.per_minute.map(|rate| ("perMinute", json!(rate))));
        terms.extend(self.expect_total.map(|total| ("expectTotal", json!(total))));
        terms.extend(self.dry_run.then_some(("dryRun", json!(true))));
        terms
    }
}

/// A value as a query spells it.
fn spelled(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Until everything is issued, or somebody has paused or cancelled it.
async fn follow(api: &Api, id: &str) -> Result<Value, Failure> {
    let shown = bar(0, "items");
    loop {
        let seen = api.get(&["batches", id], &[]).await?.done()?;
        let waiting = seen["states"]["queued"].as_u64().unwrap_or(0);
        let all: u64 = seen["states"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        shown.set_length(all);
        shown.set_position(all - waiting.min(all));
        shown.set_message(pace(&seen));
        if !matches!(seen["state"].as_str(), Some("running" | "cancelling")) {
            shown.finish_and_clear();
            return Ok(seen);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What the server has measured, beside the bar.
fn pace(seen: &Value) -> String {
    let rate = match seen["ratePerMinute"].as_f64() {
        Some(rate) => format!("{rate:.0} a minute"),
        None => String::new(),
    };
    match seen["waitsFor"].as_str() {
        Some(code) => format!("{rate} waits: {}", model::text::printable(code, 40)),
        None => rate,
    }
}

async fn items(args: &ItemsArgs) -> Result<(), Failure> {
    let api = args.server.api()?;
    let mut cursor = None;
    loop {
        let mut query = vec![("limit", PAGE)];
        query.extend(args.state.as_deref().map(|state| ("state", state)));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        query.extend(args.with_urls.then_some(("withUrls", "true")));
        let mut page = api.get(&["batches", &args.id, "items"], &query).await?.done()?;
        let found = page["items"].take();
        let rows = found.as_array().cloned().unwrap_or_default();
        if args.server.output.is_json() {
            for item in &rows {
                println!("{item}");
            }
        } else if cursor.is_none() || !rows.is_empty() {
            args.server.output.print(&found, listed);
        }
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(());
        }
    }
}

fn listed(items: &Value) -> String {
    let columns =
        ["number", "state", "reason", "outcome", "userReference", "enrollmentTransactionReference", "url"];
    let rows: Vec<Vec<String>> = items
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| columns.iter().map(|name| text_of(&item[*name], *name == "url")).collect())
        .collect();
    table(&["NUMBER", "STATE", "REASON", "OUTCOME", "USER", "ENROLLMENT", "URL"], &rows)
}

/// A link is of use only as a whole.
fn text_of(value: &Value, whole: bool) -> String {
    match value.as_str().filter(|_| whole) {
        Some(text) => model::text::printable(text, usize::MAX),
        None => cell(value),
    }
}

fn counted(accepted: &Value) -> String {
    let fields = [
        "batchId",
        "ready",
        "total",
        "notReady",
        "awaitingRelease",
        "notEligible",
        "replaced",
        "purged",
        "held",
        "unknown",
        "repeated",
    ];
    let mut rows: Vec<Vec<String>> = fields
        .iter()
        .filter(|name| !accepted[**name].is_null())
        .map(|name| vec![(*name).to_owned(), cell(&accepted[*name])])
        .collect();
    for name in ["unknownAt", "repeatedAt"] {
        let lines: Vec<String> =
            accepted[name].as_array().into_iter().flatten().map(ToString::to_string).collect();
        if !lines.is_empty() {
            rows.push(vec![name.to_owned(), lines.join(" ")]);
        }
    }
    let text = table(&["", ""], &rows);
    if accepted["ready"] == 0 {
        return format!("Nobody of these can be re-authenticated now.\n{text}");
    }
    text
}

fn told(seen: &Value) -> String {
    let fields = [
        "batchId",
        "state",
        "delivery",
        "total",
        "unknown",
        "repeated",
        "open",
        "ratePerMinute",
        "secondsLeft",
        "waitsFor",
    ];
    let mut rows: Vec<Vec<String>> =
        fields.iter().map(|name| vec![(*name).to_owned(), cell(&seen[*name])]).collect();
    if seen["stalled"] == true {
        rows.push(vec!["STALLED".to_owned(), cell(&seen["stalledBecause"])]);
    }
    for group in ["states", "outcomes", "reasons"] {
        for (name, count) in seen[group].as_object().into_iter().flatten().filter(|(_, count)| **count != 0) {
            rows.push(vec![format!("{group}: {name}"), cell(count)]);
        }
    }
    table(&["", ""], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_orders_for_nobody_who_can_go_is_told_so_first() {
        let none =
            counted(&json!({ "batchId": "b", "total": 0, "ready": 0, "unknown": 3, "unknownAt": [2, 3, 4] }));
        assert!(none.starts_with("Nobody of these") && none.contains("2 3 4"), "{none}");
        let some = counted(&json!({ "batchId": "b", "total": 7, "ready": 5 }));
        let lines: Vec<&str> = some.lines().filter(|line| !line.trim().is_empty()).collect();
        assert!(lines[1].starts_with("ready") && !some.contains("Nobody"), "{some}");
    }
}

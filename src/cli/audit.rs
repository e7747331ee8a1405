//! `audit`: reads the book through a running server.

use crate::{
    client::{Server, cell, table},
    failure::Failure,
};
use clap::{Args, Subcommand};
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Lists entries, oldest first
    #[command(after_help = "Example:  facemap-vault audit list --user customer-7 --limit 100")]
    List(ListArgs),
    /// Prints where the chain ends: keep it elsewhere, and nobody can put everything back unseen
    #[command(after_help = "Example:  facemap-vault audit head --output json >> heads.jsonl")]
    Head(Server),
    /// Prints everything about one person
    #[command(after_help = "Example:  facemap-vault audit dossier customer-7 --output json")]
    Dossier(DossierArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only what is about this user
    #[arg(long)]
    user: Option<String>,
    /// Only what is about this enrollment
    #[arg(long)]
    enrollment: Option<String>,
    /// Only what is about this pseudonym: the `subject` of a receipt
    #[arg(long)]
    subject: Option<String>,
    /// Only the entry at this position, as a receipt names it
    #[arg(long)]
    position: Option<String>,
    /// Only this action, as `purge` or `authentication-posted`
    #[arg(long)]
    action: Option<String>,
    /// Not before this time
    #[arg(long)]
    from: Option<String>,
    /// Before this time
    #[arg(long)]
    until: Option<String>,
    /// Entries of a page
    #[arg(long, default_value = "50")]
    limit: String,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
pub(super) struct DossierArgs {
    /// The company's reference of the user
    user: String,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(command: &AuditCommand) -> Result<(), Failure> {
    super::block_on(async {
        match command {
            AuditCommand::List(args) => list(args).await,
            AuditCommand::Head(server) => {
                let head = server.api()?.get(&["audit", "head"], &[]).await?.done()?;
                server.output.print(&head, |head| {
                    let [epoch, position, link] = ["epoch", "position", "link"].map(|name| cell(&head[name]));
                    format!("epoch {epoch}, position {position}, link {link}")
                });
                Ok(())
            }
            AuditCommand::Dossier(args) => {
                let path = ["users", &args.user, "dossier"];
                let dossier = args.server.api()?.get(&path, &[]).await?.done()?;
                let pretty = |body: &Value| serde_json::to_string_pretty(body).unwrap_or_default();
                args.server.output.print(&dossier, pretty);
                Ok(())
            }
        }
    })
}

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let wanted = [
        ("userReference", &args.user),
        ("enrollmentTransactionReference", &args.enrollment),
        ("subject", &args.subject),
        ("position", &args.position),
        ("action", &args.action),
        ("from", &args.from),
        ("until", &args.until),
        ("cursor", &args.cursor),
    ];
    let mut query = vec![("limit", args.limit.as_str())];
    query.extend(wanted.iter().filter_map(|(name, value)| value.as_deref().map(|value| (*name, value))));
    let page = args.server.api()?.get(&["audit"], &query).await?.done()?;
    args.server.output.print(&page, |page| {
        let row = |item: &Value| -> Vec<String> {
            let actor =
                if item["actor"]["name"].is_string() { &item["actor"]["id"] } else { &item["actor"]["kind"] };
            let plain = |name: &str| cell(&item[name]);
            vec![
                plain("position"),
                plain("at"),
                plain("action"),
                cell(&item["part"]["kind"]),
                plain("outcome"),
                cell(actor),
                plain("subject"),
            ]
        };
        let rows: Vec<_> = page["items"].as_array().into_iter().flatten().map(row).collect();
        let mut text = table(&["POSITION", "AT", "ACTION", "PART", "OUTCOME", "ACTOR", "SUBJECT"], &rows);
        if let Some(cursor) = page["nextCursor"].as_str() {
            text = format!("{text}more: --cursor {}\n", model::text::printable(cursor, 200));
        }
        text
    });
    Ok(())
}

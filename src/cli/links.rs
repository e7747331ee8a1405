//! `links`: makes, shows and withdraws links through a running server.

use crate::{
    client::{Server, cell, table},
    failure::Failure,
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

#[derive(Debug, Subcommand)]
pub(super) enum LinksCommand {
    /// Makes a link for a person, and prints it
    #[command(
        after_help = "Example:  facemap-vault links create customer-7 --purpose \"Confirm your new phone\" --locale de"
    )]
    Create(CreateArgs),
    /// Shows a link and the authentications that it led to
    #[command(after_help = "Example:  facemap-vault links show 0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f")]
    Show(OneArgs),
    /// Withdraws a link: it opens nothing from then on
    #[command(after_help = "Example:  facemap-vault links withdraw 0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f")]
    Withdraw(OneArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The company's reference of the user
    user: String,
    /// What it is for: the person reads it
    #[arg(long)]
    purpose: Option<String>,
    /// Where Jumio sends the person at the end
    #[arg(long, value_name = "URL")]
    success_url: Option<String>,
    /// The same, where it went wrong
    #[arg(long, value_name = "URL")]
    error_url: Option<String>,
    /// The language of the pages
    #[arg(long)]
    locale: Option<String>,
    /// When it ends
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// The company's own reference of this request
    #[arg(long)]
    request_reference: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The link's id, as `links create` showed it
    id: String,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(command: &LinksCommand) -> Result<(), Failure> {
    super::block_on(async {
        match command {
            LinksCommand::Create(args) => create(args).await,
            LinksCommand::Show(args) => {
                let link = args.server.api()?.get(&["links", &args.id], &[]).await?.done()?;
                args.server.output.print(&link, told);
                Ok(())
            }
            LinksCommand::Withdraw(args) => {
                let link = args.server.api()?.delete(&["links", &args.id], &[]).await?.done()?;
                args.server.output.print(&link, told);
                Ok(())
            }
        }
    })
}

async fn create(args: &CreateArgs) -> Result<(), Failure> {
    let given = [
        ("userReference", Some(&args.user)),
        ("purpose", args.purpose.as_ref()),
        ("successUrl", args.success_url.as_ref()),
        ("errorUrl", args.error_url.as_ref()),
        ("locale", args.locale.as_ref()),
        ("expiresAt", args.expires_at.as_ref()),
        ("requestReference", args.request_reference.as_ref()),
    ];
    let body: Map<String, Value> = given
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value.clone().into())))
        .collect();
    let link = args.server.api()?.post(&["links"], &Value::Object(body)).await?.done()?;
    // The link alone on standard output: a script sends it.
    args.server.output.print(&link, |link| whole(&link["url"]));
    eprintln!("Link {}, until {}.", cell(&link["linkId"]), cell(&link["expiresAt"]));
    Ok(())
}

fn told(link: &Value) -> String {
    let fields = ["linkId", "state", "userReference", "purpose", "createdAt", "pressedAt", "expiresAt"];
    let mut rows: Vec<Vec<String>> =
        fields.iter().map(|name| vec![(*name).to_owned(), cell(&link[*name])]).collect();
    rows.push(vec!["url".to_owned(), whole(&link["url"])]);
    let mut text = table(&["", ""], &rows);
    let led_to: Vec<Vec<String>> = link["authentications"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            ["authenticationId", "state", "createdAt", "completedAt"].map(|name| cell(&one[name])).into()
        })
        .collect();
    if !led_to.is_empty() {
        text.push('\n');
        text.push_str(&table(&["AUTHENTICATION", "STATE", "PRESSED", "COMPLETED"], &led_to));
    }
    text
}

/// A text that is of use only as a whole.
fn whole(value: &Value) -> String {
    value.as_str().map_or_else(|| "-".to_owned(), |text| model::text::printable(text, usize::MAX))
}

//! `keys`: the wrapping keys of a running vault.

use crate::{
    client::{Api, Server, bar, cell, table},
    failure::Failure,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::time::Duration;

/// How often the progress of a rewrap is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Lists the wrapping keys, and how many slots each of them wraps
    #[command(after_help = "Example:  facemap-vault keys list")]
    List(Server),
    /// Makes a new wrapping key, which wraps everything new from now on
    #[command(after_help = "Example:  facemap-vault keys rotate && facemap-vault keys rewrap")]
    Rotate(Server),
    /// Wraps every slot under the active key; goes on where it stopped
    #[command(after_help = "Example:  facemap-vault keys rewrap")]
    Rewrap(Server),
    /// Removes a wrapping key that nothing is wrapped under any more
    #[command(
        after_help = "Backups are not looked at: a copy of the slot file from before `keys rewrap` opens no facemap once \
                            the key is removed.\nTake a new backup with its slots first, or keep the key with the old ones.\n\n\
                            Example:  facemap-vault keys remove 0123456789abcdef"
    )]
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The key's id, as `keys list` shows it
    id: String,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(command: &KeysCommand) -> Result<(), Failure> {
    super::block_on(async {
        match command {
            KeysCommand::List(server) => list(server, &server.api()?).await,
            KeysCommand::Rotate(server) => {
                let made = server.api()?.post(&["keys", "rotate"], &json!({})).await?.done()?;
                server.output.print(&made, |made| {
                    format!(
                        "Key {} is the active one now. Run `facemap-vault keys rewrap` next.",
                        cell(&made["id"])
                    )
                });
                Ok(())
            }
            KeysCommand::Rewrap(server) => rewrap(server, &server.api()?).await,
            KeysCommand::Remove(args) => {
                let gone = args.server.api()?.delete(&["keys", &args.id], &[]).await?.done()?;
                args.server.output.print(&gone, |_| "The key is removed.".to_owned());
                Ok(())
            }
        }
    })
}

async fn list(server: &Server, api: &Api) -> Result<(), Failure> {
    let keys = api.get(&["keys"], &[]).await?.done()?;
    server.output.print(&keys, |keys| {
        let rows: Vec<Vec<String>> = keys["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|key| {
                ["id", "kind", "use", "active", "slots", "heldKeys"].map(|name| cell(&key[name])).into()
            })
            .collect();
        table(&["ID", "KIND", "USE", "ACTIVE", "SLOTS", "HELD KEYS"], &rows)
    });
    Ok(())
}

async fn rewrap(server: &Server, api: &Api) -> Result<(), Failure> {
    let mut seen = api.post(&["keys", "rewrap"], &json!({})).await?.done()?;
    let shown = bar(0, "slots");
    while seen["state"] == "running" {
        shown.set_length(count(&seen["total"]));
        shown.set_position(count(&seen["done"]));
        tokio::time::sleep(LOOK_EVERY).await;
        seen = api.get(&["keys", "rewrap"], &[]).await?.done()?;
    }
    shown.finish_and_clear();
    server.output.print(&seen, |seen| {
        format!("Rewrap {}: {} of {} slots.", cell(&seen["state"]), cell(&seen["done"]), cell(&seen["total"]))
    });
    if seen["state"] == "done" { Ok(()) } else { Err(Failure::failed("the rewrap did not come to its end")) }
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

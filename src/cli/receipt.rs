//! `receipt check`: verifies a purge receipt offline, with the public key alone.

use crate::{client::Output, failure::Failure};
use clap::{Args, Subcommand};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Bytes of a receipt, or of a public key, that are read at most.
const MOST: u64 = 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum ReceiptCommand {
    /// Verifies a purge receipt offline: needs nothing but the receipt and the vault's public key
    #[command(
        after_help = "Example:  curl -H \"Authorization: Bearer $TOKEN\" $API/v1/receipt-key > vault.jwk
          facemap-vault receipt check receipt.jws --public-key vault.jwk

Exit codes: 0 the vault signed this, 2 it did not."
    )]
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The receipt, as the API gave it
    file: PathBuf,
    /// The vault's public key: the answer of GET /v1/receipt-key, or its 32 bytes in base64
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
    /// Text for people, JSON for scripts
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) fn run(command: &ReceiptCommand) -> Result<(), Failure> {
    let ReceiptCommand::Check(args) = command;
    let not_a_key = |error: receipt::ReceiptError| {
        Failure::failed(format!("{} is not a public key of a vault: {error}", args.public_key.display()))
    };
    let key = String::from_utf8(read(&args.public_key)?).map_err(|_| receipt::ReceiptError::PublicKey);
    let key: receipt::PublicKey = key.and_then(|key| key.trim().parse()).map_err(not_a_key)?;
    let not_ours = |error| Failure::damage(format!("{}: {error}", args.file.display()));
    // What is no text is no receipt: that is the answer, and no failure to give one.
    let text = String::from_utf8(read(&args.file)?).map_err(|_| not_ours(receipt::ReceiptError::Form))?;
    let statement = receipt::check(text.trim(), &key).map_err(not_ours)?;
    let body = serde_json::to_value(&statement).map_err(Failure::failed)?;
    args.output.print(&body, |body| {
        let pretty = serde_json::to_string_pretty(body).unwrap_or_default();
        format!("The vault with this public key signed this statement:\n{pretty}")
    });
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    read.map_err(|error| Failure::failed(format!("{} cannot be read: {error}", path.display())))?;
    Ok(bytes)
}

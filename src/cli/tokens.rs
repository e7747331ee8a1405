//! `tokens`: makes, lists and revokes API tokens.

use crate::failure::Failure;
use crate::{
    files::FileError,
    tokens::{Role, TokenEntry, TokensError, TokensFile},
};
use clap::{Args, Subcommand};
use model::{Clock as _, SystemClock, Timestamp, text::printable};
use seal::SystemRng;
use std::{io::ErrorKind, path::PathBuf, time::Duration};

/// How long a token lives when nobody says otherwise.
pub(super) const LIFETIME: &str = "365d";

#[derive(Debug, Subcommand)]
pub(super) enum TokensCommand {
    /// Makes a token and prints it, alone; it is shown only now
    #[command(
        after_help = "Example:  facemap-vault tokens create --role app --name backend --tokens-file tokens.toml"
    )]
    Create(CreateArgs),
    /// Lists the tokens: name, role, state, when made, when it expires
    #[command(after_help = "Example:  facemap-vault tokens list --tokens-file tokens.toml")]
    List(FileArg),
    /// Ends a token; a running server refuses it at once
    #[command(after_help = "Example:  facemap-vault tokens revoke --name backend --tokens-file tokens.toml")]
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct FileArg {
    /// The tokens' file: `tokens_file` of the configuration
    #[arg(long, value_name = "FILE")]
    tokens_file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// What its holder may do
    #[arg(long, value_enum)]
    role: Role,
    /// Who holds it; used once for ever, because the audit trail keeps it
    #[arg(long)]
    name: String,
    #[command(flatten)]
    file: FileArg,
    /// How long it lives, in days (365d) or hours (12h), or "never"
    #[arg(long, default_value = LIFETIME, value_parser = lifetime)]
    expires: Lifetime,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// Whose token
    #[arg(long)]
    name: String,
    #[command(flatten)]
    file: FileArg,
}

/// How long a token lives; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime(Option<Duration>);

pub(super) fn run(command: &TokensCommand) -> Result<(), Failure> {
    let file = |arg: &FileArg| TokensFile::new(arg.tokens_file.clone());
    let now = SystemClock.now();
    match command {
        TokensCommand::Create(args) => {
            let token =
                file(&args.file).create(&args.name, args.role, args.expires.0, now, &SystemRng::new())?;
            println!("{}", token.expose());
        }
        TokensCommand::List(args) => {
            for token in file(args).read()? {
                println!("{}", line(&token, now));
            }
        }
        TokensCommand::Revoke(args) => file(&args.file).revoke(&args.name, now)?,
    }
    Ok(())
}

/// [`LIFETIME`], as a length of time.
pub(super) fn default_lifetime() -> Option<Duration> {
    lifetime(LIFETIME).ok().and_then(|lifetime| lifetime.0)
}

/// One token, its columns set apart by tabs.
fn line(token: &TokenEntry, now: Timestamp) -> String {
    let state = if token.revoked.is_some() {
        "revoked"
    } else if token.is_valid_at(now) {
        "valid"
    } else {
        "expired"
    };
    let expires = token.expires.map_or_else(|| "never".to_owned(), |time| format!("{time:.0}"));
    format!("{}\t{}\t{state}\t{:.0}\t{expires}", printable(&token.name, 64), token.role, token.created)
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime(None));
    }
    let wrong = || "must be days like 365d, hours like 12h (together at most 3650d), or never".to_owned();
    let digits = text.len().saturating_sub(1);
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let hours = match unit {
        "d" => number.checked_mul(24),
        "h" => Some(number),
        _ => None,
    };
    let hours = hours.filter(|hours| (1..=3650 * 24).contains(hours)).ok_or_else(wrong)?;
    Ok(Lifetime(Some(Duration::from_hours(hours))))
}

impl From<TokensError> for Failure {
    fn from(error: TokensError) -> Self {
        match &error {
            TokensError::BadName => Self::usage(error),
            TokensError::File(FileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Self::failed(format!("{error}; `facemap-vault tokens create` makes it"))
            }
            _ => Self::failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_days_hours_or_never() {
        assert_eq!(lifetime("365d"), Ok(Lifetime(Some(Duration::from_hours(365 * 24)))));
        assert_eq!(lifetime("12h"), Ok(Lifetime(Some(Duration::from_hours(12)))));
        assert_eq!(default_lifetime(), Some(Duration::from_hours(365 * 24)));
        assert_eq!(lifetime("never"), Ok(Lifetime(None)));
        for bad in ["", "d", "0d", "-1d", "1", "1w", "3651d", "99999999999999999999d", "1ä"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}

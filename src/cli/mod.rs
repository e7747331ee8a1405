//! The command line: what is offered, and with which code each command ends.

mod audit;
mod backup;
mod batch;
mod callbacks;
mod check_config;
mod completions;
mod doctor;
mod import;
pub(crate) mod init;
mod keys;
mod links;
mod purge;
mod rebuild;
mod receipt;
mod recovery;
mod restore;
mod sandbox;
mod serve;
mod status;
mod tokens;
mod verify;

use crate::{
    client::Server,
    config::{Config, Problems},
    failure::{Exit, Failure},
};
use clap::{Args, CommandFactory as _, Parser, Subcommand, error::ErrorKind};
use std::{ffi::OsString, future::Future, path::PathBuf, process::ExitCode};

/// Keeps the facemaps of Jumio's onboarding on the company's own premises, and re-authenticates people with them.
#[derive(Debug, Parser)]
#[command(name = "facemap-vault", version, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Start with:  facemap-vault demo

Exit codes: 0 done, 1 failed, 2 damage or a refused check, 64 wrong usage, 78 wrong configuration.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the whole story on this machine, with a simulated Jumio, and tells each step
    #[command(after_help = "Example:  facemap-vault demo --keep")]
    Demo(DemoArgs),
    /// Sets a vault up in a folder: configuration, keys, slots, the first admin token
    #[command(after_help = "Examples:  facemap-vault init --dir /srv/facemap-vault
           facemap-vault init --dir ./try --sandbox http://127.0.0.1:9090")]
    Init(init::InitArgs),
    /// Runs the service; SIGTERM lets it finish what is under way
    #[command(after_help = "Example:  facemap-vault serve --config /srv/facemap-vault/config.toml")]
    Serve(ConfigArg),
    /// Runs the Jumio simulator alone
    #[command(after_help = "Example:  facemap-vault sandbox --listen 127.0.0.1:9090")]
    Sandbox(sandbox::SandboxArgs),
    /// Checks a configuration, prints what is in force, and warns
    #[command(after_help = "Example:  facemap-vault check-config --config /srv/facemap-vault/config.toml")]
    CheckConfig(ConfigArg),
    /// Makes, lists and revokes API tokens
    #[command(
        subcommand,
        after_help = "Example:  facemap-vault tokens create --role app --name backend --tokens-file tokens.toml"
    )]
    Tokens(tokens::TokensCommand),
    /// Checks every record, slot, content and audit entry of a vault at rest; changes none of them
    #[command(after_help = "Example:  facemap-vault verify --config /srv/facemap-vault/config.toml")]
    Verify(verify::VerifyArgs),
    /// Makes the store anew from slots and contents, and lists what was lost
    #[command(after_help = "Example:  facemap-vault rebuild-index --config /srv/facemap-vault/config.toml")]
    RebuildIndex(rebuild::RebuildArgs),
    /// What follows a rebuild or restore
    #[command(subcommand, after_help = "Example:  facemap-vault recovery acknowledge")]
    Recovery(recovery::RecoveryCommand),
    /// Copies records, contents and, to another folder, slots; never keys
    #[command(
        after_help = "Example:  facemap-vault backup --config /srv/facemap-vault/config.toml --to /mnt/a/today --slots /mnt/b/today"
    )]
    Backup(backup::BackupArgs),
    /// Brings a backup into empty folders; whoever was purged stays purged
    #[command(
        after_help = "Example:  facemap-vault restore --from /mnt/a/today --config /srv/facemap-vault/config.toml --slots /mnt/b/today/slots"
    )]
    Restore(restore::RestoreArgs),
    /// Looks at everything around a vault that can be wrong: a line of advice each; 2 when something needs attention
    #[command(after_help = "Example:  facemap-vault doctor --config /srv/facemap-vault/config.toml")]
    Doctor(ConfigArg),
    /// Shows how a running vault is doing
    #[command(after_help = "Example:  facemap-vault status --output json")]
    Status(Server),
    /// Makes, shows and withdraws links, through a running server
    #[command(
        subcommand,
        after_help = "Example:  facemap-vault links create customer-7 --purpose \"Confirm your new phone\""
    )]
    Links(links::LinksCommand),
    /// Lists callbacks and has them judged once more, through a running server
    #[command(subcommand, after_help = "Example:  facemap-vault callbacks list --state dead")]
    Callbacks(callbacks::CallbacksCommand),
    /// Destroys people's facemaps through a running server, and shows the receipts
    #[command(
        subcommand,
        after_help = "Example:  facemap-vault purge one 11111111-2222-3333-4444-555555555555 --reason erasure-request"
    )]
    Purge(purge::PurgeCommand),
    /// Re-authenticates many people through a running server, at Jumio's pace
    #[command(
        subcommand,
        after_help = "Example:  facemap-vault batch start --file refs.csv --purpose \"Confirm that it is you\" --dry-run"
    )]
    Batch(batch::BatchCommand),
    /// Checks purge receipts offline
    #[command(
        subcommand,
        after_help = "Example:  facemap-vault receipt check receipt.jws --public-key vault.jwk"
    )]
    Receipt(receipt::ReceiptCommand),
    /// Reads the audit trail through a running server
    #[command(subcommand, after_help = "Example:  facemap-vault audit list --user customer-7 --limit 100")]
    Audit(audit::AuditCommand),
    /// The wrapping keys of a running vault
    #[command(subcommand, after_help = "Example:  facemap-vault keys list")]
    Keys(keys::KeysCommand),
    /// Brings in facemaps that are held elsewhere, through a running server
    #[command(
        subcommand,
        after_help = "Example:  facemap-vault enrollments import --manifest people.csv --attestation 'exported 2026-05, case 17'"
    )]
    Enrollments(import::EnrollmentsCommand),
    /// Prints completions for a shell
    #[command(after_help = "Example:  facemap-vault completions bash > /etc/bash_completion.d/facemap-vault")]
    Completions(completions::CompletionsArgs),
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Leaves simulator and vault running, and prints what to try
    #[arg(long)]
    keep: bool,
}

/// The configuration that a command works with.
#[derive(Debug, Args)]
pub(crate) struct ConfigArg {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Parses the command line, runs the command, and tells what went wrong.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(answer) => {
            drop(answer.print());
            let asked_for = matches!(answer.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked_for { ExitCode::SUCCESS } else { ExitCode::from(Exit::Usage as u8) };
        }
    };
    let done = match cli.command {
        Command::Demo(args) => crate::demo::run(args.keep),
        Command::Init(args) => init::run(&args),
        Command::Serve(args) => serve::run(&args.config),
        Command::Sandbox(args) => sandbox::run(&args),
        Command::CheckConfig(args) => check_config::run(&args.config),
        Command::Tokens(command) => tokens::run(&command),
        Command::Verify(args) => verify::run(&args),
        Command::RebuildIndex(args) => rebuild::run(&args),
        Command::Recovery(command) => recovery::run(&command),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Status(server) => status::run(&server),
        Command::Links(command) => links::run(&command),
        Command::Callbacks(command) => callbacks::run(&command),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Purge(command) => purge::run(&command),
        Command::Batch(command) => batch::run(&command),
        Command::Receipt(command) => receipt::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Enrollments(command) => import::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.to_string().lines() {
                eprintln!("error: {line}");
            }
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Runs a command that waits for things, on as many threads as there are cores.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("vault")
        .build()
        .map_err(|error| Failure::failed(format!("the system gives this process no threads: {error}")))?;
    let done = runtime.block_on(command);
    // A blocking call that hangs (a dead disk) must not keep a process alive that has ended.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done
}

/// The configuration with everything that it names, or every problem with it.
fn load_checked(path: &std::path::Path) -> Result<Config, Failure> {
    let config = Config::load(path)?;
    let mut problems = crate::config::unsupported(&config);
    problems.extend(crate::config::check_files(&config));
    if problems.is_empty() { Ok(config) } else { Err(Failure::configuration(Problems(problems))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_shows_an_example() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        let mut commands: Vec<_> = cli.get_subcommands().filter(|c| c.get_name() != "help").collect();
        // Groups too: whoever asks `batch --help` has not yet found `batch start`.
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().filter(|c| c.get_name() != "help"));
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let called = format!("facemap-vault {} ", command.get_bin_name().unwrap_or_default());
            let called = called.replace("facemap-vault facemap-vault ", "facemap-vault ");
            assert!(
                help.contains("Example") && format!("{help} ").contains(called.trim_end()),
                "{called}: {help}"
            );
        }
    }
}

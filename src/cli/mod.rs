//! The command line: what is offered, and with which code each command ends.

mod check_config;
pub(crate) mod init;
mod sandbox;
mod serve;
mod tokens;

use crate::{
    config::{Config, Problems},
    failure::{Exit, Failure},
};
use clap::{Args, Parser, Subcommand, error::ErrorKind};
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
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
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
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent_and_every_command_shows_an_example() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        let mut leaves: Vec<_> = cli.get_subcommands().filter(|c| c.get_name() != "help").collect();
        while let Some(command) = leaves.pop() {
            if command.has_subcommands() {
                leaves.extend(command.get_subcommands().filter(|c| c.get_name() != "help"));
                continue;
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
    }
}

//! `completions`: for shells.

use crate::failure::Failure;
use clap::{Args, Command};
use clap_complete::{Shell, generate};
use std::io::{self, Write as _};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, mut command: Command) -> Result<(), Failure> {
    let mut text = Vec::new();
    generate(args.shell, &mut command, "facemap-vault", &mut text);
    io::stdout().write_all(&text).map_err(|error| Failure::failed(format!("printing: {error}")))
}

//! `sandbox`: the Jumio simulator alone.

use super::block_on;
use crate::failure::Failure;
use crate::{config::Log, secret_file::SecretFile, shutdown, telemetry};
use clap::Args;
use sandbox::{Sandbox, SandboxConfig};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Where it listens: an address of this machine; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    listen: SocketAddr,

    /// The API token to insist on, instead of `sandbox-token`
    #[arg(long, value_name = "FILE", requires = "api_secret_file")]
    api_token_file: Option<PathBuf>,

    /// The API secret to insist on, instead of `sandbox-secret`
    #[arg(long, value_name = "FILE", requires = "api_token_file")]
    api_secret_file: Option<PathBuf>,
}

pub(super) fn run(args: &SandboxArgs) -> Result<(), Failure> {
    telemetry::start(&Log::default());
    let mut config = SandboxConfig { listen: args.listen, ..SandboxConfig::default() };
    if let (Some(token), Some(secret)) = (&args.api_token_file, &args.api_secret_file) {
        config.credentials = (read(token)?, read(secret)?);
    }
    block_on(async {
        let mut signals = shutdown::process_signals().map_err(Failure::failed)?;
        let running = Sandbox::start(config).await.map_err(Failure::failed)?;
        println!("simulator at {}", running.base_url);
        signals.recv().await;
        running.stop().await;
        Ok(())
    })
}

fn read(file: &Path) -> Result<String, Failure> {
    let secret = SecretFile::new(file.to_owned()).current().map_err(Failure::failed)?;
    Ok(secret.expose().to_owned())
}

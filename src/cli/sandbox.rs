//! `sandbox`: the Jumio simulator alone.

use super::block_on;
use crate::failure::Failure;
use crate::{config::Log, shutdown, telemetry};
use clap::Args;
use sandbox::{Sandbox, SandboxConfig};
use std::net::SocketAddr;

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Where it listens: an address of this machine; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
}

pub(super) fn run(args: &SandboxArgs) -> Result<(), Failure> {
    telemetry::start(&Log::default());
    let config = SandboxConfig { listen: args.listen, ..SandboxConfig::default() };
    block_on(async {
        let mut signals = shutdown::process_signals().map_err(Failure::failed)?;
        let running = Sandbox::start(config).await.map_err(Failure::failed)?;
        println!("simulator at {}", running.base_url);
        signals.recv().await;
        running.stop().await;
        Ok(())
    })
}

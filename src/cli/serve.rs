//! `serve`: runs the service.

use super::{block_on, load_checked};
use crate::failure::Failure;
use crate::{
    config::{self, Config},
    process,
    service::Service,
    shutdown, telemetry,
};
use std::path::Path;

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = load_checked(path)?;
    telemetry::start(&config.log);
    process::guard_memory();
    for warning in config::warnings(&config) {
        tracing::warn!("{warning}");
    }
    block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Failure> {
    let mut signals = shutdown::process_signals().map_err(Failure::failed)?;
    let Some(service) = Service::start(&config, &mut signals).await? else { return Ok(()) };
    tracing::info!(public = %service.public, private = %service.private, "Listening.");
    Ok(service.run(signals).await?)
}

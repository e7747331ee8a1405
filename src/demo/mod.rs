//! `demo`: the whole story on one machine.

use crate::cli::Failure;

/// Tells the story; with `keep` it leaves simulator and vault running.
pub(crate) async fn run(keep: bool) -> Result<(), Failure> {
    let message = format!("the demo is not wired yet (keep = {keep})");
    std::future::ready(Err(Failure::failed(message))).await
}

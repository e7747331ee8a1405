//! facemap-vault: keeps the facemaps of Jumio's onboarding on the company's own premises, and re-authenticates people
//! with them.

mod boot;
mod cli;
mod client;
mod closed;
mod config;
mod credentials;
mod custodian;
mod demo;
mod failure;
mod files;
mod health;
mod http;
mod keys_watch;
mod links;
mod messenger;
mod metrics;
mod offline;
mod process;
mod secret_file;
mod service;
mod shutdown;
mod telemetry;
mod tokens;
mod upkeep;
mod watched;
mod watches;

use std::{alloc::System, process::ExitCode};
use zeroizing_alloc::ZeroAlloc;

/// Wipes whatever is freed: a facemap or a key may have been in it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    process::guard_panics();
    cli::run(std::env::args_os())
}

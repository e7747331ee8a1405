#![doc = include_str!("../README.md")]

mod client;
mod config;
mod error;
mod provider;
#[cfg(feature = "test-util")]
mod server;
mod token;
mod versions;
mod wire;

pub use config::TransitConfig;
pub use error::{TokenError, TransitError};
pub use provider::TransitProvider;
#[cfg(feature = "test-util")]
pub use server::TestServer;

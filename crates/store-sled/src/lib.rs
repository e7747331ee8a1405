#![doc = include_str!("../README.md")]

mod committer;
mod config;
mod disk;
mod engine;
mod group;
mod layout;
mod mark;
mod open;
mod patience;
mod reserve;
mod shared;
#[cfg(test)]
mod tests;
mod transfer;

pub use config::SledConfig;
pub use engine::SledStore;
/// The engine below, for tests that change what lies on the disk behind the store's back.
#[cfg(feature = "test-util")]
pub use sled;

//! The register over a store in memory and a real vault.

mod exchanged;
mod house;
mod identity;
mod lists;
mod tombstones;

#![doc = include_str!("../README.md")]

mod config;
mod error;
mod keys;
mod pin;
mod provider;
mod token;
mod wrapped;

pub use config::Pkcs11Config;
pub use error::Pkcs11Error;
pub use provider::Pkcs11Provider;

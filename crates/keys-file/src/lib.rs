#![doc = include_str!("../README.md")]

mod error;
mod files;
mod held;
mod lists;
mod provider;

pub use error::KeysFileError;
pub use held::{create_held_keys, held_keys_path, load_held_keys, load_held_keys_file, store_held_keys};
pub use provider::FileProvider;

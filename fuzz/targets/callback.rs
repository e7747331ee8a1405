//! Jumio's callbacks, which nobody signs.

#![no_main]

facemap_vault_fuzz::hold!(jumio::fuzzing::callback);

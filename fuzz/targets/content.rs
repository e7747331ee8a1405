//! Content files.

#![no_main]

facemap_vault_fuzz::hold!(vault::fuzzing::content);

//! Sealed rows of a store.

#![no_main]

facemap_vault_fuzz::hold!(records::fuzzing::row);

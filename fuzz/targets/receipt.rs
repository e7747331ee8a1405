//! Receipts that somebody hands in.

#![no_main]

facemap_vault_fuzz::hold!(receipt::fuzzing::receipt);

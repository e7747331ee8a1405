//! Receipts that the right key signed, whatever is in them.

#![no_main]

facemap_vault_fuzz::hold!(receipt::fuzzing::signed);

//! Public keys for receipts.

#![no_main]

facemap_vault_fuzz::hold!(receipt::fuzzing::public_key);

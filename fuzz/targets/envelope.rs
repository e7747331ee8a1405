//! Bytes where an envelope should be.

#![no_main]

facemap_vault_fuzz::hold!(seal::fuzzing::envelope);

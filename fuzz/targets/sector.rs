//! Sectors of the slot file, its header among them.

#![no_main]

facemap_vault_fuzz::hold!(vault::fuzzing::sector);

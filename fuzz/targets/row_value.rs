//! What opened rows say.

#![no_main]

facemap_vault_fuzz::hold!(register::fuzzing::row_value);

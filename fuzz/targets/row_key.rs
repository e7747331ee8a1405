//! Keys of rows; cursors hold them too.

#![no_main]

facemap_vault_fuzz::hold!(records::fuzzing::row_key);

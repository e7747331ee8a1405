//! Content files with something changed.

#![no_main]

facemap_vault_fuzz::hold!(vault::fuzzing::changed_content);

//! Where Jumio says that a facemap is.

#![no_main]

facemap_vault_fuzz::hold!(jumio::fuzzing::facemap_link);

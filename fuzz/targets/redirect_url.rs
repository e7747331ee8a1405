//! Where Jumio wants a person to go.

#![no_main]

facemap_vault_fuzz::hold!(jumio::fuzzing::redirect_url);

//! Tokens in people's links.

#![no_main]

facemap_vault_fuzz::hold!(reauth::fuzzing::link_token);
